"""What attention maps say: measured once, kept beside the record, printed, carried, checked."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from processes import QUICK, fer_bench
from sweeps import CPU, kept, small_faces, small_sweep

from benchmark.analysis.answers import Answers
from benchmark.analysis.attention import MapNumbers
from benchmark.cli import cli
from benchmark.data.dataset import FaceDataset, Part
from benchmark.data.unit_regions import regions_of
from benchmark.engine.evaluate import evaluation_view
from benchmark.errors import InputError
from benchmark.networks.attention import measure, measures_of, unmeasured
from benchmark.networks.load import load_network
from benchmark.stats.attention import class_overlap, mirror_consistency, share_outside
from benchmark.store import attention_file
from benchmark.store.attention_file import ATTENTION, KeptAttention, pack_measures, read_measures
from benchmark.store.bundle import export_cells, import_cells
from benchmark.store.store import Store

OVERRIDES = ("training.epochs=1", "image.size=64")


@pytest.fixture(scope="module")
def faces() -> FaceDataset:
    return small_faces()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, faces: FaceDataset) -> Store:
    sweep = small_sweep(["baseline", "eac"], overrides=OVERRIDES, dataset=faces)
    return kept(tmp_path_factory.mktemp("kept"), sweep)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, trained: Store, faces: FaceDataset) -> Store:
    root = tmp_path_factory.mktemp("measured") / "store"
    shutil.copytree(trained.root, root)
    store = Store(root)
    for record in store.records():
        measure(store, record, faces, regions_of(faces), CPU)
    return store


@pytest.fixture
def store(measured: Store, tmp_path: Path) -> Store:
    shutil.copytree(measured.root, tmp_path / "own")
    return Store(tmp_path / "own")


def called(*arguments: object) -> Result:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(cli, [str(each) for each in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def refused(*arguments: object) -> str:
    with pytest.raises(InputError) as caught:
        called(*arguments)
    return str(caught.value)


def test_measures_are_those_of_the_networks_own_maps(measured: Store, faces: FaceDataset) -> None:
    record = measured.records()[0]
    network = load_network(measured.cells / record.cell.slug, CPU)
    images = faces.images[faces.indices(Part.TEST)]
    view = evaluation_view(torch.from_numpy(np.array(images)), record.cell.protocol.image)
    maps = network.method.attention(view)
    mirrored = network.method.attention(view.flip(-1))
    assert maps is not None
    assert mirrored is not None
    one, other = maps.numpy(), mirrored.numpy()
    kept_measures = KeptAttention(measured).get(record)
    assert kept_measures is not None
    expected = {
        "consistency": mirror_consistency(one, other),
        "overlap": class_overlap(one),
        "outside": share_outside(one),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(kept_measures[name], values, atol=2e-3)  # halves are stored
    regions = regions_of(faces)
    assert regions is not None
    some = regions.any(axis=(-2, -1))
    assert np.array_equal(~np.isnan(kept_measures["on_units"]), some)
    assert some.any()
    assert not some.all()


def test_maps_of_two_places_a_side_say_nothing_of_the_rim(measured: Store) -> None:
    numbers = MapNumbers(measured, Answers(measured, "last"))
    for record in measured.records():
        assert numbers.places(record) == (2, 2)
        assert numbers.by_image(record, "outside") is None
        assert np.isnan(numbers.average(record, "outside"))
        assert numbers.difference([record], [record], "outside") is None
        assert numbers.average(record, "overlap") > 0
    done = called("report", "--results", measured.root, "--detail", "attention", "--format", "json")
    assert "43.75" not in done.stdout.replace("43.75 for even heat", "")


def test_averages_leave_out_what_says_nothing(
    measured: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.analysis.attention.FINE_ENOUGH", 2)
    record = measured.records()[0]
    kept_measures = KeptAttention(measured).get(record)
    assert kept_measures is not None
    labels = measured.logits(record)["label"]
    numbers = MapNumbers(measured, Answers(measured, "last"))
    for name in ("consistency", "outside", "on_units"):
        rows, of_class = [], []
        for image, label in enumerate(labels):
            counted = [
                float(kept_measures[name][image, k])
                for k in range(7)
                if not np.isnan(kept_measures[name][image, k])
                and not (name == "outside" and k == label)
            ]
            rows += [sum(counted) / len(counted)] if counted else []
            value = kept_measures[name][image, 5]
            if not np.isnan(value) and not (name == "outside" and label == 5):
                of_class.append(float(value))
        assert numbers.average(record, name) == pytest.approx(sum(rows) / len(rows))
        assert numbers.average(record, name, 5) == pytest.approx(sum(of_class) / len(of_class))


def test_a_cell_is_measured_once(store: Store, trained: Store) -> None:
    assert unmeasured(store, store.records()) == []
    assert len(unmeasured(trained, trained.records())) == 2


def test_another_dataset_is_refused(trained: Store, faces: FaceDataset) -> None:
    other = small_faces()
    object.__setattr__(other, "fingerprint", "0" * 64)
    with pytest.raises(InputError, match="was judged on synthetic"):
        measure(trained, trained.records()[0], other, None, CPU)


def test_without_regions_there_are_none_of_units(measured: Store, faces: FaceDataset) -> None:
    network = load_network(measured.cells / measured.records()[0].cell.slug, CPU)
    assert set(measures_of(network, faces.images[:3], None)) == set(attention_file.MEASURES)


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "html", "csv", "json", "macros"])
def test_the_table_in_every_form(measured: Store, form: str) -> None:
    done = called("report", "--results", measured.root, "--detail", "attention", "--format", form)
    assert done.exit_code == 0, done.output
    record = next(r for r in measured.records() if r.cell.method == "eac")
    numbers = MapNumbers(measured, Answers(measured, "last"))
    assert "Places of a map: 2 x 2: too coarse" in done.stdout or form in ("csv", "json", "macros")
    expected = f"{100 * numbers.average(record, 'consistency'):.2f}"
    assert expected.rstrip("0") in done.stdout  # JSON has numbers


def test_differences_from_the_baseline_have_a_paired_test(measured: Store) -> None:
    words = ["report", "--results", measured.root, "--detail", "attention", "--format"]
    text = called(*words, "markdown").stdout
    assert "attention maps less the baseline's (points)" in text
    row = next(line for line in text.splitlines() if line.startswith("| EAC") and "\\[" in line)
    plain = {record.cell.method: record for record in measured.records()}
    numbers = MapNumbers(measured, Answers(measured, "last"))
    for name in ("consistency", "overlap"):
        told = numbers.difference([plain["eac"]], [plain["baseline"]], name)
        assert told is not None
        by_image = [numbers.by_image(plain[method], name) for method in ("eac", "baseline")]
        assert told[2].estimate == pytest.approx(np.mean(by_image[0]) - np.mean(by_image[1]))
        assert f"{100 * told[2].estimate:+.2f}" in row
    assert "nothing of methods" in text


def test_without_a_baseline_there_are_no_differences(store: Store) -> None:
    record = next(r for r in store.records() if r.cell.method == "baseline")
    shutil.rmtree(store.cells / record.cell.slug)
    text = called("report", "--results", store.root, "--detail", "attention").stdout
    assert "less the baseline's" not in text
    assert "EAC" in text


def test_the_table_names_what_was_not_measured(store: Store) -> None:
    record = store.records()[0]
    (store.cells / record.cell.slug / ATTENTION).unlink()
    (store.cells / record.cell.slug / "weights.safetensors").unlink()
    done = called("report", "--results", store.root, "--detail", "attention")
    assert f"they or the images cannot be used: {record.cell.slug}" in done.stdout


def test_other_images_at_hand_are_one_line(
    trained: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["report", "--results", str(trained.root), "--detail", "attention"]
    with pytest.raises(InputError, match="no cell has measured attention maps"):
        cli.main(arguments, standalone_mode=False)
    said = capsys.readouterr().err
    assert "not measured: attention maps of 2 cells on synthetic: the networks are of" in said


def test_a_table_without_cells_is_not_said_to_lack_maps(measured: Store) -> None:
    words = ("report", "--results", measured.root, "--detail", "attention", "--table", 1)
    assert "--table 1: no finished cell of RAF-DB at factor 50, 100 or 150" in refused(*words)


def test_a_network_that_cannot_be_used_keeps_no_other_from_its_numbers(
    store: Store, faces: FaceDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.networks.trained_on.load_dataset", lambda *_, **__: faces)
    one, other = store.records()
    for record in (one, other):
        KeptAttention(store).path(record).unlink()
    (store.cells / one.cell.slug / "weights.safetensors").write_bytes(b"other")
    done = called("report", "--results", store.root, "--detail", "attention")
    assert done.exit_code == 0, done.output
    assert "measured attention maps of 1 network on synthetic" in done.stderr
    assert "not measured: damaged weights" in done.stderr
    assert f"the images cannot be used: {one.cell.slug}" in done.stdout
    assert KeptAttention(store).get(other) is not None


def test_another_epoch_is_refused(measured: Store) -> None:
    said = refused("report", "--results", measured.root, "--detail", "attention", "--select", "val")
    assert "of the final weights" in said


def test_chosen_images_alone_are_averaged(store: Store, faces: FaceDataset) -> None:
    from benchmark.store.kept_marks import KeptMarks
    from benchmark.store.logits_file import pack

    kept_marks = KeptMarks(store.root)
    marks = kept_marks.of(faces)
    found = np.where(np.arange(len(marks.test.marks)) < 7, np.uint8(1), marks.test.marks)
    chosen = replace(marks, test=replace(marks.test, marks=found))
    kept_marks.put(faces.fingerprint, pack(chosen.arrays()))
    record = store.records()[0]
    measures = KeptAttention(store).get(record)
    assert measures is not None
    clean = MapNumbers(store, Answers(store, "last", "clean"))
    expected = measures["overlap"][7:].mean(axis=1).mean()
    assert clean.average(record, "overlap") == pytest.approx(expected)
    done = called("report", "--results", store.root, "--detail", "attention", "--images", "clean")
    assert f"{100 * expected:.2f}" in done.stdout


def test_the_whole_report_has_the_table(measured: Store, tmp_path: Path) -> None:
    done = called("report", "--results", measured.root, "--all", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert "Consistency" in (tmp_path / "attention.md").read_text()


def test_damage_is_named_and_moved_aside(store: Store) -> None:
    record = store.records()[0]
    path = store.cells / record.cell.slug / ATTENTION
    path.write_bytes(path.read_bytes()[:-40] + bytes(40))
    said = refused("report", "--results", store.root, "--detail", "attention")
    assert "damaged attention measures" in said
    done = called("results", "check", "--results", store.root)
    assert done.exit_code == 1
    assert "damaged attention measures of 1" in done.stdout
    done = called("results", "check", "--results", store.root, "--move-aside")
    assert done.exit_code == 0, done.output
    assert not path.exists()
    assert called("results", "check", "--results", store.root).exit_code == 0
    assert len(store.records()) == 2


def test_measures_of_others_are_no_measures(measured: Store) -> None:
    one, other = measured.records()
    labels = measured.logits(one)["label"]
    measures = KeptAttention(measured).get(one)
    assert measures is not None
    content = pack_measures(one, labels, measures, (2, 2))
    assert read_measures(content, one, labels) is not None
    with pytest.raises(ValueError, match="other weights"):
        read_measures(content, other, labels)
    with pytest.raises(ValueError, match="other images"):
        read_measures(content, one, labels[::-1])
    with pytest.raises(ValueError, match="lacks a measure"):
        read_measures(pack_measures(one, labels, {}, (2, 2)), one, labels)


def test_other_definitions_count_as_not_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention_file, "VERSION", 2)
    assert len(unmeasured(store, store.records())) == 2


def test_measures_travel_with_their_cells(store: Store, tmp_path: Path) -> None:
    bundle = tmp_path / "cells.zip"
    export_cells(store, store.records(), bundle)
    elsewhere = Store(tmp_path / "elsewhere")
    elsewhere.prepare()
    import_cells(elsewhere, bundle)
    for record in store.records():
        assert KeptAttention(elsewhere).content(record) == KeptAttention(store).content(record)
    path = elsewhere.cells / store.records()[0].cell.slug / ATTENTION
    path.unlink()
    import_cells(elsewhere, bundle)  # what a known cell lacks is added
    assert path.exists()


@pytest.mark.slow
def test_from_training_to_the_table(tmp_path: Path) -> None:
    def say(*arguments: str) -> tuple[int, str]:
        return fer_bench(tmp_path, *arguments)

    code, text = say(
        "run", "--methods", "baseline", "--factors", "150", *QUICK, "--set", "training.epochs=1",
        "--set", "image.size=48", "--keep-weights", "--jobs", "1",
    )  # fmt: skip
    assert code == 0, text
    code, text = say("report", "--detail", "attention", "--out", "maps.json")
    assert code == 0, text
    assert "measured attention maps of 1 network on synthetic" in text
    rows: Any = json.loads((tmp_path / "maps.json").read_text())
    assert "on_units" in json.dumps(rows)
    code, text = say("report", "--detail", "attention", "--out", "again.json")
    assert code == 0, text
    assert "measured" not in text
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "maps.json").read_bytes()
