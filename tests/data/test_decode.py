"""Image files as a viewer shows them: orientation, transparency, frames, modes, sizes; no noise."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from dataset_makers import make_folders
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from processes import fer_bench

from benchmark.data.dataset import FaceDataset, Part
from benchmark.data.decode import STRETCHED, PictureError, brought_to, read_picture
from benchmark.data.folder import SIDES
from benchmark.data.load import load_dataset
from benchmark.data.verify import verify_dataset
from benchmark.errors import InputError

SIDE = 12


def colour(seed: int = 0, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """What EXIF 2.3 says of tag 274: where the stored row 0 and column 0 stand when shown."""
    return {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: stored.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(stored, 1),
    }[orientation]


def save_turned(path: Path, pixels: np.ndarray, orientation: int) -> None:
    image = Image.fromarray(pixels)
    if path.suffix == ".tif":
        image.save(path, tiffinfo={274: orientation})
    else:
        exif = Image.Exif()
        exif[274] = orientation
        image.save(path, exif=exif, **({"lossless": True} if path.suffix == ".webp" else {}))


def load(root: Path, cache: Path, resize: int | None = None) -> FaceDataset:
    return load_dataset("folder", root, cache_dir=cache, resize=resize)


def decoded(path: Path, mode: str = "RGB") -> tuple[np.ndarray, list[str]]:
    image, treated = read_picture(path, mode)  # type: ignore[arg-type]
    return np.asarray(image), treated


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_images_stand_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    stored = colour(height=9, width=SIDE)
    save_turned(tmp_path / f"a{suffix}", stored, orientation)
    image, treated = decoded(tmp_path / f"a{suffix}")
    assert (image == upright(stored, orientation)).all()
    assert bool(treated) == (orientation != 1)


def test_a_jpeg_on_its_side_is_turned_and_told(tmp_path: Path) -> None:
    root = make_folders(tmp_path / "data", colour=True)
    path = root / "train/cat/0.jpg"
    stored = np.repeat(np.linspace(0, 255, SIDE).astype(np.uint8)[:, None], SIDE, axis=1)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(stored).save(path, exif=exif, quality=95)
    data = load(root, tmp_path / "cache")
    image = data.images[data.sources.index("train/cat/0.jpg")]
    assert (image[:, 0].astype(int) > image[:, -1].astype(int) + 100).all()  # was dark above
    assert "images turned upright, as their EXIF orientation says: 1" in data.notes


def test_the_size_is_that_of_the_upright_image(tmp_path: Path) -> None:
    root = make_folders(tmp_path / "data")
    for number, path in enumerate(sorted(root.rglob("*.png"))):
        save_turned(path, colour(number, 10, 14), 6 if number % 2 else 1)
        if number % 2 == 0:
            save_turned(path, colour(number, 14, 10), 1)
    assert load(root, tmp_path / "cache").images.shape == (12, 14, 10, 3)


def test_broken_exif_says_nothing(tmp_path: Path) -> None:
    Image.fromarray(colour()).save(tmp_path / "a.jpg", exif=b"Exif\0\0rubbish", quality=95)
    assert decoded(tmp_path / "a.jpg")[1] == []


def slow_over_black(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.rint(rgb * (alpha[..., None] / 255.0))


@given(st.integers(0, 2**32 - 1), st.sampled_from([".png", ".tif"]))
@settings(max_examples=20)
def test_transparency_is_laid_on_black(tmp_path_factory, seed: int, suffix: str) -> None:
    path = tmp_path_factory.mktemp("a") / f"a{suffix}"
    rgba = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(path)
    image, treated = decoded(path)
    assert np.abs(image - slow_over_black(rgba[..., :3], rgba[..., 3])).max() <= 1
    assert treated == ["images with transparent pixels, laid on black"]


def test_invisible_colour_stays_invisible(tmp_path: Path) -> None:
    root = make_folders(tmp_path / "data", colour=True)
    red = np.zeros((SIDE, SIDE, 4), np.uint8)
    red[..., 0] = 255
    red[:6, :, 3] = 255
    Image.fromarray(red).save(root / "train/cat/1.png")
    data = load(root, tmp_path / "cache")
    image = data.images[data.sources.index("train/cat/1.png")]
    assert (image[:6] == (255, 0, 0)).all()
    assert (image[6:] == 0).all()
    assert "images with transparent pixels, laid on black: 1" in data.notes


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_colour_that_stands_for_transparency(tmp_path: Path, mode: str) -> None:
    pixels = np.full((SIDE, SIDE, 3), 9, np.uint8)
    pixels[3] = 200
    key: int | tuple[int, ...] = 200 if mode == "L" else (200, 200, 200)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "a.png", transparency=key)
    image, treated = decoded(tmp_path / "a.png", "L")
    assert (image[3] == 0).all()
    assert (image[4] == 9).all()
    assert len(treated) == 1


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_opaque_images_are_as_they_are(tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray(colour()).convert("L")
    plain = grey if mode == "LA" else Image.fromarray(colour())
    plain.convert(mode).save(tmp_path / "a.png")
    image, treated = decoded(tmp_path / "a.png", "L" if mode == "LA" else "RGB")
    assert (image == np.asarray(plain)).all()
    assert treated == []


def save_frames(path: Path, frames: list[np.ndarray]) -> None:
    first, *rest = map(Image.fromarray, frames)
    lossless = {"lossless": True} if path.suffix == ".webp" else {}
    first.save(path, save_all=True, append_images=rest, **lossless)


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".png", ".webp"])
def test_the_first_frame_is_taken_and_told(tmp_path: Path, suffix: str) -> None:
    frames = [np.repeat(colour(n)[..., :1] // 128 * 255, 3, axis=2) for n in (1, 2)]
    save_frames(tmp_path / f"a{suffix}", frames)
    image, treated = decoded(tmp_path / f"a{suffix}")
    assert (image == frames[0]).all()
    assert treated == ["files of several pictures (frames or pages), of which the first was taken"]


@pytest.mark.parametrize("suffix", [".tif", ".TIFF", ".gif", ".bmp", ".webp"])
def test_other_formats_are_part_of_the_set(tmp_path: Path, suffix: str) -> None:
    root = make_folders(tmp_path / "data")
    image = Image.fromarray(colour(3)[..., 0])
    image.save(root / f"train/cat/9{suffix}", **({"lossless": True} if "webp" in suffix else {}))
    data = load(root, tmp_path / "cache")
    place = data.sources.index(f"train/cat/9{suffix}")
    found = data.images[place] if data.images.ndim == 3 else data.images[place][..., 0]
    assert (found == colour(3)[..., 0]).all()
    assert data.notes == ()


def test_palettes_ink_and_bits(tmp_path: Path) -> None:
    image = Image.fromarray(colour()).quantize(16)
    image.save(tmp_path / "palette.png")
    assert (decoded(tmp_path / "palette.png")[0] == np.asarray(image.convert("RGB"))).all()
    Image.fromarray(colour()).convert("CMYK").save(tmp_path / "ink.tif")
    assert (decoded(tmp_path / "ink.tif")[0] == colour()).all()
    bits = Image.fromarray(colour()).convert("1")
    bits.save(tmp_path / "bits.png")
    assert (decoded(tmp_path / "bits.png", "L")[0] == 255 * np.asarray(bits)).all()


def png(width: int, height: int, depth: int, kind: int, rows: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_sixteen_bits(tmp_path: Path) -> None:
    wide = np.random.default_rng(0).integers(0, 2**16, (SIDE, SIDE, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    (tmp_path / "colour.png").write_bytes(png(SIDE, SIDE, 16, 2, rows))
    assert np.abs(decoded(tmp_path / "colour.png")[0] - wide / 257).max() <= 1
    for name in ("grey.png", "grey.tif"):
        Image.fromarray(wide[..., 0].astype(np.uint16)).save(tmp_path / name)
        with pytest.raises(PictureError, match="more than 8 bits"):
            decoded(tmp_path / name)


def test_a_huge_picture_is_one_line(tmp_path: Path) -> None:
    root = make_folders(tmp_path / "data")
    for name, side in (("1.png", 10_000), ("0.png", 40_000)):
        (root / "train/cat" / name).write_bytes(png(side, side, 8, 0, b""))
    words = ("counts", "folder", "--data-root", str(root), "--cache-dir", "cache")
    code, text = fer_bench(tmp_path, "data", *words)
    assert code == 2
    assert "0.png claims more than 89478485 pixels and may be a decompression bomb" in text
    assert text.count("\n") == 1, text
    found = [f.message for f in verify_dataset("folder", root).findings if f.check == "file"]
    assert len(found) == 2
    assert all("bomb; save it smaller" in message for message in found)


def test_decoders_are_silent(tmp_path: Path) -> None:
    """Damage in every place of a file: whatever Pillow and its libraries say, we say one line."""
    root = make_folders(tmp_path / "data", colour=True)
    rng = np.random.default_rng(0)
    for suffix, how in ((".tif", {"compression": "tiff_lzw"}), (".tiff", {}), (".png", {}),
                        (".jpg", {}), (".gif", {})):  # fmt: skip
        whole = tmp_path / f"whole{suffix}"
        Image.fromarray(colour(1)).save(whole, **how)
        for number in range(60):
            data = bytearray(whole.read_bytes())
            for _ in range(3):
                data[rng.integers(8, len(data))] = rng.integers(0, 256)
            (root / "train/cat" / f"x{number}{suffix}").write_bytes(data)
    words = ("verify", "folder", "--data-root", str(root), "--out", "found.csv", "--format", "csv")
    code, text = fer_bench(tmp_path, "data", *words)
    assert code == 1
    lines = text.splitlines()
    assert [line.split()[0] for line in lines] == ["wrote", "folder:"], text


def mixed(root: Path) -> Path:
    root = make_folders(root)
    Image.fromarray(colour(5, 30, 30)[..., 0]).save(root / "train/cat/1.png")
    Image.fromarray(colour(6, 40, 20)[..., 0]).save(root / "test/ant/1.png")
    return root


def slow_bilinear(pixels: np.ndarray, size: int) -> np.ndarray:
    """A triangle as wide as an output pixel, along each axis on its own."""
    result = pixels.astype(float)
    for axis in (0, 1):
        n = result.shape[axis]
        scale = n / size
        width = max(scale, 1.0)
        rows = []
        for out in range(size):
            center = (out + 0.5) * scale
            weight = np.array([max(0.0, 1 - abs(i + 0.5 - center) / width) for i in range(n)])
            rows.append(np.tensordot(weight / weight.sum(), result, (0, axis)))
        result = np.moveaxis(np.stack(rows), 0, axis)
    return result


@pytest.mark.parametrize(
    ("size", "stretched"), [((80, 100), False), ((100, 100), True), ((40, 60), True)]
)
def test_a_picture_is_stretched_where_its_proportions_are_others(
    size: tuple[int, int], stretched: bool
) -> None:
    _, treated = brought_to(Image.new("L", size), (40, 50))
    assert (STRETCHED in treated) is stretched


def test_mixed_sizes_are_brought_to_one(tmp_path: Path) -> None:
    root, cache = mixed(tmp_path / "data"), tmp_path / "cache"
    with pytest.raises(InputError, match=r"expected 12x12; pass --resize N to bring every image"):
        load(root, cache)
    data = load(root, cache, resize=16)
    assert data.images.shape == (12, 16, 16)
    place = data.sources.index("test/ant/1.png")
    expected = slow_bilinear(colour(6, 40, 20)[..., 0], 16)
    assert np.abs(data.images[place] - expected).max() <= 1.01  # two roundings
    assert data.notes[0].startswith("--resize 16: every image is brought to 16x16 pixels (bilinear")
    assert "images that had another size: 12" in data.notes
    assert "images of other proportions, so that their faces are stretched: 1" in data.notes
    other = load(root, cache, resize=20)
    assert other.fingerprint != data.fingerprint
    assert load(root, cache, resize=16).fingerprint == data.fingerprint
    report = verify_dataset("folder", root, resize=16)
    assert report.ok
    assert {f.message for f in report.findings if f.check == "note"} == set(data.notes)


def test_a_size_that_all_have_changes_no_pixel(tmp_path: Path) -> None:
    root = make_folders(tmp_path / "data", side=24)
    plain, same = load(root, tmp_path / "cache"), load(root, tmp_path / "cache", resize=24)
    assert same.fingerprint == plain.fingerprint


@pytest.mark.parametrize("side", [SIDES[0] - 1, SIDES[1] + 1, -1, 0])
def test_sizes_out_of_bounds_are_refused(tmp_path: Path, side: int) -> None:
    with pytest.raises(InputError, match=f"--resize {side}: must be from 16 to 1024"):
        load(make_folders(tmp_path / "data"), tmp_path / "cache", resize=side)


@pytest.mark.parametrize("name", ["synthetic", "ferplus", "ferplus-8", "raf-db"])
def test_sets_of_one_size_are_not_resized(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: --resize is for folder"):
        load_dataset(name, tmp_path, resize=32)


@pytest.mark.exhaustive
def test_resize_reaches_jobs_and_records(tmp_path: Path) -> None:
    from benchmark.store.store import Store

    mixed(tmp_path / "data")
    words = ("--dataset", "folder", "--data-root", "data", "--cache-dir", "cache", "--resize", "24",
             "--protocol", "smoke", "--methods", "baseline", "--factors", "full", "--seeds", "0,1",
             "--set", "training.epochs=1", "--set", "image.size=16", "--results", "runs",
             "--threads", "1")  # fmt: skip
    code, text = fer_bench(tmp_path, "run", *words, "--jobs", "2")
    assert code == 0, text
    assert "2 jobs side by side" in text
    records = Store(tmp_path / "runs").records()
    assert len(records) == 2
    assert all(any(note.startswith("--resize 24:") for note in r.notes) for r in records)
    code, text = fer_bench(tmp_path, "status", *words[:-2])
    assert (code, text.count("done")) == (0, 3)
    code, text = fer_bench(tmp_path, "data", "counts", "folder", *words[2:6], "--resize", "24",
                           "--factors", "full")  # fmt: skip
    assert code == 0, text
    assert load_dataset("folder", tmp_path / "data", cache_dir=tmp_path / "c", resize=24).counts(
        Part.TRAIN
    ) == (2, 2, 2)
