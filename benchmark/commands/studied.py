"""The cells of a store that tables of results count."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from benchmark.store.record import Record
    from benchmark.store.store import Store


def studied(store: Store, *, may_be_empty: bool = False) -> list[Record]:
    """Return a store's records without tries, which are named as left out.

    Args:
        store: the store.
        may_be_empty: whether the command has something to show without a record.

    Raises:
        InputError: nothing is there, or nothing but tries.
    """
    from benchmark.analysis.stored import study_records

    return study_records(store, partial(click.echo, err=True), may_be_empty=may_be_empty)
