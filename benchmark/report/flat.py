"""Tables for machines: CSV with a row for each row of a table, JSON with all that is printed.

The numbers are the printed ones; the tidy frame has every digit.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from benchmark.report.sheet import MISSING, Number, Row, Table

_FIELDS = {
    "sd": "spread",
    "low": "low",
    "high": "high",
    "remark": "remark",
    "published": "published",
    "difference": "difference",
}


def as_csv(tables: Sequence[Table]) -> str:
    """Return one CSV with the columns of all tables; an empty field is a missing number."""
    rows = [
        _flat(table, row, fields)
        for table in tables
        for fields in [_used(table)]
        for row in table.rows
    ]
    header = dict.fromkeys(key for row in rows for key in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(header), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_json(tables: Sequence[Table]) -> str:
    """Return a list of tables; a missing number is null."""
    return json.dumps([_table(table) for table in tables], indent=1, allow_nan=False) + "\n"


def _used(table: Table) -> list[str]:
    """Return the fields, besides the number itself, that any number of the table has."""
    numbers = [number for row in table.rows for number in row.numbers]
    return [suffix for suffix, name in _FIELDS.items() if any(getattr(n, name) for n in numbers)]


def _flat(table: Table, row: Row, fields: Sequence[str]) -> dict[str, str]:
    flat = {key: "" if value is None else str(value) for key, value in table.facts.items()}
    flat |= {_key(name): label for name, label in zip(table.labels, row.labels, strict=True)}
    for key, number in zip(table.keys, row.numbers, strict=True):
        flat[key] = "" if number.text == MISSING else number.text
        for suffix in fields:
            flat[f"{key}_{suffix}"] = getattr(number, _FIELDS[suffix])
    return flat


def _table(table: Table) -> dict[str, object]:
    return {
        "title": table.title,
        "name": table.name,
        **table.facts,
        "columns": list(table.keys),
        "rows": [
            {
                **{_key(k): v for k, v in zip(table.labels, row.labels, strict=True)},
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
    found: dict[str, object] = {"value": _float(number.text)}
    for suffix, name in _FIELDS.items():
        text = getattr(number, name)
        if text:
            found[suffix] = text if name == "remark" else _float(text)
    if number.best:
        found["best"] = True
    if number.second:
        found["second"] = True
    return found


def _float(text: str) -> float | None:
    return None if text == MISSING else float(text)


def _key(name: str) -> str:
    return name.lower().replace(" ", "_")
