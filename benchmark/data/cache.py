"""The cache of decoded datasets: one folder each, written whole or not at all.

An entry ``<name>-<key>`` holds ``images.npy`` (uint8, memory-mapped when read), ``dataset.npz``
(labels and parts) and ``meta.json``. The key is a digest of the source files' names and content,
so an entry never has to be brought up to date: other content, another entry; the same content under
another root, the same entry. An empty file ``seen-<stamp>`` in an entry says that files of which
the system said just this (:func:`benchmark.data.content.stamp`) were read and held what the entry
was made of; where it fits, they are not read again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmark.damage import ARCHIVE_ERRORS
from benchmark.data.content import changed, content_key, stamp
from benchmark.data.dataset import FaceDataset, make_dataset
from benchmark.data.evidence import Reading, Severity, judge
from benchmark.data.source import Index, Problem, Source
from benchmark.errors import InputError, shortened
from benchmark.write import file_system_time, sync_folder, to_disk, write_file

FORMAT = 2
"""Goes into the key; raise it when an entry's content would differ for the same files."""

IMAGES, ARRAYS, META = "images.npy", "dataset.npz", "meta.json"
SEEN = "seen-"

_KEY_DIGITS = 24
_TEMPORARY = ".tmp-"
_ABANDONED_AFTER = 3600.0  # seconds without a change; decoding takes a minute
_ATTEMPTS = 5

_IN_THE_WAY = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)

# What a damaged entry can make the readers raise.
_DAMAGE = (*ARCHIVE_ERRORS, KeyError, TypeError, InputError)


