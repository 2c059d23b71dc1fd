"""Files of weights: read without running code, or refused with one line."""

from __future__ import annotations

import argparse
import collections
import io
import os
import pathlib
import pickle
import pickletools
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.models.build import weights_identity
from benchmark.models.inert_pickle import Inert, InertReader
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
    assert "mkdir" in text
    assert not (tmp_path / "made").exists()


# What may stand beside the weights.


class Own:
    """A class with a state, which is not read either."""

    def __init__(self) -> None:
        self.lr = 0.1

    def __setstate__(self, state: object) -> None:
        raise AssertionError("restored")


BESIDE = {
    "numpy scalar": np.float64(0.5),
    "numpy bool": np.bool_(True),
    "namespace": argparse.Namespace(lr=0.1, sizes=[1, 2]),
    "path": pathlib.PosixPath("/a/b"),
    "defaultdict": collections.defaultdict(list, a=[1]),
    "ordered": collections.OrderedDict(a=1),
    "counter": collections.Counter("abba"),
    "set": {1, 2},
    "frozen set": frozenset("ab"),
    "complex": 1 + 2j,
    "slice": slice(1, 2),
    "exception": ValueError("x"),
    "own class": Own(),
    "dtype": torch.float16,
    "device": torch.device("cpu"),
    "size": torch.Size([1, 2]),
    "module": nn.Linear(2, 2),
    "optimizer": torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1).state_dict(),
    "nested": {"a": [{"b": argparse.Namespace(c=pathlib.PosixPath("x"))}]},
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("name", BESIDE)
def test_what_stands_beside_the_weights_is_not_built(
    name: str, new: bool, protocol: int, tmp_path: Path
) -> None:
    path = tmp_path / "w.pth"
    whole = {"beside": BESIDE[name], "state_dict": STATE, "after": BESIDE[name]}
    torch.save(whole, path, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    read = read_weights_file(path)
    wanted = {f"state_dict.{key}" for key in STATE}
    assert wanted <= read.tensors.keys()
    assert all(torch.equal(read.tensors[f"state_dict.{k}"], STATE[k]) for k in STATE)
    if name == "namespace":
        assert read.beside == {"argparse.Namespace": 1}  # the pickle names it once and refers to it


ARRAYS = {
    "f4": np.arange(6, dtype=np.float32).reshape(2, 3),
    "f8 by columns": np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
    "f2": np.ones((1, 2), np.float16),
    "i8": np.arange(3),
    "big-endian": np.arange(3, dtype=">f4"),
    "empty": np.zeros((0, 3), np.float32),
    "bool": np.array([True, False]),
    "one number": np.array(3.0),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_arrays(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "w.pkl"
    path.write_bytes(pickle.dumps({"model": ARRAYS, "epoch": np.int64(3)}, protocol=protocol))
    read = read_weights_file(path)
    assert read.tensors.keys() == {f"model.{name}" for name in ARRAYS}
    for name, array in ARRAYS.items():
        assert np.array_equal(read.tensors[f"model.{name}"].numpy(), array)
    assert not read.beside


def python2_array(array: np.ndarray[Any, Any]) -> bytes:
    """An array as Python 2 pickled it: text for bytes, in protocol 2."""

    def text(data: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(data)) + data

    rows = b"".join(b"K" + bytes([side]) for side in array.shape)
    kind = b"cnumpy\ndtype\n" + text(array.dtype.str[1:].encode()) + b"K\x00K\x01\x87R"
    kind += b"(K\x03" + text(b"<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b")
    return made + b"\x87R(K\x01(" + rows + b"t" + kind + b"\x89" + text(array.tobytes()) + b"tb"


def test_pickles_of_python_2(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    data = b"\x80\x02}(T\x0c\x00\x00\x00conv1.weight" + python2_array(array) + b"u."
    given = pickle.loads(data, encoding="latin1")["conv1.weight"]
    assert np.array_equal(given, array)
    path = tmp_path / "w.pkl"
    path.write_bytes(data)
    assert np.array_equal(read_weights_file(path).tensors["conv1.weight"].numpy(), array)


@pytest.mark.parametrize("new", [True, False])
def test_the_same_tensors_as_torchs_own_reader(new: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = torch.randn(4, 5, 6)
    tagged = torch.randn(3)
    tagged.tag = "x"  # type: ignore[attr-defined]
    state: dict[str, Tensor] = {
        "view": whole[1:3, :, 2],
        "turned": whole.permute(2, 0, 1),
        "parameter": nn.Parameter(torch.randn(2, 2)),
        "tagged": tagged,
        "empty": torch.zeros(0, 3),
        "one": torch.tensor(2.0),
        "sparse": torch.eye(3).to_sparse(),
        **{
            str(dtype): torch.tensor([0, 1, 1]).to(dtype)
            for dtype in (
                torch.bfloat16, torch.half, torch.double, torch.int8, torch.uint8, torch.int16,
                torch.int32, torch.bool, torch.complex64,
                *((torch.float8_e4m3fn, torch.uint16) if new else ()),
            )
        },
    }  # fmt: skip
    path = tmp_path / "w.pth"
    torch.save(state, path, _use_new_zipfile_serialization=new)
    read = read_weights_file(path).tensors
    for name, expected in torch.load(path, weights_only=True).items():
        assert read[name].dtype == expected.dtype
        pair = [tensor.to_dense().to(torch.complex128) for tensor in (read[name], expected)]
        assert torch.equal(*pair)


class Foreign(nn.Module):
    """A network of somebody's own class, with a buffer that no state dict holds."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))])
        self.scale = nn.Parameter(torch.rand(2))
        self.absent = nn.Linear(2, 2, bias=False)
        self.register_buffer("passing", torch.rand(3), persistent=False)
        self.register_buffer("none", None)

    def __setstate__(self, _: object) -> None:
        raise AssertionError("restored")


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("new", [True, False])
def test_a_whole_network_is_its_state_dict(new: bool, protocol: int, tmp_path: Path) -> None:
    path, network = tmp_path / "w.pt", Foreign()
    for whole, prefix in (
        (network, ""),
        (nn.DataParallel(network), "module."),
        ({"net": network, "optimizer": {"state": {0: {"step": 1}}}}, "net."),
    ):
        torch.save(whole, path, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
        read = read_weights_file(path)
        expected = {f"{prefix}{name}": value for name, value in network.state_dict().items()}
        assert read.tensors.keys() == expected.keys()
        assert all(torch.equal(read.tensors[name], value) for name, value in expected.items())
        assert read.form.endswith(".Foreign") == (prefix == "")
        assert read.beside["torch.nn.modules.conv.Conv2d"] == 1


def test_other_objects_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    for whole in (Own(), {"model": Own(), "epoch": 3}):
        torch.save(whole, path)
        text = refusal(path)
        assert "holds a whole test_weights_file.Own" in text
        assert "network.state_dict()" in text
    torch.save(nn.ReLU(), path)
    assert "holds no tensors" in refusal(path)


# Hostile pickles: each does something where it is read carelessly.


def trip(*_: object, **__: object) -> dict[str, Any]:
    """Leaves a mark wherever it is called."""
    Path(os.environ["TRIPPED"]).touch()
    return {}


class Trips:
    """Its class, its state and what it is called with all lead to :func:`trip`."""

    def __init__(self, *how: object) -> None:
        self.how = how

    def __reduce_ex__(self, _: object) -> Any:
        return self.how

    def __setstate__(self, _: object) -> None:
        trip()

    def __hash__(self) -> int:
        trip()
        return 0


TRIP = b"ctest_weights_file\ntrip\n"
HOSTILE: dict[str, bytes] = {
    "os.system": b"cos\nsystem\n(Vtouch $TRIPPED\ntR",
    "posix": b"cposix\nsystem\n(Vtouch $TRIPPED\ntR",
    "eval": b"cbuiltins\neval\n(V__import__('os').system('touch $TRIPPED')\ntR",
    "exec of Python 2": b"c__builtin__\nexec\n(Vimport os\ntR",
    "a call": TRIP + b")R",
    "a call of what a call gave": TRIP + b")R)R",
    "a class": b"ctest_weights_file\nTrips\n)\x81",
    "a state": b"ctest_weights_file\nTrips\n)\x81}b",
    "old class": b"(itest_weights_file\ntrip\n",
    "object": b"(" + TRIP + b"o",
    "names": TRIP + b")}\x92",
    "a call from the stack": b"\x8c\x12test_weights_file\x8c\x04trip\x93)R",
    "dotted": b"\x8c\x12test_weights_file\x8c\x0dPath.home.foo\x93)R",
    "getattr chain": b"cbuiltins\ngetattr\n(cbuiltins\n__dict__\nVeval\ntR(Vtrip()\ntR",
    "import by name": b"ctripwire_module\nthing\n)R",
    "import alone": b"ctripwire_module\nthing\n",
    "attribute of torch": b"ctorch.hub\nload\n(VNONE\ntR",
    "a state of tensors' builder": b"ctorch._utils\n_rebuild_tensor_v2\n(N}V__defaults__\nNstb",
    "stand-in as tensor's storage": b"ctorch._utils\n_rebuild_tensor_v2\n(" + TRIP + b")RNNNtR",
    "type of a tensor": b"ctorch._tensor\n_rebuild_from_type_v2\n(" + TRIP + TRIP + b")NtR",
    "persistent id": TRIP + b")RQ",
    "persistent line": b"Ptest_weights_file.trip\n",
    "extension": b"\x82\x01)R",
    "hash": b"}(ctest_weights_file\nTrips\n)\x81NuN0",
    "numbers of objects": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n)tR"
    b"(K\x01K\x01\x85cnumpy\ndtype\n(VO8\nK\x00K\x01tR\x89C\x08AAAAAAAAtb",
    "reconstructor": b"ccopyreg\n_reconstructor\n(ctest_weights_file\nTrips\n" + TRIP + b"NtR",
}


def hostile(payload: bytes, form: str) -> bytes:
    """A file with sound weights and a payload beside them."""
    buffer = io.BytesIO()
    torch.save({"conv1.weight": torch.ones(2)}, buffer)
    with zipfile.ZipFile(buffer) as sound:
        members = {name: sound.read(name) for name in sound.namelist()}
    data = next(content for name, content in members.items() if name.endswith("data.pkl"))
    trap = data[:2] + b"}(Vextra\n" + payload + b"Vweights\n" + data[2:-1] + b"u."
    if form == "plain":
        return trap
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, trap if name.endswith("data.pkl") else content)
    return packed.getvalue()


@pytest.mark.parametrize("form", ["zip", "plain"])
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_of_a_hostile_pickle_runs(
    name: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read or refused, nothing is called, built, restored or imported."""
    monkeypatch.setenv("TRIPPED", str(tmp_path / "tripped"))
    (tmp_path / "tripwire_module.py").write_text("import os; open(os.environ['TRIPPED'], 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "w.pth"
    path.write_bytes(hostile(HOSTILE[name], form))
    before = set(sys.modules)
    try:
        tensors = read_weights_file(path).tensors
    except InputError as error:
        one_line(error)
    else:
        assert tensors.keys() == {"weights.conv1.weight"}
    assert not (tmp_path / "tripped").exists()
    assert "tripwire_module" not in set(sys.modules) - before


def test_no_event_of_the_interpreter_tells_of_code_from_the_file(tmp_path: Path) -> None:
    """Python's own audit sees no import, no compile, no process and no file but the file's."""
    for number, payload in enumerate(HOSTILE.values()):
        (tmp_path / f"{number}.pth").write_bytes(hostile(payload, "zip"))
    program = """
import pathlib, sys
from benchmark.errors import InputError
from benchmark.models.weights_file import read_weights_file
def read(path):
    try: read_weights_file(path)
    except InputError: pass
paths = sorted(pathlib.Path(sys.argv[1]).glob("*.pth"))
for path in paths: read(path)  # what the reader itself imports is there now
seen = []
sys.addaudithook(lambda event, args: seen.append((event, args)))
for path in paths: read(path)
told = {event for event, args in seen if event.split(".")[0] in
    ("import", "exec", "compile", "os", "subprocess", "pickle", "marshal", "ctypes", "socket")}
opened = {str(args[0]) for event, args in seen if event == "open"}
print(sorted(told), opened <= set(map(str, paths)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[] True", done.stdout


def read_pickle(data: bytes) -> Any:
    return InertReader(io.BytesIO(data)).read()


def test_bombs_cost_no_more_than_their_bytes(tmp_path: Path) -> None:
    """What refers to itself many times over is shared and never multiplied."""
    doubled = b"\x80\x02]q\x00" + b"".join(
        b"](" + b"h" + bytes([n]) + b"h" + bytes([n]) + b"eq" + bytes([n + 1]) for n in range(200)
    )
    assert isinstance(read_pickle(doubled + b"."), list)
    tuples = b"\x80\x02)" + b"2\x86" * 5000
    assert isinstance(read_pickle(tuples + b"."), tuple)
    (key,) = read_pickle(b"\x80\x02}" + b")" + b"2\x86" * 5000 + b"Ns.")
    assert isinstance(key, Inert)  # whose hash would take for ever
    (key,) = read_pickle(b"\x80\x02}\x8a\x08" + b"\x00" * 7 + b"\x40Ns.")
    assert isinstance(key, Inert)
    numbers = b"\x80\x02}(" + b"".join(
        b"V%d\n" % n + python2_array(np.ones((2, 2), np.float32)) for n in range(3)
    )
    path = tmp_path / "w.pkl"
    path.write_bytes(numbers + b"u.")
    assert len(read_weights_file(path).tensors) == 3
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.writestr("a/data/0", bytes(50_000_000))
    path.write_bytes(packed.getvalue())
    assert "unpacks to far more" in refusal(path)


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (3,), (1,)), (1, (2,), (1,)), (-1, (1,), (1,)), (0, (2,), (-1,)), (0, (-1,), (1,)),
        (0, (10**12,), (0,)), (0, (2**63, 2**63), (1, 1)), (0, (2,), ()), (0, (2,), (2**62,)),
        ("0", (1,), (1,)), (0, [1], (1,)),
    ],
)  # fmt: skip
def test_a_tensor_cannot_reach_outside_its_storage(
    offset: Any, size: Any, stride: Any, tmp_path: Path
) -> None:
    class Wild:
        def __init__(self, tensor: Tensor) -> None:
            self.storage = tensor.storage()

        def __reduce__(self) -> Any:
            empty: Any = collections.OrderedDict()
            return torch._utils._rebuild_tensor_v2, (
                self.storage, offset, size, stride, False, empty,
            )  # fmt: skip

    path = tmp_path / "w.pth"
    torch.save({"a": Wild(torch.ones(2))}, path)
    assert "cannot be read as a torch checkpoint" in refusal(path)


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
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    files += [pickle.dumps(arrays, protocol=protocol) for protocol in (2, 4, 5)]
    files += [hostile(payload, "plain") for payload in HOSTILE.values()]
    return [*files, safetensors.torch.save(state)]


SMALL_FILES = small_files()


@settings(max_examples=400)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.binary(max_size=80).map(lambda data: b"\x80\x02" + data),
        st.binary(max_size=80).map(lambda data: struct.pack("<Q", len(data) + 1) + b"{" + data),
    )
)
def test_any_bytes_are_read_or_refused(tmp_path_factory: Any, data: bytes) -> None:
    read_or_refused(tmp_path_factory, data)


@settings(max_examples=600)
@given(st.sampled_from(SMALL_FILES), st.data())
def test_any_damage_is_read_or_refused(tmp_path_factory: Any, file: bytes, data: Any) -> None:
    damaged = bytearray(file)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.one_of(st.just(len(damaged)), st.integers(1, len(damaged))))
    read_or_refused(tmp_path_factory, bytes(damaged[:end]))


OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
PIECES = st.one_of(
    st.sampled_from(OPCODES),
    st.sampled_from(list(HOSTILE.values())),
    st.sampled_from([b"Va\n", b"K\x01", b"]", b"}", b")", b"(", b"q\x00", b"h\x00", TRIP]),
)


@settings(max_examples=600)
@given(st.lists(PIECES, max_size=12))
def test_any_program_is_read_or_refused_and_not_run(
    tmp_path_factory: Any, program: list[bytes]
) -> None:
    mark = tmp_path_factory.getbasetemp() / "program-tripped"
    os.environ["TRIPPED"] = str(mark)
    read_or_refused(tmp_path_factory, b"\x80\x02" + b"".join(program) + b".")
    assert not mark.exists()


def read_or_refused(tmp_path_factory: Any, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(data)
    try:
        tensors = read_weights_file(path).tensors
    except InputError as error:
        one_line(error)
        return
    assert all(isinstance(tensor, Tensor) for tensor in tensors.values())
