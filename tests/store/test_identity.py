"""What names a cell, and records of older schemas."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import made_cell, made_record
from pydantic import ValidationError
from sweeps import small_faces, small_sweep

import methods
from benchmark.data.dataset import Part, make_dataset
from benchmark.data.load import load_dataset
from benchmark.errors import InputError
from benchmark.protocols import load_protocol
from benchmark.store.difference import closest, differences
from benchmark.store.migrate import to_present
from benchmark.store.record import Cell
from benchmark.store.record_file import Damaged, sealed, to_json
from benchmark.store.store import Store
from benchmark.sweep.estimate import peak_bytes, seconds_for
from benchmark.sweep.jobs import Job, fit_on_gpu, share_cpu, share_gpus
from benchmark.sweep.plan import Sweep, plan


def cell_of(sweep: Sweep) -> Cell:
    (cell,) = sweep.cells
    return cell


BASE = cell_of(small_sweep())


@pytest.mark.parametrize(
    "key",
    sorted(
        f"{section}.{key}"
        for section in ("image", "augment", "training")
        for key in load_protocol("smoke").model_dump()[section]
    ),
)
def test_every_value_of_the_protocol_counts(key: str) -> None:
    values = BASE.model_dump(mode="json")
    section, name = key.split(".")
    part = values["protocol"][section]
    part.setdefault(name, getattr(getattr(BASE.protocol, section), name))  # left out at a default
    old, others = part[name], iter(OTHER_VALUES)
    while part[name] == old or not taken(values):
        part[name] = next(others)
    assert Cell.model_validate(values).id != BASE.id


OTHER_VALUES = (
    True, False, 1, 0.25, 0.5, 24, [0.1, 0.2], [1, 2, 3], "area", "adam", "constant", "bf16"
)  # fmt: skip
"""Among them is another one for every value of a protocol."""


def taken(values: dict[str, Any]) -> bool:
    """Whether these are a cell's values."""
    try:
        Cell.model_validate(values)
    except ValidationError:
        return False
    return True


def test_every_hyper_parameter_counts() -> None:
    for name in methods.names():
        cell = small_sweep([name]).cells[-1]  # a first stage stands before it
        for key, value in cell.hyper.items():
            other = value + 1 if not isinstance(value, bool) else not value
            changed = cell.model_copy(update={"hyper": {**cell.hyper, key: other}})
            assert Cell.model_validate(changed.model_dump()).id != cell.id, (name, key)


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "0" * 64},
        {"weights": "0" * 64},
        {"seed": 1},
        {"precision": "bf16"},
        {"split_hash": "0" * 64},
        {"factor": 20.0},
        {"method": "cb"},
        {"method_version": 2},
    ],
)
def test_what_a_result_depends_on_counts(change: dict[str, object]) -> None:
    changed = Cell.model_validate(BASE.model_copy(update=change).model_dump())
    assert changed.id != BASE.id
    assert len(differences(BASE, changed)) == 1


@given(st.text(max_size=40))
def test_no_name_leads_a_cells_folder_elsewhere(name: str) -> None:
    slug = Cell.model_validate(BASE.model_dump() | {"method": name}).slug
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", slug)
    assert Path("cells", slug).resolve().parent == Path("cells").resolve()


def test_a_relabelled_image_counts() -> None:
    faces = small_faces()
    labels = faces.labels.copy()
    last = np.flatnonzero(faces.parts == Part.TEST)[-1]
    labels[last] = (labels[last] + 1) % len(faces.classes)
    again = make_dataset(faces.name, faces.images, labels, faces.parts, faces.classes)
    before, after = (cell_of(small_sweep(dataset=d)) for d in (faces, again))
    assert before.id != after.id


def test_a_test_set_without_a_class_is_refused() -> None:
    faces = small_faces()
    keep = (faces.labels != 3) | (faces.parts != Part.TEST)
    arrays = (faces.images[keep], faces.labels[keep], faces.parts[keep])
    without = make_dataset("synthetic", *arrays, faces.classes)
    with pytest.raises(InputError, match=f"no test image of {faces.classes[3]}"):
        small_sweep(dataset=without)


def test_moving_the_data_keeps_a_cell(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("test", 2)):
        for name in ("a", "b"):
            folder = tmp_path / "here" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 255, (24, 24), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")

    def cell(root: Path, cache: Path) -> Cell:
        faces = load_dataset("folder", root, cache_dir=cache)
        return cell_of(
            plan(
                faces,
                {"baseline": methods.get("baseline")},
                [None],
                [0],
                load_protocol("smoke"),
                weights="scratch",
                precision="fp32",
            )
        )

    before = cell(tmp_path / "here", tmp_path / "cache")
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert cell(tmp_path / "there", tmp_path / "other").id == before.id
    (image, *_) = sorted((tmp_path / "there" / "train" / "a").iterdir())
    shutil.move(image, tmp_path / "there" / "train" / "b" / "moved.png")
    assert cell(tmp_path / "there", tmp_path / "other").id != before.id, "a relabelled image"


def test_the_closest_cell_is_the_one_with_the_fewest_differences() -> None:
    wanted = made_cell()
    near = made_cell(overrides=["training.epochs=9"])
    far = made_cell(overrides=["training.epochs=9", "training.lr=0.1", "image.size=64"])
    other = made_cell(method="cb")
    assert closest([other, far, near], wanted) == near
    assert closest([other], wanted) is None
    assert any("training.epochs: 9 stored, 2 wanted" in line for line in differences(near, wanted))


SINCE_3 = ("body_sha256", "validation", "validation_sha256", "marks_sha256", "weights_sha256")


