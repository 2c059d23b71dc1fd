"""`fer-bench claims`: the published tables by hand, measured cells with a known truth."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from made_records import made_record
from markdown_it import MarkdownIt

from benchmark.analysis.claims import Case, Pair, load_claims
from benchmark.analysis.decide import Cell, decide
from benchmark.analysis.margins import Margin, Missing, Term
from benchmark.analysis.published_margins import Published
from benchmark.analysis.verdicts import decide_claim
from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.paper.published import results
from benchmark.store.store import Store

Row = dict[str, object]
# By class in FERPlus's order; what is LOW has a large gap between overall and mean.
TOP = (0.95, 0.98, 0.95, 0.9, 0.9, 0.8, 0.95)
MIDDLE = (0.75, 0.97, 0.85, 0.75, 0.75, 0.6, 0.6)
LOW = (0.9, 0.95, 0.6, 0.5, 0.5, 0.02, 0.02)


def call(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(cli, ["claims", *arguments])


def held(*arguments: str) -> list[Row]:
    done = call(*arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def paper() -> list[Row]:
    return held("--source", "paper")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """FERPlus at 50 and 150 with all methods of the table, 100 without RUL; MEK is far ahead."""
    made = Store(tmp_path_factory.mktemp("claims") / "runs")
    skills = {"mek": TOP, "cb": MIDDLE, "rul": MIDDLE, "soft": LOW, "scn": LOW}
    for method, skill in skills.items():
        for factor in (50.0, 100.0, 150.0):
            if (method, factor) == ("rul", 100.0):
                continue
            # From factor 50 to 100 every recall falls by a tenth; from 100 to 150 none does.
            scaled = [s * (1 if factor == 50 else 0.9) for s in skill]
            for seed in range(3):
                made.add(*made_record(method, factor, seed, skill=scaled))
    return made


def of(rows: list[Row], claim: str, **values: object) -> dict[tuple[object, ...], str]:
    return {
        (row["dataset"], row["factor"], row["method"]): str(row["verdict"])
        for row in rows
        if row["claim"] == claim and all(row[k] == v for k, v in values.items())
    }


def not_holding(rows: list[Row], claim: str) -> dict[tuple[object, ...], str]:
    return {key: v for key, v in of(rows, claim).items() if v != "holds"}


def test_published_best_by_hand(paper: list[Row]) -> None:
    """Each claim that MEK is best against the plain maximum of the table's column."""
    tables = {"raf-db": results(1), "ferplus": results(2)}
    for measure in ("overall", "mean", "disgust", "fear"):
        column = measure if measure in ("overall", "mean") else f"recall_{measure}"
        for dataset, table in tables.items():
            for factor in (50, 100, 150):
                block = table[table["factor"] == factor].set_index("method")[column]
                others = block.drop("mek").max()
                expected = (
                    "undecided" if block["mek"] == others
                    else "holds" if block["mek"] > others
                    else "does not hold"
                )  # fmt: skip
                cells = of(paper, f"mek-best-{measure}", dataset=dataset)
                assert cells[(dataset, str(factor), "mek")] == expected


def test_what_does_not_hold_to_the_letter(paper: list[Row]) -> None:
    no, open_ = "does not hold", "undecided"
    assert not_holding(paper, "mek-best-fear") == {
        ("ferplus", "50", "mek"): open_,
        ("ferplus", "100", "mek"): no,
        ("raf-db", "100", "mek"): no,
    }
    assert not_holding(paper, "mek-best-disgust") == {
        ("ferplus", "100", "mek"): open_,
        ("ferplus", "150", "mek"): open_,
        ("raf-db", "150", "mek"): no,
    }
    assert not_holding(paper, "mean-falls-with-factor") == {("ferplus", "50 to 100", "scn"): no}
    assert set(not_holding(paper, "happiness-easier-than-neutral").values()) == {open_}
    for claim in ("mek-best-overall", "mek-best-mean", "mek-best-overall-unmodified",
                  "mek-best-mean-unmodified", "soft-scn-low-mean", "cb-rul-good-mean",
                  "soft-scn-high-overall-low-mean", "surprise-easier-than-sadness",
                  "fear-disgust-hardest"):  # fmt: skip
        assert of(paper, claim)
        assert not_holding(paper, claim) == {}


