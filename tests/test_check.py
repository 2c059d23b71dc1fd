"""`fer-bench check`: what counts as a regression, what cannot be compared, what is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result
from made_records import made_record
from scipy import stats as reference

from benchmark.cli import cli
from benchmark.curves import load_curves, stored_curves
from benchmark.errors import InputError
from benchmark.record import Cell
from benchmark.spread import Spread, pooled, spread_p_value
from benchmark.store import Store

USUAL = (0.9, 0.93, 0.88, 0.6, 0.75, 0.35, 0.2)
WORSE = (0.75, 0.8, 0.7, 0.4, 0.55, 0.15, 0.1)
SLIGHTLY_WORSE = (0.896, 0.926, 0.876, 0.596, 0.746, 0.346, 0.2)


def store(
    root: Path,
    methods: Sequence[str] = ("cb", "mek"),
    seeds: Sequence[int] = (0,),
    skill: Sequence[float] = USUAL,
    factor: float | None = 150.0,
    **how: object,
) -> Path:
    """A store of made records; its name comes from the folder."""
    made = Store(root)
    for method in methods:
        for seed in seeds:
            made.add(*made_record(method, factor, seed, skill=skill, **how))  # type: ignore[arg-type]
    return root


def check(new: Path, stored: Path | None, *more: str) -> Result:
    done = refused(new, stored, *more)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def refused(new: Path, stored: Path | None, *more: str) -> Result:
    against = [] if stored is None else ["--against", str(stored)]
    return CliRunner().invoke(cli, ["check", "--results", str(new), *against, *more])


def of_other_cell(root: Path, skill: Sequence[float], **values: object) -> Path:
    """A store of one record of CB whose cell differs in some values from what is usual."""
    record, arrays = made_record("cb", skill=skill)
    cell = Cell.model_validate({**record.cell.model_dump(), **values})
    Store(root).add(record.model_copy(update={"cell": cell, "id": cell.id}), arrays)
    return root


def test_the_same_results_hold(tmp_path: Path) -> None:
    done = check(store(tmp_path / "new"), store(tmp_path / "stored"))
    assert done.exit_code == 0, done.output
    assert "2 results checked: 2 held." in done.output
    assert "the same 3137 test images, seeds 0: cb-ferplus-150, mek-ferplus-150" in done.output


def test_a_clear_drop_on_the_same_images_regresses(tmp_path: Path) -> None:
    stored, new = store(tmp_path / "stored"), store(tmp_path / "new", ["cb"])
    store(new, ["mek"], skill=WORSE)
    done = check(new, stored)
    assert done.exit_code == 1
    assert "1 regressed, 1 held" in done.output


def test_a_drop_below_the_margin_holds_however_significant(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb"], range(12))
    new = store(tmp_path / "new", ["cb"], range(12), SLIGHTLY_WORSE)
    assert check(new, stored).exit_code == 0
    assert check(new, stored, "--margin", "30").exit_code == 0


def test_an_improvement_holds(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", skill=WORSE)
    assert check(store(tmp_path / "new"), stored).exit_code == 0


def test_another_seed_stays_green(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", seeds=range(5))
    done = check(store(tmp_path / "new", seeds=[7]), stored)
    assert done.exit_code == 0, done.output
    assert "the spread over seeds of the stored methods" in done.output


def test_another_seed_that_is_far_worse_regresses(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", seeds=range(5))
    assert check(store(tmp_path / "new", seeds=[7], skill=WORSE), stored).exit_code == 1


def test_one_seed_each_and_not_the_same_is_undecided(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    done = check(store(tmp_path / "new", ["cb"], [1], WORSE), stored)
    assert done.exit_code == 0
    assert "1 results checked: 1 undecided." in done.output
    assert "train the stored seed or a second one" in done.output


def test_one_seed_of_several_must_leave_their_spread_too(tmp_path: Path) -> None:
    """On another machine the same seed trains another network, as another seed would."""
    stored = Store(store(tmp_path / "stored", ["cb"], [0]))
    for seed, shift in enumerate((-0.1, 0.1, -0.08, 0.08), start=1):
        skill = [min(1.0, max(0.0, s + shift)) for s in USUAL]
        stored.add(*made_record("cb", 150.0, seed, skill=skill))
    new = store(tmp_path / "new", ["cb"], skill=[max(0.0, s - 0.04) for s in USUAL])
    alone = store(tmp_path / "alone", ["cb"])
    assert check(new, alone).exit_code == 1, "the images alone tell them apart"
    assert check(new, stored.root).exit_code == 0, "and seeds differ by more"


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ({"fingerprint": "c" * 64}, "fingerprint (the dataset's content"),
        ({"precision": "fp32"}, "precision: bf16 stored, fp32 new"),
        ({"weights": "b" * 64}, "weights (the backbone's initial weights)"),
        ({"split_hash": "d" * 64}, "split_hash (the drawn training set)"),
        ({"hyper": {"beta": 0.9}}, "hyper.beta: absent stored, 0.9 new"),
    ],
)
def test_what_differs_is_named(tmp_path: Path, how: dict[str, object], what: str) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    done = check(of_other_cell(tmp_path / "new", WORSE, **how), stored)
    assert done.exit_code == 2, done.output
    assert what in " ".join(done.output.split())
    assert "1 incomparable" in done.output


def test_another_protocol_is_incomparable(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    new = store(tmp_path / "new", ["cb"], skill=WORSE, overrides=("training.epochs=99",))
    done = check(new, stored)
    assert done.exit_code == 2
    assert "99 new" in " ".join(done.output.split())


def test_a_risen_method_version_is_compared(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    assert check(of_other_cell(tmp_path / "new", WORSE, method_version=2), stored).exit_code == 1


def test_what_is_missing_on_either_side_is_said(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb", "eac"])
    done = check(store(tmp_path / "new", ["cb", "mek"]), stored)
    assert done.exit_code == 0
    assert "1 held, 1 no reference" in done.output
    assert "Stored, and not among the new results: eac-ferplus-150." in done.output
    nothing = check(store(tmp_path / "other", ["mek"]), stored)
    assert nothing.exit_code == 2, "nothing was compared"


def test_files_for_a_pull_request(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb", "mek", "eac"])
    new = store(tmp_path / "new", ["cb", "bbn"])
    store(new, ["mek"], skill=WORSE)
    junit, summary = tmp_path / "out" / "junit.xml", tmp_path / "out" / "summary.md"
    done = check(new, stored, "--junit", str(junit), "--summary", str(summary))
    assert done.exit_code == 1
    suite = ElementTree.parse(junit).getroot()
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
    }
    tags = {case.get("name"): [child.tag for child in case] for case in suite}
    assert tags == {"cb": ["system-out"], "mek": ["failure"], "bbn": ["skipped"]}
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("## fer-bench check: not passed")
    assert "| ferplus | compact | 150 | MEK | mean |" in text


def test_update_replaces_a_square_and_keeps_the_reason(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb", "mek"])
    new = store(tmp_path / "new", ["cb"], skill=WORSE, overrides=("training.epochs=99",))
    store(new, ["eac"])
    update = [new, stored, "--update", "--reason", "nine epochs"]
    done = check(*update)  # type: ignore[arg-type]
    assert done.exit_code == 0, done.output
    assert "1 added, 1 replaced, 0 as they were" in done.output
    kept = {r.cell.method: r for r in Store(stored).records()}
    assert sorted(kept) == ["cb", "eac", "mek"]
    assert kept["cb"].cell.protocol["training"]["epochs"] == 99
    (entry,) = map(json.loads, (stored / "updates.jsonl").read_text().splitlines())
    assert entry["reason"] == "nine epochs"
    assert {c["cell"].split("-")[0]: len(c["before"]) for c in entry["cells"]} == {
        "cb": 1,
        "eac": 0,
    }
    again = check(*update)  # type: ignore[arg-type]
    assert "0 added, 0 replaced, 2 as they were" in again.output
    assert len((stored / "updates.jsonl").read_text().splitlines()) == 1
    assert check(new, stored).exit_code == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--update", "--reason", "x"], "needs --against"),
        (["--update", "--curves"], "needs --reason"),
        (["--reason", "x"], "belongs to --update"),
    ],
)
def test_options_that_say_nothing_together(tmp_path: Path, more: list[str], message: str) -> None:
    done = refused(store(tmp_path / "new"), None, *more)
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)


def test_update_needs_a_reason_and_two_stores(tmp_path: Path) -> None:
    new = store(tmp_path / "new")
    wrong = {"needs --reason": ["--update"], "same store": ["--update", "--reason", "x"]}
    for message, more in wrong.items():
        done = refused(new, new, *more)
        assert isinstance(done.exception, InputError)
        assert message in str(done.exception)


def test_a_store_without_results_is_one_line(tmp_path: Path) -> None:
    done = refused(store(tmp_path / "new"), tmp_path / "nothing")
    assert isinstance(done.exception, InputError)
    assert "nothing" in str(done.exception)


@pytest.mark.parametrize(("n", "m"), [(2, 1), (5, 1), (6, 3), (2, 2)])
def test_spread_is_students_t(n: int, m: int) -> None:
    rng = np.random.default_rng(n * 10 + m)
    a, b = rng.normal(size=n), rng.normal(size=m) - 1
    if m > 1:
        expected = reference.ttest_ind(a, b).pvalue
    else:  # a prediction interval for one further seed
        distance = abs(a.mean() - b[0]) / (a.std(ddof=1) * np.sqrt(1 + 1 / n))
        expected = 2 * reference.t.sf(distance, n - 1)
    assert spread_p_value(a, b, None) == pytest.approx(expected)


def test_spread_knows_its_limits() -> None:
    assert spread_p_value([0.8], [0.7], None) is None
    assert spread_p_value([0.8, 0.8], [0.8], None) == 1.0
    assert spread_p_value([0.8, 0.8], [0.7], None) == 0.0


def test_spread_of_other_methods_counts_where_it_is_larger() -> None:
    """Two seeds that happen to agree must not make the next one a regression."""
    lucky, new = [0.80, 0.8001], [0.78]
    alone = spread_p_value(lucky, new, None)
    common = pooled([lucky, [0.7, 0.74], [0.5, 0.55, 0.6], [0.9]])
    assert common is not None
    assert common.freedom == 4
    assert common.variance == pytest.approx((5e-9 + 8e-4 + 5e-3) / 4)
    assert alone is not None
    assert alone < 0.05
    assert spread_p_value(lucky, new, common) > 0.3  # type: ignore[operator]
    # and where it is smaller, the seeds' own spread decides, with the certainty of all
    wide = [0.7, 0.9]
    tight = Spread(1e-8, 30)
    expected = 2 * reference.t.sf(0.1 / np.sqrt(0.02 * 1.5), 30)
    assert spread_p_value(wide, [0.7], tight) == pytest.approx(expected)
    assert pooled([[0.5], [0.6]]) is None


def test_loss_curves_alone_and_beside_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = load_curves(stored_curves())
    monkeypatch.setattr("benchmark.commands.check._curves", lambda: list(kept.values()))
    good = check(tmp_path / "nothing", None, "--curves")
    assert good.exit_code == 0
    assert "only the loss curves are checked" in good.output
    assert "Loss curves: all as stored." in good.output
    term = next(iter(kept["eac"].terms))
    flipped = {**kept["eac"].terms, term: tuple(-v for v in kept["eac"].terms[term])}
    broken = [replace(kept["eac"], terms=flipped)]
    monkeypatch.setattr("benchmark.commands.check._curves", lambda: broken)
    files = ["--junit", str(tmp_path / "junit.xml"), "--summary", str(tmp_path / "summary.md")]
    bad = check(store(tmp_path / "new"), store(tmp_path / "stored"), "--curves", *files)
    assert bad.exit_code == 1, "whatever the results say"
    assert f"eac: {term} at step 1 is" in " ".join(bad.output.split())
    assert "2 held" in bad.output
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().get("failures") == "1"
    text = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "not passed" in text
    assert f"- eac: {term}" in text.replace("\\_", "_")
    assert check(tmp_path / "nothing", None, "--curves").exit_code == 1


def test_curves_are_refreshed_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = load_curves(stored_curves())
    path = tmp_path / "curves.json"
    monkeypatch.setattr("benchmark.curves.stored_curves", lambda: path)
    monkeypatch.setattr("benchmark.commands.check._curves", lambda: list(kept.values()))
    more = ["--curves", "--update", "--reason", "a new term"]
    assert check(tmp_path / "nothing", None, *more).exit_code == 0
    again = load_curves(path)
    assert {c.provenance["reason"] for c in again.values()} == {"a new term"}
    assert {n: c.terms for n, c in again.items()} == {n: c.terms for n, c in kept.items()}
