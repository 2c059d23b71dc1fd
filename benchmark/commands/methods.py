"""``fer-bench methods``: what the methods are and what they are trained with."""

from __future__ import annotations

import importlib.util
import keyword
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.options import form_options
from benchmark.commands.writing import write_tables, write_text
from benchmark.errors import InputError

if TYPE_CHECKING:
    from methods.base import Method


@click.group("methods")
def command() -> None:
    """List the methods and their hyper-parameters; begin a new one."""


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


@command.command("new")
@click.argument("name")
def new(name: str) -> None:
    """Write NAME.py, a method that works, and test_NAME.py here, to begin one of your own.

    NAME is in small letters, digits and underscores, and becomes the method's name.
    """
    from string import Template

    from benchmark.resources import asset

    _check_new(name)
    class_name = "".join(word.capitalize() for word in name.split("_"))
    title = " ".join(word.capitalize() for word in name.split("_") if word)
    for template in ("method.py.txt", "test_method.py.txt"):
        text = Template(asset(f"templates/{template}").read_text(encoding="utf-8")).substitute(
            name=name, class_name=class_name, title=title
        )
        write_text(text, Path(template.removesuffix(".txt").replace("method", name)), "NAME")
    click.echo(
        f"try it: fer-bench methods check {name}:{class_name}\n"
        f"        pytest test_{name}.py\n"
        f"        fer-bench run --methods baseline,{name}:{class_name}"
    )


def _check_new(name: str) -> None:
    """Refuse a name that is none, that is taken, or whose files would be written over.

    Raises:
        InputError: it does not do.
    """
    from methods import registry

    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name) or keyword.iskeyword(name):
        raise InputError(
            f"'{name}' is no name for a method: small letters, digits and underscores, as my_loss"
        )
    if registry.canonical(name) in {*registry.names(), *registry.SETS}:
        raise InputError(f"there is a method '{name}' already; choose another name")
    for file in (Path(f"{name}.py"), Path(f"test_{name}.py")):
        if os.path.lexists(file):
            raise InputError(f"{file} is here already and is not written over; choose another name")
    if importlib.util.find_spec(name) is not None:
        raise InputError(f"Python has a module '{name}' already; choose another name")
