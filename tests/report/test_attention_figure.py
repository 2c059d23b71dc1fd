"""Faces under the maps of every class: which are shown, what stands where, what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from figure_reading import STARTS, svg_texts
from numpy.typing import NDArray
from PIL import Image
from sweeps import CPU, kept, small_faces, small_sweep

from benchmark.cli import cli
from benchmark.data.dataset import FaceDataset, Part
from benchmark.errors import InputError
from benchmark.networks import trained_on
from benchmark.networks.load import load_network
from benchmark.networks.network import Network
from benchmark.networks.shown_faces import look_at, named_faces, picked_faces
from benchmark.report.drawing.heats import enlarged
from benchmark.store.store import Store

OVERRIDES = ("training.epochs=1", "image.size=64")


@pytest.fixture(scope="module")
def faces() -> FaceDataset:
    return small_faces()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, faces: FaceDataset) -> Store:
    sweep = small_sweep(["baseline", "mek"], overrides=OVERRIDES, dataset=faces)
    return kept(tmp_path_factory.mktemp("kept"), sweep)


@pytest.fixture(scope="module")
def networks(store: Store) -> list[Network]:
    return [load_network(store.cells / r.cell.slug, CPU) for r in store.records()]


@pytest.fixture
def draw(
    store: Store, faces: FaceDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Call ``fer-bench figure attention`` with the small faces at hand; return its file."""
    monkeypatch.setattr(trained_on, "load_dataset", lambda *_, **__: faces)

    def call(*arguments: str, out: str = "figure.svg", root: Path = store.root) -> Path:
        file = tmp_path / out
        given = ["figure", "attention", "--results", str(root), *arguments, "--out", str(file)]
        done = CliRunner().invoke(cli, given)
        if done.exception is not None:
            raise done.exception
        return file

    return call


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    file = tmp_path / "portrait.jpg"
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return file


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "form", ["svg", pytest.param("pdf", marks=SLOW), pytest.param("png", marks=SLOW)]
)
def test_every_format_is_the_same_each_time(draw: Callable[..., Path], form: str) -> None:
    first = int(small_faces().indices(Part.TEST)[0])
    one = draw("--faces", str(first), out=f"one.{form}").read_bytes()
    assert one.startswith(STARTS[form])
    assert draw("--faces", str(first), out=f"two.{form}").read_bytes() == one


def test_what_stands_in_the_figure(
    draw: Callable[..., Path], faces: FaceDataset, portrait: Path
) -> None:
    index = int(faces.indices(Part.TEST)[7])
    texts = svg_texts(draw("--faces", f"{index},{portrait}", "--minor", "Fear"))
    assert f"image {index}" in texts
    assert "portrait.jpg" in texts
    assert texts.count("minor class") == 2
    assert texts.count("label") == 1  # nobody knows that of the portrait
    assert texts.count("mirrored") == 4
    assert "Heat (1: even)" in texts
    assert texts.count("Happiness") == 2


def test_the_rarest_class_is_the_minor_one(
    draw: Callable[..., Path], portrait: Path, store: Store
) -> None:
    texts = svg_texts(draw("--faces", str(portrait)))
    counts = store.records()[0].cell.class_counts
    rarest = store.records()[0].classes[int(np.argmin(counts))].capitalize()
    assert texts[texts.index("minor class") - 1] == rarest


def test_picked_faces_follow_the_rule(networks: list[Network], faces: FaceDataset) -> None:
    tests = faces.indices(Part.TEST)
    right = np.random.default_rng(1).random((2, len(tests))) < 0.8
    counts = [24, 20, 12, 8, 6, 4, 2]
    found = picked_faces(networks, faces, right, counts, 6, 4)
    differences = {}
    for place, index in enumerate(tests):
        if faces.labels[index] not in (0, 1, 2) or not right[:, place].all():
            continue  # the average is 10.9
        image = faces.images[index]
        heats = []
        for network in networks:
            grid = network.attention(image)[0, 6].astype(float)
            raised = grid - grid.min()
            heats.append(raised / raised.sum())
        differences[f"image {index}"] = 1 - float(np.minimum(*heats).sum())
    expected = sorted(differences, key=lambda name: -differences[name])[:4]
    assert [face.name for face in found] == expected
    alone = picked_faces(networks[:1], faces, right[:1], counts, 6, 2)
    assert len({face.name for face in alone}) == 2
    with pytest.raises(InputError, match="pick fewer"):
        picked_faces(networks, faces, right & False, counts, 6, 1)


def test_a_look_is_of_the_face_and_its_mirror(networks: list[Network], faces: FaceDataset) -> None:
    (face,) = named_faces([f"image {faces.indices(Part.TEST)[3]}"], faces, None)
    look = look_at(networks[0], face)
    mirrored = networks[0].attention(np.ascontiguousarray(face.pixels[:, ::-1]))[0]
    raised = mirrored - mirrored.min(axis=(-2, -1), keepdims=True)
    np.testing.assert_allclose(
        look.heats[1], raised / raised.sum(axis=(-2, -1), keepdims=True), atol=1e-5
    )
    assert look.predicted[0] == int(networks[0].predict(face.pixels)[0].argmax())


def test_pick_says_its_rule(draw: Callable[..., Path]) -> None:
    texts = svg_texts(draw("--pick", "1"))
    assert "share the least heat" in " ".join(texts)


def test_maps_are_enlarged_between_the_middles_of_their_places() -> None:
    rng = np.random.default_rng(0)
    small: NDArray[np.float64] = rng.random((3, 4))
    fine = enlarged(small, 12)

    def plain(y: float, x: float) -> float:
        top, left = min(int(y), 1), min(int(x), 2)
        down, across = y - top, x - left
        upper = (1 - across) * small[top, left] + across * small[top, left + 1]
        lower = (1 - across) * small[top + 1, left] + across * small[top + 1, left + 1]
        return float((1 - down) * upper + down * lower)

    for row in range(12):
        for column in range(12):
            y = min(max((row + 0.5) / 4 - 0.5, 0), 2)
            x = min(max((column + 0.5) / 3 - 0.5, 0), 3)
            assert fine[row, column] == pytest.approx(plain(y, x))


def test_wrong_wishes_are_one_line(
    draw: Callable[..., Path], store: Store, portrait: Path, tmp_path: Path
) -> None:
    wrong = {
        (): "name some with --faces, or use --pick N",
        ("--faces", "nobody.png"): "'nobody.png' is no file or a test image of synthetic",
        ("--faces", "0"): "'0' is no file",  # a training image
        ("--faces", str(portrait), "--pick", "2"): "leave one of the two",
        ("--minor", "fear"): "add --faces or --pick",
        ("--faces", str(portrait), "--minor", "joy"): "no class is called 'joy'",
        ("--faces", str(portrait), "--images", "clean"): "single faces are shown",
        ("--faces", ",".join(f"{portrait.parent}/./{'./' * n}{portrait.name}" for n in range(4))): (
            "a page holds 12"
        ),
    }
    for arguments, words in wrong.items():
        with pytest.raises(InputError, match=r"\w") as caught:
            draw(*arguments)
        assert words in str(caught.value)
    with pytest.raises(InputError, match="shows no single faces"):
        CliRunner().invoke(
            cli,
            ["figure", "factor", "--results", str(store.root), "--pick", "1"],
            catch_exceptions=False,
        )
    bare = tmp_path / "bare"
    shutil.copytree(store.root, bare)
    for record in store.records():
        (bare / "cells" / record.cell.slug / "weights.safetensors").unlink()
    with pytest.raises(InputError, match="no stored cell has kept weights"):
        draw("--faces", str(portrait), root=bare)
