"""A record answers for its numbers: what its logits do not give is damage, for every command."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_records import forged, made_record
from numpy.typing import NDArray

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.store.logits_file import pack, read_arrays
from benchmark.store.passed import Passed
from benchmark.store.record import Record
from benchmark.store.record_file import parse_record, to_json, unsealed
from benchmark.store.store import Store
from benchmark.store.whole import check_whole

SIZES = (9, 8, 7, 6, 5, 4, 3)
RECORD, ARRAYS = made_record("cb", epochs=3, test_counts=SIZES)
CONTENT = pack(ARRAYS)
BODY = json.loads(unsealed(RECORD.model_copy(update={"logits_sha256": None})))
SCHEMAS = (1, 2, 3)
COMMANDS = (
    ["results", "check"],
    ["status"],
    ["report"],
    ["report", "--format", "csv"],
    ["report", "--all", "--out", "all"],
    ["report", "--detail", "summary"],
    ["figure", "recall", "--out", "recall.pdf"],
    ["figure", "curves", "--out", "curves.pdf"],
    ["compare", "cb", "mek"],
    ["claims"],
    ["check", "--against", "sound"],
    ["results", "export", "cells.zip"],
)

Body = dict[str, Any]
Arrays = dict[str, NDArray[Any]]
Change = Callable[[Body, Arrays], None]


def copied() -> Body:
    body: Body = json.loads(json.dumps(BODY))
    return body


def as_schema(body: Body, version: int) -> str:
    """The text of a record of a schema, its id (and hash, where it has one) fitting."""
    if version == 3:
        return forged(body)
    later = ("validation", "validation_sha256", "marks_sha256", "weights_sha256")
    old = {key: value for key, value in body.items() if key not in later}
    text = json.loads(forged({**old, "schema_version": 3}))
    text.pop("body_sha256")
    text["schema_version"] = version
    if version == 1:
        text["provenance"]["sessions"] = [one["started"] for one in text.pop("sessions")]
    return json.dumps(text, indent=1)


def put(root: Path, text: str, content: bytes, slug: str = RECORD.cell.slug) -> Path:
    """Lay a cell into a store as its files, past all checks."""
    folder = root / "cells" / slug
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_text(text, encoding="utf-8")
    (folder / "logits.npz").write_bytes(content)
    return root


def npz(arrays: Arrays) -> bytes:
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=True, **arrays)
    return packed.getvalue()


def run(arguments: list[str], root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Run a command over a store as its user does; a traceback fails the test."""
    monkeypatch.chdir(root.parent)
    if not (root.parent / "sound").exists():
        Store(root.parent / "sound").add(RECORD, ARRAYS)
    done = CliRunner().invoke(cli, [*arguments, "--results", str(root)])
    if isinstance(done.exception, InputError):
        return 2, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done.exit_code, done.output + (done.stderr or "")


def diagonal(matrix: list[list[int]]) -> list[list[int]]:
    return np.diag(np.sum(matrix, axis=1)).tolist()


def all_right(body: Body, arrays: Arrays) -> None:
    for entry in body["history"]:
        entry["test"] = diagonal(entry["test"])


def last_right(body: Body, arrays: Arrays) -> None:
    body["history"][-1]["test"] = diagonal(body["history"][-1]["test"])


def more_epochs(body: Body, arrays: Arrays) -> None:
    body["history"] += [{**body["history"][-1], "epoch": n} for n in range(4, 9)]


def two_of_one_number(body: Body, arrays: Arrays) -> None:
    body["history"][1]["epoch"] = 1


def no_such_epoch(body: Body, arrays: Arrays) -> None:
    body["logits"] = {"last": 99}


def no_logits(body: Body, arrays: Arrays) -> None:
    body["logits"] = {}


def last_is_another(body: Body, arrays: Arrays) -> None:
    body["logits"]["last"] = 0


def nan_logits(body: Body, arrays: Arrays) -> None:
    arrays["last"] = arrays["last"].astype(np.float32)
    arrays["last"][0, np.argmin(arrays["last"][0])] = np.nan


