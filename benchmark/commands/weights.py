"""``fer-bench weights``: what a file of weights holds, before anything is trained from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.commands.kinds import FilePath
from benchmark.commands.options import form_options
from benchmark.commands.writing import write_tables

if TYPE_CHECKING:
    from benchmark.models.weights_report import WeightsReport
    from benchmark.report.sheet import Table

_NEAREST = 3  # backbones that do not fit, on a terminal
_SHOWN = 3  # names of each kind
_SAME_NAMES = (
    "Networks of the same tensors may differ in padding or norms: choose the one that the file was "
    "trained as."
)


@click.group("weights")
def command() -> None:
    """Say what a file of weights holds and which backbone it fits."""


@command.command("inspect")
@click.argument("file", type=FilePath())
@form_options
def inspect(file: Path, format_name: str | None, out: Path | None) -> None:
    """Show a file's format, tensors and hash, and which backbone can start from it, or why not.

    Nothing in the file is run. A backbone that fits is used with 'fer-bench run --weights FILE
    --set backbone.name=NAME'.
    """
    from benchmark.models.weights_report import report_on
    from benchmark.report.forms import form_for

    form = form_for(format_name, out)
    report = report_on(file)
    write_tables([_facts(file, report), _backbones(file, report)], form, out)


def _facts(path: Path, report: WeightsReport) -> Table:
    from benchmark.report.sheet import text_table

    file = report.file
    beside = [f"{name} ({count})" for name, count in sorted(file.beside.items())]
    rows = {
        "file": str(path),
        "SHA-256": file.sha256,
        "published as": report.published or "none that torchvision or timm publish a hash of",
        "format": file.form,
        "tensors": f"{len(file.tensors)} of {report.numbers} numbers",
        "dtypes": ", ".join(f"{name} ({count})" for name, count in sorted(report.dtypes.items())),
        "prefixes": _some([prefix or "none" for prefix in report.prefixes]) or "none known",
        "classifier": _some(report.classifier) or "none",
        "left out": _some(beside) or "nothing",
    }
    if len(report.prefixes) > 1 and report.loaded is not None:
        rows["loaded"] = f"what stands behind {report.loaded or 'no prefix'}"
    return text_table("", ("what", "value"), rows.items())


def _backbones(path: Path, report: WeightsReport) -> Table:
    from dataclasses import replace

    from benchmark.report.sheet import text_table

    fitting = [(name, fit) for name, fit in report.fits.items() if fit.fits]
    others = [(name, fit) for name, fit in report.fits.items() if not fit.fits]
    rows = [
        (name, "yes" if fit.fits else "no", f"{fit.matched} of {fit.needed}", _why_not(fit))
        for name, fit in [*fitting, *others[: 0 if fitting else _NEAREST]]
    ]
    hidden = len(report.fits) - len(rows)
    remarks = [f"{hidden} other backbones do not fit; --format csv or json has all of them."]
    if len(fitting) > 1:
        remarks.append(_SAME_NAMES)
    labels = ("backbone", "fits", "tensors", "why not")
    table = text_table("", labels, rows, remarks)
    return replace(table, data=tuple(_rows(path, report)))


def _why_not(fit: Any) -> str:
    if fit.fits:
        return ""
    kinds = {"missing": fit.missing, "unexpected": fit.unexpected, "of another shape": fit.reshaped}
    told = [f"{len(found)} {what}: {_some(found)}" for what, found in kinds.items() if found]
    return "; ".join(told) or fit.reason


def _rows(path: Path, report: WeightsReport) -> list[dict[str, Any]]:
    file = report.file
    facts = {
        "file": str(path),
        "sha256": file.sha256,
        "published_as": report.published,
        "format": file.form,
        "tensors": len(file.tensors),
        "numbers": report.numbers,
        "dtypes": [f"{name}:{count}" for name, count in sorted(report.dtypes.items())],
        "left_out": [f"{name}:{count}" for name, count in sorted(file.beside.items())],
    }
    return [
        {
            **facts,
            "backbone": name,
            "fits": fit.fits,
            "matched": fit.matched,
            "needed": fit.needed,
            "prefixes": list(fit.prefixes),
            "loaded": fit.loaded,
            "classifier": list(fit.classifier),
            "missing": list(fit.missing),
            "unexpected": list(fit.unexpected),
            "reshaped": list(fit.reshaped),
            "reason": fit.reason,
        }
        for name, fit in report.fits.items()
    ]


def _some(texts: Any) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(text[:100] for text in texts[:_SHOWN]) + more
