"""Cells that travel as one file: whatever a byte on the way becomes, it is one clear error."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from made_records import fill, made_record

from benchmark.cli import cli
from benchmark.errors import InputError
from benchmark.store.attention_file import MEASURES, KeptAttention, pack_measures
from benchmark.store.bundle import export_cells, import_cells
from benchmark.store.ledger import Ledger, Searched, Try, keep_ledger, read_ledger
from benchmark.store.logits_file import pack
from benchmark.store.record import Record
from benchmark.store.store import Store


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("bundle")
    store = Store(folder / "here")
    store.add(*made_record(test_counts=[9] * 7))
    export_cells(store, store.records(), folder / "cells.zip")
    return (folder / "cells.zip").read_bytes()


@pytest.mark.parametrize("flip", [0x01, 0x55, 0xFF])
def test_any_damaged_byte_is_named_and_nothing_is_added(
    packed: bytes, flip: int, tmp_path: Path
) -> None:
    (tmp_path / "whole.zip").write_bytes(packed)
    whole = Store(tmp_path / "whole")
    import_cells(whole, tmp_path / "whole.zip")
    refused: list[str] = []
    for at in range(0, len(packed), 3):
        broken = bytearray(packed)
        broken[at] ^= flip
        (tmp_path / "broken.zip").write_bytes(broken)
        store = Store(tmp_path / "there" / str(at))
        try:
            import_cells(store, tmp_path / "broken.zip")
        except InputError as error:
            refused.append(str(error))
            assert not store.cells.exists() or not list(store.cells.iterdir())
        else:  # a byte that means nothing, such as a date
            assert store.records() == whole.records()
    assert len(refused) > len(packed) / 3 / 2
    assert not any("\n" in message for message in refused)


@pytest.mark.parametrize("place", ["file/cells.zip", "x" * 300])
def test_a_place_where_nothing_can_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "here")
    store.add(*made_record(test_counts=[9] * 7))
    with pytest.raises(InputError, match="cannot be written"):
        export_cells(store, store.records(), tmp_path / place)


def export(path: Path, *methods: str) -> Path:
    store = Store(path.parent / f"from-{path.stem}")
    for method in methods:
        store.add(*made_record(method, test_counts=[9] * 7))
    export_cells(store, store.records(), path)
    return path


@pytest.mark.parametrize("broken", ["mek", "soft"])
def test_a_store_with_a_damaged_cell_gets_nothing(tmp_path: Path, broken: str) -> None:
    """Whether the damaged cell is one of the file's or another."""
    store = Store(tmp_path / "store")
    for method in ("mek", "soft"):
        folder = store.add(*made_record(method, test_counts=[9] * 7))
        if method == broken:
            (folder / "record.json").write_text("{")
    file = export(tmp_path / "cells.zip", "baseline", "cb", "mek")
    with pytest.raises(InputError, match="damaged record"):
        import_cells(store, file)
    assert len(list(store.cells.iterdir())) == 2


