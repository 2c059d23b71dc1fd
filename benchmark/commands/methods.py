"""``fer-bench methods``: what the methods are and what they are trained with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.options import form_options, write_tables

if TYPE_CHECKING:
    from methods.base import Method


@click.group("methods")
def command() -> None:
    """List the methods and their hyper-parameters."""


@command.command("list")
@form_options
def list_methods(format_name: str | None, out: Path | None) -> None:
    """List all methods."""
    from benchmark.report.forms import form_for
    from benchmark.report.sheet import text_table
    from methods import registry

    form = form_for(format_name, out)
    rows = []
    found, complaints = registry.every()
    for name, method in found.items():
        info = method.info
        searched = "; ".join(f"{key} {space}" for key, space in method.Hyper.spaces().items())
        rows.append((name, info.title, info.venue, _images(method), searched or "-", info.url))
    header = ("name", "title", "venue", "images", "searched", "paper")
    write_tables([text_table("", header, rows)], form, out)
    for line in complaints:
        click.echo(f"left out: {line}", err=True)


def _images(method: type[Method]) -> str:
    """Return what a method asks for, in words."""
    first = "mirrored at random, then " if method.mirror_first else ""
    return first + method.views.value + (" + reversed stream" if method.reversed_stream else "")


@command.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Show one method: paper, code, hyper-parameters and where each default comes from."""
    import dataclasses

    from benchmark.protocols import load_protocol, shipped
    from benchmark.store.record import show_value
    from methods import registry

    method = registry.get(name)
    info = method.info
    click.echo(f"{info.title} ({info.name}), {info.venue}\n{info.paper}\npaper: {info.url}")
    click.echo(f"code:  {info.code or 'none published'}")
    click.echo(f"asks for: {_images(method)}\n\nshared (the benchmark's one recipe):")
    sources = method.Hyper.sources()
    fields = dataclasses.fields(method.Hyper)
    spaces = method.Hyper.spaces()
    for field in fields:
        click.echo(f"  {field.name} = {show_value(field.default)}  [{sources[field.name]}]")
        click.echo(f"      searched: {spaces.get(field.name, 'never, it is kept')}")
    if not fields:
        click.echo("  no hyper-parameters of its own")
    for protocol in map(load_protocol, shipped()):
        for key, value in protocol.methods.get(info.name, {}).items():
            source = protocol.sources[f"methods.{info.name}.{key}"]
            shown = show_value(value)
            click.echo(f"  {key} = {shown} under protocol {protocol.name}  [{source}]")
    click.echo("\nauthors (their optimiser, schedule and values, --recipe authors):")
    if method.authors.from_scratch:
        click.echo("  meant for a network that starts from random weights")
    own = {**method.authors.hyper, **method.authors.protocol}
    for key, (value, source) in own.items():
        click.echo(f"  {key} = {show_value(value)}  [{source}]")
    if not own:
        click.echo("  the same as shared: no official code or recipe exists")


@command.command("check")
@click.argument("name")
def check(name: str) -> None:
    """Hold a method against the contract that every method here keeps.

    NAME is a registered name or package.module:Class.
    """
    from methods import registry
    from methods.contract import CHECKS, failure

    method = registry.get(name)
    failed = 0
    for contract_check in CHECKS:
        reason = failure(contract_check, method)
        failed += reason is not None
        what = (contract_check.__doc__ or "").splitlines()[0]
        click.echo(
            f"{'FAILED' if reason else 'ok    '} {what}" + (f"\n       {reason}" if reason else "")
        )
    click.echo(f"{len(CHECKS) - failed} passed, {failed} failed")
    if failed:
        sys.exit(1)
