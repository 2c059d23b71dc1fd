"""Rows that read the records of the row above in another way: adjusted logits, the best epoch."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from made_records import FERPLUS, made_record

from benchmark.analysis.answers import Answers
from benchmark.analysis.decorated import with_decorations
from benchmark.analysis.decoration import BEST_TEST_EPOCH, Decoration, adjustment
from benchmark.analysis.groups import group_records
from benchmark.cli import cli
from benchmark.commands.kinds import Adjust
from benchmark.errors import InputError
from benchmark.report.drawing.drawn import drawn_groups
from benchmark.stats.adjustment import TAUS, adjusted
from benchmark.stats.paired import paired_difference
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.record import Record
from benchmark.store.store import Store

STORED = Path(__file__).resolve().parents[2] / "results" / "ferplus-compact"
METHODS = {"baseline": "Baseline", "cb": "CB", "mek": "MEK"}
Matrix = list[list[int]]
Row = dict[str, Any]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three methods with two seeds each."""
    made = Store(tmp_path_factory.mktemp("runs"))
    for method in METHODS:
        for seed in (0, 1):
            made.add(*made_record(method, 150.0, seed, test_counts=(90, 80, 40, 40, 30, 20, 12)))
    return made


def call(root: Path, *arguments: str) -> Result:
    wide = CliRunner(env={"COLUMNS": "300"})
    return wide.invoke(cli, [*arguments, "--results", str(root)])


