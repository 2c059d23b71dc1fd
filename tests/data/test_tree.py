"""Nothing below a dataset's root is skipped in silence: used, left out and told, or refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from dataset_makers import grey, make_ferplus, make_folders, make_kaggle, make_raf, make_raf_folders
from PIL import Image

from benchmark.cli import cli
from benchmark.data import left_out, tree
from benchmark.data.load import find_source, load_dataset
from benchmark.data.verify import verify_dataset
from benchmark.errors import InputError
from benchmark.report.forms import by_name

RUN = "run --dataset folder --protocol smoke --methods baseline --factors full"

TOLD = (
    "2 folders left out: not used by the layout (extra, train_old: 3 files)",
    "1 folder left out: below the folders whose images are read (train/ant/deeper: 2 files)",
    "2 files left out: images outside the folders of the classes",
    "4 files left out: not an image by the ending (.txt 2, .zip 1, no ending 1)",
    "2 entries left out: links that lead nowhere, or no regular files "
    "(gone.txt, train/bee/pipe.png)",
    "5 entries left out: hidden, or of the system",
)


def one_of_everything(root: Path) -> Path:
    """A folder dataset with all that may stand beside its images."""
    make_folders(root, parts=("train", "test", "Valid"))
    picture = root / "train/ant/0.png"
    for name in ("extra/a.png", "extra/deep/b.txt", "train_old/c.bin"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name in (
        "train/ant/deeper/0.png",
        "train/ant/deeper/1.png",
        "loose.png",
        "train/loose.png",
    ):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(picture.read_bytes())
    for name in ("README", "train/cat/notes.txt", "test/notes.TXT", "train/cat/all.zip"):
        (root / name).touch()
    for name in (".DS_Store", "train/cat/Thumbs.db", "train/.hidden.png", "Valid/desktop.ini"):
        (root / name).touch()
    (root / "__MACOSX/train").mkdir(parents=True)
    os.mkfifo(root / "train/bee/pipe.png")
    (root / "gone.txt").symlink_to("nowhere")
    return root


def test_a_tree_that_holds_one_of_everything(tmp_path: Path) -> None:
    source = find_source("folder", one_of_everything(tmp_path / "data"))
    assert source.notes == TOLD
    assert len(source.files) == 18
    plain = find_source("folder", make_folders(tmp_path / "plain", parts=("train", "test", "val")))
    assert len(plain.files) == 18
    assert plain.notes == ()


def test_all_commands_tell_what_was_left_out(tmp_path: Path) -> None:
    root, store = one_of_everything(tmp_path / "data"), tmp_path / "runs"
    places = ["--data-root", str(root), "--cache-dir", str(tmp_path / "cache")]
    runner = CliRunner(env={"COLUMNS": "1000"})
    verified = runner.invoke(cli, ["data", "verify", "folder", *places])
    assert all(f"note       folder            {note}" in verified.stdout for note in TOLD)
    quick = ["--set", "training.epochs=1", "--jobs", "1", "--results", str(store)]
    trained = runner.invoke(cli, [*RUN.split(), *places, *quick])
    assert trained.exit_code == 0, trained.output
    before = trained.stdout.partition("[1/1]")[0].splitlines()
    assert [line for line in before if line.startswith("Dataset: ")] == [
        f"Dataset: {note}." for note in TOLD
    ]
    shown = runner.invoke(cli, ["report", "--results", str(store), "--format", "terminal"])
    assert f"Of the dataset's files: {'; '.join(TOLD)}." in " ".join(shown.stdout.split())


def test_a_table_without_anything_left_out_says_nothing_of_it(
    report: Callable[..., str],
) -> None:
    assert "left out" not in report("--format", "markdown")


def test_huge_trees_beside_the_dataset_are_named_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folders(tmp_path)
    for i in range(8):
        (root / f"other{i}").mkdir()
        for j in range(3):
            (root / f"other{i}" / str(j)).touch()
    monkeypatch.setattr(left_out, "MOST_COUNTED", 10)
    assert find_source("folder", root).notes == (
        "8 folders left out: not used by the layout (other0, other1, other2, other3, other4 and 3 "
        "more: more than 10 entries)",
    )


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("ferplus", lambda root: make_ferplus(root, label_copies=True)),
        ("ferplus", make_kaggle),
        ("raf-db", make_raf),
        ("raf-db", make_raf_folders),
        ("folder", make_folders),
    ],
)
def test_known_layouts_have_nothing_to_tell(
    name: str, make: Callable[[Path], Path], tmp_path: Path
) -> None:
    root = make(tmp_path)
    source = find_source(name, root)
    assert source.notes == ()
    assert not any(map(left_out.is_left_out_note, source.read_index().notes))


def test_what_stands_beside_the_aligned_faces_is_named(tmp_path: Path) -> None:
    root = make_raf(tmp_path)
    (root / "Annotation/auto").mkdir(parents=True)
    (root / "Image/original").mkdir()
    (root / "Image/original/train_00001.jpg").touch()
    assert find_source("raf-db", root).notes == (
        "2 folders left out: not used by the layout (Annotation, Image/original: 1 file)",
    )


@pytest.mark.parametrize("name", ["valid", "Val", "VALIDATION", "Test", "train"])
@pytest.mark.parametrize("below", ["", "data"])
def test_what_is_called_like_a_part_and_is_none_is_refused(
    name: str, below: str, tmp_path: Path
) -> None:
    root = make_folders(tmp_path / below)
    if (root / name).exists():
        (root / name).rename(root / "Train")
    (root / name).symlink_to("nowhere")
    told = rf"{name}, by its name a part of the set, is missing \(it is a link to nowhere\)"
    with pytest.raises(InputError, match=told):
        find_source("folder", tmp_path)
    (root / name).unlink()
    (root / name).touch()
    with pytest.raises(InputError, match=f"{name}, by its name a part of the set, is no folder"):
        find_source("folder", tmp_path)


@pytest.mark.parametrize(
    ("name", "make", "place"),
    [
        ("ferplus", make_ferplus, "FER2013Train"),
        ("raf-db", make_raf, "Image/aligned"),
        ("raf-db", make_raf_folders, "train/3"),
    ],
)
def test_all_loaders_tell_what_they_leave_out(
    name: str, make: Callable[[Path], Path], place: str, tmp_path: Path
) -> None:
    root = make(tmp_path)
    (root / place / "below").mkdir()
    (root / place / "below/x.png").touch()
    (root / place / "x.md").touch()
    (root / "LICENSE").touch()
    (root / ".git").mkdir()
    source = find_source(name, root)
    assert source.notes[0] == (
        f"1 folder left out: below the folders whose images are read ({place}/below: 1 file)"
    )
    notes = " | ".join((*source.read_index().notes, *source.notes))
    assert ".md 1" in notes
    assert "no ending 1" in notes
    assert "1 entry left out: hidden, or of the system" in notes


def test_images_that_no_label_names(tmp_path: Path) -> None:
    for name, make, place, labels in (
        ("ferplus", make_ferplus, "FER2013Test", "fer2013new.csv"),
        ("raf-db", make_raf, "Image/aligned", "EmoLabel/list_patition_label.txt"),
    ):
        root = make(tmp_path / name)
        for file in ("surplus.png", "surplus.jpg", "other.jpg"):
            (root / place / file).touch()
        note = f"3 files left out: not named by {labels} (.jpg 2, .png 1)"
        assert note in find_source(name, root).read_index().notes


def test_a_link_that_leads_nowhere_is_a_missing_image(tmp_path: Path) -> None:
    root = make_folders(tmp_path / "data")
    (root / "train/ant/gone.png").symlink_to("nowhere.png")
    (root / "train/ant/loop.png").symlink_to("loop.png")
    found = [f for f in verify_dataset("folder", root).findings if f.check == "file"]
    assert [(f.subject, f.message) for f in found] == [
        ("train/ant/gone.png", "is missing (it is a link to nowhere.png)"),
        ("train/ant/loop.png", "is missing (it is a link to loop.png)"),
    ]
    (root / "train/dog").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"train/dog is missing \(it is a link to nowhere\)"):
        find_source("folder", root)
    (root / "train/dog").unlink()
    (root / "classes.txt").symlink_to("nowhere.txt")
    with pytest.raises(InputError, match=r"classes\.txt: No such file"):
        find_source("folder", root)


LABELS = [
    ("folder", make_folders, "classes.txt"),
    ("ferplus", make_ferplus, "fer2013new.csv"),
    ("ferplus", make_kaggle, "fer2013.csv"),
    ("raf-db", make_raf, "EmoLabel/list_patition_label.txt"),
]


@pytest.mark.parametrize("kind", ["fifo", "device", "folder"])
@pytest.mark.parametrize(("name", "make", "place"), LABELS)
def test_label_files_that_are_none(
    name: str, make: Callable[[Path], Path], place: str, kind: str, tmp_path: Path
) -> None:
    root = make(tmp_path)
    (root / place).unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(root / place)
    elif kind == "folder":
        (root / place).mkdir()
    else:
        try:
            os.mknod(root / place, 0o20600, os.makedev(1, 5))  # as /dev/zero
        except PermissionError:
            pytest.skip("only root makes devices")
    with pytest.raises(InputError, match="is no regular file"):
        find_source(name, root)


@pytest.mark.parametrize("fault", ["fifo", "device"])
def test_an_image_that_is_none_never_hangs(fault: str, tmp_path: Path) -> None:
    root = make_ferplus(tmp_path)
    path = root / "FER2013Train/fer0000010.png"
    path.unlink()
    if fault == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
        with pytest.raises(InputError, match="leads outside"):
            verify_dataset("ferplus", root)
        return
    (found,) = (f for f in verify_dataset("ferplus", root).findings if f.check == "file")
    assert found.message == "is missing"


def rename(root: Path, old: str, new: bytes) -> None:
    os.rename(os.fsencode(root / old), os.fsencode(root / old).rpartition(b"/")[0] + b"/" + new)


UNSTORABLE = (b"caf\xe9", b"a\nb", b"a\tb", "a\u2028b".encode())
UNSEEN = ("\u200b".encode(), "\u3164".encode(), " \u2060".encode())


@pytest.mark.parametrize("new", [*UNSTORABLE, *UNSEEN])
def test_class_folders_that_no_record_could_hold(new: bytes, tmp_path: Path) -> None:
    root = make_folders(tmp_path / "data")
    for part in ("train", "test"):
        rename(root, f"{part}/ant", new)
    done = CliRunner().invoke(cli, ["data", "verify", "folder", "--data-root", str(root)])
    assert isinstance(done.exception, InputError)
    line = str(done.exception)
    assert "so no record or table could hold it; rename it" in line
    assert line.isprintable()
    line.encode()


@pytest.mark.parametrize("name", ["folder", "raf-db", "ferplus"])
def test_folders_above_the_images_that_no_record_could_hold(name: str, tmp_path: Path) -> None:
    makers = {"folder": make_folders, "raf-db": make_raf_folders, "ferplus": make_ferplus}
    makers[name](tmp_path / "data" / "below")
    rename(tmp_path / "data", "below", b"caf\xe9")
    with pytest.raises(InputError, match=r"caf\\udce9.* has a name that is not UTF-8"):
        find_source(name, tmp_path / "data")


@pytest.mark.parametrize("format_name", ["csv", "text", "markdown"])
@pytest.mark.parametrize(
    ("new", "shown"), [(b"caf\xe9.png", r"caf\udce9.png"), (b"a\nb.png", r"a\nb.png")]
)
def test_names_of_files_are_escaped(
    new: bytes, shown: str, format_name: str, tmp_path: Path
) -> None:
    root = make_folders(tmp_path / "data")
    out = tmp_path / f"out{by_name(format_name).endings[0]}"
    rename(root, "train/ant/0.png", new)
    asked = ["data", "verify", "folder", "--data-root", str(root), "--format", format_name]
    done = CliRunner().invoke(cli, [*asked, "--out", str(out)])
    assert done.exit_code == 1, done.output
    text = out.read_text(encoding="utf-8")
    assert shown in text.replace("\\\\", "\\").replace("\\_", "_")
    with pytest.raises(InputError, match="rename it"):
        load_dataset("folder", root, cache_dir=tmp_path / "cache")


def test_system_names_and_the_rest() -> None:
    assert all(map(tree.of_system, (".x", "Thumbs.db", "__MACOSX", "@eaDir", "lost+found")))
    assert not any(map(tree.of_system, ("x", "thumbs", "macosx")))


def test_other_notes_are_not_taken_for_left_out_ones() -> None:
    assert not left_out.is_left_out_note("fer0006953.png stands on 2 rows (lines 1, 2); 2 kept")
    assert all(map(left_out.is_left_out_note, TOLD))


def test_pictures_in_folders_below_alone(tmp_path: Path) -> None:
    root = make_folders(tmp_path)
    (root / "train/ant/person").mkdir()
    for path in list((root / "train/ant").glob("*.png")):
        path.rename(path.parent / "person" / path.name)
    with pytest.raises(InputError, match="those in folders below it, such as person, are not read"):
        find_source("folder", root)
    Image.fromarray(grey(1, 12)).save(root / "train/ant/0.png")
    assert "train/ant/person: 2 files" in find_source("folder", root).notes[0]
