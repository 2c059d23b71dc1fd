"""`fer-bench check --update`: what changes, what is logged, and that nothing is ever lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from gate_stores import USUAL, WORSE, check, of_other_cell, refused, store
from made_records import made_record

from benchmark.cli import cli
from benchmark.data.marks import Marked, Marks
from benchmark.errors import InputError
from benchmark.gate import refresh
from benchmark.stats.accuracy import overall_accuracy
from benchmark.store.attention_file import MEASURES, KeptAttention, pack_measures
from benchmark.store.kept_marks import KeptMarks
from benchmark.store.logits_file import pack
from benchmark.store.store import Store


def update(new: Path, stored: Path, reason: str = "nine epochs") -> str:
    done = check(new, stored, "--update", "--reason", reason)
    assert done.exit_code == 0, done.output
    return done.output


def log(stored: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (stored / "updates.jsonl").read_text().splitlines()]


def test_a_square_is_replaced_and_the_reason_kept(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb", "mek"])
    new = store(tmp_path / "new", ["cb"], skill=WORSE, overrides=("training.epochs=99",))
    store(new, ["eac"])
    output = update(new, stored)
    assert "1 added, 1 replaced, 0 as they were" in output
    assert output.count("removed: cb-ferplus-150-s0-") == 1
    assert "protocol.training.epochs: 2 before, 99 now" in output
    kept = {r.cell.method: r for r in Store(stored).records()}
    assert sorted(kept) == ["cb", "eac", "mek"]
    assert kept["cb"].cell.protocol.training.epochs == 99
    before = {entry["cell"].split("-")[0]: len(entry["before"]) for entry in log(stored)}
    assert before == {"cb": 1, "eac": 0}
    (replaced,) = (entry["before"][0] for entry in log(stored) if entry["before"])
    assert "protocol.training.epochs: 2 before, 99 now" in replaced["differs"]
    assert {entry["reason"] for entry in log(stored)} == {"nine epochs"}
    assert "0 added, 0 replaced, 2 as they were" in update(new, stored)
    assert len(log(stored)) == 2
    assert check(new, stored, "--allow-missing", "mek-*").exit_code == 0


def test_the_same_cell_with_other_answers_is_replaced(tmp_path: Path) -> None:
    stored, new = store(tmp_path / "stored", ["cb"]), store(tmp_path / "new", ["cb"], skill=WORSE)
    assert check(new, stored).exit_code == 1
    assert "0 added, 1 replaced, 0 as they were" in update(new, stored)
    (record,) = Store(stored).records()
    assert overall_accuracy(record.history[-1].test) < 0.75
    Store(stored).logits(record)
    assert check(new, stored).exit_code == 0


def measured(root: Path, measures: float) -> Path:
    """A store whose cells have measured attention maps, and marks of their images."""
    made = Store(root)
    for record in made.records():
        labels = made.logits(record, ["label"])["label"].astype(np.int64)
        of = np.full((len(labels), len(record.classes)), measures)
        content = pack_measures(record, labels, dict.fromkeys(MEASURES, of), (4, 4))
        KeptAttention(made).put(record, content)
        none = np.zeros(len(labels), dtype=np.uint8)
        names = np.array([f"image {i}" for i in range(len(labels))], dtype=np.str_)
        marked = Marked(names, labels, none), Marked(names[:0], labels[:0], none[:0])
        KeptMarks(root).put(record.cell.fingerprint, pack(Marks(*marked).arrays()))
    return root


def test_what_lies_beside_a_record_comes_along(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["mek"])
    new = store(tmp_path / "new", ["cb"])
    store(new, ["mek"])
    assert "1 added, 0 replaced, 1 as they were" in update(measured(new, 0.5), stored)
    target = Store(stored)
    for record in target.records():
        found = KeptAttention(target).get(record)
        assert found is not None
        assert float(found["overlap"][0, 0]) == 0.5
        assert KeptMarks(stored).get(record.cell.fingerprint) is not None
    clean = CliRunner().invoke(cli, ["report", "--results", str(stored), "--images", "clean"])
    assert clean.exit_code == 0, clean.output
    update(measured(new, 0.25), stored)  # what is known already stays
    (kept,) = [r for r in target.records() if r.cell.method == "cb"]
    again = KeptAttention(target).get(kept)
    assert again is not None
    assert float(again["overlap"][0, 0]) == 0.5


def test_damaged_measures_stop_it_before_anything_changes(tmp_path: Path) -> None:
    stored, new = store(tmp_path / "stored", ["mek"]), store(tmp_path / "new", ["cb", "eac"])
    measured(new, 0.5)
    source = Store(new)
    last = KeptAttention(source).path(source.records()[-1])
    last.write_bytes(last.read_bytes()[:200])
    done = refused(new, stored, "--update", "--reason", "why")
    assert isinstance(done.exception, InputError)
    assert "attention.npz" in str(done.exception)
    assert [r.cell.method for r in Store(stored).records()] == ["mek"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("killed", [False, True])
def test_an_interrupted_update_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException], killed: bool
) -> None:
    stored, new = store(tmp_path / "stored", ["cb"]), store(tmp_path / "new", ["cb"], skill=WORSE)
    (slug,) = [folder.name for folder in (stored / "cells").iterdir()]
    if killed:  # as a kill between the two halves leaves it
        (stored / ".replaced-x").mkdir()
        (stored / "cells" / slug).rename(stored / ".replaced-x" / slug)
    else:

        def stopped(self: Store, *what: object, **more: object) -> Path:
            raise stop

        with monkeypatch.context() as patch:
            patch.setattr(Store, "put", stopped)
            done = refused(new, stored, "--update", "--reason", "x")
            assert done.exit_code != 0
        (record,) = Store(stored).records()
        assert overall_accuracy(record.history[-1].test) > 0.75, "the old one is in its place"
        assert not (stored / "updates.jsonl").exists(), "nothing changed, nothing is logged"
    assert "0 added, 1 replaced, 0 as they were" in update(new, stored)
    assert not list(stored.glob(".replaced-*"))
    (entry,) = log(stored)
    assert len(entry["before"]) == 1


def test_what_is_put_in_place_is_logged_whenever_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, new = store(tmp_path / "stored", ["cb"]), store(tmp_path / "new", ["cb"], skill=WORSE)
    for killed in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr(refresh, "_log", _interrupted)
            if killed:
                patch.setattr(refresh, "_put_back", lambda aside, target: None)
            assert refused(new, stored, "--update", "--reason", "x").exit_code != 0
    assert "0 added, 1 replaced, 0 as they were" in update(new, stored)
    (entry,) = log(stored)
    assert len(entry["before"]) == 1
    assert [path.name for path in stored.glob(".*")] == []


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_weights_come_along_where_what_stood_there_had_some(tmp_path: Path) -> None:
    stored, new = Store(tmp_path / "stored"), Store(tmp_path / "new")
    for root, skill in ((stored, USUAL), (new, WORSE)):
        for seed in (0, 1):
            root.add(*made_record("cb", 150.0, seed, skill=skill), weights=b"weights")
    without = next(path for path in (new.root / "cells").glob("cb-*-s1-*"))
    (without / "weights.safetensors").unlink()
    output = update(new.root, stored.root)
    assert f"their weights went with what stood there: {without.name}" in output
    kept = {record.cell.seed: stored.has_weights(record) for record in stored.records()}
    assert kept == {0: True, 1: False}


def test_what_would_shape_a_check_is_refused(tmp_path: Path) -> None:
    stored, new = store(tmp_path / "stored", ["cb"]), store(tmp_path / "new", ["cb"])
    more = ("--images", "clean", "--margin", "5", "--out", str(tmp_path / "x.md"))
    done = refused(new, stored, "--update", "--reason", "x", *more)
    assert isinstance(done.exception, InputError)
    assert "leave --margin, --images, --out away" in str(done.exception)


def test_a_torn_line_of_the_log_stays_alone(tmp_path: Path) -> None:
    stored, new = store(tmp_path / "stored", ["cb"]), store(tmp_path / "new", ["cb"], skill=WORSE)
    (stored / "updates.jsonl").write_text('{"when": "20')
    update(new, stored)
    torn, whole = (stored / "updates.jsonl").read_text().splitlines()
    assert torn == '{"when": "20'
    assert json.loads(whole)["reason"] == "nine epochs"


def test_a_square_that_is_filled_twice_is_refused(tmp_path: Path) -> None:
    one, two = store(tmp_path / "one", ["cb"]), store(tmp_path / "two", ["cb"])
    of_other_cell(two, USUAL, hyper={"beta": 0.9})
    third = of_other_cell(tmp_path / "third", USUAL, hyper={"beta": 0.5})
    for new, stored in ((two, one), (third, two)):
        before = sorted(path.name for path in (stored / "cells").iterdir())
        done = refused(new, stored, "--update", "--reason", "x")
        assert isinstance(done.exception, InputError)
        assert "holds several results of cb-ferplus-150-s0" in str(done.exception)
        assert sorted(path.name for path in (stored / "cells").iterdir()) == before


def test_another_precision_stands_beside(tmp_path: Path) -> None:
    stored = store(tmp_path / "stored", ["cb"])
    new = of_other_cell(tmp_path / "new", USUAL, precision="fp32")
    assert "1 added, 0 replaced" in update(new, stored)
    assert len(Store(stored).records()) == 2


def test_damage_stops_it_before_anything_changes(tmp_path: Path) -> None:
    stored, new = store(tmp_path / "stored", ["cb"]), store(tmp_path / "new", ["cb", "mek"])
    store(new, ["cb"], [1])
    (broken,) = (new / "cells").glob("mek-*")
    (broken / "logits.npz").write_bytes(b"nothing")
    done = refused(new, stored, "--update", "--reason", "x")
    assert isinstance(done.exception, InputError)
    assert len(Store(stored).records()) == 1
    assert CliRunner().invoke(cli, ["results", "check", "--results", str(stored)]).exit_code == 0
    assert made_record("cb")[0].id == Store(stored).records()[0].id
