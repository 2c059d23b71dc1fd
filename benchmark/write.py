"""Files and folders put in place by one rename, and brought to the disk where the system lets us.

Some file systems know no locks, no modes or no way to bring a folder to the disk. Where nothing is
lost by it the work goes on, and :class:`Weaker` says once what is not promised there.
"""

from __future__ import annotations

import errno
import os
import uuid
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_AFTER_A_POWER_CUT = "what was written last may be lost in a power cut: it cannot be synced here"

UNSUPPORTED = {
    errno.EINVAL,
    errno.ENOSYS,
    errno.ENOLCK,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.EACCES,
    errno.EBADF,
    errno.ENOTTY,
}
"""What systems say of a call that they do not have; a full or broken disk is none of these."""


class Weaker(UserWarning):
    """A promise that a file system does not let us keep; nothing is lost by it now.

    Attributes:
        folder: where it was met; no part of the text, so that the same is said once a process.
    """

    def __init__(self, what: str, folder: Path) -> None:
        super().__init__(what)
        self.folder = folder


def tell_weaker(what: str, folder: Path, error: OSError) -> None:
    """Say what is not promised."""
    warnings.warn(Weaker(f"{what} ({error.strerror})", folder), stacklevel=1)


def put_file(path: Path, content: bytes | memoryview) -> None:
    """Write a file beside its place and move it there: it is the old one or the new one, whole.

    Raises:
        OSError: it cannot be written; what stood there is as it was.
    """
    with drafted(path) as file:
        file.write(content)


@contextmanager
def drafted(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes its place, as :func:`put_file` puts one, when the block ends well.

    Raises:
        OSError: it cannot be written; what stood there is as it was.
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")  # of containers all are pid 1
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            to_disk(file.fileno(), path.parent)
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def write_file(path: Path, content: bytes | memoryview) -> None:
    """Write a file and bring it to the disk.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        to_disk(file.fileno(), path.parent)


def to_disk(descriptor: int, folder: Path) -> None:
    """Bring an open file of a folder to the disk, as far as its file system can.

    Raises:
        OSError: the disk is full or broken.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        tell_weaker(_AFTER_A_POWER_CUT, folder, error)


def sync_folder(folder: Path) -> None:
    """Make the renames within a folder durable; they are done, whatever the system says to this."""
    if os.name != "posix":  # elsewhere folders cannot be opened
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        tell_weaker(_AFTER_A_POWER_CUT, folder, error)


def lock(descriptor: int, folder: Path, otherwise: str) -> bool:
    """Lock an open file or folder until it is closed, once whoever holds it lets go.

    Args:
        descriptor: of what is open.
        folder: that it stands in, for the warning.
        otherwise: what follows where the file system knows no locks, for the same.

    Returns:
        Whether it is locked.

    Raises:
        OSError: the disk is broken.
    """
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            return True
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            tell_weaker(otherwise, folder, error)
    return False


@contextmanager
def exclusive(folder: Path, otherwise: str) -> Iterator[None]:
    """Let one process at a time into the block, of all that name the same folder.

    Args:
        folder: an existing one; nothing is left in it.
        otherwise: what may happen where the file system knows no locks, for a warning.

    Raises:
        OSError: the folder cannot be opened.
    """
    with ExitStack() as held:
        if fcntl is not None:  # elsewhere folders cannot be opened
            descriptor = os.open(folder, os.O_RDONLY)
            held.callback(os.close, descriptor)
            lock(descriptor, folder, otherwise)
        yield


def file_system_time(folder: Path) -> float:
    """Return the file system's own time: machines that share it may disagree about theirs.

    Raises:
        OSError: the folder cannot be written to.
    """
    probe = folder / f".{uuid.uuid4().hex}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