def test_published_cells_tell_why(paper: list[Row]) -> None:
    rows = {(r["claim"], r["dataset"], r["factor"], r["method"]): r for r in paper}
    fear = rows[("mek-best-fear", "raf-db", "100", "mek")]
    assert fear["reason"] == "behind: MEK 44.59, CB 47.30"
    assert (fear["effect"], fear["low"], fear["p"]) == (-2.71, None, None)
    assert not fear["made_for"]
    tie = rows[("mek-best-disgust", "ferplus", "100", "mek")]
    assert tie["reason"] == "tied: MEK 38.89, CB 38.89; MEK 38.89, RUL 38.89"
    assert tie["made_for"]
    doubt = rows[("mek-best-overall", "ferplus", "50", "mek")]
    assert "RUL's overall at factor 50 does not fit its row" in str(doubt["reason"])
    level = rows[("happiness-easier-than-neutral", "ferplus", "50", "mek")]
    assert "5950 and 5950 training images" in str(level["reason"])


def test_a_published_order_within_the_rounding_is_undecided() -> None:
    class Close(Published):
        def margin(self, dataset: str, first: Term, second: Term) -> Margin:
            return Margin(10.01, 10.0, 0.01, rounding=0.02)

    claim = next(c for c in load_claims() if c.id == "soft-scn-high-overall-low-mean")
    verdicts = decide_claim(claim, Close())
    assert {v.verdict for v in verdicts} == {"undecided"}
    assert "within the rounding" in verdicts[0].reason


def test_published_numbers_are_the_tables() -> None:
    source = Published()
    gap = source.margin("ferplus", Term("scn", 50, "gap"), Term("rul", 50, "gap"))
    assert gap.first == pytest.approx(85.85 - 67.01)
    assert gap.effect == pytest.approx((85.85 - 67.01) - (87.79 - 75.42))
    assert gap.rounding == pytest.approx(0.02)
    with pytest.raises(Missing, match="no published BBN at factor 50"):
        source.margin("ferplus", Term("bbn", 50, "mean"), Term("cb", 50, "mean"))


def test_measured_cells_know_the_truth(store: Store) -> None:
    rows = held("--results", str(store.root))
    assert {row["dataset"] for row in rows} == {"ferplus"}
    best = of(rows, "mek-best-overall")
    assert best == {
        ("ferplus", "50", "mek"): "holds",
        ("ferplus", "100", "mek"): "undecided",  # RUL is not there
        ("ferplus", "150", "mek"): "holds",
    }
    falls = of(rows, "mean-falls-with-factor")
    assert falls[("ferplus", "50 to 100", "mek")] == "holds"
    assert falls[("ferplus", "50 to 100", "cb")] == "holds"
    assert falls[("ferplus", "50 to 100", "rul")] == "undecided"
    steady = Counter(v for key, v in falls.items() if key[1] == "100 to 150")
    assert steady["does not hold"] <= 1  # nothing changes there
    assert steady["holds"] <= 1
    gap = of(rows, "soft-scn-high-overall-low-mean", factor="50")
    assert set(gap.values()) == {"holds"}
    low = of(rows, "soft-scn-low-mean", factor="150")
    assert set(low.values()) == {"holds"}
    hardest = of(rows, "fear-disgust-hardest", factor="50")
    assert hardest[("ferplus", "50", "soft")] == "holds"
    assert hardest[("ferplus", "50", "mek")] != "holds"  # disgust is among its best classes
    easier = of(rows, "happiness-easier-than-neutral", factor="150")
    assert easier[("ferplus", "150", "cb")] == "holds"


def test_measured_cells_say_what_they_rest_on(store: Store) -> None:
    rows = held("--results", str(store.root))
    records = {record.id: record for record in store.records()}
    for row in rows:
        if row["effect"] is None:
            assert "no record of" in str(row["reason"])
            assert row["verdict"] == "undecided"
            continue
        assert float(str(row["low"])) <= float(str(row["effect"])) <= float(str(row["high"]))
        used = [records[identity] for identity in row["records"]]  # type: ignore[union-attr]
        assert str(row["method"]) in {r.cell.method for r in used}
    missing = [r for r in rows if r["claim"] == "mek-best-mean" and r["factor"] == "100"]
    assert "no record of RUL at factor 100" in str(missing[0]["reason"])
    full = of(rows, "cb-rul-good-mean", factor="full")
    assert set(full.values()) == {"undecided"}


