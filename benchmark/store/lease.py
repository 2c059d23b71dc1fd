"""Leases: several processes, on one machine or several, divide cells without talking.

A lease is a numbered file in the cell's own folder. Taking the next number is one exclusive
creation, so that of many who want it exactly one gets it; whoever holds the highest number that is
alive holds the cell. A holder touches its file now and then, as long as its work advances. It
counts as dead when it stopped for longer than :data:`PATIENCE`, or at once when it ran on this
machine and its lock is gone, which the system releases however a process ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from benchmark.write import file_system_time, lock

try:
    import fcntl
except ImportError:  # Windows: a dead holder is found by its silence alone
    fcntl = None  # type: ignore[assignment]

BEAT = 15.0
"""Seconds between two touches."""

PATIENCE = 120.0
"""Seconds of silence after which a holder counts as dead."""

STALL = 1800.0
"""Seconds without a step or a batch evaluated after which a holder falls silent.

A device that hangs lets a process live and its work stand still. No step of a real training takes
so long, and what takes longest before the first one, fetching weights, hardly does.
"""

_PREFIX = "lease-"


class LeaseLostError(Exception):
    """Another process took the cell, because this one was silent for too long."""


class Lease:
    """The right to train one cell; use :func:`take` to get one and ``with`` to keep it alive."""

    def __init__(self, path: Path, file: IO[str]) -> None:
        self._path = path
        self._file = file
        self._stop = threading.Event()
        self._advanced = time.monotonic()
        self._beating = threading.Thread(target=self._beat, name=path.name, daemon=True)

    def __enter__(self) -> Self:
        self._beating.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def advance(self) -> None:
        """Say that the work goes on; without it the lease falls silent after :data:`STALL`."""
        self._advanced = time.monotonic()

    def check(self) -> None:
        """Make sure that the cell is still this process's.

        Raises:
            LeaseLostError: it is not.
        """
        if _newest(self._path.parent) != self._path or not self._is_own():
            raise LeaseLostError(self._path.parent.name)

    def release(self) -> None:
        """Let others take the cell at once."""
        self._stop.set()
        with contextlib.suppress(FileNotFoundError):
            if self._is_own():
                self._path.unlink()
        self._file.close()

    def _is_own(self) -> bool:
        """Whether the file is the one that was taken.

        Whoever finishes a cell clears its folder, so that another one may begin it again, for the
        weights it needs, with the same number.
        """
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            return False

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            if time.monotonic() - self._advanced > STALL:
                continue
            with contextlib.suppress(OSError):  # gone: `check` will say so
                if self._is_own():
                    os.utime(self._path)


def take(folder: Path) -> Lease | None:
    """Take the lease of the cell whose folder this is, or None if another process holds it.

    Raises:
        OSError: the folder cannot be written to.
    """
    for _ in range(3):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            newest = _newest(folder)
            if newest is not None and alive(newest):
                return None
            number = 1 if newest is None else int(newest.name.removeprefix(_PREFIX)) + 1
            return _create(folder, f"{_PREFIX}{number:06d}")
        except FileExistsError:
            return None
        except FileNotFoundError:
            continue  # its holder finished and removed the folder between two looks
    return None


def holder(folder: Path) -> Path | None:
    """Return the lease by which a cell is held now, or None."""
    with contextlib.suppress(FileNotFoundError):
        newest = _newest(folder)
        if newest is not None and alive(newest):
            return newest
    return None


def alive(path: Path) -> bool:
    """Whether the holder of a lease still works.

    Raises:
        FileNotFoundError: it was released meanwhile.
    """
    silent = _now(path.parent) - path.stat().st_mtime
    if abs(silent) > PATIENCE:  # a time ahead is of before the clock was set back: as old
        return False
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # being written
        return True
    if fcntl is None or not isinstance(owner, dict) or owner.get("host") != _host():
        return True
    if not owner.get("locked", True):  # its file system knows no locks
        return True
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _now(folder: Path) -> float:
    """Return the file system's time, or this machine's where a folder can only be read."""
    try:
        return file_system_time(folder)
    except FileNotFoundError:  # the folder is gone
        raise
    except OSError:
        return time.time()


def _create(folder: Path, name: str) -> Lease:
    """Put a lease in place that is complete and locked from its first moment.

    Raises:
        FileExistsError: another process was first.
    """
    draft = folder / f".{uuid.uuid4().hex}"
    file = _signed(draft)
    try:
        os.link(draft, folder / name)
    except (FileExistsError, FileNotFoundError):
        file.close()
        raise
    except OSError:  # no hard links here: as exclusive, but without its lock for a moment
        file.close()
        file = _signed(folder / name)
    finally:
        draft.unlink(missing_ok=True)
    return Lease(folder / name, file)


def _signed(path: Path) -> IO[str]:
    """Create a file that says who holds it, locked while it is open."""
    file = path.open("x", encoding="utf-8")
    locked = _lock(file, path.parent)
    json.dump({"host": _host(), "pid": os.getpid(), "locked": locked}, file)
    file.flush()
    return file


def _lock(file: IO[str], folder: Path) -> bool:
    """Lock a file, or say that a holder's death is found by its silence alone."""
    what = f"a cell whose process was killed is free after {PATIENCE:.0f} s, not at once"
    return lock(file.fileno(), folder, f"{what}: there are no locks here")


def _newest(folder: Path) -> Path | None:
    return max(folder.glob(f"{_PREFIX}*"), default=None)


def _host() -> str:
    """Name this machine since it was started; containers that cannot see our locks differ."""
    parts = [platform.node()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with contextlib.suppress(OSError):
        parts.append(str(os.stat("/proc/self/ns/pid").st_ino))
    return " ".join(parts)