def test_a_gigabyte_of_spaces_is_refused_at_once(tmp_path: Path) -> None:
    import tracemalloc

    file = export(tmp_path / "cells.zip", "cb")
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for large in members:
        with zipfile.ZipFile(tmp_path / "large.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                with archive.open(name, "w", force_zip64=True) as member:
                    member.write(content)
                    for _ in range(1024 if name == large else 0):
                        member.write(b" " * (1 << 20))
        tracemalloc.start()
        with pytest.raises(InputError, match=r"larger than \d+ MiB\); nothing was imported"):
            import_cells(Store(tmp_path / "store"), tmp_path / "large.zip")
        assert tracemalloc.get_traced_memory()[1] < 1 << 27
        tracemalloc.stop()


def test_a_member_that_no_record_speaks_of_is_named(tmp_path: Path) -> None:
    file = export(tmp_path / "cells.zip", "cb")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("another/logits.npz", b"")
    with pytest.raises(InputError, match=r"it holds 'another/logits\.npz'"):
        import_cells(Store(tmp_path / "store"), file)


def test_a_pipe_is_no_file_to_import(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cells.zip")  # nobody writes to it
    with pytest.raises(InputError, match=r"cells\.zip: no regular file"):
        import_cells(Store(tmp_path / "store"), tmp_path / "cells.zip")


def test_older_records_travel_and_keep_their_ids(tmp_path: Path) -> None:
    stored = Store(Path(__file__).resolve().parents[2] / "results" / "smoke")
    records = [record for record in stored.records() if record.cell.seed == 0]
    export_cells(stored, records, tmp_path / "cells.zip")
    store = Store(tmp_path / "store")
    import_cells(store, tmp_path / "cells.zip")
    assert store.records() == records
    for record in records:
        there = stored.cells / record.cell.slug / "logits.npz"
        assert (store.cells / record.cell.slug / "logits.npz").read_bytes() == there.read_bytes()


def test_results_that_a_list_of_tries_names_are_told(tmp_path: Path) -> None:
    there = Store(tmp_path / "there")
    fill(there, ("cb", "mek"), (150.0,), 1)
    here = Store(tmp_path / "here")
    fill(here, ("cb",), (150.0,), 1)
    keep_ledger(here.root, ledger_of(here.records()))
    export_cells(here, here.records(), tmp_path / "cells.zip")
    (slug,) = (record.cell.slug for record in here.records())
    called = ["results", "import", str(tmp_path / "cells.zip"), "--results", str(there.root)]
    first, again = (CliRunner().invoke(cli, called).output for _ in range(2))
    assert f"no table of results counts: {slug}." in first
    assert "no table of results" not in again


def test_a_list_of_another_search_under_the_same_name_is_refused(tmp_path: Path) -> None:
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    for store, budget in ((here, 2), (there, 1)):
        fill(store, ("cb",), (150.0,), 1)
        keep_ledger(store.root, ledger_of(store.records()).model_copy(update={"budget": budget}))
    fill(here, ("mek",), (150.0,), 1)
    export_cells(here, here.records(), tmp_path / "cells.zip")
    before = read_ledger(there.root, "some-key")
    with pytest.raises(InputError, match="says that it is of another search"):
        import_cells(there, tmp_path / "cells.zip")
    assert read_ledger(there.root, "some-key") == before
    assert len(there.records()) == 1, "nothing was imported"


def test_measures_of_a_cell_that_is_there_with_other_bytes_of_logits(tmp_path: Path) -> None:
    record, arrays = made_record("cb", test_counts=[9] * 7)
    record = record.model_copy(update={"weights_sha256": "f" * 64})
    stores = here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    here.put(record, pack(arrays))
    there.put(record, repacked(pack(arrays)))
    for store in stores:
        (kept,) = store.records()
        labels = arrays["label"].astype(np.int64)
        of = np.zeros((len(labels), 7))
        content = pack_measures(kept, labels, dict.fromkeys(MEASURES, of), (4, 4))
        KeptAttention(store).put(kept, content)
    export_cells(here, here.records(), tmp_path / "cells.zip")
    assert import_cells(there, tmp_path / "cells.zip").kept == [record.cell.slug]


def ledger_of(records: Sequence[Record]) -> Ledger:
    """A list by which the records are tries."""
    one = Try(why="default", values={}, departure=0, edge=0, cells=tuple(r.id for r in records))
    subject = Searched(name="cb", method="cb", spans={}, tries=(one,))
    return Ledger(
        dataset="ferplus",
        fingerprint=records[0].cell.fingerprint,
        protocol="compact",
        version=1,
        shared=(),
        factors=(150.0,),
        seeds=(0,),
        budget=1,
        key="some-key",
        subjects=(subject,),
    )


def repacked(content: bytes) -> bytes:
    """The same arrays, as another version of the library might pack them."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(made, "w") as after:
        for name in before.namelist():
            after.writestr(name, before.read(name))
    return made.getvalue()
