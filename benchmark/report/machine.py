"""What machines call the columns of a table: no two the same, whatever the classes are called."""

from __future__ import annotations

from benchmark.report.sheet import Table

FIELDS = {
    "sd": "spread",
    "low": "low",
    "high": "high",
    "remark": "remark",
    "published": "published",
    "difference": "difference",
}
"""What belongs to a number besides itself: the end of a column's name, and the number's field."""


def machine_key(label: str) -> str:
    """Return what machines call a text column."""
    return label.lower().replace(" ", "_")


def used_fields(table: Table) -> list[str]:
    """Return the fields, besides the number itself, that any number of the table has."""
    numbers = [number for row in table.rows for number in row.numbers]
    return [suffix for suffix, name in FIELDS.items() if any(getattr(n, name) for n in numbers)]


def field_names(table: Table) -> dict[tuple[str, str], str]:
    """Return the column of each key and field; the field of the number itself is empty.

    A class may be called as another's field: of the classes ``a`` and ``a_sd``, the deviation of
    the first is ``recall_a__sd``.
    """
    names = {(key, ""): key for key in table.keys}
    taken = {*table.keys, *table.facts, *map(machine_key, table.labels)}
    for key in table.keys:
        for suffix in FIELDS:
            name = f"{key}_{suffix}"
            while name in taken:
                name = f"{name.removesuffix(suffix)}_{suffix}"
            taken.add(name)
            names[key, suffix] = name
    return names
