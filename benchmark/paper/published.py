"""The paper's own tables as data: published numbers, never mixed with measured ones."""

from __future__ import annotations

from functools import cache

import pandas as pd

from benchmark.resources import asset

RESULT_TABLES = {1: "raf-db", 2: "ferplus", 3: "ferplus"}
"""The tables of accuracies and their datasets; Table 3 is the unmodified set."""

COUNT_TABLES = {4: "raf-db", 5: "ferplus"}
"""The tables of training images of each class and their datasets."""

RECALL_PREFIX = "recall_"
"""And a class's name: the column of its recalls, here and in frames of measured numbers."""

_NAMES = {"ours": "mek"}  # what the paper calls its own method


@cache
def results(table: int) -> pd.DataFrame:
    """Return Table 1, 2 or 3 of the paper, rows and columns in its order; do not change it.

    Args:
        table: its number.

    Returns:
        ``method`` (this project's name), ``title`` (the paper's), ``factor`` (nan for the
        unmodified set), ``venue`` (empty where the table has no such column), ``recall_<class>``,
        ``overall`` and ``mean`` in percent.
    """
    raw = pd.read_csv(asset("results/paper") / f"table{table}.csv")
    titles = raw["method"]
    factor = raw["imbalance"] if "imbalance" in raw else float("nan")
    venue = raw.get("conference", "")
    frame = pd.DataFrame(
        {
            "method": [_NAMES.get(title.lower(), title.lower()) for title in titles],
            "title": titles,
            "factor": factor,
            "venue": venue,
        }
    )
    values = raw.drop(columns=["method", "imbalance", "conference"], errors="ignore")
    classes = [column for column in values if column not in ("overall", "mean")]
    return frame.join(values.rename(columns={name: f"{RECALL_PREFIX}{name}" for name in classes}))


@cache
def counts(table: int) -> pd.DataFrame:
    """Return Table 4 or 5 of the paper: training images of each class; do not change it.

    Args:
        table: its number.

    Returns:
        ``factor`` (nan for the unmodified set), a column for each class in the table's order,
        ``total`` as printed.
    """
    raw = pd.read_csv(asset("results/paper") / f"table{table}.csv", na_values=["-"])
    return raw.rename(columns={"imbalance": "factor"})
