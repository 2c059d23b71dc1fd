"""Stored results for those who want to reckon with them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from benchmark.analysis.answers import Answers
from benchmark.analysis.frame import tidy
from benchmark.analysis.stored import stored_groups, study_records
from benchmark.store.store import Store

if TYPE_CHECKING:
    from benchmark.choices import Images


def load_results(
    results: str | os.PathLike[str] = "results/runs", rules: Sequence[str] = ("last",)
) -> pd.DataFrame:
    """Return all finished cells of a store, a row for each and each selection rule.

    Args:
        results: the store.
        rules: names of selection rules: which epoch counts.

    Returns:
        The columns of :func:`benchmark.analysis.frame.tidy`, among them ``method``, ``factor``
        (nan for the unmodified set), ``seed``, ``overall``, ``mean`` and ``recall_<class>`` in per
        cent. Tries of ``fer-bench tune`` are no results and are left out.

    Warns:
        UserWarning: says how many tries were left out.

    Raises:
        InputError: there is no store, or a record is damaged.

    >>> from fer_bench import load_results
    >>> frame = load_results(results)
    >>> frame[["method", "factor", "seed"]].values.tolist()
    [['baseline', 10.0, 0]]
    """
    return tidy(study_records(Store(Path(results)), _warn, may_be_empty=True), rules)


def compare(
    a: str,
    b: str,
    *,
    results: str | os.PathLike[str] = "results/runs",
    metric: Literal["mean", "overall"] = "mean",
    factors: Sequence[float | None] | None = None,
    dataset: str | None = None,
    rule: str = "last",
    images: Images = "all",
) -> pd.DataFrame:
    """Say whether two methods differ by more than chance, a row for each factor of each group.

    They are compared on the same test images and the same seeds; see ``fer-bench compare``.

    Args:
        a: a stored method.
        b: another one.
        results: the store.
        metric: the mean of the class recalls, or overall accuracy.
        factors: imbalance factors, None among them for the unmodified set; by default all.
        dataset: only its records; None for all.
        rule: the selection rule.
        images: which test images count.

    Returns:
        The columns of ``fer-bench compare --format csv``.

    Warns:
        UserWarning: names what could not be compared.

    Raises:
        InputError: a method is not stored, or nothing can be compared.

    >>> from fer_bench import compare
    >>> found = compare("mek", "eac", results=published, metric="overall", factors=[None])
    >>> found[["a", "b", "distinguishable"]].values.tolist()  # of one seed each
    [['mek', 'eac', False]]
    """
    from benchmark.analysis.compare import compare as compared
    from benchmark.report.compare_table import comparison_fields

    store = Store(Path(results))
    groups = stored_groups(study_records(store, _warn), store.root, rule, dataset)
    wanted = None if factors is None else tuple(factors)
    found = compared(groups, Answers(store, rule, images), (a, b), metric, wanted)
    for reason in found.skipped:
        warnings.warn(f"left out: {reason}", stacklevel=2)
    return pd.DataFrame([comparison_fields(row) for row in found.rows])


def _warn(line: str) -> None:
    warnings.warn(line, stacklevel=4)
