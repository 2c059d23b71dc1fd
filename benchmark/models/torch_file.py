"""The pickles that people hold: torch's zip archives, its older files, and plain ones of arrays."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from benchmark.errors import InputError
from benchmark.models.inert_pickle import PERSISTENT, InertReader
from benchmark.models.stored_tensors import Bytes, TensorMaker, storage_type

_OLD_MAGIC = 0x1950A86A20F9469CFC6C
"""What files of torch before 1.6 begin with, pickled."""

_LARGEST_RATIO = 4  # weights hardly compress; a bomb does by a thousand


class PickledFile:
    """What a file of pickles holds.

    Attributes:
        form: what wrote it, in words.
        loaded: plain data and :class:`~benchmark.models.inert_pickle.Inert`.
        tensors: makes the tensors that ``loaded`` describes.
        made: the names of everything that the file wanted to build.
    """

    form: str
    loaded: Any
    tensors: TensorMaker
    made: list[str]

    def __init__(self, data: bytes) -> None:
        """Read it.

        Raises:
            InputError: it names what only runs programs, or is no torch checkpoint.
            ValueError: it is damaged; so may be other errors of the zip archive's.
        """
        if data.startswith(b"PK"):
            self._read_archive(data)
            return
        file = io.BytesIO(data)
        reader = InertReader(file)
        self.loaded = reader.read()
        if self.loaded == _OLD_MAGIC:
            self._read_old(file, data)
            return
        self.form = "pickle"
        self.tensors = TensorMaker(dict[str, Bytes]().__getitem__)
        self.made = [inert.name for inert in reader.made]

    def _read_archive(self, data: bytes) -> None:
        archive = _Archive(data)
        reader = InertReader(io.BytesIO(archive.read("data.pkl")))
        self.form = "torch archive"
        self.loaded = reader.read()
        self.tensors = TensorMaker(archive.storage)
        self.made = [inert.name for inert in reader.made]

    def _read_old(self, file: io.BytesIO, data: bytes) -> None:
        reader = InertReader(file)
        reader.read()  # the version of the format, which never rose
        system = reader.read()
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise ValueError("it was written by a big-endian machine")
        self.form = "torch before 1.6"
        self.loaded = reader.read()
        self.made = [inert.name for inert in reader.made]
        sizes: dict[str, int] = {}
        for inert in reader.made:
            if inert.name == PERSISTENT and inert.args and inert.args[0][:1] == ("storage",):
                key, dtype = storage_type(inert)
                sizes[key] = dtype.itemsize
        self.tensors = TensorMaker(_storages(file, data, reader.read(), sizes).__getitem__)


def _storages(
    file: io.BytesIO, data: bytes, keys: Any, sizes: Mapping[str, int]
) -> dict[str, Bytes]:
    """Cut the storages out of the end of an old file: each a count and its numbers."""
    whole = memoryview(data)
    found: dict[str, Bytes] = {}
    place = file.tell()
    for key in keys:
        count = int.from_bytes(whole[place : place + 8], "little", signed=True)
        end = place + 8 + count * sizes[key]
        if count < 0 or end > len(data):
            raise ValueError("it ends in the middle of a tensor")
        found[key] = whole[place + 8 : end]
        place = end
    return found


class _Archive:
    """A zip archive of torch's; a member is read when it is asked for."""

    def __init__(self, data: bytes) -> None:
        try:
            self.archive = zipfile.ZipFile(io.BytesIO(data))
            members = self.archive.infolist()
        except Exception as error:  # a damaged directory fails in many ways
            raise InputError(
                f"is a damaged or truncated archive ({str(error)[:160]}); fetch it again"
            ) from error
        names = [member.filename for member in members]
        if any(name.endswith("/constants.pkl") for name in names):
            raise InputError(
                "is a TorchScript archive, which is a program and not only weights; save the "
                "network's tensors with torch.save(network.state_dict(), ...)"
            )
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if not pickles:
            raise InputError("is a zip archive but no torch checkpoint; give the checkpoint itself")
        if sum(member.file_size for member in members) > _LARGEST_RATIO * len(data) + (1 << 20):
            raise InputError("unpacks to far more than a file of weights does, and is refused")
        self.top = pickles[0].removesuffix("data.pkl")
        self._read: dict[str, bytes] = {}
        if f"{self.top}byteorder" in names and self.read("byteorder") != b"little":
            raise InputError("was written by a big-endian machine; save it as safetensors there")

    def read(self, name: str) -> bytes:
        """Return the bytes of a member, whose checksum must fit."""
        if name not in self._read:
            self._read[name] = self.archive.read(self.top + name)
        return self._read[name]

    def storage(self, key: str) -> Bytes:
        """Return the bytes of a storage."""
        return self.read(f"data/{key}")
