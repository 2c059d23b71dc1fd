"""``fer-bench check``: the gate that guards stored results."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.options import results_option, write_text
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.curves import Curve
    from benchmark.regress import Checked, Reference
    from benchmark.store import Store


@click.command("check", short_help="Hold new results against stored ones: the gate of CI.")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="The stored results (default: all that this project holds in results/).",
)
@click.option(
    "--margin",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Points that overall or mean accuracy may fall by.",
)
@click.option("--junit", type=click.Path(path_type=Path), help="Also write JUnit XML to this file.")
@click.option(
    "--summary", type=click.Path(path_type=Path), help="Also write a Markdown summary to this file."
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
@results_option
def command(
    against: Path | None,
    margin: float,
    junit: Path | None,
    summary: Path | None,
    curves: bool,
    update: bool,
    reason: str | None,
    results: Path,
) -> None:
    """Hold the results of a store against stored ones.

    Fails (exit code 1) if an accuracy fell by more than the margin and by more than chance, or a
    loss left its stored curve; says 'incomparable' (exit code 2) if dataset, protocol, weights or
    precision differ, and which.
    """
    from benchmark.store import Store

    store = Store(results)
    if update:
        _update(store, against, reason, curves=curves)
        return
    if reason is not None:
        raise InputError("--reason belongs to --update; leave it away to check")
    if curves and against is None and not store.root.exists():
        click.echo(f"no results in {results}: only the loss curves are checked", err=True)
        checked = None
    else:
        checked = _check(store, against, margin)
    findings = _curve_findings() if curves else []
    _show(checked, findings, curves=curves)
    _write(checked, findings, junit, summary)
    sys.exit(_exit_code(checked, findings))


def _show(checked: Checked | None, findings: Sequence[str], *, curves: bool) -> None:
    from benchmark.commands.tables import Table, as_items, as_text
    from benchmark.report.regress_text import HEADER, headline, remarks, table_rows

    if checked is not None:
        click.echo(as_text(Table(HEADER, table_rows(checked))))
        click.echo(as_items("text", remarks(checked)))
        click.echo(headline(checked))
    if curves:
        click.echo("Loss curves: " + ("left by" if findings else "all as stored."))
        click.echo(as_items("text", findings), nl=False)


def _write(
    checked: Checked | None, findings: Sequence[str], junit: Path | None, summary: Path | None
) -> None:
    from benchmark.report import regress_text

    if summary is not None:
        write_text(_markdown(checked, findings), summary, "--summary")
    if junit is not None:
        write_text(regress_text.junit(checked, findings), junit, "--junit")


def _markdown(checked: Checked | None, findings: Sequence[str]) -> str:
    """Return a summary for a pull request."""
    from benchmark.commands.tables import Table, as_items, as_markdown
    from benchmark.report.regress_text import HEADER, headline, remarks, table_rows

    passed = _exit_code(checked, findings) == 0
    pieces = [f"## fer-bench check: {'passed' if passed else 'not passed'}\n"]
    if checked is not None:
        pieces.append(as_items("markdown", [headline(checked)], bullet=""))
        pieces.append(as_markdown(Table(HEADER, table_rows(checked))))
    notes = [*findings, *([] if checked is None else remarks(checked))]
    pieces.append(as_items("markdown", notes))
    return "\n".join(pieces)


def _exit_code(checked: Checked | None, findings: Sequence[str]) -> int:
    from benchmark.regress import Verdict

    if findings or (checked is not None and checked.of(Verdict.REGRESSED)):
        return 1
    if checked is None:
        return 0
    compared = any(row.drops for row in checked.rows)
    return 2 if checked.of(Verdict.INCOMPARABLE) or not compared else 0


def _curve_findings() -> list[str]:
    """Train the first steps of each method and say which leave their stored curves."""
    from benchmark.curves import compare_curves, load_curves, stored_curves

    return [str(finding) for finding in compare_curves(load_curves(stored_curves()), _curves())]


def _curves() -> list[Curve]:
    import methods
    from benchmark.engine.first_losses import first_losses
    from methods.registry import BUILT_IN

    return [first_losses(methods.get(name)) for name in BUILT_IN]


def _check(store: Store, against: Path | None, margin: float) -> Checked:
    from benchmark.regress import check
    from benchmark.report.answers import Answers

    records = store.records()
    if not records:
        raise InputError(f"no finished cells in {store.root}; fill it with 'fer-bench run'")
    return check(records, Answers(store, "last").of, _references(store, against), margin)


def _references(store: Store, against: Path | None) -> list[Reference]:
    from benchmark.regress import Reference
    from benchmark.report.answers import Answers
    from benchmark.resources import asset
    from benchmark.store import Store

    if against is not None:
        if not (against / "cells").is_dir():
            raise InputError(f"--against {against}: no stored results there")
        folders: Sequence[Path] = [against]
    else:
        found = sorted(path.parent for path in asset("results").glob("*/cells"))
        folders = [path for path in found if path.resolve() != store.root.resolve()]
        folders = [path for path in folders if path.name != "runs"]  # what this checkout trained
    references = []
    for folder in folders:
        stored = Store(folder)
        references.append(Reference(folder.name, stored.records(), Answers(stored, "last").of))
    if not any(reference.records for reference in references):
        where = against or asset("results")
        raise InputError(f"no stored results in {where}; name a store with --against")
    return references


def _update(store: Store, against: Path | None, reason: str | None, *, curves: bool) -> None:
    if reason is None or not reason.strip():
        raise InputError("--update needs --reason: why what is stored changes")
    if against is None and not curves:
        raise InputError("--update needs --against: the stored results that are to change")
    if against is not None:
        _update_results(store, against, reason.strip())
    if curves:
        from benchmark.curves import save_curves, stored_curves

        save_curves(stored_curves(), _curves(), reason.strip())
        click.echo(f"loss curves written to {stored_curves()}")


def _update_results(store: Store, against: Path, reason: str) -> None:
    from benchmark.refresh import LOG, refresh
    from benchmark.store import Store

    if against.resolve() == store.root.resolve():
        raise InputError("--update: --results and --against are the same store")
    done = refresh(store, Store(against), reason)
    for word, slugs in (("added", done.added), ("replaced", done.replaced)):
        for slug in slugs:
            click.echo(f"{word}: {slug}")
    click.echo(
        f"{len(done.added)} added, {len(done.replaced)} replaced, {len(done.kept)} as they were"
        + (f"; the reason is in {against / LOG}" if done.added or done.replaced else "")
    )
