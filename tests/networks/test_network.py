"""A trained network judges any picture as the images of its dataset were judged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dataset_makers import make_folders, picture_bytes
from numpy.typing import NDArray
from PIL import Image
from sweeps import CPU, kept, small_faces, small_sweep

from benchmark.data.augment import evaluation_view
from benchmark.data.dataset import FaceDataset, Part
from benchmark.data.load import load_dataset
from benchmark.engine.device import kept_precision
from benchmark.engine.final_weights import pack
from benchmark.errors import InputError
from benchmark.networks.find import find_folder
from benchmark.networks.load import load_network, network_of
from benchmark.networks.network import Network
from benchmark.store.cell_folder import WEIGHTS, digest
from benchmark.store.model_card import about
from benchmark.store.record import Cell
from benchmark.store.record_file import RECORD, to_json
from benchmark.store.store import Store
from benchmark.sweep.plan import Sweep
from methods.baseline import Baseline
from methods.eac import EAC

NAME = "eac-synthetic-10-s0"
RNG = np.random.default_rng(0)
EPOCH = ("training.epochs=1",)


@pytest.fixture(scope="module")
def faces() -> FaceDataset:
    return small_faces()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, faces: FaceDataset) -> Store:
    sweep = small_sweep(["eac", "baseline"], overrides=EPOCH, dataset=faces)
    return kept(tmp_path_factory.mktemp("kept"), sweep)


@pytest.fixture(scope="module")
def network(store: Store) -> Network:
    return network_of(NAME, store.root, device="cpu")


def close(one: NDArray[Any], other: NDArray[Any]) -> None:
    np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


def test_arrays_pictures_and_files_of_the_dataset_are_judged_as_its_record_says(
    store: Store, network: Network, faces: FaceDataset, tmp_path: Path
) -> None:
    tests = faces.images[faces.indices(Part.TEST)]
    files = [tmp_path / f"{number}.png" for number in range(len(tests))]
    for file, pixels in zip(files, tests, strict=True):
        Image.fromarray(pixels).save(file)
    stored = store.logits(network.record)["last"]
    found = network.logits(tests)
    np.testing.assert_allclose(found, stored, atol=2e-3, rtol=2e-3)  # halves are stored
    for same in (
        list(tests),
        files,
        [str(file) for file in files],
        [Image.fromarray(pixels) for pixels in tests],
        (Image.fromarray(pixels).convert("RGB") for pixels in tests),
        tests[..., None],
    ):
        assert np.array_equal(network.logits(same), found)
    assert network.source_image == tests.shape[1:]
    assert network.notes == ()


def test_files_of_any_size_and_colour_are_judged_as_the_dataset_that_resizes_them(
    tmp_path: Path,
) -> None:
    root = make_folders(tmp_path / "data", images=3, colour=True)
    files = sorted((root / "test").glob("*/*.png"))
    for number, file in enumerate(files):
        size = (40 + 7 * number, 60 - 3 * number)
        jpeg = tmp_path / "picture.jpg"
        jpeg.write_bytes(picture_bytes(number, size))
        Image.open(jpeg).convert("RGBA" if number == 2 else "RGB").save(file)
    dataset = load_dataset("folder", root, cache_dir=tmp_path / "cache", resize=24)
    found = kept(tmp_path / "store", small_sweep(factors=[None], dataset=dataset, overrides=EPOCH))
    (record,) = found.records()
    network = load_network(found.cells / record.cell.slug, CPU)
    assert network.source_image == (24, 24, 3)
    in_order = [root / dataset.sources[i] for i in dataset.indices(Part.TEST)]
    assert len({Image.open(file).size for file in in_order}) > 5
    tests = dataset.images[dataset.indices(Part.TEST)]
    assert np.array_equal(network.logits(in_order), network.logits(tests))
    np.testing.assert_allclose(
        network.logits(in_order), found.logits(record)["last"], atol=2e-3, rtol=2e-3
    )


def test_a_grey_datasets_network_sees_grey(network: Network) -> None:
    colour = RNG.integers(0, 256, (48, 48, 3), dtype=np.uint8)
    grey = np.asarray(Image.fromarray(colour).convert("L"))
    assert np.array_equal(network.logits(colour), network.logits(grey))


def test_probabilities(network: Network) -> None:
    sizes = [(48, 48), (200, 90, 3), (1, 1), (31, 400)]
    several = [RNG.integers(0, 256, size, dtype=np.uint8) for size in sizes]
    shares = network.predict(several)
    assert shares.shape == (4, 7)
    assert shares.dtype == np.float32
    close(shares.sum(axis=1), np.ones(4))
    close(shares, np.concatenate([network.predict(each) for each in several]))
    logits = torch.from_numpy(network.logits(several)).double()
    close(shares, logits.softmax(dim=1).numpy())
    assert network.predict([]).shape == (0, 7)
    assert network.attention([]).shape[:2] == (0, 7)


def test_more_pictures_than_are_computed_at_once(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = RNG.integers(0, 256, (7, 48, 48), dtype=np.uint8)
    expected = network.predict(pictures), network.attention(pictures)
    monkeypatch.setattr("benchmark.networks.network._AT_ONCE", 3)
    monkeypatch.setattr("benchmark.networks.network._MAPS_AT_ONCE", 2)
    close(network.predict(pictures), expected[0])
    close(network.attention(pictures), expected[1])


def test_attention_is_the_methods(network: Network) -> None:
    pictures = RNG.integers(0, 256, (2, 60, 50, 3), dtype=np.uint8)
    maps = network.attention(pictures)
    brought = [np.asarray(Image.fromarray(p).convert("L").resize((48, 48), 2)) for p in pictures]
    image = network.record.cell.protocol.image
    own = network.method.attention(evaluation_view(torch.from_numpy(np.stack(brought)), image))
    assert own is not None
    close(maps, own.detach().numpy())
    close(network.logits(pictures).argmax(1), network.predict(pictures).argmax(1))


def test_a_method_without_maps_says_so(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EAC, "attention", lambda self, images: None)
    with pytest.raises(InputError, match="EAC has no attention maps"):
        network.attention(np.zeros((9, 9), np.uint8))


def test_a_method_of_which_no_gradients_are_had_has_no_maps(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(self: EAC, images: torch.Tensor) -> torch.Tensor:
        raise ValueError("the logits depend on no feature map")

    monkeypatch.setattr(EAC, "attention", lost)
    with pytest.raises(InputError, match=r"EAC has no attention maps \(the logits depend on no"):
        network.attention(np.zeros((9, 9), np.uint8))


def test_a_picture_is_named_by_its_number_among_all(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.networks.network._AT_ONCE", 3)
    pictures = [*np.zeros((4, 48, 48), np.uint8), np.zeros((48, 48), np.float32)]
    with pytest.raises(InputError, match="picture 4 is an array of float32"):
        network.predict(pictures)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (np.zeros((48, 48), np.float32), "picture 0 is an array of float32; give uint8"),
        ([np.zeros((48, 48, 4), np.uint8)], r"is an array of the shape \(48, 48, 4\)"),
        (np.zeros((2, 3, 48, 48), np.uint8), r"is an array of the shape \(3, 48, 48\)"),
        (np.zeros((0, 5), np.uint8), r"shape \(0, 5\)"),
        ([np.zeros((9, 9), np.uint8), "gone.png"], "gone.png is missing"),
        (np.zeros((9, 9, 4), np.uint8), r"picture 0 is an array of the shape \(9, 9, 4\); give"),
        ([[np.zeros((9, 9), np.uint8)]], "picture 0 is a list and no picture"),
        (3, "a int is no picture"),
        (Image.new("I;16", (9, 9)), r"more than 8 bits a channel \(mode I;16\); save it with 8"),
        (Image.new("RGB", (0, 5)), "picture 0 has no pixels"),
    ],
)
def test_what_is_no_picture_is_one_line(network: Network, wrong: Any, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        network.predict(wrong)
    assert "\n" not in str(caught.value)


def test_record_and_weights_alone_are_enough_wherever_they_lie(
    store: Store, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = find_folder(NAME, store.root)
    for name in (RECORD, WEIGHTS):
        shutil.copy(folder / name, tmp_path)
    before = torch.get_rng_state()
    carried = network_of(tmp_path, Path("nowhere"), device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    picture = RNG.integers(0, 256, (48, 48), dtype=np.uint8)
    assert np.array_equal(carried.predict(picture), network.predict(picture))


def test_a_kept_dlib_face_needs_no_file_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.models import dlib_face
    from benchmark.models.build import bare_backbone

    def none() -> None:
        raise AssertionError("read")

    monkeypatch.setattr(dlib_face, "read_weights", none)
    assert bare_backbone("dlib-face", 112).channels == 256


def test_names_of_cells(store: Store) -> None:
    folder = find_folder(NAME, store.root)
    record = next(record for record in store.records() if record.cell.name == NAME)
    for name in ("eac-*", record.cell.slug, record.id, record.id[:12], folder, str(folder)):
        assert find_folder(name, store.root) == folder
    with pytest.raises(InputError, match=r"'\*-s0' fits 2 cells of .*: baseline-.*, eac-"):
        find_folder("*-s0", store.root)
    with pytest.raises(InputError, match=r"no cell 'mek-\*' in .*; its cells: baseline-"):
        find_folder("mek-*", store.root)
    with pytest.raises(InputError, match=r"holds no record\.json"):
        find_folder(store.root, store.root)
    with pytest.raises(InputError, match="no results in"):
        find_folder(NAME, store.root / "nowhere")


def taken(store: Store, place: Path) -> Path:
    """A copy of a cell's folder."""
    return Path(shutil.copytree(find_folder(NAME, store.root), place / "cell"))


