"""Files of weights: read without running code, or refused with one line."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.models.build import weights_identity
from benchmark.models.weights_file import flatten, read_weights_file

STATE = {"conv1.weight": torch.ones(64, 3, 7, 7), "steps": torch.zeros(3, dtype=torch.int64)}


def one_line(error: InputError) -> str:
    text = str(error)
    assert text.isprintable()
    assert len(text) < 800
    return text


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_weights_file(path)
    text = one_line(caught.value)
    assert str(path) in text
    return text


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_tensors_come_back_and_the_hash_is_of_the_bytes(form: str, tmp_path: Path) -> None:
    path = tmp_path / "weights"  # no ending: the first bytes tell
    if form == "safetensors":
        safetensors.torch.save_file(STATE, path)
    else:
        torch.save({"model": STATE}, path, _use_new_zipfile_serialization=form == "zip")
    read = read_weights_file(path)
    assert read.sha256 == weights_identity("resnet18", path)
    prefix = "" if form == "safetensors" else "model."
    assert read.tensors.keys() == {prefix + name for name in STATE}
    assert all(torch.equal(read.tensors[prefix + name], STATE[name]) for name in STATE)


@pytest.mark.parametrize("first", [b"PK\x03\x04", b"\x80\x02"])
def test_a_safetensors_header_may_begin_like_the_other_forms(first: bytes, tmp_path: Path) -> None:
    """Its length is a number, whose bytes may be anything."""
    path = tmp_path / "w.safetensors"
    data = safetensors.torch.save(STATE)
    (length,) = struct.unpack("<Q", data[:8])
    longer = int.from_bytes(first[:2], "little")
    header = data[8 : 8 + length].ljust(longer)
    path.write_bytes(struct.pack("<Q", longer) + header + data[8 + length :])
    assert path.read_bytes()[:2] == first[:2]
    assert read_weights_file(path).tensors.keys() == STATE.keys()


class Payload:
    """Creates a file where it is unpickled carelessly."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_the_payload_would_work(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "made")))
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle 2", "pickle 4"])
def test_a_pickle_that_wants_to_run_code_is_refused(form: str, tmp_path: Path) -> None:
    trap = {"state_dict": STATE, "extra": Payload(tmp_path / "made")}
    path = tmp_path / "trap.pth"
    if form.startswith("pickle"):
        path.write_bytes(pickle.dumps({"extra": trap["extra"]}, protocol=int(form[-1])))
    else:
        torch.save(trap, path, _use_new_zipfile_serialization=form == "zip")
    text = refusal(path)
    assert "wants to run code" in text
    assert "safetensors" in text
    if form != "pickle 4":
        assert "mkdir" in text
    assert not (tmp_path / "made").exists()


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "JPEG")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("readme.txt", "x")
    whole = io.BytesIO()
    torch.save(STATE, whole)
    legacy = io.BytesIO()
    torch.save({"a": torch.ones(999)}, legacy, _use_new_zipfile_serialization=False)
    script = io.BytesIO()
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), script)
    numbers = io.BytesIO()
    torch.save([torch.zeros(3)], numbers)
    nothing = io.BytesIO()
    torch.save({"epoch": 3}, nothing)
    for data, words in [
        (b"", "is empty"),
        (b"x", "neither a torch checkpoint nor safetensors"),
        (b"version https://git-lfs.github.com/spec/v1\n", "neither a torch checkpoint nor"),
        (picture.getvalue(), "neither a torch checkpoint nor safetensors"),
        (archive.getvalue(), "a zip archive but no torch checkpoint"),
        (whole.getvalue()[:1000], "damaged or truncated archive"),
        (whole.getvalue()[:-100], "damaged or truncated archive"),
        (whole.getvalue()[:10_000] + whole.getvalue()[20_000:], "torch checkpoint"),
        (legacy.getvalue()[:100], "cannot be read as a torch checkpoint"),
        (legacy.getvalue()[:-100], "cannot be read as a torch checkpoint"),
        (b"\x80\x02", "cannot be read as a torch checkpoint"),
        (script.getvalue(), "is a TorchScript archive"),
        (numbers.getvalue(), "holds a list and no state dict"),
        (nothing.getvalue(), "holds no tensors"),
        (struct.pack("<Q", 2**63) + b"{}", "no sound safetensors"),
        (struct.pack("<Q", 2**64 - 1) + b"{" + b" " * 64, "no sound safetensors"),
        (struct.pack("<Q", 2) + b"{}", "holds no tensors"),
        (struct.pack("<Q", 2) + b"{", "no sound safetensors"),
    ]:
        path.write_bytes(data)
        assert words in refusal(path)