def output(root: Path, *arguments: str) -> str:
    done = call(root, *arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def complaint(root: Path, *arguments: str) -> str:
    done = call(root, *arguments)
    assert isinstance(done.exception, InputError), (done.output, done.exception)
    assert "\n" not in str(done.exception)
    return str(done.exception)


def tables(root: Path, *arguments: str) -> list[Row]:
    found: list[Row] = json.loads(output(root, "report", *arguments, "--format", "json"))
    return found


def pairs(table: Row, suffix: str) -> list[tuple[Row, Row]]:
    """The rows of a table with those that the suffix marks, which stand right below them."""
    rows = table["rows"]
    below = [place for place, row in enumerate(rows) if row["method"].endswith(suffix)]
    assert below
    found = []
    for place in below:
        name = rows[place]["method"].removesuffix(suffix)
        above = next(r for r in reversed(rows[:place]) if not decorated(r))
        assert above["method"] == name
        found.append((above, rows[place]))
    return found


def decorated(row: Row) -> bool:
    return " + LA" in row["method"] or "best test epoch" in row["method"]


def slow_matrix(store: Store, record: Record, tau: float, clean: bool = False) -> Matrix:
    """The confusion matrix after a correction, image by image."""
    arrays = store.logits(record)
    total = sum(record.cell.class_counts)
    logs = [float(np.log(n / total)) for n in record.cell.class_counts]
    kept = np.ones(len(arrays["label"]), dtype=np.bool_)
    if clean:
        kept = KeptMarks(store.root).get(record.cell.fingerprint).test.kept("clean")  # type: ignore[union-attr]
    k = len(logs)
    matrix = [[0] * k for _ in range(k)]
    columns = zip(arrays["label"].tolist(), arrays["last"].tolist(), kept, strict=True)
    for label, logits, counts in columns:
        scores = [z - tau * log for z, log in zip(logits, logs, strict=True)]
        if counts:
            matrix[label][scores.index(max(scores))] += 1
    return matrix


def slow_numbers(matrices: list[Matrix]) -> dict[str, float]:
    """Recalls, overall and mean accuracy in percent, means over seeds."""
    rows = []
    for matrix in matrices:
        recalls = [row[c] / sum(row) for c, row in enumerate(matrix)]
        hits = sum(row[c] for c, row in enumerate(matrix))
        rows.append([*recalls, hits / sum(map(sum, matrix)), sum(recalls) / len(recalls)])
    names = [*(f"recall_{name}" for name in FERPLUS), "overall", "mean"]
    return dict(zip(names, (100 * np.mean(rows, axis=0)).tolist(), strict=True))


@pytest.mark.parametrize("tau", [1.0, 0.35])
def test_every_number_follows_from_the_logits(store: Store, tau: float) -> None:
    suffix = f" + LA (τ={tau:g})"
    (table,) = tables(store.root, "--adjust", f"tau={tau:g}")
    (matrices,) = tables(store.root, "--adjust", f"tau={tau:g}", "--detail", "confusion")
    found = {above["method"]: below["values"] for above, below in pairs(table, suffix)}
    assert set(found) == set(METHODS.values())
    for method, title in METHODS.items():
        records = [record for record in store.records() if record.cell.method == method]
        slow = [slow_matrix(store, record, tau) for record in records]
        expected = slow_numbers(slow)
        for column, number in found[title].items():
            assert number["value"] == pytest.approx(expected[column], abs=0.0051), (title, column)
            assert "spread" in number or "sd" in number
        rows = [row for row in matrices["rows"] if row["method"] == f"{title}{suffix}"]
        printed = [[n["value"] for n in row["values"].values()] for row in rows]
        assert printed == np.sum(slow, axis=0).tolist()


@pytest.fixture(scope="module", params=["all", "clean"])
def study(request: pytest.FixtureRequest) -> tuple[bool, Row]:
    (table,) = tables(STORED, "--table", "2", "--adjust", "tau=1", "--images", str(request.param))
    return request.param == "clean", table


def test_the_stored_study_is_adjusted_by_its_logits(study: tuple[bool, Row]) -> None:
    clean, table = study
    stored = Store(STORED)
    seeds: dict[tuple[str, float | None], list[Record]] = {}
    for record in stored.records():
        seeds.setdefault((record.method_title, record.cell.factor), []).append(record)
    rows = pairs(table, " + LA (τ=1)")
    assert len(rows) == 3 * 8
    for above, below in rows:
        for row, tau in ((above, 0.0), (below, 1.0)):
            runs = seeds[above["method"], float(above["factor"])]
            expected = slow_numbers([slow_matrix(stored, run, tau, clean) for run in runs])
            for column, number in row["values"].items():
                assert number["value"] == pytest.approx(expected[column], abs=0.0051)
    for factor in ("50", "100", "150"):
        means = {r["method"]: r["values"]["mean"] for r in table["rows"] if r["factor"] == factor}
        top = max(means, key=lambda name: means[name]["value"])
        assert top.endswith(" + LA (τ=1)")
        assert [name for name, number in means.items() if number.get("best")] == [top]
    by_name = {(above["method"], above["factor"]): below["values"] for above, below in rows}
    if not clean:  # as was found in the study before there was such a row
        assert by_name["Baseline", "150"]["overall"]["value"] == 80.52
        assert by_name["Baseline", "150"]["mean"]["value"] == 73.66
    notes = " ".join(table["notes"])
    assert "Menon et al., ICLR 2021" in notes
    assert "MEK at 150" in notes.split("A lower mean accuracy with the correction")[1]
    assert "takes logits for log posteriors" in notes


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        (["--table", "2"], "last"),
        (["--table", "2"], "oracle"),
        (["--mixed"], "last"),
        (["--detail", "intervals"], "val-overall"),
        (["--detail", "summary"], "last"),
        (["--detail", "confusion"], "oracle"),
    ],
)
def test_a_correction_by_nothing_is_the_plain_row(store: Store, more: list[str], rule: str) -> None:
    found = tables(store.root, "--adjust", "tau=0", "--select", rule, *more)
    for table, plain in zip(found, tables(store.root, "--select", rule, *more), strict=True):
        named = [row for row in table["rows"] if not decorated(row)]
        assert list(map(_bare, named)) == list(map(_bare, plain["rows"]))
        named = [
            row for row in named if any(n["value"] is not None for n in row["values"].values())
        ]
        names = list(zip(named, filter(decorated, table["rows"]), strict=True))
        for above, below in names:
            assert below["method"] == f"{above['method']} + LA (τ=0)"
            assert _bare(below)["values"] == _bare(above)["values"]


def _bare(row: Row) -> Row:
    """A row without what the company of other rows decides."""
    values = {
        column: {name: of for name, of in number.items() if name not in ("best", "second")}
        for column, number in row["values"].items()
    }
    return {**row, "values": values}