def test_a_reversed_measured_cell_does_not_hold(tmp_path: Path) -> None:
    made = Store(tmp_path / "runs")
    for method, skill in (("mek", LOW), ("cb", TOP)):
        for seed in range(3):
            made.add(*made_record(method, 150.0, seed, skill=skill))
    rows = held("--results", str(made.root))
    (row,) = [r for r in rows if r["claim"] == "mek-best-overall" and r["factor"] == "150"]
    assert row["verdict"] == "does not hold"  # although SOFT, SCN and RUL are missing
    assert str(row["reason"]).startswith("behind: MEK ")


def test_one_seed_says_nothing_of_methods(tmp_path: Path) -> None:
    made = Store(tmp_path / "runs")
    for method, skill in (("mek", LOW), ("cb", TOP)):
        made.add(*made_record(method, 150.0, 0, skill=skill))
    rows = held("--results", str(made.root))
    (row,) = [r for r in rows if r["claim"] == "mek-best-overall" and r["factor"] == "150"]
    assert (row["verdict"], row["seeds"], row["open"]) == ("undecided", 1, False)
    assert str(row["reason"]).startswith(
        "one seed; on these images, these networks are behind: MEK "
    )
    assert float(str(row["p_holm"])) <= 0.05
    text = call("--results", str(made.root)).output
    assert "undecided (one seed)" in text
    assert brief("--results", str(made.root))["mek-best-overall", "ferplus"] == (3, 0, 0, 0, 1, 2)
    # A second seed decides, and the text says how many there are.
    for method, skill in (("mek", LOW), ("cb", TOP)):
        made.add(*made_record(method, 150.0, 1, skill=skill))
    (row,) = [
        r
        for r in held("--results", str(made.root))
        if r["claim"] == "mek-best-overall" and r["factor"] == "150"
    ]
    assert (row["verdict"], row["seeds"]) == ("does not hold", 2)
    assert "does not hold (2 seeds)" in call("--results", str(made.root)).output


def cells(*of: list[tuple[float, float, int]], missing: tuple[str, ...] = ()) -> list[Cell]:
    """Cells of one sentence, each of pairs with a given margin, p-value and number of seeds."""
    term = Term("mek", 50, "mean")
    return [
        Cell(
            "ferplus",
            Case("50", "mek", ()),
            tuple(
                (Pair(term, term, ("MEK", "CB")), Margin(0, 0, effect, p=p, seeds=seeds))
                for effect, p, seeds in pairs
            ),
            missing,
        )
        for pairs in of
    ]


def test_cells_of_one_sentence_are_adjusted_together() -> None:
    two = cells(*[[(1.0, 0.03, 3)]] * 2)
    assert [d.verdict for d in decide(two[:1])] == ["holds"]
    assert [d.verdict for d in decide(two)] == ["undecided"] * 2
    assert [d.p_holm for d in decide(two)] == pytest.approx([0.06, 0.06])
    strong = cells([(1.0, 0.001, 3), (2.0, 0.02, 3)], [(-1.0, 0.012, 3), (1.0, 0.9, 3)])
    decided = decide(strong)
    assert [d.verdict for d in decided] == ["holds", "does not hold"]
    # 0.02 of the first cell counts twice; the second one's 0.024 stays no smaller than that.
    assert [d.p_holm for d in decided] == pytest.approx([0.04, 0.04])


def test_cells_of_one_seed_make_no_other_cell_harder() -> None:
    first, *others = decide(cells([(1.0, 0.03, 3)], *[[(1.0, 0.03, 1)]] * 9))
    assert (first.verdict, first.p_holm, first.seeds) == ("holds", 0.03, 3)
    for other in others:
        assert (other.verdict, other.seeds, other.open) == ("undecided", 1, False)


