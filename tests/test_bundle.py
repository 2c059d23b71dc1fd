"""Cells that travel as one file: whatever a byte on the way becomes, it is one clear error."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_records import made_record

from benchmark.bundle import export_cells, import_cells
from benchmark.errors import InputError
from benchmark.store import Store


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
