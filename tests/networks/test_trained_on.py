"""Datasets of kept networks, found again as their cells had them."""

from __future__ import annotations

from pathlib import Path

import pytest
from dataset_makers import make_folders
from made_records import made_record
from processes import fer_bench

from benchmark.data.load import load_dataset
from benchmark.errors import InputError
from benchmark.networks.trained_on import dataset_of
from benchmark.store.record import Record


def of_folders(fingerprint: str, *command: str) -> Record:
    record, _ = made_record()
    cell = record.cell.model_copy(update={"dataset": "folder", "fingerprint": fingerprint})
    provenance = {**record.provenance, "command": ["fer-bench", "run", *command]}
    return record.model_copy(update={"cell": cell, "provenance": provenance})


@pytest.mark.parametrize("command", [["--resize", "24"], ["--resize=24", "--jobs=2"]])
def test_images_are_brought_to_the_size_of_the_command(tmp_path: Path, command: list[str]) -> None:
    root, cache = make_folders(tmp_path / "data"), tmp_path / "cache"
    expected = load_dataset("folder", root, cache_dir=cache, resize=24)
    found = dataset_of(of_folders(expected.fingerprint, *command), root, cache)
    assert found.fingerprint == expected.fingerprint
    assert found.images.shape[1:] == (24, 24)


@pytest.mark.parametrize("command", [[], ["--resize"], ["--resize", "x"], ["--resize", "9" * 5000]])
def test_a_command_without_a_size_resizes_nothing(tmp_path: Path, command: list[str]) -> None:
    root, cache = make_folders(tmp_path / "data"), tmp_path / "cache"
    plain = load_dataset("folder", root, cache_dir=cache)
    assert (
        dataset_of(of_folders(plain.fingerprint, *command), root, cache).images.shape[1:]
        == (plain.images.shape[1:])
    )
    with pytest.raises(InputError, match="name the folder of the former with --data-root"):
        dataset_of(of_folders("0" * len(plain.fingerprint), *command), root, cache)


@pytest.mark.exhaustive  # three processes, for what the tests above show in parts
def test_maps_of_networks_on_resized_images(tmp_path: Path) -> None:
    make_folders(tmp_path / "data", images=3, side=20)
    data = ("--data-root", "data", "--cache-dir", "cache")
    code, text = fer_bench(
        tmp_path, "run", "--dataset", "folder", *data, "--resize", "48", "--protocol", "smoke",
        "--methods", "baseline", "--factors", "full", "--set", "training.epochs=1",
        "--set", "image.size=48", "--results", "runs", "--threads", "1", "--keep-weights",
    )  # fmt: skip
    assert code == 0, text
    more = ("--results", "runs", *data)
    code, text = fer_bench(tmp_path, "report", "--detail", "attention", *more)
    assert code == 0, text
    assert "measured attention maps of 1 network on folder" in text
    code, text = fer_bench(
        tmp_path, "figure", "attention", "--faces", "test/cat/0.png", "--out", "a.svg", *more
    )
    assert code == 0, text