def as_schema_1(root: Path) -> tuple[Path, dict[str, object]]:
    """Put a record into a store and turn it into one of schema 1."""
    record, logits = made_record()
    folder = Store(root).add(record, logits)
    raw = json.loads((folder / "record.json").read_text())
    for key in ("sessions", "logits_sha256", "state_sha256", *SINCE_3):
        del raw[key]
    for entry in raw["history"]:
        del entry["clean_validation"]
    del raw["cell"]["method_version"]
    raw["schema_version"] = 1
    raw["provenance"]["sessions"] = ["2026-01-01T00:00:00+00:00"]
    (folder / "record.json").write_text(json.dumps(raw))
    return folder, raw


def test_a_record_of_schema_1_is_read_and_stays_the_same_cell(tmp_path: Path) -> None:
    folder, raw = as_schema_1(tmp_path)
    store = Store(tmp_path)
    (record,) = store.records()
    assert record.id == raw["id"]
    assert record.sessions == [{"started": "2026-01-01T00:00:00+00:00"}]
    assert "sessions" not in record.provenance
    assert store.has(made_cell())
    assert store.logits(record)["last"].shape == (3137, 7)
    assert json.loads((folder / "record.json").read_text()) == raw, "reading changes no file"
    assert json.loads(to_json(record))["schema_version"] == 3


def damage(root: Path) -> Damaged:
    """What is wrong with the only cell of a store."""
    records, (found,) = Store(root).survey()
    assert not records
    return found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 4}, "newer fer-bench"),
        ({"schema_version": 0}, "no schema_version"),
        ({"schema_version": True}, "no schema_version"),
        ({"provenance": 1}, "provenance"),
        ({"provenance": {"sessions": 1}}, "sessions"),
    ],
)
def test_what_cannot_be_migrated_is_named(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    folder, raw = as_schema_1(tmp_path)
    (folder / "record.json").write_text(json.dumps(raw | change))
    assert message in damage(tmp_path).reason


def test_migration_leaves_its_argument_alone(tmp_path: Path) -> None:
    _, raw = as_schema_1(tmp_path)
    before = json.dumps(raw)
    to_present(raw)
    assert json.dumps(raw) == before


@pytest.mark.parametrize("matrix", [[[1, 2], [3, 4]], [[]], [[1] * 7] * 6, [[-1] * 7] * 7])
def test_a_confusion_matrix_that_is_none_is_named(tmp_path: Path, matrix: list[object]) -> None:
    folder = Store(tmp_path).add(*made_record())
    raw = json.loads((folder / "record.json").read_text())
    raw["history"][0]["test"] = matrix
    del raw["body_sha256"]
    (folder / "record.json").write_text(sealed(json.dumps(raw, indent=1) + "\n"))
    reason = damage(tmp_path).reason
    assert "confusion matrix" in reason or reason.startswith("history.0.test")


def test_the_time_left_follows_records_of_the_same_method() -> None:
    slow, _ = made_record("mek", epochs=2)
    quick, _ = made_record("baseline", epochs=2)
    slow = slow.model_copy(update={"seconds": {"train": 400.0}})
    wanted = made_cell("mek", seed=5)
    assert seconds_for(wanted, [quick, slow]) == pytest.approx(400.0)
    assert seconds_for(made_cell("cb"), [quick]) == pytest.approx(180.0), "any method, if none"
    busy = slow.model_copy(update={"seconds": {"train": 2000.0}})
    for several in ([slow, busy], [busy, slow], [slow, busy, slow]):
        assert seconds_for(wanted, several) == pytest.approx(400.0), "one slow record is no rule"
    fast = slow.model_copy(
        update={"seconds": {"train": 20.0}, "provenance": {"device": "cuda", "gpu": "H"}}
    )
    here = {"device": "cuda", "gpu": "H", "threads": 1}
    assert seconds_for(wanted, [slow, fast, slow], here) == pytest.approx(20.0)
    assert seconds_for(wanted, [slow], here) == pytest.approx(400.0), "any machine, if none"
    longer = made_cell("mek", overrides=["training.epochs=4"])
    assert seconds_for(longer, [slow]) == pytest.approx(800.0)
    assert seconds_for(made_cell("mek", overrides=["image.size=72"]), [slow]) is None
    known = slow.model_copy(update={"provenance": {"process_peak_memory_bytes": 7}})
    assert peak_bytes([wanted], [known, quick], "process_peak_memory_bytes") == 7


@given(
    st.integers(1, 200), st.integers(1, 64), st.none() | st.integers(0, 1 << 36), st.integers(1, 8)
)
def test_jobs_never_exceed_cells_cores_or_memory(
    cells: int, cores: int, free: int | None, gigabytes: int
) -> None:
    jobs = share_cpu(cells, cores, free, gigabytes << 30)
    assert 1 <= len(jobs) <= min(cells, cores)
    assert len(jobs) * jobs[0].threads <= cores
    assert free is None or len(jobs) == 1 or len(jobs) * gigabytes << 30 <= free


def test_gpus_are_dealt_out_in_turn() -> None:
    names = [job.device for job in share_gpus(5, ["cuda:0", "cuda:1"], 2, 16)]
    assert names == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert share_gpus(1, ["cuda:0"], 4, 16) == [Job("cuda:0", 16)]
    assert fit_on_gpu(80 << 30, 20 << 30) == 3
    assert fit_on_gpu(80 << 30, None) == 1
    assert fit_on_gpu(80 << 30, 1 << 30) == 36, "CUDA takes its share for each process"