def lacks_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


def other_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"other")


def cut_record(folder: Path) -> None:
    (folder / RECORD).write_text((folder / RECORD).read_text()[:-200])


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lacks_weights, "were not kept"),
        (other_weights, "not the file of its record"),
        (cut_record, "record.json: damaged"),
    ],
)
def test_what_is_damaged_is_named(
    harm: Callable[[Path], None], told: str, store: Store, tmp_path: Path
) -> None:
    folder = taken(store, tmp_path)
    harm(folder)
    with pytest.raises(InputError, match=told):
        load_network(folder, CPU)


def rewritten(folder: Path, network: Network, facts: dict[str, Any], **changes: Any) -> Network:
    """The network of a folder whose weights say other facts of themselves."""
    content = pack(network.method, facts)
    record = network.record.model_copy(update={"weights_sha256": digest(content), **changes})
    (folder / WEIGHTS).write_bytes(content)
    (folder / RECORD).write_text(to_json(record))
    return load_network(folder, CPU)


def test_weights_that_do_not_know_their_images_take_pictures_as_they_are(
    store: Store, network: Network, tmp_path: Path
) -> None:
    folder = taken(store, tmp_path)
    older = rewritten(folder, network, about(network.record))
    assert older.source_image is None
    assert "in their own colours" in older.notes[0]
    picture = RNG.integers(0, 256, (70, 50, 3), dtype=np.uint8)
    view = evaluation_view(torch.from_numpy(picture)[None], network.record.cell.protocol.image)
    with torch.inference_mode():
        close(older.logits([picture, picture]), older.method.predict(view.repeat(2, 1, 1, 1)))
    sizes = [picture, picture[:, :, 0]]
    assert older.predict(sizes).shape == (2, 7)
    for bad in ([0, 5], [48, 48, 4], "x", [48], [True, True]):
        with pytest.raises(InputError, match="source_image is no shape"):
            rewritten(folder, network, about(network.record) | {"source_image": bad})


