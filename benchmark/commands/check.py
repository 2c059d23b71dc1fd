"""``fer-bench check``: the gate that guards stored results."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from benchmark.commands.kinds import FilePath
from benchmark.commands.options import form_options, images_option, results_option
from benchmark.commands.writing import write_tables, write_text
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.choices import Images
    from benchmark.gate.check import Reference
    from benchmark.gate.checked import Checked
    from benchmark.gate.curves import Curve
    from benchmark.report.forms import Form
    from benchmark.report.sheet import Table
    from benchmark.store.store import Store
    from methods.base import Method


@click.command("check")
@click.option(
    "--against",
    type=FilePath(),
    help="The stored results (default: all that this project holds in results/).",
)
@click.option(
    "--margin",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Points that overall or mean accuracy may fall by.",
)
@click.option(
    "--allow-missing",
    "allow",
    multiple=True,
    metavar="PATTERN",
    help="Stored cells that need not be among the new results, such as '*-s[1-4]'.",
)
@click.option(
    "--junit",
    type=FilePath(dir_okay=False),
    help="Also write JUnit XML to this file.",
)
@click.option(
    "--summary",
    type=FilePath(dir_okay=False),
    help="Also write a Markdown summary to this file.",
)
@click.option(
    "--curves",
    is_flag=True,
    help="Also train the first steps of each method and hold their losses against stored ones.",
)
@click.option(
    "--update",
    is_flag=True,
    help="Put the new results in the place of those of --against, or the new --curves in the place "
    "of the stored ones, with a --reason.",
)
@click.option("--reason", help="Why the stored results change; kept beside them.")
@images_option
@results_option
@form_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    against: Path | None,
    margin: float,
    allow: tuple[str, ...],
    junit: Path | None,
    summary: Path | None,
    curves: bool,
    update: bool,
    reason: str | None,
    images: Images,
    results: Path,
    format_name: str | None,
    out: Path | None,
) -> None:
    """Hold the results of a store against stored ones.

    Fails (exit code 1) if an accuracy fell by more than the margin and by more than chance, a loss
    left its stored curve, or a stored result of the same dataset and protocol is missing; says
    'incomparable' (exit code 2) if dataset, protocol, weights or precision differ, and which.
    """
    from benchmark.report.forms import form_for
    from benchmark.store.store import Store

    form = form_for(format_name, out)
    store = Store(results)
    if against is not None:
        _look_at(against, store)
    if update:
        _refuse_idle(ctx)
        _update(store, against, reason, curves=curves)
        return
    if reason is not None:
        raise InputError("--reason belongs to --update; leave it away to check")
    if not math.isfinite(margin):
        raise InputError(f"--margin {margin}: give a number of points, such as 1")
    default = ctx.get_parameter_source("results") is ParameterSource.DEFAULT
    checked = None
    if curves and default and against is None and not store.root.exists():
        click.echo(f"no results in {results}: only the loss curves are checked", err=True)
    else:
        checked = _check(store, against, margin, allow, images)
    findings = _curve_findings() if curves else []
    _show(checked, findings if curves else None, form, out)
    _write(checked, findings, junit, summary)
    sys.exit(_exit_code(checked, findings))


def _look_at(against: Path, store: Store) -> None:
    """Refuse a folder that holds no stored results, or the new ones themselves."""
    if not (against / "cells").is_dir():
        raise InputError(f"--against {against}: no stored results there")
    if against.resolve() == store.root.resolve():
        raise InputError("--results and --against are the same store")


def _show(
    checked: Checked | None, findings: Sequence[str] | None, form: Form, out: Path | None
) -> None:
    """Print what was checked; the verdict stands last, for whoever reads a log from its end."""
    from benchmark.gate.check_table import checked_table, headline

    shown = out is None and form.name == "terminal"
    tables = []
    if checked is not None:
        table = checked_table(checked)
        tables.append(replace(table, title="") if shown else table)
    if findings is not None:
        tables.append(_curves_table(findings))
    write_tables(tables, form, out)
    if checked is not None:
        click.echo(("\n" if shown else "") + headline(checked), err=not shown)


def _curves_table(findings: Sequence[str]) -> Table:
    from benchmark.report.sheet import text_table

    stand = "not as stored" if findings else "all as stored"
    return text_table(f"Loss curves: {stand}.", (), (), findings, name="curves")


def _write(
    checked: Checked | None, findings: Sequence[str], junit: Path | None, summary: Path | None
) -> None:
    from benchmark.gate import check_table as regress_text

    if summary is not None:
        write_text(_markdown(checked, findings), summary, "--summary")
    if junit is not None:
        write_text(regress_text.junit(checked, findings), junit, "--junit")


def _markdown(checked: Checked | None, findings: Sequence[str]) -> str:
    """Return a summary for a pull request."""
    from benchmark.gate.check_table import checked_table
    from benchmark.report.forms import by_name

    passed = _exit_code(checked, findings) == 0
    tables = [] if checked is None else [checked_table(checked)]
    tables += [_curves_table(findings)] if findings else []
    head = f"## fer-bench check: {'passed' if passed else 'not passed'}\n\n"
    return head + by_name("markdown").write(tables)


def _exit_code(checked: Checked | None, findings: Sequence[str]) -> int:
    from benchmark.gate.checked import GateVerdict

    if findings:
        return 1
    if checked is None:
        return 0
    if checked.of(GateVerdict.REGRESSED) or checked.missing:
        return 1
    compared = any(row.drops for row in checked.rows)
    return 2 if checked.of(GateVerdict.INCOMPARABLE) or not compared else 0


def _curve_findings() -> list[str]:
    """Train the first steps of each method and say which leave their stored curves."""
    import methods
    from benchmark.gate.curves import compare_curves, load_curves, stored_curves
    from methods.registry import BUILT_IN

    stored = load_curves(stored_curves())
    findings = []
    for name in BUILT_IN:
        if name not in stored:
            findings.append(f"{name}: no stored curve")
            continue
        try:
            curve = _first_losses(methods.get(name))
        except Exception as error:  # whatever a broken method does
            findings.append(f"{name}: cannot be trained ({type(error).__name__}: {error})")
            continue
        findings += map(str, compare_curves(stored, [curve]))
    return findings


def _first_losses(method: type[Method]) -> Curve:
    from benchmark.gate.first_losses import first_losses

    return first_losses(method)


def _check(
    store: Store, against: Path | None, margin: float, allow: Sequence[str], images: Images
) -> Checked:
    from benchmark.analysis.answers import Answers
    from benchmark.commands.studied import studied
    from benchmark.gate.check import check

    return check(
        studied(store),
        Answers(store, "last", images),
        _references(store, against, images),
        margin,
        allow,
    )


def _references(store: Store, against: Path | None, images: Images) -> list[Reference]:
    from benchmark.analysis.answers import Answers
    from benchmark.commands.studied import studied
    from benchmark.gate.check import Reference
    from benchmark.resources import asset
    from benchmark.store.store import Store

    if against is not None:
        folders: Sequence[Path] = [against]
    else:
        found = sorted(path.parent for path in asset("results").glob("*/cells"))
        folders = [path for path in found if path.resolve() != store.root.resolve()]
        folders = [path for path in folders if path.name != "runs"]  # what this checkout trained
    references = []
    for folder in folders:
        stored = Store(folder)
        records = studied(stored, may_be_empty=True)
        references.append(Reference(folder.name, records, Answers(stored, "last", images)))
    if not any(reference.records for reference in references):
        where = against or asset("results")
        raise InputError(f"no stored results in {where}; name a store with --against")
    return references


def _refuse_idle(ctx: click.Context) -> None:
    """Refuse what says how a check is made or shown where none is made."""
    used = {"against", "curves", "update", "reason", "results"}
    given = [
        option.opts[0]
        for option in ctx.command.params
        if option.name not in used
        and ctx.get_parameter_source(str(option.name)) is not ParameterSource.DEFAULT
    ]
    if given:
        raise InputError(f"--update checks nothing; leave {', '.join(given)} away")


def _update(store: Store, against: Path | None, reason: str | None, *, curves: bool) -> None:
    if reason is None or not reason.strip():
        raise InputError("--update needs --reason: why what is stored changes")
    if against is None and not curves:
        raise InputError("--update needs --against: the stored results that are to change")
    if against is not None:
        _update_results(store, against, reason.strip())
    if curves:
        import methods
        from benchmark.gate.curves import save_curves, stored_curves
        from methods.registry import BUILT_IN

        new = [_first_losses(methods.get(name)) for name in BUILT_IN]
        save_curves(stored_curves(), new, reason.strip())
        click.echo(f"loss curves written to {stored_curves()}")


def _update_results(store: Store, against: Path, reason: str) -> None:
    from benchmark.commands.studied import studied
    from benchmark.gate.refresh import LOG, refresh
    from benchmark.store.store import Store

    studied(store, may_be_empty=True)  # names the tries, which never become stored results
    done = refresh(store, Store(against), reason)
    for word, slugs in (
        ("added", done.added),
        ("replaced", done.replaced),
        ("removed", done.removed),
    ):
        for slug in slugs:
            click.echo(f"{word}: {slug}")
    for line in done.differs:
        click.echo(f"another experiment than what stood there: {line}")
    if done.weightless:
        click.echo(f"their weights went with what stood there: {', '.join(done.weightless)}")
    click.echo(
        f"{len(done.added)} added, {len(done.replaced)} replaced, {len(done.kept)} as they were"
        + (f"; the reason is in {against / LOG}" if done.added or done.replaced else "")
    )
