"""The results that the project keeps: readable, whole, of the present code, and nothing besides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import methods
from benchmark.protocols import load_protocol
from benchmark.protocols.protocol import Protocol
from benchmark.stats.accuracy import confusion_matrix
from benchmark.store.outdated import read_outdated
from benchmark.store.record import Record
from benchmark.store.store import Store
from benchmark.sweep.plan import hyper_identity, recipe

RESULTS = Path(__file__).resolve().parent.parent / "results"
STORES = sorted(path.parent for path in RESULTS.glob("**/cells") if "runs" not in path.parts)
STUDIES = [path for path in STORES if "tuning" not in path.parts]
LIMIT = 40_000_000  # bytes of one folder of results, its tries among them
KEPT = {".json", ".jsonl", ".npz", ".md", ".csv", ".toml", ".html", ".svg"}


def name(path: Path) -> str:
    return path.relative_to(RESULTS).as_posix()


@pytest.mark.parametrize("root", STORES, ids=name)
def test_every_number_can_be_recomputed(root: Path) -> None:
    store = Store(root)
    records = store.records()
    assert records
    for record in records:
        arrays = store.logits(record)
        for rule, index in record.logits.items():
            found = confusion_matrix(
                arrays["label"], arrays[rule].argmax(axis=1), len(record.classes)
            )
            assert found.tolist() == record.history[index].test, (record.cell.slug, rule)
        assert len(record.history) == record.cell.protocol.training.epochs


def test_every_cell_keeps_its_id() -> None:
    """Ids name results in papers and notebooks: no later version of the program may change one."""
    pinned = json.loads((Path(__file__).parent / "stored_ids.json").read_text())
    found = {
        f"{name(root)}/{record.cell.slug}": record.cell.id
        for root in STORES
        for record in Store(root).records()
    }
    assert {slug: found.get(slug) for slug in pinned} == pinned


@pytest.mark.parametrize("root", STUDIES, ids=name)
def test_no_record_is_stale(root: Path) -> None:
    """A method's formula or a protocol's value that changed makes its records another cell's."""
    listed = {(one.method, one.version) for one in read_outdated(root)}
    older = set()
    for record in Store(root).records():
        version = record.cell.method, record.cell.method_version
        kept = ["method's version"] if version in listed else []
        assert stale(record, frozen(root, record)) == kept, (
            f"{record.cell.slug}: train it again, or say why it stays"
        )
        older |= {version} & listed
    assert older == listed, "what is listed as outdated is there"


def frozen(root: Path, record: Record) -> Protocol:
    """Return the protocol of a study: the file beside its cells, else the shipped one."""
    beside = root / "protocol.toml"
    return load_protocol(str(beside) if beside.is_file() else record.cell.protocol.name)


def stale(record: Record, protocol: Protocol) -> list[str]:
    cell = record.cell
    method = methods.get(cell.method)
    wanted, hyper = recipe(protocol, method)
    found = {
        "protocol": (cell.protocol.identity, wanted.identity),
        "hyper-parameters": (cell.hyper, hyper_identity(hyper)),
        "method's version": (cell.method_version, method.info.version),
    }
    return [what for what, (stored, present) in found.items() if stored != present]


def test_what_is_stale_is_noticed() -> None:
    from made_records import made_cell, made_record

    record, _ = made_record("cb")
    protocol = load_protocol(record.cell.protocol.name)
    fresh = record.cell.model_copy(update={"hyper": {"beta": 0.9999}})
    now = record.model_copy(update={"cell": fresh})
    assert "method's version" not in stale(now, protocol)
    older = record.model_copy(update={"cell": fresh.model_copy(update={"method_version": 0})})
    assert "method's version" in stale(older, protocol)
    other = made_cell("cb", overrides=["training.epochs=99"])
    assert stale(record.model_copy(update={"cell": other}), protocol) == [
        "protocol",
        "hyper-parameters",
    ]


@pytest.mark.parametrize("root", STORES, ids=name)
def test_nothing_but_records_and_small(root: Path) -> None:
    files = [path for path in root.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= KEPT, "no faces, no weights"
    assert sum(path.stat().st_size for path in files) < LIMIT