def infinite_logits(body: Body, arrays: Arrays) -> None:
    arrays["last"] = arrays["last"].astype(np.float32)
    arrays["last"][0, np.argmax(arrays["last"][0])] = np.inf


def same_classes(body: Body, arrays: Arrays) -> None:
    body["classes"][1] = body["classes"][0]


def nameless_class(body: Body, arrays: Arrays) -> None:
    body["classes"][1] = "  "


def lengths_differ(body: Body, arrays: Arrays) -> None:
    arrays["label"] = arrays["label"][:-1]


def fewer_images(body: Body, arrays: Arrays) -> None:
    for name in arrays:
        arrays[name] = arrays[name][:-1]


def labels_outside(body: Body, arrays: Arrays) -> None:
    arrays["label"] = arrays["label"] + 1


def labels_negative(body: Body, arrays: Arrays) -> None:
    arrays["label"] = arrays["label"] - 1


def labels_moved(body: Body, arrays: Arrays) -> None:
    arrays["label"] = np.roll(arrays["label"], 1)


def no_classes(body: Body, arrays: Arrays) -> None:
    body["classes"] = []
    body["cell"]["class_counts"] = []
    for entry in body["history"]:
        entry["test"] = entry["validation"] = []
    for name in arrays:
        arrays[name] = arrays[name][:0] if name == "label" else arrays[name][:0, :0]


def one_class(body: Body, arrays: Arrays) -> None:
    body["classes"] = ["joy"]
    body["cell"]["class_counts"] = [5]
    for entry in body["history"]:
        entry["test"] = entry["validation"] = [[5]]
    arrays.update({name: np.zeros((5, 1), np.float32) for name in ("last", "oracle", "val")})
    arrays["label"] = np.zeros(5, np.int64)


def strings(body: Body, arrays: Arrays) -> None:
    arrays["last"] = arrays["last"].astype("U8")


def string_labels(body: Body, arrays: Arrays) -> None:
    arrays["label"] = arrays["label"].astype("U8")


def structured(body: Body, arrays: Arrays) -> None:
    arrays["last"] = np.zeros(arrays["last"].shape, dtype=[("a", np.float32)])


def objects(body: Body, arrays: Arrays) -> None:
    arrays["last"] = arrays["last"].astype(object)


def integers(body: Body, arrays: Arrays) -> None:
    arrays["last"] = (arrays["last"] * 1e6).astype(np.int64)


def flat_logits(body: Body, arrays: Arrays) -> None:
    arrays["last"] = arrays["last"].reshape(-1)


def another_class_count(body: Body, arrays: Arrays) -> None:
    arrays["last"] = arrays["last"][:, :-1]


def no_label(body: Body, arrays: Arrays) -> None:
    del arrays["label"]


def no_last(body: Body, arrays: Arrays) -> None:
    del arrays["last"]


def all_zero(body: Body, arrays: Arrays) -> None:
    for entry in body["history"]:
        entry["test"] = np.zeros((7, 7), int).tolist()


def huge_counts(body: Body, arrays: Arrays) -> None:
    body["history"][0]["test"][0][0] = 10**30


def validation_zero(body: Body, arrays: Arrays) -> None:
    for entry in body["history"]:
        entry["validation"] = np.zeros((7, 7), int).tolist()


def validation_now_and_then(body: Body, arrays: Arrays) -> None:
    body["history"][0]["validation"] = None


def other_images_in_an_epoch(body: Body, arrays: Arrays) -> None:
    body["history"][0]["test"][0][0] += 1


def counts(*values: int) -> Change:
    def change(body: Body, arrays: Arrays) -> None:
        body["cell"]["class_counts"] = list(values)

    return change


def value(*path: Any, to: Any) -> Change:
    def change(body: Body, arrays: Arrays) -> None:
        inner = body
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = to

    return change


