"""Tables as CSV: a row for each row of a table; an empty field is a missing number.

The numbers are the printed ones, unless a table brings more exact ones for machines;
where any table does, those rows are the whole of it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from benchmark.report.forms import Place
from benchmark.report.machine import FIELDS, field_names, machine_key, used_fields
from benchmark.report.sheet import MISSING, Row, Table

ENDINGS = (".csv",)
HELP = "a row for each row, notes left out"


def write(tables: Sequence[Table], place: Place) -> str:
    """Return one CSV with the columns of all tables."""
    exact = [table for table in tables if table.data is not None]
    rows = [row for table in exact or tables for row in _rows(table)]
    header = dict.fromkeys(key for table in exact or tables for key in _header(table))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(header), restval="", lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _header(table: Table) -> list[str]:
    if table.data is not None:
        return list(dict.fromkeys(key for row in table.data for key in row))
    names = field_names(table)
    columns = [names[key, suffix] for key in table.keys for suffix in ("", *used_fields(table))]
    return [*table.facts, *map(machine_key, table.labels), *columns]


def _rows(table: Table) -> list[Mapping[str, object]]:
    if table.data is not None:
        return [
            {k: " ".join(map(str, v)) if isinstance(v, list) else v for k, v in row.items()}
            for row in table.data
        ]
    names, fields = field_names(table), used_fields(table)
    return [_flat(table, row, names, fields) for row in table.rows]


def _flat(
    table: Table, row: Row, names: Mapping[tuple[str, str], str], fields: Sequence[str]
) -> dict[str, object]:
    flat: dict[str, object] = {k: "" if v is None else str(v) for k, v in table.facts.items()}
    flat |= {machine_key(name): label for name, label in zip(table.labels, row.labels, strict=True)}
    for key, number in zip(table.keys, row.numbers, strict=True):
        flat[names[key, ""]] = "" if number.text == MISSING else number.text
        for suffix in fields:
            flat[names[key, suffix]] = getattr(number, FIELDS[suffix])
    return flat
