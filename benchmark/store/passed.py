"""What passed the check of :mod:`benchmark.store.whole` before, not to be unpacked every time.

The memory is of bytes, not of files: who holds the same bytes again holds a whole cell, wherever
it lies. It belongs to this user and never travels with results; without it, all is checked anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from benchmark.data.cache import default_cache_dir
from benchmark.stats import accuracy
from benchmark.store import logits_file, whole

_LARGEST = 1 << 25  # bytes of the file: half a million cells


class Passed:
    """The cells that passed, remembered in this user's cache folder where that can be written."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or default_cache_dir() / "whole"
        self._new: list[str] = []

    def once(self, files: Sequence[bytes], check: Callable[[], None]) -> None:
        """Make a check unless these bytes passed it; what it raises is remembered nowhere."""
        content = b"".join(hashlib.sha256(file).digest() for file in files)
        key = hashlib.sha256(content).hexdigest()
        if key not in self._known:
            check()
            self._known.add(key)
            self._new.append(key)

    def keep(self) -> None:
        """Write down what passed since."""
        if self._new:
            with suppress(OSError):  # then it is checked again next time
                self._folder.mkdir(parents=True, exist_ok=True)
                with self._file.open("ab") as file:  # in one piece: others may write, too
                    file.write("".join(f"{key}\n" for key in self._new).encode())
            self._new = []

    @cached_property
    def _known(self) -> set[str]:
        with suppress(OSError, ValueError):
            if self._file.stat().st_size > _LARGEST:
                self._file.unlink()
            return set(self._file.read_text(encoding="ascii").split())
        return set()

    @cached_property
    def _file(self) -> Path:
        """The file of this very check: what another version let pass says nothing."""
        code = hashlib.sha256()
        for module in (whole, logits_file, accuracy):
            code.update(Path(os.fspath(module.__file__ or "")).read_bytes())
        return self._folder / code.hexdigest()[:16]