DAMAGE: dict[str, Change] = {
    "matrices all diagonal": all_right,
    "the last matrix diagonal": last_right,
    "8 entries of a 3-epoch cell": more_epochs,
    "an epoch's number twice": two_of_one_number,
    "logits of no epoch": no_such_epoch,
    "logits named nowhere": no_logits,
    "the last logits of another epoch": last_is_another,
    "nan logits": nan_logits,
    "infinite logits": infinite_logits,
    "a class name twice": same_classes,
    "a class without a name": nameless_class,
    "fewer labels than logits": lengths_differ,
    "fewer images than the matrices": fewer_images,
    "labels beyond the last class": labels_outside,
    "labels below the first class": labels_negative,
    "labels of other images": labels_moved,
    "no classes": no_classes,
    "one class": one_class,
    "string logits": strings,
    "string labels": string_labels,
    "structured logits": structured,
    "object logits": objects,
    "whole numbers as logits": integers,
    "one row of logits": flat_logits,
    "logits of fewer classes": another_class_count,
    "no labels": no_label,
    "no logits": no_last,
    "matrices all zero": all_zero,
    "validation all zero": validation_zero,
    "validation now and then": validation_now_and_then,
    "other images in one epoch": other_images_in_an_epoch,
    "a count of 10^30": huge_counts,
    "no class counts": counts(),
    "class counts of zero": counts(0, 0, 0, 0, 0, 0, 0),
    "a negative class count": counts(-1, 2, 3, 4, 5, 6, 7),
    "a class count of 10^400": counts(10**400, 2, 3, 4, 5, 6, 7),
    "too few class counts": counts(1, 2, 3),
    "nan seconds": value("history", 0, "seconds", to=float("nan")),
    "nan in the provenance": value("provenance", "deep", to=[{"a": float("nan")}]),
    "infinity in the provenance": value("provenance", "far", to=float("inf")),
    "nan as a hyper-parameter": value("cell", "hyper", to={"beta": float("nan")}),
    "seconds below zero": value("seconds", "train", to=-1.0),
    "an absurd time": value("seconds", "train", to=1e300),
    "a factor below zero": value("cell", "factor", to=-3.0),
    "a seed of 30 digits": value("cell", "seed", to=10**30),
}


def damaged(kind: str, version: int) -> tuple[str, bytes, str]:
    """Text, logits and folder of a record that was damaged, everything else made to fit."""
    body, arrays = copied(), dict(ARRAYS)
    DAMAGE[kind](body, arrays)
    content = npz(arrays)
    if version > 1:
        body["logits_sha256"] = hashlib.sha256(content).hexdigest()
    text = json_text(body, version)
    identity = json.loads(text)["id"]
    return text, content, f"{RECORD.cell.slug.rpartition('-')[0]}-{identity[:12]}"


def json_text(body: Body, version: int) -> str:
    try:
        return as_schema(body, version)
    except ValueError:  # no JSON, as a foreign program may write it
        return json.dumps({**body, "schema_version": version})


@pytest.mark.parametrize("version", SCHEMAS)
def test_what_is_sound_is_whole(tmp_path: Path, version: int) -> None:
    body = copied()
    if version > 1:
        body["logits_sha256"] = hashlib.sha256(CONTENT).hexdigest()
    store = Store(put(tmp_path, as_schema(body, version), CONTENT))
    (record,) = store.records()
    assert record.id == RECORD.id
    assert record.history == RECORD.history
    assert store.has(RECORD.cell)


@pytest.mark.parametrize("version", SCHEMAS)
@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_whatever_the_schema(tmp_path: Path, kind: str, version: int) -> None:
    text, content, slug = damaged(kind, version)
    store = Store(put(tmp_path, text, content, slug))
    records, found = store.survey()
    assert (records, len(found)) == ([], 1)
    assert found[0].reason.isprintable()
    with pytest.raises(InputError, match=r"damaged (record|cell)"):
        store.records()


@pytest.mark.parametrize("kind", ["matrices all diagonal", "nan logits", "no class counts"])
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_every_command_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, arguments: list[str]
) -> None:
    text, content, slug = damaged(kind, 2)
    code, output = run(arguments, put(tmp_path / "runs", text, content, slug), monkeypatch)
    assert code == (1 if arguments[0] in ("status", "results") and len(arguments) < 3 else 2)
    assert "damaged" in output
    assert slug in output


