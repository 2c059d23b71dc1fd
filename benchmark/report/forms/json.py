"""Tables as JSON with all that is printed; a missing number is null.

Where tables bring more exact rows for machines, those are the whole of it: a list of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchmark.report.forms import Place
from benchmark.report.machine import FIELDS, machine_key
from benchmark.report.sheet import MISSING, Number, Table

ENDINGS = (".json",)
HELP = "all that is printed"


def write(tables: Sequence[Table], place: Place) -> str:
    """Return a list of tables, or the rows for machines where the tables have such."""
    exact = [table for table in tables if table.data is not None]
    rows = [dict(row) for table in exact for row in table.data or ()]
    found: object = rows if exact else [_table(table) for table in tables]
    return json.dumps(found, indent=1, allow_nan=False) + "\n"


def _table(table: Table) -> dict[str, object]:
    return {
        "title": table.title,
        "name": table.name,
        **table.facts,
        "columns": list(table.keys),
        "rows": [
            {
                **{machine_key(k): v for k, v in zip(table.labels, row.labels, strict=True)},
                "values": {
                    key: _number(number)
                    for key, number in zip(table.keys, row.numbers, strict=True)
                },
            }
            for row in table.rows
        ],
        "notes": list(table.notes),
    }


def _number(number: Number) -> dict[str, object]:
    found: dict[str, object] = {"value": _value(number.text)}
    for suffix, name in FIELDS.items():
        text = getattr(number, name)
        if text:
            found[suffix] = text if name == "remark" else _value(text)
    if number.best:
        found["best"] = True
    if number.second:
        found["second"] = True
    return found


def _value(text: str) -> float | str | None:
    """Return a number; the text where it is none, such as ``<0.001``."""
    if text in (MISSING, ""):
        return None
    try:
        return float(text)
    except ValueError:
        return text
