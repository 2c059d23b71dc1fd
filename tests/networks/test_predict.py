"""``fer-bench predict``: images and folders, what is bad named, what is left out counted."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from processes import fer_bench
from sweeps import kept, small_sweep

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.networks.load import network_of


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sweep = small_sweep(["baseline"], overrides=["training.epochs=1"])
    return kept(tmp_path_factory.mktemp("kept"), sweep).root


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with three images, a damaged one, others' files and a link to itself."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, size in (("b.png", (48, 48)), ("a.jpg", (60, 90, 3)), ("below/c.PNG", (30, 30))):
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(folder / name)
    (folder / "cut.png").write_bytes((folder / "b.png").read_bytes()[:100])
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.png").write_text("x")
    (folder / "below" / "again").symlink_to(folder)
    return folder


def predict(store: Path, *arguments: str) -> Result:
    words = ["predict", "--model", "base*", "--results", str(store), "--device", "cpu"]
    return CliRunner(env={"COLUMNS": "200"}).invoke(cli, [*words, *arguments])


def test_csv_names_every_image_and_what_it_is_taken_for(
    store: Path, pictures: Path, tmp_path: Path
) -> None:
    extra = pictures / "below" / "c.PNG"
    out = tmp_path / "found" / "p.csv"
    done = predict(store, str(pictures), str(tmp_path / "gone.png"), str(extra), "--out", str(out))
    assert done.exit_code == 1
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    files = [pictures / name for name in ("a.jpg", "b.png", "below/c.PNG")]
    assert [row["image"] for row in rows] == [*map(str, files), str(extra)]
    network = network_of("base*", store, device="cpu")
    for row, shares in zip(rows, network.predict([*files, extra]), strict=True):
        assert row["prediction"] == network.classes[int(shares.argmax())]
        told = [float(row[f"probability_{name}"]) for name in network.classes]
        np.testing.assert_allclose(told, shares, atol=2e-6)
    for line in (
        f"skipped: {pictures}/cut.png is not an image that can be decoded",
        f"skipped: {tmp_path}/gone.png is missing",
        f"skipped: {pictures}/below/again is a link to a folder; give the folder itself",
        "3 paths could not be used",
        "note: images that had another size: 3",
        "note: images of other proportions, so that their faces are stretched: 1",
        "note: 1 file left out: no images (.txt 1)",
    ):
        assert line in done.stderr
    assert ".hidden" not in done.stderr


def test_a_table_for_people_and_rows_for_machines(store: Path, pictures: Path) -> None:
    done = predict(store, str(pictures / "a.jpg"))
    assert done.exit_code == 0, done.output
    assert "Probabilities (%) by Baseline, cell baseline-synthetic-10-s0-" in done.stdout
    assert "Images that had another size: 1." in done.stdout
    (row,) = json.loads(predict(store, str(pictures / "a.jpg"), "--format", "json").stdout)
    assert row["prediction"] in done.stdout


@pytest.mark.parametrize("form", ["csv", "json", "terminal"])
def test_of_nothing_usable_there_is_no_table(store: Path, tmp_path: Path, form: str) -> None:
    (tmp_path / "empty").mkdir()
    out = tmp_path / "found.csv"
    to = ("--format", form) if form != "csv" else ("--out", str(out))
    done = predict(store, str(tmp_path / "empty"), *to)
    assert done.exit_code == 1
    assert f"skipped: {tmp_path}/empty holds no image" in done.stderr
    assert "1 path could not be used; there is nothing to show" in done.stderr
    assert not done.stdout
    assert not out.exists()


def test_no_name_is_a_formula(store: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures)
    (pictures / "b.png").rename(pictures / "=1+1.png")
    rows = csv.DictReader(io.StringIO(predict(store, "=1+1.png", "--format", "csv").stdout))
    assert [row["image"] for row in rows] == ["./=1+1.png"]


def test_a_model_that_is_not_there_is_wrong_usage(store: Path, pictures: Path) -> None:
    done = predict(store, str(pictures), "--model", "mek-*")
    assert isinstance(done.exception, InputError)
    assert "no cell 'mek-*'" in str(done.exception)


@pytest.mark.exhaustive
def test_through_the_command_line(store: Path, pictures: Path) -> None:
    code, text = fer_bench(
        pictures, "predict", "--model", "base*", "--results", str(store), "b.png", "cut.png"
    )
    assert code == 1
    assert "skipped: cut.png is not an image" in text
    assert "Traceback" not in text
