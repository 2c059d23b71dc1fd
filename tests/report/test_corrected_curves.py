"""What is left of a method's lead once every method may be corrected after training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from made_records import FERPLUS, made_record
from validated import with_validation

from benchmark.analysis.answers import Answers
from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.report.drawing.drawn import drawn_groups
from benchmark.report.figures.tradeoff import draw
from benchmark.stats.accuracy import confusion_matrix, mean_accuracy, overall_accuracy
from benchmark.stats.adjustment import adjusted, choose_tau
from benchmark.stats.auc import class_roc_areas
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.logits_file import pack, read_arrays
from benchmark.store.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = Store(tmp_path_factory.mktemp("runs"))
    for method in ("baseline", "cb", "mek"):
        for seed in (0, 1):
            made.add(*made_record(method, 150.0, seed))
    return made


def tables(store: Store, *arguments: str) -> list[dict[str, object]]:
    words = ["report", *arguments, "--format", "json", "--results", str(store.root)]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, (done.output, done.exception)
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def by_hand(store: Store, method: str, tau: float) -> tuple[float, float]:
    """Overall and mean accuracy in percent, image by image."""
    found = []
    for record in (r for r in store.records() if r.cell.method == method):
        arrays = read_arrays(store.packed_logits(record))
        shares = np.array(record.cell.class_counts) / sum(record.cell.class_counts)
        right: dict[int, list[bool]] = {k: [] for k in range(7)}
        for label, logits in zip(arrays["label"], arrays["last"], strict=True):
            scores = [float(z) - tau * np.log(p) for z, p in zip(logits, shares, strict=True)]
            right[int(label)].append(max(range(7), key=lambda k: scores[k]) == label)
        every = [one for of in right.values() for one in of]
        found.append((np.mean(every), np.mean([np.mean(of) for of in right.values()])))
    overall, mean = np.mean(found, axis=0)
    return 100 * float(overall), 100 * float(mean)


def test_the_table_follows_from_the_logits(store: Store) -> None:
    (table,) = tables(store, "--detail", "tradeoff")
    rows = {row["method"]: row["values"] for row in table["rows"]}  # type: ignore[index, attr-defined]
    for method, title in (("baseline", "Baseline"), ("cb", "CB"), ("mek", "MEK")):
        values = rows[title]
        assert values["overall"]["value"] == pytest.approx(by_hand(store, method, 0)[0], abs=0.006)
        assert values["mean"]["value"] == pytest.approx(by_hand(store, method, 0)[1], abs=0.006)
        overall, mean = by_hand(store, method, 1)
        assert values["overall_tau1"]["value"] == pytest.approx(overall, abs=0.006)
        assert values["mean_tau1"]["value"] == pytest.approx(mean, abs=0.006)
    assert rows["Baseline"]["area_between"]["value"] is None
    area = rows["MEK"]["area_between"]
    assert area["low"] <= area["value"] <= area["high"]


def test_the_figure_shows_every_tau_0_and_each_seed(store: Store) -> None:
    (drawn,) = drawn_groups(store.records(), "last", answers=Answers(store, "last"))
    (panel,) = [axes for axes in draw(drawn).axes if axes.has_data()]
    points = [line.get_xydata()[0] for line in panel.lines if len(line.get_xydata()) == 1]
    for method in ("baseline", "cb", "mek"):
        expected = by_hand(store, method, 0)
        assert any(np.allclose(point, expected, atol=1e-6) for point in points)
        left, right = panel.get_xlim()
        assert left < expected[0] < right
    thin = [line for line in panel.lines if line.get_linewidth() < 0.5]
    assert len(thin) == 3 * 2


def test_the_figure_has_the_tau_that_validation_images_choose(store: Store, tmp_path: Path) -> None:
    made = Store(tmp_path / "runs")
    for seed in (0, 1):
        record, arrays = made_record("cb", 150.0, seed)
        record, validation, marks = with_validation(record, arrays["label"])
        made.add(record, arrays, validation=validation)
        KeptMarks(made.root).put(record.cell.fingerprint, pack(marks.arrays()))
    answers = Answers(made, "last")
    (drawn,) = drawn_groups(made.records(), "last", answers=answers)
    (panel,) = [axes for axes in draw(drawn).axes if axes.has_data()]
    (sign,) = [line.get_xydata()[0] for line in panel.lines if line.get_marker() == "+"]
    found = []
    for record in made.records():
        logits, labels = answers.validation_logits(record) or ([], [])
        tau = choose_tau(logits, labels, record.cell.class_counts)
        test = read_arrays(made.packed_logits(record))
        said = adjusted(test["last"], record.cell.class_counts, tau).argmax(axis=1)
        matrix = confusion_matrix(test["label"], said, 7)
        found.append((100 * overall_accuracy(matrix), 100 * mean_accuracy(matrix)))
    assert sign == pytest.approx(np.mean(found, axis=0))
    (plain,) = drawn_groups(store.records(), "last", answers=Answers(store, "last"))
    assert not [ln for ax in draw(plain).axes for ln in ax.lines if ln.get_marker() == "+"]


def test_a_trade_off_needs_logits(store: Store, tmp_path: Path) -> None:
    record, arrays = made_record("cb", 150.0, 0)
    kept = {name: epoch for name, epoch in record.logits.items() if name == "last"}
    last = {name: array for name, array in arrays.items() if name in ("label", "last")}
    poor = Store(tmp_path / "poor")
    poor.add(record.model_copy(update={"logits": {**kept}}), last)
    words = ["figure", "tradeoff", "--results", str(poor.root), "--select", "val-overall"]
    done = CliRunner().invoke(cli, [*words, "--out", str(tmp_path / "a.svg")])
    if record.logits["val"] == record.logits["last"]:
        assert done.exit_code == 0
    else:
        assert isinstance(done.exception, InputError)
        assert "no logits of --select val-overall are kept" in str(done.exception)


def test_the_summary_has_the_areas_of_each_class(store: Store) -> None:
    summary, areas = tables(store, "--detail", "summary")
    rows = {row["method"]: row["values"] for row in areas["rows"]}  # type: ignore[index, attr-defined]
    records = [record for record in store.records() if record.cell.method == "mek"]
    found = [read_arrays(store.packed_logits(record)) for record in records]
    expected = class_roc_areas([arrays["last"] for arrays in found], found[0]["label"])
    for name, area in zip(FERPLUS, expected.classes, strict=True):
        printed = rows["MEK"][f"recall_{name}"]
        assert printed["value"] == pytest.approx(100 * area.value, abs=0.006)
        assert printed["low"] == pytest.approx(100 * area.low, abs=0.006)
    mean = {row["method"]: row["values"] for row in summary["rows"]}["MEK"]["auc"]["value"]  # type: ignore[index, attr-defined]
    assert mean == pytest.approx(100 * expected.mean.value, abs=0.006)