def test_one_pair_of_one_seed_leaves_what_others_decide() -> None:
    behind, open_ = decide(
        cells([(-1.0, 0.001, 3), (1.0, 0.5, 1)], [(1.0, 0.001, 3), (1.0, 0.001, 1)])
    )
    assert behind.verdict == "does not hold"
    assert open_.verdict == "undecided"
    assert open_.reason.startswith("one seed; on these images, these networks are least ahead of 2")
    assert [margin.seeds for _, margin in behind.found] == [3]
    assert [margin.seeds for _, margin in open_.found] == [3, 1]
    (wanting,) = decide(cells([(1.0, 0.001, 1)], missing=("no record of RUL",)))
    assert (wanting.open, wanting.reason) == (True, "no record of RUL")


def test_the_margin_that_is_shown_is_one_that_decides(tmp_path: Path) -> None:
    """A larger one of one seed says nothing of methods, and must not stand beside the verdict."""
    made = Store(tmp_path / "made")
    for method, seeds, skill in (("mek", 2, 0.5), ("cb", 2, 0.8), ("eac", 1, 0.95)):
        for seed in range(seeds):
            made.add(*made_record(method, 150, seed, skill=7 * [skill]))
    (row,) = [
        r
        for r in held("--results", str(made.root))
        if r["claim"] == "mek-best-overall" and r["factor"] == "150"
    ]
    assert (row["verdict"], row["seeds"]) == ("does not hold", 2)
    first, second = re.findall(r"[A-Z]+ (\d+\.\d+)", str(row["reason"]))[:2]
    assert "CB" in str(row["reason"])
    assert float(str(row["effect"])) == pytest.approx(float(first) - float(second), abs=0.02)


def test_means_over_fewer_seeds_say_so() -> None:
    (decided,) = decide(cells([(-1.0, 0.9, 3), (2.0, 0.9, 2)]))
    assert decided.reason.endswith("MEK 0.00, CB 0.00; MEK 0.00, CB 0.00 (of 2 common seeds)")


def test_two_variants_of_a_method_leave_a_cell_open(tmp_path: Path) -> None:
    made = Store(tmp_path / "runs")
    record, arrays = made_record("mek", 150.0, 0)
    made.add(record, arrays)
    values = record.cell.model_dump() | {"hyper": {"smoothing": 0.5}}
    cell = type(record.cell).model_validate(values)
    made.add(record.model_copy(update={"cell": cell, "id": cell.id}), arrays)
    rows = held("--results", str(made.root))
    reasons = {str(row["reason"]) for row in rows if row["method"] == "mek"}
    assert any("2 variants of MEK at factor 150 are stored" in reason for reason in reasons)


def test_forms_agree(paper: list[Row], tmp_path: Path) -> None:
    out = tmp_path / "claims.csv"
    assert call("--source", "paper", "--format", "csv", "--out", str(out)).exit_code == 0
    read = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [row["verdict"] for row in read] == [row["verdict"] for row in paper]
    html = MarkdownIt().enable("table")
    page = html.render(call("--source", "paper", "--format", "markdown").output)
    claims = load_claims()
    assert page.count("<table>") == len(claims) == len({claim.id for claim in claims})
    assert page.count("<tr>") == len(paper) + len(claims)
    text = call("--source", "paper").output
    counted = Counter(str(row["verdict"]) for row in paper)
    assert text.count("does not hold") >= counted["does not hold"]
    assert "* The sentence was made for the other dataset" in text


def test_measured_forms(store: Store) -> None:
    text = " ".join(call("--results", str(store.root)).output.split())
    assert "Margin [95 % interval]" in text
    assert store.records()[0].id[:8] in text
    page = (
        MarkdownIt()
        .enable("table")
        .render(call("--results", str(store.root), "--format", "markdown").output)
    )
    assert page.count("<table>") == len(load_claims()) - 1  # one is of RAF-DB alone


def brief(*arguments: str) -> dict[tuple[str, str], tuple[int, ...]]:
    """Cells, hold, do not hold, undecided, of one seed and open by claim and dataset."""
    names = ("cells", "hold", "do_not_hold", "undecided", "one_seed", "open")
    return {
        (str(row["claim"]), str(row["dataset"])): tuple(int(str(row[n])) for n in names)
        for row in held(*arguments, "--brief")
    }