def test_adjusted_rows_take_part_in_bold_and_its_tests(store: Store) -> None:
    (plain,), (table,) = (
        tables(store.root, "--table", "2", *more) for more in ([], ["--adjust", "tau=1"])
    )
    tested = [
        int(re.search(r"over the (\d+) comparisons", " ".join(t["notes"]))[1])  # type: ignore[index]
        for t in (plain, table)
    ]
    assert tested == [2 * 2, 2 * 5]


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "html", "csv", "json", "macros"])
def test_every_form_tells_adjusted_rows_apart(store: Store, form: str) -> None:
    text = output(store.root, "report", "--adjust", "tau=0.05", "--format", form)
    if form == "macros":
        names = re.findall(r"newcommand\{\\(\w+)\}", text)
        assert len(names) == len(set(names))
        assert sum("MEKLAZeroZeroFive" in name for name in names) == 9 * 2
    elif form == "latex":
        assert text.count(r"MEK + LA ($\tau$=0.05)") == 1
        assert "τ" not in text
    else:
        named = json.dumps("MEK + LA (τ=0.05)") if form == "json" else "MEK + LA (τ=0.05)"
        assert text.count(named) == 1 + text.count(f"{named} at 150")
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert len({row["method"] for row in rows}) == len(rows) == 6


