"""Whatever a file or an option holds, it is read or refused with one line.

Here whole files are damaged as they lie on disk; the parsers' own edges stand in the tests beside
them. What is read must be sound: written again, it reads as the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from dataset_makers import (
    HEADER,
    make_ferplus,
    make_folders,
    make_kaggle,
    make_raf,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_records import forged, made_record

import methods
from benchmark.cli import cli
from benchmark.data import ferplus, folder, rafdb
from benchmark.data.ferplus import majority_labels, parse_votes
from benchmark.data.source import Index, Source
from benchmark.errors import InputError
from benchmark.protocols import load_protocol, parse_protocol
from benchmark.protocols.protocol import Protocol
from benchmark.store.record_file import parse_record, to_json
from benchmark.store.store import Store
from benchmark.sweep.plan import make_hyper, recipe

FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
PROTOCOLS = Path(sys.modules[load_protocol.__module__].__file__ or "").parent
BYTES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [
            b"\n",
            b"\r",
            b'"',
            b",",
            b"\0",
            b"\xff",
            b"\xef\xbb\xbf",
            b"../",
            b"/",
            b"=",
            b"[",
            b"{",
            "\u2028".encode(),
            "\u0663".encode(),
            b"nan",
            b"1e999",
            b"9" * 5000,
            b"-1",
            b"true",
        ]
    ),
)


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes of a sound file with a few spans replaced, left out or doubled."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 30)))
        middle = draw(st.one_of(BYTES, st.just(data[start:stop] * 2)))
        data = data[:start] + middle + data[stop:]
    return data


def one_line(error: InputError) -> None:
    assert str(error)
    assert str(error).isprintable(), "a control character would leave the line"


def is_sound(index: Index, root: Path) -> None:
    assert len(index.labels) == len(index.parts) == len(index.sources) > 0
    assert ((index.labels >= 0) & (index.labels < len(index.classes))).all()
    assert set(index.parts.tolist()) <= {0, 1, 2}
    for block in index.pixels.blocks():
        assert block.images.shape[1:] == index.pixels.shape
        assert block.images.dtype == np.uint8
    inside = root.resolve()
    files = [inside / name.partition(" ")[0] for name in index.sources]
    assert all(file.resolve().is_relative_to(inside) for file in files)


# Label files.


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("roots")
    mapped = make_folders(base / "folder")
    (mapped / "classes.txt").write_text("ant Ant\nbee Bumble bee\ncat Cat\n")
    return {
        "ferplus": make_ferplus(base / "ferplus"),
        "kaggle": make_kaggle(base / "kaggle"),
        "raf": make_raf(base / "raf"),
        "folder": mapped,
    }


Find = Callable[[Path], Source]
LABEL_FILES: dict[str, tuple[str, str, Find]] = {
    "fer2013new.csv": ("ferplus", "fer2013new.csv", ferplus.find),
    "labels of pixel rows": ("kaggle", "fer2013new.csv", ferplus.find),
    "pixel rows": ("kaggle", "fer2013.csv", ferplus.find),
    "RAF-DB's list": ("raf", "EmoLabel/list_patition_label.txt", rafdb.find),
    "classes.txt": ("folder", "classes.txt", folder.find),
}


@pytest.mark.parametrize("form", LABEL_FILES)
@given(data=st.data())
@settings(FUZZ, max_examples=60)
def test_any_label_file_is_read_or_refused(
    form: str, roots: dict[str, Path], data: st.DataObject
) -> None:
    name, file, find = LABEL_FILES[form]
    path = roots[name] / file
    sound = path.read_bytes()
    try:
        path.write_bytes(data.draw(st.one_of(st.binary(max_size=200), damaged(sound))))
        is_sound(find(roots[name]).read_index(), roots[name])
    except InputError as error:
        one_line(error)
    finally:
        path.write_bytes(sound)


VOTES = st.lists(st.integers(0, 99), min_size=10, max_size=10)
IMAGE_NAMES = st.from_regex(r"\A[A-Za-z0-9_ -]{0,8}[A-Za-z0-9]\.png\Z")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(ferplus.USAGES)), st.one_of(st.just(""), IMAGE_NAMES), VOTES
        ),
        min_size=1,
        max_size=8,
    )
)
def test_vote_tables_come_back(rows: list[tuple[str, str, list[int]]]) -> None:
    rows = [(usage, name.strip(), votes) for usage, name, votes in rows]
    lines = [",".join(map(str, [usage, name, *votes])) + "\n" for usage, name, votes in rows]
    table = parse_votes([",".join(HEADER) + "\n", *lines], "labels")
    assert list(zip(table.usages, table.names, table.votes.tolist(), strict=True)) == rows
    assert set(majority_labels(table.votes).tolist()) <= set(range(-1, 7))


@given(
    st.dictionaries(
        st.from_regex(r"\A(train|test)_[0-9]{1,6}\.jpg\Z"), st.integers(1, 7), min_size=1
    )
)
def test_raf_lists_come_back(codes: dict[str, int]) -> None:
    entries = rafdb.parse_labels([f"{name} {code}\r\n" for name, code in codes.items()], "list")
    assert {entry.name: entry.code for entry in entries} == codes


@given(
    st.dictionaries(
        st.from_regex(r"\A[A-Za-z0-9_]{1,6}\Z"),
        st.from_regex(r"\A[A-Za-z]{1,5}( [A-Za-z#]{1,5})?\Z"),
        min_size=2,
    )
)
def test_class_maps_come_back(names: dict[str, str]) -> None:
    if len(set(names.values())) == len(names):
        lines = [f"{place}\t{name}\n" for place, name in names.items()]
        assert folder.parse_classes(lines) == names


# Protocols and --set.


def is_sound_protocol(protocol: Protocol) -> None:
    assert Protocol.model_validate(protocol.model_dump()) == protocol
    assert Protocol.model_validate_json(protocol.model_dump_json()) == protocol
    text = json.dumps(protocol.identity, allow_nan=False)
    assert Protocol.model_validate(json.loads(text)).identity == protocol.identity
    for kind in ("shared", "authors"):
        for name in ("baseline", "mek"):
            try:
                hyper = recipe(protocol.model_copy(update={"recipe": kind}), methods.get(name))[1]
            except InputError as error:
                one_line(error)
            else:
                json.dumps(vars(hyper), allow_nan=False)


@given(st.sampled_from(["smoke", "compact", "paper"]), st.data())
@FUZZ
def test_any_protocol_file_is_read_or_refused(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(data.draw(damaged((PROTOCOLS / f"{name}.toml").read_bytes())))
    try:
        protocol = load_protocol(str(path))
    except InputError as error:
        one_line(error)
    else:
        is_sound_protocol(protocol)


KEYS = st.one_of(
    st.sampled_from(
        [
            "training.epochs",
            "training.lr",
            "training.milestones",
            "image.mean",
            "image.size",
            "backbone.name",
            "augment.erase_range",
            "methods.mek.smoothing",
            "methods.mek.new",
            "methods",
            "methods.mek",
            "training",
            "name",
            "version",
            "overrides",
            "training..",
        ]
    ),
    st.text(max_size=12),
)
VALUES = st.one_of(
    st.sampled_from(
        [
            "nan",
            "inf",
            "-inf",
            "1e999",
            "9" * 5000,
            "0x" + "f" * 5000,
            "1979-05-27",
            "07:32:00",
            "[" * 2000,
            "[" * 300 + "]" * 300,
            "{" + "a." * 2000 + "a=1}",
            "[1, [2]]",
            "{}",
            "[]",
            "true",
            "[0.1, 0.2]",
            "[nan, 0.2]",
            '"x"',
            '"\\u0000"',
            "1\ny = 2",
            "-0.0",
            "1_0",
        ]
    ),
    st.floats().map(str),
    st.integers().map(str),
    st.text(max_size=12),
)


@given(st.lists(st.tuples(KEYS, VALUES).map("=".join), min_size=1, max_size=3))
@FUZZ
def test_any_set_is_taken_or_refused(overrides: list[str]) -> None:
    try:
        protocol = load_protocol("smoke", overrides)
    except InputError as error:
        one_line(error)
    else:
        is_sound_protocol(protocol)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", "backbone.name=\udcff"],
        ["--set", "\udcff=1"],
        ["--set", "training.epochs=\udcff\x1b[2J"],
        ["--weights", "\udcff\n.pth"],
        ["--factors", "\x1b]0;x\x07"],
        ["--dataset", "folder", "--data-root", "no\nsuch"],
    ],
)
def test_options_that_are_no_text_make_one_line(arguments: list[str]) -> None:
    """A shell hands over any bytes; Python makes surrogates of what is not UTF-8."""
    done = CliRunner().invoke(cli, ["run", *arguments])
    assert isinstance(done.exception, InputError)
    one_line(done.exception)
    str(done.exception).encode()


@pytest.mark.parametrize("name", ["a" * 5000 + ".toml", "a\0.toml", ".toml", "/.toml", "~.toml"])
def test_protocol_names_that_no_file_has(name: str) -> None:
    with pytest.raises(InputError, match="no protocol"):
        load_protocol(name)


def test_values_that_only_damage_makes() -> None:
    deep = "a." * 3000
    smoke = (PROTOCOLS / "smoke.toml").read_text()
    for text in (
        f"{deep}a = 1",
        "x = " + "9" * 5000,
        '"a\\nb" = 1',
        smoke + "\n[methods.mek.deep.er]\nx = { value = 1, source = 's' }",
        smoke.replace("value = 64", "value = [[[1]]]"),
        smoke.replace("value = 64", "value = { a = 1 }"),
    ):
        with pytest.raises(InputError) as caught:
            parse_protocol(text, "mine.toml")
        one_line(caught.value)


@pytest.mark.parametrize("name", methods.names())
@given(value=st.sampled_from([float("nan"), float("inf"), float("-inf")]))
def test_no_hyper_parameter_is_infinite(name: str, value: float) -> None:
    method = methods.get(name)
    for key in method.Hyper.__dataclass_fields__:
        with pytest.raises(InputError):
            make_hyper(method, {key: value})


# Records.

RECORD, ARRAYS = made_record(epochs=1, test_counts=(3, 2, 2, 2, 2, 2, 2))
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(max_size=6),
        st.sampled_from(["\ud800", "../..", "a" * 300, 10**400]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


WHOLE = json.loads(to_json(RECORD))
PLACES = [path for path in places(WHOLE) if path]


@pytest.fixture
def record_file(tmp_path: Path) -> Path:
    Store(tmp_path).add(RECORD, ARRAYS)
    return tmp_path / "cells" / RECORD.cell.slug / "record.json"


def reads_or_refuses(path: Path) -> None:
    store = Store(path.parents[2])
    try:
        (record,) = store.records()
    except InputError as error:
        one_line(error)
        return
    assert parse_record(to_json(record).encode()) == record
    assert record.cell.id == record.id
    assert store.cells in (store.cells / record.cell.slug).parents
    assert len(record.cell.slug) < 120


@given(st.data())
@FUZZ
def test_any_bytes_in_a_record_are_read_or_refused(record_file: Path, data: st.DataObject) -> None:
    record_file.write_bytes(data.draw(damaged(to_json(RECORD).encode())))
    reads_or_refuses(record_file)


@given(st.sampled_from(PLACES), JSON, st.booleans())
@FUZZ
def test_any_value_in_a_record_is_read_or_refused(
    record_file: Path, place: tuple[Any, ...], value: Any, sign: bool
) -> None:
    """Also where id and hash were made to fit what was changed, as another program would."""
    whole = json.loads(json.dumps(WHOLE))
    inner = whole
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    record_file.write_text(forged(whole) if sign else json.dumps(whole), encoding="utf-8")
    reads_or_refuses(record_file)