def test_brief_by_hand(store: Store) -> None:
    """MEK is far ahead; factor 100 lacks RUL; there is no record of the unmodified set."""
    rows = brief("--results", str(store.root))
    assert rows["mek-best-overall", "ferplus"] == (3, 2, 0, 0, 0, 1)
    assert rows["mek-best-mean-unmodified", "ferplus"] == (1, 0, 0, 0, 0, 1)
    # From 50 to 100 every recall falls, from 100 to 150 none does; RUL has no 100.
    assert rows["mean-falls-with-factor", "ferplus"] == (10, 4, 0, 4, 0, 2)


def test_brief_of_the_paper_keeps_the_datasets_apart() -> None:
    rows = brief("--source", "paper")
    assert rows["mek-best-disgust", "raf-db"] == (3, 2, 1, 0, 0, 0)
    assert rows["mek-best-disgust", "ferplus"] == (3, 1, 0, 2, 0, 0)
    # 5950 and 5950 training images at factor 50: the sentence says nothing there.
    assert rows["happiness-easier-than-neutral", "ferplus"][3:] == (0, 0, 5)
    text = call("--source", "paper", "--brief").output
    assert "RAF-DB*" in text
    assert "* The sentence was made for the other dataset" in text


def test_brief_forms_agree(store: Store, tmp_path: Path) -> None:
    rows = brief("--results", str(store.root))
    page = call("--results", str(store.root), "--brief", "--format", "markdown").output
    assert MarkdownIt().enable("table").render(page).count("<tr>") == len(rows) + 1
    assert "Open: undecided for want of numbers" in page
    answer = call("--results", str(store.root), "--brief", "--format", "csv").output
    read = list(csv.DictReader(io.StringIO(answer)))
    assert [int(row["hold"]) for row in read] == [row[1] for row in rows.values()]
    # Groups that cannot be compared are counted apart, a row each.
    made = Store(tmp_path / "runs")
    for protocol in ("compact", "paper"):
        made.add(*made_record("mek", 150.0, 0, protocol=protocol))
    page = call("--results", str(made.root), "--brief", "--format", "markdown").output
    assert MarkdownIt().enable("table").render(page).count("<tr>") == 2 * len(rows) + 1
    assert page.count("FERPlus \\[1\\]") == page.count("FERPlus \\[2\\]") == len(rows)


def test_names_of_others_are_escaped(tmp_path: Path) -> None:
    made = Store(tmp_path / "runs")
    record, arrays = made_record("mek", 150.0, 0)
    made.add(record.model_copy(update={"method_title": "<b>M|K*"}), arrays)
    answer = call("--results", str(made.root), "--format", "markdown").output
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(answer)
    assert "<b>" not in page
    assert "&lt;b&gt;M|K*" in page


def test_a_class_that_a_set_does_not_have_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for method in ("baseline", "mek"):
        record, arrays = made_record(method, 50.0)
        classes = ("calm", *record.classes[1:])
        store.add(record.model_copy(update={"classes": classes}), arrays)
    done = CliRunner().invoke(cli, ["claims", "--results", str(tmp_path), "--format", "csv"])
    assert done.exit_code == 0, done.exception
    assert "no test images of neutral" in done.stdout


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    made = Store(tmp_path / "runs")
    record, arrays = made_record("mek", 150.0, 0)
    values = record.cell.model_dump() | {"dataset": "synthetic"}
    cell = type(record.cell).model_validate(values)
    made.add(record.model_copy(update={"cell": cell, "id": cell.id}), arrays)
    for folder, words in ((made.root, "the claims speak of no other dataset"),
                          (tmp_path / "none", "no results in")):  # fmt: skip
        done = call("--results", str(folder))
        assert isinstance(done.exception, InputError)
        assert words in str(done.exception)
        assert "\n" not in str(done.exception)


def test_no_torch_and_exit_code_0(tmp_path: Path) -> None:
    code = (
        "import sys; from benchmark.cli import cli\n"
        "cli.main(['claims', '--source', 'paper'], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "behind: MEK 36.25, CB 37.50" in done.stdout
