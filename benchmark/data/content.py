"""What a dataset's files hold: a digest of all of them, and whether they need to be read for it.

Names, sizes and modification times say nothing of content: unpackers and copies set the times, and
uncompressed pictures of one size are all of one length. So content is read and hashed. Reading is
spared where nothing can have changed since: same names, sizes and times, the same inodes on the
same device, and the same change times, which the system itself sets whenever a file is written,
renamed over, or given another modification time.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmark.data.pictures import workers
from benchmark.data.source import Mark, Source
from benchmark.errors import InputError

_SECOND = 1_000_000_000
_SETTLED_AFTER = 3 * _SECOND
"""A change time tells a later write apart once it is older than clocks are coarse (up to 2 s)."""

_COARSE = _SECOND // 100
"""File systems that keep no change time give the modification time, in steps of 10 ms or more."""

_PIECE = 1 << 18  # bytes read at a time
_CHUNK = 256  # files per task, so that handing out the work costs little


def content_key(source: Source, version: int) -> str:
    """Return the SHA-256 (hex) of the loader and of its files' names and content; reads them all.

    Raises:
        InputError: a file cannot be read.
    """
    names = sorted(source.files)
    chunks = [names[start : start + _CHUNK] for start in range(0, len(names), _CHUNK)]

    def digests(chunk: Sequence[str]) -> list[str]:
        return [_digest(source, name) for name in chunk]

    with ThreadPoolExecutor(workers()) as pool:
        found = [digest for part in pool.map(digests, chunks) for digest in part]
    return source.hash(version, dict(zip(names, found, strict=True)))


def stamp(source: Source, version: int) -> str | None:
    """Return the SHA-256 (hex) of all that the system says of the files.

    Two equal stamps mean equal content. None if the content has to be read: a file changed a moment
    ago, or its file system seems to keep no change times.
    """
    now = time.time_ns()
    if os.name != "posix" or not all(_tells(mark, now) for mark in source.files.values()):
        return None
    return source.hash(version, {name: repr(tuple(mark)) for name, mark in source.files.items()})


def changed(source: Source) -> bool:
    """Return whether a file is another one by now than when the source was found."""
    try:
        return any(
            Mark.of(os.stat(os.path.join(source.root, name))) != mark
            for name, mark in source.files.items()
        )
    except OSError:
        return True


def _tells(mark: Mark, now: int) -> bool:
    """Return whether a later write would give the file another change time."""
    kept = mark.ctime_ns != mark.mtime_ns or mark.ctime_ns % _COARSE != 0
    return kept and mark.ctime_ns < now - _SETTLED_AFTER


def _digest(source: Source, name: str) -> str:
    """Hash one file by plain system calls: for small ones a file object costs more than reading."""
    digest = hashlib.sha256()
    try:
        descriptor = os.open(os.path.join(source.root, name), os.O_RDONLY)
        try:
            while piece := os.read(descriptor, _PIECE):
                digest.update(piece)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise InputError(
            f"{source.name}: {name} cannot be read ({error.strerror or error}); re-extract it, or "
            f"run 'fer-bench data verify {source.name}' for every such file"
        ) from None
    return digest.hexdigest()