@pytest.mark.parametrize("missing", ["overrides", "recipe"])
def test_a_protocol_that_lacks_a_value_with_a_default_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """What cells of a foreign program leave out stands at its default, in every command."""
    body = copied()
    del body["cell"]["protocol"][missing]
    text = as_schema(body, 2)
    slug = f"{RECORD.cell.slug.rpartition('-')[0]}-{json.loads(text)['id'][:12]}"
    root = put(tmp_path / "runs", text, CONTENT, slug)
    for arguments in (*COMMANDS, ["run", "--dry-run"]):
        code, output = run(arguments, root, monkeypatch)
        assert code in (0, 1, 2)
        assert "damaged record" not in output
        assert "damaged cell" not in output


def test_memory_and_time_of_a_foreign_provenance_are_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = copied()
    body["provenance"] |= {"process_peak_memory_bytes": 0, "packages": 3, "finished": []}
    root = put(tmp_path / "runs", as_schema(body, 2), CONTENT)
    for arguments in COMMANDS[:5]:
        assert run(arguments, root, monkeypatch)[0] == 0


def test_an_import_names_it_and_adds_nothing(tmp_path: Path) -> None:
    import zipfile

    text, content, slug = damaged("matrices all diagonal", 2)
    with zipfile.ZipFile(tmp_path / "cells.zip", "w") as archive:
        archive.writestr(f"{slug}/record.json", text)
        archive.writestr(f"{slug}/logits.npz", content)
    done = CliRunner().invoke(
        cli, ["results", "import", str(tmp_path / "cells.zip"), "--results", str(tmp_path / "new")]
    )
    assert isinstance(done.exception, InputError)
    assert "another confusion matrix" in str(done.exception)
    assert "nothing was imported" in str(done.exception)
    assert Store(tmp_path / "new").records() == []


# Epochs whose logits are not kept.


def test_a_row_without_logits_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, arrays = made_record("cb", epochs=3, test_counts=SIZES)
    best = record.history[-1].test
    history = [record.history[0].model_copy(update={"test": diagonal(best)}), *record.history[1:]]
    kept = {"history": history, "logits": {"last": 2}}
    store = Store(tmp_path / "runs")
    store.add(record.model_copy(update=kept), {name: arrays[name] for name in ("label", "last")})
    sentence = "Not backed by stored logits"
    for arguments in (
        ["report"],
        ["report", "--detail", "confusion"],
        ["report", "--against", "paper"],
    ):
        assert sentence not in run(arguments, store.root, monkeypatch)[1]
        code, output = run([*arguments, "--select", "oracle"], store.root, monkeypatch)
        assert code == 0
        assert f"{sentence} (runs): CB at 150 (1 of 1)." in output
    rows = run(["report", "--format", "csv"], store.root, monkeypatch)[1].splitlines()
    backed = rows[0].split(",").index("backed")
    assert [row.split(",")[backed] for row in rows[1:]] == ["True", "False", "False"]
    code, output = run(["compare", "cb", "mek", "--select", "oracle"], store.root, monkeypatch)
    assert code == 2


# The memory of what passed.


def test_what_passed_is_not_checked_again_and_other_bytes_are(tmp_path: Path) -> None:
    asked: list[int] = []
    for number in range(2):
        passed = Passed(tmp_path / "memory")
        for logits in (b"a", b"b", b"a"):
            passed.once([b"record", logits], lambda: asked.append(number))  # noqa: B023
        passed.once([b"recor", b"da"], lambda: asked.append(number))  # noqa: B023
        passed.keep()
    assert asked == [0, 0, 0]


def test_what_fails_is_remembered_nowhere(tmp_path: Path) -> None:
    passed = Passed(tmp_path / "memory")

    def fail() -> None:
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            passed.once([b"record", b"logits"], fail)
    passed.keep()
    assert not (tmp_path / "memory").exists()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a" * 63 + b"\n", b""])
def test_a_memory_that_is_damaged_or_cannot_be_written_is_none(
    tmp_path: Path, content: bytes
) -> None:
    passed = Passed(tmp_path)
    passed._file.write_bytes(content)
    asked: list[int] = []
    passed.once([b"record", b"logits"], lambda: asked.append(1))
    passed.keep()
    assert asked == [1]
    nowhere = Passed(passed._file / "x")
    nowhere.once([b"record", b"logits"], lambda: asked.append(2))
    nowhere.keep()
    assert asked == [1, 2]