def of_seed(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Made validation logits whose best tau differs by seed."""
    rng = np.random.default_rng([record.cell.seed, *record.cell.method.encode()])
    labels = rng.integers(0, 7, 400)
    logits = rng.normal(0, 1, (400, 7)) + 3 * np.eye(7)[labels]
    return adjusted(logits, record.cell.class_counts, -rng.uniform(0.2, 1.2)), labels


def slow_tau(record: Record) -> float:
    """Every tau of the grid, its mean accuracy, the first of the best."""
    logits, labels = of_seed(record)
    shares = np.array(record.cell.class_counts) / sum(record.cell.class_counts)
    best, chosen = -1.0, 0.0
    for step in range(31):
        tau = step / 20
        answers = (logits - tau * np.log(shares)).argmax(1)
        mean = float(np.mean([np.mean(answers[labels == c] == c) for c in range(7)]))
        if mean > best + 1e-12:
            best, chosen = mean, tau
    return chosen


def test_tau_is_chosen_for_each_cell_on_validation_images(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answers, "validation_logits", lambda self, record: of_seed(record))
    (table,) = tables(store.root, "--adjust", "tau=val")
    taus = {(r.cell.method, r.cell.seed): slow_tau(r) for r in store.records()}
    assert len(set(taus.values())) > 2
    for above, below in pairs(table, " + LA (τ=val)"):
        method = next(name for name, title in METHODS.items() if title == above["method"])
        records = [r for r in store.records() if r.cell.method == method]
        slow = [slow_matrix(store, r, taus[method, r.cell.seed]) for r in records]
        expected = slow_numbers(slow)
        for column, number in below["values"].items():
            assert number["value"] == pytest.approx(expected[column], abs=0.0051)
        listed = ", ".join(f"{taus[method, s]:g} (seed {s})" for s in (0, 1))
        assert f"{above['method']} at 150 {listed}" in " ".join(table["notes"])
    text = output(store.root, "compare", "mek", "cb+la", "--adjust", "tau=val", "--format", "text")
    assert f"CB at 150 {taus['cb', 0]:g} (seed 0), {taus['cb', 1]:g} (seed 1)" in text


def test_without_validation_logits_no_tau_is_chosen(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def some(answers: Answers, record: Record) -> object:
        return of_seed(record) if record.cell.method == "cb" else None

    monkeypatch.setattr(Answers, "validation_logits", some)
    for words in (["report"], ["figure", "factor", "--out", "never.svg"]):
        assert complaint(store.root, *words, "--adjust", "tau=val").startswith(
            "--adjust tau=val: 4 of 6 records keep no logits of validation images to choose tau "
            "by; train these cells again"
        )
    told = complaint(store.root, "compare", "cb+la", "mek+la", "--adjust", "tau=val")
    assert "2 of 4 records" in told
    assert call(store.root, "compare", "cb+la", "mek", "--adjust", "tau=val").exit_code == 0


def test_rows_whose_logits_are_not_kept_are_named(tmp_path: Path) -> None:
    made = Store(tmp_path)
    record, arrays = made_record("cb", 150.0, epochs=3)
    made.add(record, arrays)
    poor, arrays = made_record("mek", 150.0, epochs=3)
    poor = poor.model_copy(update={"logits": {"last": 2}})
    early = [poor.history[2], poor.history[1], poor.history[0]]  # the first is the best
    early = [one.model_copy(update={"epoch": n}) for n, one in enumerate(early, 1)]
    arrays["last"] = made_record("mek", 150.0, epochs=1)[1]["last"]
    last = made_record("mek", 150.0, epochs=1)[0].history[0].test
    early[2] = early[2].model_copy(update={"test": last})
    early[0] = early[0].model_copy(update={"test": np.diag(np.sum(last, axis=1)).tolist()})
    kept = {name: arrays[name] for name in ("label", "last")}
    made.add(poor.model_copy(update={"history": early}), kept)
    (table,) = tables(tmp_path, "--select", "oracle", "--adjust", "tau=1")
    assert [row["method"] for row in table["rows"]] == ["CB", "CB + LA (τ=1)", "MEK"]
    assert any(
        note.startswith("Not adjusted, as no logits") and note.endswith(": MEK at 150.")
        for note in table["notes"]
    )
    words = ["figure", "factor", "--methods", "mek", "--select", "oracle", "--adjust", "tau=1"]
    told = complaint(tmp_path, *words, "--out", str(tmp_path / "a.svg"))
    assert told.startswith("--adjust: no logits of the epoch that counts are kept")


def test_the_best_test_epoch_stands_below_each_measured_row(report: Any) -> None:
    words = ["--table", "2", "--against", "paper", "--format", "json"]
    (table,) = json.loads(report(*words, "--oracle"))
    (plain,) = json.loads(report(*words))
    (best,) = json.loads(report(*words, "--select", "oracle"))
    measured = [row for row in table["rows"] if not decorated(row)]
    assert measured == plain["rows"]  # bold is theirs alone, as without those rows
    chosen = {(row["method"], row["factor"]): row for row in best["rows"]}
    found = pairs(table, ", best test epoch †")
    assert len(found) == 2 * 4  # at 100 nothing is stored
    for above, below in found:
        expected = _bare(chosen[above["method"], above["factor"]])["values"]
        assert below["values"] == expected  # nothing in bold
        for column, number in below["values"].items():
            assert number.get("published") == above["values"][column].get("published")
    assert any("published" in below["values"]["mean"] for _, below in found)
    assert any("chosen on the test set, too optimistic" in note for note in table["notes"])


def test_published_numbers_stand_beside_plain_rows_alone(report: Any) -> None:
    words = ["--table", "2", "--against", "paper", "--adjust", "tau=1", "--format", "json"]
    (table,) = json.loads(report(*words))
    found = pairs(table, " + LA (τ=1)")
    assert any("published" in above["values"]["mean"] for above, _ in found)
    for _, below in found:
        assert all(not {"published", "difference"} & set(n) for n in below["values"].values())


@pytest.mark.parametrize("metric", ["mean", "overall"])
def test_a_side_of_a_comparison_is_adjusted_by_name(store: Store, metric: str) -> None:
    words = ["compare", "mek", "Baseline+LA", "--adjust", "tau=1", "--metric", metric]
    (row,) = json.loads(output(store.root, *words, "--format", "json"))
    assert (row["a"], row["b"]) == ("mek", "baseline+la")
    assert row["b_title"] == "Baseline + LA (τ=1)"
    right = []
    for method, tau in (("mek", 0.0), ("baseline", 1.0)):
        records = [r for r in store.records() if r.cell.method == method]
        arrays = [store.logits(record) for record in records]
        shares = np.array(records[0].cell.class_counts) / sum(records[0].cell.class_counts)
        answers = [(a["last"].astype(float) - tau * np.log(shares)).argmax(1) for a in arrays]
        right.append(np.stack([a == b["label"] for a, b in zip(answers, arrays, strict=True)]))
    again = paired_difference(arrays[0]["label"], *right, metric)  # type: ignore[arg-type]
    assert (row["p"], row["p_bootstrap"]) == (again.p, again.p_bootstrap)
    assert row["difference"] == pytest.approx(100 * again.estimate, abs=1e-3)
    (same,) = json.loads(
        output(store.root, "compare", "cb", "cb+la", "--adjust", "tau=0", "--format", "json")
    )
    assert same["difference"] == 0


def test_figures_draw_adjusted_series(store: Store, tmp_path: Path) -> None:
    answers = Answers(store, "last")
    (drawn,) = drawn_groups(store.records(), "last", answers=answers, decorations=[adjustment(1.0)])
    (bare,) = drawn_groups(store.records(), "last", answers=answers)
    assert [one for one in drawn.series if one.decoration is None] == list(bare.series)
    for series in drawn.series:
        records = [r for r in store.records() if r.cell.method == series.method]
        slow = [slow_matrix(store, r, float(series.decoration is not None)) for r in records]
        assert drawn.confusions(series, 150.0) == slow
        mean = drawn.rows(series, 150.0)["mean"].mean()
        assert mean == pytest.approx(slow_numbers(slow)["mean"])
    out = tmp_path / "a.svg"
    words = ["figure", "factor", "--methods", "mek", "--adjust", "tau=1", "--out", str(out)]
    assert call(store.root, *words).exit_code == 0
    text = out.read_text()
    assert "MEK + LA (τ=1)" in text
    assert "Menon et al., ICLR" in " ".join(text.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["report", "--adjust", "1"], "--adjust: '1' is not tau=val or tau=NUMBER"),
        (["report", "--adjust", "tau=1.55"], "a number from 0 to 1.5"),
        (["report", "--adjust", "tau=nan"], "a number from 0 to 1.5"),
        (["report", "--adjust", "tau=1", "--table", "4"], "--table 4 holds training images"),
        (
            ["report", "--adjust", "tau=1", "--detail", "tradeoff"],
            "no rows in --detail tradeoff: it has columns of adjusted logits itself",
        ),
        (
            ["report", "--adjust", "tau=1", "--detail", "validation"],
            "no rows in --detail validation: it is of validation images",
        ),
        (["report", "--oracle"], "--oracle stands beside published numbers"),
        (
            ["report", "--oracle", "--against", "paper", "--select", "oracle"],
            "every row is of that epoch already",
        ),
        (["compare", "mek", "cb+la"], "'cb+la' needs --adjust tau=1"),
        (["compare", "mek", "cb", "--adjust", "tau=1"], "write 'mek cb+la'"),
        (["compare", "cb+la", "CB+LA", "--adjust", "tau=1"], "are the same method"),
        (["figure", "tradeoff", "--adjust", "tau=1"], "leave --adjust away"),
        (["figure", "curves", "--adjust", "tau=1"], "leave --adjust away"),
        (["figure", "distribution", "--adjust", "tau=1"], "leave --adjust away"),
    ],
)
def test_what_makes_no_sense_is_one_line(store: Store, words: list[str], message: str) -> None:
    assert message in complaint(store.root, *words)


def test_all_writes_adjusted_rows_where_they_make_sense(tmp_path: Path) -> None:
    Store(tmp_path / "one").add(*made_record("mek", 150.0))
    words = ["report", "--all", "--adjust", "tau=1", "--out", str(tmp_path / "book")]
    assert call(tmp_path / "one", *words).exit_code == 0
    texts = {path.stem: path.read_text() for path in (tmp_path / "book").glob("*.csv")}
    with_rows = {name for name, text in texts.items() if "MEK + LA (τ=1)" in text}
    assert with_rows == {"table2", "groups", "intervals", "summary", "confusion"}
    assert {"tradeoff", "validation"} <= set(texts)


@given(st.integers(0, 1500))
def test_a_tau_is_read_as_it_is_written_and_labels_it(thousandths: int) -> None:
    tau = thousandths / 1000
    for written in (f"tau={tau:g}", f" TAU={tau:.3f}"):
        assert Adjust().convert(written, None, None) == tau
    assert float(re.search(r"τ=([\d.]+)\)", adjustment(tau).suffix)[1]) == tau  # type: ignore[index]


@given(st.lists(st.sampled_from([*map(adjustment, TAUS), BEST_TEST_EPOCH]), unique=True))
def test_decorations_stand_below_their_rows_and_touch_nothing(
    store: Store, decorations: list[Decoration]
) -> None:
    groups = group_records(store.records())
    found = with_decorations(groups, decorations, Answers(store, "last"))
    for before, after in zip(groups, found, strict=True):
        assert [e for e in after.entries if e.decoration is None] == list(before.entries)
        assert after.records.keys() == before.records.keys()
        step = 1 + len(decorations)
        for place, entry in enumerate(before.entries):
            below = after.entries[place * step : (place + 1) * step]
            assert [one.decoration for one in below] == [None, *decorations]
            assert {tuple(one.ids.values()) for one in below} == {tuple(entry.ids.values())}
        assert len({entry.label for entry in after.entries}) == len(after.entries)