def default_cache_dir() -> Path:
    """Return the folder for caches that this system gives the user."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("fer-bench"))


def cached_dataset(source: Source, cache_dir: Path | str | None = None) -> FaceDataset:
    """Return a dataset from the cache; decode it into the cache if it is not there.

    Two processes may do so at once: both decode, the first to finish leaves its entry.

    Raises:
        InputError: a source file is missing or wrong, or the cache cannot be written.
    """
    folder = default_cache_dir() if cache_dir is None else Path(cache_dir).expanduser()
    seen = stamp(source, FORMAT)
    found = _seen_before(folder, source, seen)
    for _ in range(_ATTEMPTS):
        if found is None:  # never read, or another process took it for damaged
            found = _by_content(folder, source, seen)
    if found is not None:
        return replace(found, notes=tuple(dict.fromkeys((*found.notes, *source.notes))))
    raise InputError(
        f"{source.name}: a cache entry in {folder} cannot be read back; remove the folder, or pass "
        "--cache-dir with another one"
    )


def _seen_before(folder: Path, source: Source, seen: str | None) -> FaceDataset | None:
    """Return the dataset of files that have not changed since they were last read."""
    if seen is None:
        return None
    marks = folder.glob(f"{source.name}-*/{SEEN}{seen}")
    entries = (read_entry(mark.parent) for mark in marks)
    return next((found for found in entries if found is not None), None)


def _by_content(folder: Path, source: Source, seen: str | None) -> FaceDataset | None:
    """Read the files; return the dataset of that content, decoding it if it is not there."""
    key = content_key(source, FORMAT)
    entry = folder / f"{source.name}-{key[:_KEY_DIGITS]}"
    found = read_entry(entry, key)
    if found is None:
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            sweep(folder)
            with _temporary(folder, entry.name) as temporary:
                write_entry(temporary, source.name, key, source.read_index())
                _check_unchanged(source, key, seen)
                _publish(temporary, entry, key)
        found = read_entry(entry, key)
    if found is not None and seen is not None:
        with suppress(OSError):  # a cache that takes nothing serves all the same
            (entry / f"{SEEN}{seen}").touch()
    return found


def _check_unchanged(source: Source, key: str, seen: str | None) -> None:
    """Refuse files that changed while they were decoded: the entry would not be their content."""
    if changed(source) or (seen is None and content_key(source, FORMAT) != key):
        raise InputError(
            f"{source.name}: files below {source.root} change while they are read; wait until they "
            "are all in place"
        )


def read_entry(entry: Path, key: str | None = None) -> FaceDataset | None:
    """Return the dataset of a cache entry, or None if there is none or it is damaged.

    Without a key, that of the folder's name.

    Labels and meta data are checked by a hash. Of the pixels only type, shape and file size are
    checked: reading them all at every start would cost what the cache saves.
    """
    try:
        meta = json.loads((entry / META).read_text(encoding="utf-8"))
        arrays = (entry / ARRAYS).read_bytes()
        if meta["format"] != FORMAT or key not in (None, meta["key"]):
            return None
        if key is None and not entry.name.endswith(meta["key"][:_KEY_DIGITS]):
            return None
        if meta["check"] != _check(meta, arrays):
            return None
        images = np.load(entry / IMAGES, mmap_mode="r", allow_pickle=False)
        if list(images.shape) != meta["shape"]:
            return None
        with np.load(entry / ARRAYS, allow_pickle=False) as stored:
            labels, parts = stored["labels"], stored["parts"]
        return make_dataset(
            meta["name"],
            images,
            labels,
            parts,
            tuple(meta["classes"]),
            sources=tuple(meta["sources"]),
            notes=tuple(meta["notes"]),
            known_fingerprint=meta["fingerprint"],
        )
    except _DAMAGE:
        return None


def write_entry(folder: Path, name: str, key: str, index: Index) -> None:
    """Decode a dataset into an existing, empty folder and bring it to the disk.

    Raises:
        InputError: an image is missing or wrong, or the labels are not those of the pictures.
        OSError: the folder cannot be written.
    """
    shape = (len(index.labels), *index.pixels.shape)
    reading = _write_images(folder / IMAGES, name, shape, index)
    dataset = make_dataset(
        name,
        np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False),
        index.labels,
        index.parts,
        index.classes,
        sources=index.sources,
        notes=(*index.notes, *reading.notes, *_doubts(name, index, reading)),
    )
    finish_entry(folder, key, dataset)


def finish_entry(folder: Path, key: str, dataset: FaceDataset) -> None:
    """Write what an entry holds beside its images, which are in place.

    Raises:
        OSError: the folder cannot be written.
    """
    with (folder / ARRAYS).open("wb") as file:
        np.savez(file, labels=dataset.labels, parts=dataset.parts)
        to_disk(file.fileno(), folder)
    meta = {
        "format": FORMAT,
        "key": key,
        "name": dataset.name,
        "shape": list(dataset.images.shape),
        "classes": list(dataset.classes),
        "fingerprint": dataset.fingerprint,
        "notes": list(dataset.notes),
        "sources": list(dataset.sources),
    }
    meta["check"] = _check(meta, (folder / ARRAYS).read_bytes())
    write_file(folder / META, json.dumps(meta, indent=1).encode())


def _doubts(name: str, index: Index, reading: Reading) -> list[str]:
    """Return what speaks against the labels, for whoever reads the results.

    Raises:
        InputError: they are not those of the pictures. What is trained on such a set says nothing,
            so nobody is served by a warning above it.
    """
    findings = judge(name, index, reading)
    for finding in findings:
        if finding.severity == Severity.ERROR:
            raise InputError(
                f"{name}: {finding.subject}: {finding.message}; take pictures and label file anew, "
                f"both in their original order, and see 'fer-bench data verify {name}'"
            )
    warnings = [f for f in findings if f.severity == Severity.WARNING]
    return [f"{finding.subject}: {finding.message}" for finding in warnings]


def _write_images(path: Path, name: str, shape: tuple[int, ...], index: Index) -> Reading:
    """Write the pixels block by block, and return what was seen of them.

    Not through a memory map: on a full disk that ends the process instead of raising OSError.
    """
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        reading = Reading()
        for block in reading.over(index.pixels):
            if block.problems:
                raise InputError(_problem_line(name, block.problems[0]))
            file.write(block.images.data)
        file.flush()
        to_disk(file.fileno(), path.parent)
    return reading


def _problem_line(name: str, problem: Problem) -> str:
    return (
        f"{name}: {problem.source} {problem.reason}; {problem.remedy or 're-extract it'}, or run "
        f"'fer-bench data verify {name}' for every such file"
    )


def _check(meta: dict[str, object], arrays: bytes) -> str:
    """Return the SHA-256 (hex) of the meta data but for this entry itself, and of the arrays."""
    rest = {name: value for name, value in meta.items() if name != "check"}
    text = json.dumps(rest, sort_keys=True)
    return hashlib.sha256(text.encode() + b"\0" + arrays).hexdigest()


def _publish(temporary: Path, entry: Path, key: str) -> None:
    """Give a finished entry its name, unless another process did so meanwhile."""
    for _ in range(_ATTEMPTS):
        try:
            temporary.rename(entry)
        except OSError as error:
            if error.errno not in _IN_THE_WAY:
                raise
        else:
            sync_folder(entry.parent)
            return
        if read_entry(entry, key) is not None:
            return
        # A damaged entry is in the way: move it aside in one step, then remove it.
        with _temporary(entry.parent, "damaged", make=False) as aside, suppress(FileNotFoundError):
            entry.rename(aside)


@contextmanager
def _temporary(folder: Path, name: str, *, make: bool = True) -> Iterator[Path]:
    """Give a path of this process's own, gone in the end unless it was renamed."""
    path = folder / f"{_TEMPORARY}{os.getpid()}-{secrets.token_hex(6)}-{name}"
    try:
        if make:
            path.mkdir()
        yield path
    finally:
        _remove(path)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn every way that the cache cannot be written into one line."""
    try:
        yield
    except OSError as error:
        where = shortened(folder)
        raise InputError(
            f"the cache folder {where} cannot be written ({error.strerror or error}); pass "
            "--cache-dir with a folder that can, with room for the decoded images"
        ) from None


def _remove(path: Path) -> None:
    """Remove a folder, or the file that stood in a folder's place."""
    if path.is_file():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what processes that were killed left behind: old, and of no living process."""
    now = file_system_time(folder)
    for path in folder.glob(f"{_TEMPORARY}*"):
        try:
            process = int(path.name.removeprefix(_TEMPORARY).split("-")[0])
            age = now - max(p.stat().st_mtime for p in (path, *path.iterdir()))
        except (OSError, ValueError):
            continue
        if age > _ABANDONED_AFTER and not _alive(process):
            shutil.rmtree(path, ignore_errors=True)


def _alive(process: int) -> bool:
    if os.name != "posix":  # there is no harmless signal elsewhere; the age has to do
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        return True
    return True