def test_a_safetensors_header_cannot_point_outside(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    for shape, ends in [([2], (0, 80)), ([10**12], (0, 8)), ([2], (10**18, 10**18 + 8))]:
        header = f'{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":{list(ends)}}}}}'.encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
        assert "no sound safetensors" in refusal(path)


def test_paths_that_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is a folder" in refusal(tmp_path)
    assert "No such file" in refusal(tmp_path / "none.pth")
    os.mkfifo(tmp_path / "pipe")
    assert "no ordinary file" in refusal(tmp_path / "pipe")
    path = tmp_path / "w.pth"
    path.write_bytes(b"x")

    def closed(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", closed)
    assert "Permission denied" in refusal(path)
    for place in (tmp_path, tmp_path / "none.pth", tmp_path / "pipe", path):
        with pytest.raises(InputError, match="weights"):
            weights_identity("resnet18", place)


def test_dicts_that_lead_nowhere() -> None:
    around: dict[str, Any] = {"a": torch.zeros(1)}
    around["again"] = around
    assert flatten(around)["a"].shape == (1,)
    wide: dict[str, Any] = {}
    for _ in range(20):
        wide = {str(number): wide for number in range(50)}
    with pytest.raises(InputError, match="entries"):
        flatten(wide)
    with pytest.raises(InputError, match=r"two tensors called 'a\.b'"):
        flatten({"a": {"b": torch.zeros(1)}, "a.b": torch.zeros(1)})
    for nothing in ({}, {("a", 1): torch.zeros(1)}, [], None, torch.zeros(2), nn.Linear(1, 1)):
        with pytest.raises(InputError):
            flatten(nothing)


KEYS = st.one_of(st.text(max_size=3), st.integers(), st.none(), st.tuples(st.integers()))
LEAVES = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.just(torch.zeros(2)))


@given(
    st.recursive(
        LEAVES,
        lambda inner: st.one_of(
            st.dictionaries(KEYS, inner, max_size=4), st.lists(inner, max_size=3)
        ),
        max_leaves=12,
    )
)
def test_any_nesting_flattens_or_is_refused(loaded: object) -> None:
    try:
        tensors = flatten(loaded)
    except InputError as error:
        one_line(error)
        return
    assert tensors
    assert all(isinstance(tensor, Tensor) for tensor in tensors.values())


def small_files() -> list[bytes]:
    state = {"conv1.weight": torch.ones(2, 2), "state": torch.zeros(3, dtype=torch.int64)}
    files = []
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save({"state_dict": state, "epoch": 1}, buffer, _use_new_zipfile_serialization=new)
        files.append(buffer.getvalue())
    return [*files, safetensors.torch.save(state)]


SMALL_FILES = small_files()


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.binary(max_size=80).map(lambda data: b"\x80\x02" + data),
        st.binary(max_size=80).map(lambda data: struct.pack("<Q", len(data) + 1) + b"{" + data),
    )
)
def test_any_bytes_are_read_or_refused(tmp_path_factory: Any, data: bytes) -> None:
    read_or_refused(tmp_path_factory, data)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(SMALL_FILES), st.data())
def test_any_damage_is_read_or_refused(tmp_path_factory: Any, file: bytes, data: Any) -> None:
    damaged = bytearray(file)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.one_of(st.just(len(damaged)), st.integers(1, len(damaged))))
    read_or_refused(tmp_path_factory, bytes(damaged[:end]))


def read_or_refused(tmp_path_factory: Any, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(data)
    try:
        tensors = read_weights_file(path).tensors
    except InputError as error:
        one_line(error)
        return
    assert all(isinstance(tensor, Tensor) for tensor in tensors.values())
