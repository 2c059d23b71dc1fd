"""``fer-bench speed``: what this machine does in a second."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.commands.kinds import FilePath
from benchmark.commands.options import choose_dataset, dataset_options
from benchmark.commands.writing import write_out, write_tables
from benchmark.errors import InputError
from benchmark.speed import PARTS

if TYPE_CHECKING:
    from benchmark.report.sheet import Table
    from benchmark.speed.findings import Finding, Findings


@click.command("speed")
@click.argument("parts", nargs=-1, type=click.Choice(PARTS), metavar="[PART]...")
@dataset_options
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    help="How long to go on with each measurement; each does a few rounds in any case.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="What is printed: a table, or the record.",
)
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    help="Keep the record in this file too; its name ends in .json.",
)
def command(
    parts: tuple[str, ...],
    dataset: str | None,
    classes: int | None,
    data_root: Path | None,
    holdout: float | None,
    resize: int | None,
    cache_dir: Path | None,
    seconds: float,
    format_name: str,
    out: Path | None,
) -> None:
    """Measure what this machine does, a PART or all of them.

    peak, train, methods, reference, augment, sweep, memory, gpu. What is compared is done in turns
    and every ratio is one of neighbours in time: the median of them is held against the goal, the
    quartiles say how sure it is. Nothing else should run meanwhile.
    """
    from benchmark import environment
    from benchmark.report.forms import by_name
    from benchmark.speed.setting import Setting

    if out is not None and out.suffix.lower() != ".json":
        raise InputError(f"--out {out}: the record is JSON; let the name end in .json")
    name = choose_dataset(dataset, data_root, classes, holdout)
    setting = Setting(name, data_root, cache_dir, seconds, resize=resize)
    machine = {"started": environment.now(), **environment.describe()}
    for part in parts:  # all parts leave out what cannot be; one that is asked for is refused
        _refuse(part)
    found: dict[str, Findings] = {}
    for part in parts or PARTS:
        click.echo(f"measuring {part} ...", err=True)
        found[part] = _measure(part, setting)
    record = {
        **machine,
        "finished": environment.now(),
        "threads": environment.usable_cores(),
        "dataset": setting.dataset,
        "seconds": seconds,
        "parts": {part: findings.as_json() for part, findings in found.items()},
    }
    text = _json(record)
    if format_name == "json":
        click.echo(text, nl=False)
    else:
        click.echo(_machine_line(record))
        write_tables([as_table(found)], by_name("terminal"), None)
    if out is not None:  # last, so that a file that cannot be written loses nothing
        write_out(text, out)


def _refuse(part: str) -> None:
    """Refuse a part that cannot be measured here, before anything is.

    Raises:
        InputError: it says why it cannot.
    """
    missing = getattr(_module(part), "missing", lambda: None)
    reason = missing()
    if reason is not None:
        raise InputError(f"speed {part}: {reason}; leave it out")


def _measure(part: str, setting: Any) -> Findings:
    findings: Findings = _module(part).measure(setting)
    return findings


def _module(part: str) -> Any:
    import importlib

    return importlib.import_module(f"benchmark.speed.{part}")


def _json(record: dict[str, Any]) -> str:
    import json

    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def _machine_line(record: dict[str, Any]) -> str:
    return (
        f"{record['cpu']}, {record['threads']} cores; Python {record['python']}, "
        f"torch {record['packages']['torch']}; {record['finished']}"
    )


def as_table(parts: dict[str, Findings]) -> Table:
    """Return what several parts found out, a row for each value."""
    from benchmark.report.sheet import text_table

    header = ("part", "what", "median", "quartiles", "best", "pieces", "unit", "goal", "met")
    rows = [_row(part, row) for part, found in parts.items() for row in found.rows]
    remarks = [f"{part}: {text}" for part, found in parts.items() for text in found.remarks]
    return text_table("", header, rows, remarks)


def _row(part: str, row: Finding) -> tuple[str, ...]:
    value = row.value
    goal = "" if row.goal is None else f"{'>=' if row.at_least else '<='} {row.goal:g}"
    return (
        part,
        row.what,
        _number(value.median),
        f"{_number(value.low)} to {_number(value.high)}" if value.pieces > 1 else "",
        _number(value.best) if value.pieces > 1 else "",
        str(value.pieces),
        row.unit,
        goal,
        {None: "", True: "yes", False: "no"}[row.met],
    )


def _number(value: float) -> str:
    """Write three significant digits, and all of those before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")