# Any damage in one place.

ANY = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**31),
    st.floats(),
    st.text(max_size=4),
    st.just([]),
    st.just({}),
    st.lists(st.integers(0, 3), max_size=3),
)
FUZZ = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])


def places(values: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, inner in (
        values.items()
        if isinstance(values, dict)
        else enumerate(values)
        if isinstance(values, list)
        else ()
    ):
        yield from places(inner, (*path, key))


@st.composite
def changed(draw: st.DrawFn, body: Body) -> Body:
    """A record with one value changed, deleted or added, at any depth."""
    whole: Body = json.loads(json.dumps(body))
    path = draw(st.sampled_from([place for place in places(body) if place]))
    inner: Any = whole
    for key in path[:-1]:
        inner = inner[key]
    how = draw(st.sampled_from(["change", "delete", "add"]))
    if how == "delete":
        del inner[path[-1]]
    elif how == "change" or isinstance(inner, list):
        inner[path[-1]] = draw(ANY)
    else:
        inner[draw(st.text(max_size=3))] = draw(ANY)
    return whole


SEALED = json.loads(
    to_json(RECORD.model_copy(update={"logits_sha256": hashlib.sha256(CONTENT).hexdigest()}))
)


@given(changed(SEALED))
@FUZZ
def test_any_change_of_a_record_is_harmless_or_named(tmp_path: Path, whole: Body) -> None:
    store = Store(put(tmp_path, json.dumps(whole), CONTENT))
    records, found = store.survey()
    assert len(records) + len(found) == 1
    if records:
        assert whole == SEALED


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
@FUZZ
def test_any_changed_byte_of_the_logits_is_named(tmp_path: Path, at: int, flip: int) -> None:
    other = bytearray(CONTENT)
    other[at] ^= flip
    store = Store(put(tmp_path, json.dumps(SEALED), bytes(other)))
    assert [entry.reason for entry in store.survey()[1]] == [
        "logits.npz: not the file of its record"
    ]


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
@FUZZ
def test_logits_without_a_hash_give_the_same_numbers_or_are_named(at: int, flip: int) -> None:
    """As in records of schema 1: a byte may mean nothing, but no answer changes unseen."""
    other = bytearray(CONTENT)
    other[at] ^= flip
    try:
        check_whole(RECORD, bytes(other))
    except ValueError:
        return
    arrays = read_arrays(bytes(other), ARRAYS)
    assert np.array_equal(arrays["label"], ARRAYS["label"])


@given(changed({k: v for k, v in SEALED.items() if k != "body_sha256"}), st.sampled_from((1, 2)))
@FUZZ
def test_no_number_that_logits_answer_for_changes_in_older_records(
    tmp_path: Path, whole: Body, version: int
) -> None:
    if whole.get("schema_version") != 3 or not isinstance(whole.get("provenance"), dict):
        return
    try:
        text = as_schema(whole, version)
    except (KeyError, TypeError, AttributeError, ValueError):
        return
    identity = str(json.loads(text).get("id"))
    slug = f"{RECORD.cell.slug.rpartition('-')[0]}-{identity[:12]}"
    folder = tmp_path / "cells"
    for old in folder.glob("*"):
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    for record in Store(put(tmp_path, text, CONTENT, slug)).survey()[0]:
        kept = read_arrays(CONTENT)
        for name, index in record.logits.items():
            found = np.zeros((7, 7), int)
            np.add.at(found, (kept["label"], kept[name].argmax(axis=1)), 1)
            assert record.history[index].test == found.tolist()
        sizes = np.bincount(kept["label"]).tolist()
        assert all([sum(row) for row in e.test] == sizes for e in record.history)


def test_a_record_that_was_only_set_out_otherwise_is_whole() -> None:
    text = json.dumps(SEALED)
    assert parse_record(text.encode()) == parse_record(
        to_json(parse_record(text.encode())).encode()
    )
    assert isinstance(parse_record(text.encode()), Record)
