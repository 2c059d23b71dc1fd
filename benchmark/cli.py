"""``fer-bench``: the command line. Commands are imported when called, so ``--help`` is quick."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import click

from benchmark import __version__
from benchmark.encoding import never_fail
from benchmark.errors import InputError, StorageError, shortened
from benchmark.interpreter import check_own_packages
from benchmark.interrupt import heed_ctrl_c, heed_no_more
from benchmark.write import Weaker

# Each command stands as `command` in benchmark/commands/<name>.py; the text is its line in --help.
COMMANDS = {
    "run": "Train every cell of a table that is not finished yet.",
    "tune": "Choose values on validation images, with as many tries for every method.",
    "status": "Show which cells of a store or sweep are done, or why not.",
    "results": "Check a store; export and import finished cells.",
    "report": "Render the stored records as tables.",
    "check": "Hold new results against stored ones: the gate of CI.",
    "compare": "Say whether two methods differ by more than chance.",
    "claims": "Hold the paper's sentences against measured or published numbers.",
    "audit": "Recompute the published tables from their own numbers.",
    "predictions": "Write what networks said of each test image.",
    "predict": "Let a trained network classify images and folders of them.",
    "export": "Write a trained network as ONNX.",
    "figure": "Draw the stored records as figures for a paper.",
    "speed": "Measure this machine: training, methods, memory, a sweep.",
    "data": "Count, check and describe datasets.",
    "weights": "Say what a file of weights holds and which backbone it fits.",
    "methods": "List the methods and their hyper-parameters; begin a new one.",
}


class LazyGroup(click.Group):
    """A group that imports a command only when it runs or its own help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"benchmark.commands.{cmd_name}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what the system refuses ends in one line."""
        _check_working_directory()
        check_own_packages()
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader of our output went away, as `head` does
            _mute()
            return ctx.exit(130)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                where = shortened(error.filename)
                raise InputError(f"{where}: {error.strerror}; give a shorter path") from error
            _mute()
            where = f": {error.filename}" if error.filename else ""
            raise StorageError(f"{error.strerror or error}{where}") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fer-bench")
def cli() -> None:
    """fer-bench: an honest benchmark for imbalanced facial expression recognition."""


def _check_working_directory() -> None:
    """Make sure that there is one: torch's libraries end the process where there is none.

    Raises:
        InputError: it is gone.
    """
    try:
        os.getcwd()
    except OSError as error:
        raise InputError(
            f"the working directory cannot be used ({error.strerror}); change into another one"
        ) from error


def _mute() -> None:
    """Let what is still to be printed go nowhere: its place takes nothing any more."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_warning(
    usual: Callable[..., None], told: set[str], message: Warning | str, *rest: Any
) -> None:
    """Show what a file system does not let us promise in one line and once; others as usual."""
    if not isinstance(message, Weaker):
        usual(message, *rest)
    elif str(message) not in told:
        told.add(str(message))
        click.echo(f"fer-bench: {message.folder}: {message}", err=True)


def main() -> None:
    """Run the command line; exit 0 done, 1 failed, 2 wrong usage or input, 130 interrupted."""
    never_fail((sys.stdout, sys.stderr))
    heed_ctrl_c()
    warnings.showwarning = partial(_show_warning, warnings.showwarning, set())
    try:
        code = cli.main(prog_name="fer-bench", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except InputError as error:
        click.echo(f"fer-bench: {error}", err=True)
        code = 2
    except StorageError as error:
        click.echo(f"fer-bench: {error}", err=True)
        code = 1
    except (KeyboardInterrupt, click.Abort):
        heed_no_more()
        click.echo("fer-bench: interrupted; all finished work is kept", err=True)
        code = 130
    sys.exit(code if isinstance(code, int) else 0)