def test_methods_that_are_not_registered_are_given(store: Store, tmp_path: Path) -> None:
    class Mine(Baseline):
        info = replace(Baseline.info, name="mine", title="Mine")

    sweep = small_sweep(["baseline"], overrides=EPOCH)
    cells = [
        Cell.model_validate(cell.model_dump(mode="json") | {"method": "mine"})
        for cell in sweep.cells
    ]
    mine = kept(tmp_path, Sweep(sweep.dataset, sweep.splits, cells, {"mine": Mine}))
    (record,) = mine.records()
    folder = mine.cells / record.cell.slug
    with pytest.raises(InputError, match=r"'mine' is not registered; name its class"):
        load_network(folder, CPU)
    with pytest.raises(InputError, match="is called 'baseline', the network's 'mine'"):
        load_network(folder, CPU, method=Baseline)
    assert isinstance(load_network(folder, CPU, method=Mine).method, Mine)
    newer = type("Mine", (Mine,), {"info": replace(Mine.info, version=2)})
    assert "trained by version 1 of Mine" in load_network(folder, CPU, method=newer).notes[0]
    other = type("Mine", (EAC,), {"info": Mine.info, "__init__": two_heads})
    with pytest.raises(InputError, match=r"the weights do not fit .*Mine"):
        load_network(folder, CPU, method=other)


def two_heads(self: EAC, backbone: Any, task: Any, hyper: Any) -> None:
    EAC.__init__(self, backbone, task, hyper)
    self.second = torch.nn.Linear(2, 2)


def test_precision_is_that_of_training_where_the_device_has_it(store: Store) -> None:
    assert kept_precision("fp16", CPU) == "fp32"
    assert kept_precision("bf16", CPU) == "bf16"
    found = network_of(NAME, store.root, device="cpu", precision="bf16")
    assert found.method.backbone.compute_dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("precision", "told"),
    [("float32", "'float32': use auto, fp32, bf16, fp16"), ("fp16", "fp16 is for GPUs")],
)
def test_precisions_that_are_none_are_refused(store: Store, precision: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        network_of(NAME, store.root, device="cpu", precision=precision)


def test_float32_is_float32_while_a_network_answers(network: Network) -> None:
    """cuDNN would take TF32 for it; what else the process computes is the caller's to choose."""
    seen: list[bool] = []
    before = torch.backends.cudnn.allow_tf32
    predict = network.method.predict

    def watch(images: torch.Tensor) -> torch.Tensor:
        seen.append(torch.backends.cudnn.allow_tf32)
        return predict(images)

    torch.backends.cudnn.allow_tf32 = True
    network.method.predict = watch  # type: ignore[method-assign]
    try:
        network.predict(np.zeros((9, 9), np.uint8))
        assert seen == [False]
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.backends.cudnn.allow_tf32 = before
        del network.method.predict
