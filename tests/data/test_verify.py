"""Verification: every fault by name, and the same picture on both sides of a line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from dataset_makers import make_ferplus, make_folders, make_kaggle
from PIL import Image

from benchmark.data.dataset import EMOTIONS, Part
from benchmark.data.imbalance import PUBLISHED
from benchmark.data.rafdb import CLASSES
from benchmark.data.verify import (
    Finding,
    Severity,
    VerifyReport,
    count_findings,
    expected_counts,
    verify_dataset,
)


def of(report: VerifyReport, check: str, severity: Severity) -> list[Finding]:
    return [f for f in report.findings if (f.check, f.severity) == (check, severity)]


def counted(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and parts with exactly the published counts."""
    labels, parts = [], []
    for part in Part:
        for label, n in enumerate((expected_counts(name, part) or {}).values()):
            labels += [label] * n
            parts += [part] * n
    return np.array(labels), np.array(parts)


def test_expected_totals() -> None:
    totals = {
        (name, part): sum((expected_counts(name, part) or {}).values())
        for name in PUBLISHED
        for part in Part
    }
    assert totals == {
        ("ferplus", Part.TRAIN): 24941,
        ("ferplus", Part.VALIDATION): 3186,
        ("ferplus", Part.TEST): 3137,
        ("raf-db", Part.TRAIN): 12271,
        ("raf-db", Part.VALIDATION): 0,
        ("raf-db", Part.TEST): 3068,
    }


@pytest.mark.parametrize(("name", "classes"), [("ferplus", EMOTIONS), ("raf-db", CLASSES)])
def test_published_counts_pass_and_others_do_not(name: str, classes: tuple[str, ...]) -> None:
    labels, parts = counted(name)
    assert {f.severity for f in count_findings(name, classes, labels, parts)} == {Severity.INFO}
    (error,) = (
        f
        for f in count_findings(name, classes, labels[1:], parts[1:])
        if f.severity == Severity.ERROR
    )
    number = (expected_counts(name, Part.TRAIN) or {})[classes[0]]
    assert error.subject == f"train {classes[0]}"
    assert error.message == f"{number - 1} images, published are {number}"


def test_every_bad_file_is_named(tmp_path: Path) -> None:
    root = make_ferplus(tmp_path)
    (root / "FER2013Train/fer0000010.png").unlink()
    (root / "FER2013Train/fer0000013.png").write_bytes(b"x")
    (root / "FER2013Test/fer0000085.png").write_bytes(b"")
    report = verify_dataset("ferplus", root)
    assert not report.ok
    assert [(f.subject, f.message) for f in of(report, "file", Severity.ERROR)] == [
        ("FER2013Train/fer0000010.png", "is missing"),
        (
            "FER2013Train/fer0000013.png",
            "is not an image (none of PNG, JPEG, BMP, PPM, WEBP, TIFF, GIF)",
        ),
        ("FER2013Test/fer0000085.png", "is not an image (an empty file)"),
    ]
    severities = [list(Severity).index(f.severity) for f in report.findings]
    assert severities == sorted(severities)


def test_every_bad_pixel_row_is_named(tmp_path: Path) -> None:
    path = make_kaggle(tmp_path) / "fer2013.csv"
    lines = path.read_text().splitlines()
    for i in (1, 3):
        lines[i] = "0,1 2,Training"
    path.write_text("\n".join(lines))
    found = of(verify_dataset("ferplus", tmp_path), "file", Severity.ERROR)
    assert [f.subject for f in found] == ["fer2013.csv line 2", "fer2013.csv line 4"]


def test_a_clean_set_is_ok(tmp_path: Path) -> None:
    report = verify_dataset("folder", make_folders(tmp_path))
    assert report.ok
    assert report.images == 12
    assert report.of(Severity.WARNING) == ()


def test_the_same_picture_across_the_lines(tmp_path: Path) -> None:
    root = make_folders(tmp_path, parts=("train", "test", "val"))
    shutil.copy(root / "train/ant/0.png", root / "test/bee/1.png")
    shutil.copy(root / "train/cat/0.png", root / "val/cat/0.png")
    report = verify_dataset("folder", root)
    assert report.ok
    assert [(f.subject, f.message) for f in report.of(Severity.WARNING)] == [
        (
            "train/test",
            "train/ant/0.png (ant) and test/bee/1.png (bee) are the same image; the labels differ",
        ),
        ("train/validation", "train/cat/0.png (cat) and val/cat/0.png (cat) are the same image"),
    ]


def test_contradictions_inside_training_are_counted(tmp_path: Path) -> None:
    root = make_folders(tmp_path)
    shutil.copy(root / "train/ant/0.png", root / "train/bee/1.png")
    shutil.copy(root / "train/cat/0.png", root / "train/cat/1.png")
    report = verify_dataset("folder", root)
    assert [(f.subject, f.message) for f in of(report, "duplicate", Severity.WARNING)] == [
        (
            "train",
            "2 pictures stand more than once (2 images too many), with contradicting labels for 1 "
            "of them",
        ),
        (
            "train",
            "train/ant/0.png (ant) and train/bee/1.png (bee) are the same image; the labels differ",
        ),
    ]
    assert report.ok


def test_bad_files_are_no_duplicates_of_each_other(tmp_path: Path) -> None:
    root = make_folders(tmp_path)
    for name in ("train/ant/1.png", "test/ant/1.png"):
        (root / name).write_bytes(b"x")
    report = verify_dataset("folder", root)
    assert len(of(report, "file", Severity.ERROR)) == 2
    assert report.of(Severity.WARNING) == ()


def test_the_synthetic_set() -> None:
    assert verify_dataset("synthetic").ok


@pytest.mark.ferplus
def test_the_real_set() -> None:
    report = verify_dataset("ferplus", Path(os.environ["FER_BENCH_FERPLUS"]))
    assert report.ok
    lines = [f.subject for f in report.of(Severity.WARNING)]
    assert {line: lines.count(line) for line in lines} == {
        "train/test": 248,
        "train/validation": 239,
        "validation/test": 40,
    }


def test_copies_are_summed_up_by_class_and_listed_by_name(tmp_path: Path) -> None:
    picture = np.kron(np.random.default_rng(3).integers(20, 236, (6, 6)), np.ones((8, 8)))
    picture = picture.astype(np.uint8)
    other = np.random.default_rng(4).integers(0, 256, (48, 48), dtype=np.uint8)
    for path, image in (
        ("train/a/1.png", picture),
        ("train/b/2.png", other),
        ("test/a/3.png", picture[:, ::-1]),
        ("test/b/4.png", np.clip(picture.astype(int) + 5, 0, 255).astype(np.uint8)),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / path)
    report = verify_dataset("folder", tmp_path)
    assert [(f.subject, f.message) for f in of(report, "copies", Severity.INFO)] == [
        ("test/train", "1 image with the mirrored pixels of another: a 1"),
        ("test/train", "1 image nearly another (correlation from 0.98 on): b 1"),
        ("test", "1 image nearly another, mirrored (correlation from 0.98 on): a 1"),
    ]
    assert report.copies.splitlines()[:2] == [
        "kind,correlation,part,image,class,other part,other image,other class",
        "mirrored,1.0000,test,test/a/3.png,a,train,train/a/1.png,a",
    ]
