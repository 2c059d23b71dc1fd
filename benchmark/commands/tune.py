"""``fer-bench tune``: choose values on validation images, with the same budget for every method."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.commands.kinds import FilePath
from benchmark.commands.sweep import SweepChoice
from benchmark.commands.sweep_options import sweep_options
from benchmark.commands.training import Training, training_options
from benchmark.commands.writing import write_text
from benchmark.errors import InputError
from benchmark.interrupt import heed_all

if TYPE_CHECKING:
    from benchmark.commands.tuner import Tuner


@click.command("tune")
@sweep_options(factors="100", seeds="1000")
@click.option(
    "--budget",
    type=click.IntRange(1, 256),
    default=4,
    show_default=True,
    help="Tries of each method, its declared defaults first.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be tried and how long it may take.")
@click.option(
    "--out",
    type=FilePath(dir_okay=False),
    help="The protocol file that the choice is written to, a .toml (default: in the store's folder "
    "'tuning').",
)
@training_options
def command(budget: int, dry_run: bool, out: Path | None, **options: Any) -> None:
    """Choose values on clean validation images; every method gets as many tries.

    First the learning rate that all methods share, on the baseline; then each method's own values,
    which it declares a search space for. A value that is given by --set is not searched. Every try
    is an ordinary cell of the store, which no table of results counts: stop at any time and give
    the same command again to go on, or with more methods to add to the file. No test image takes
    part; train the study with other seeds.
    """
    heed_all()
    from benchmark.commands.tuner import Tuner
    from benchmark.commands.tuner_plan import show_plan

    training = Training.take(options)
    choice = SweepChoice(**options, elsewhere=training.elsewhere).named()
    if out is not None:
        _check_out(out, choice.protocol_name)
    tuner = Tuner.make(choice, training, budget)
    if out is not None:
        _check_search(out, tuner.ledger.key)
    if dry_run:
        show_plan(tuner)
        return
    if tuner.tune() and not _finish(tuner, out):
        sys.exit(1)


def _check_out(out: Path, protocol_name: str | None) -> None:
    """Refuse, before anything is trained, a file that could not be written or is somebody's own.

    Raises:
        InputError: it is so.
    """
    from benchmark.tuning.written import search_of

    if out.suffix != ".toml":
        raise InputError(f"--out {out}: the name must end in .toml, as that of any protocol file")
    if out.exists():
        given = Path(protocol_name or "")
        if given.is_file() and out.samefile(given):
            raise InputError(f"--out {out}: that is the protocol that is tuned; name another file")
        if not out.is_file() or search_of(out) is None:
            raise InputError(f"--out {out}: there is another file, not by tune; name a new one")
    place = next(path for path in out.absolute().parents if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"--out {out}: no file can be made in {place}; name another place")


def _check_search(out: Path, key: str) -> None:
    """Refuse a file that does not say that this search wrote it.

    Raises:
        InputError: it does.
    """
    from benchmark.tuning.written import search_of

    if out.exists() and search_of(out) != key:
        raise InputError(
            f"--out {out}: it holds what another search chose, of another training set, protocol, "
            "factor, seed or budget, or does not say which; name a new one"
        )


def _finish(tuner: Tuner, out: Path | None) -> bool:
    """Write the protocol; return whether something was chosen for all that this call searched."""
    from benchmark.store.faults import writing
    from benchmark.store.ledger import ledger_file, one_at_a_time
    from benchmark.tuning.written import protocol_text, unchosen
    from benchmark.write import put_file

    root = tuner.training.store.root
    path = out or ledger_file(root, tuner.ledger.key).with_suffix(".toml")
    with writing(root), one_at_a_time(root):  # of two that end at once the later one knows of both
        outcomes = tuner.outcomes()
        content = protocol_text(tuner.protocol, tuner.ledger, outcomes).encode()
        if out is not None:
            write_text(content.decode(), out, "--out")
        elif not (path.is_file() and path.read_bytes() == content):
            put_file(path, content)
    left = [one for one in outcomes if one.chosen is None]
    if left:
        told = ", ".join(map(unchosen, left))
        click.echo(f"not chosen, and as they were in the file: {told}", err=True)
    seeds = ",".join(map(str, tuner.ledger.seeds))
    click.echo(
        f"Wrote {path}. Every try: fer-bench report --detail tuning --results "
        f"{shlex.quote(str(root))}"
    )
    click.echo(f"Train with other seeds than {seeds}: {_study(tuner.choice, path)}")
    asked = {subject.name for subject in tuner.subjects.values()}
    return not any(one.searched.name in asked for one in left)


def _study(choice: SweepChoice, protocol: Path) -> str:
    """Return the command that trains with what was chosen on the same pictures and weights."""
    options = {
        "--dataset": choice.dataset_name,
        "--data-root": choice.data_root,
        "--resize": choice.resize,
        "--weights": choice.weights,
        "--protocol": protocol,
    }
    given = [f"{name} {shlex.quote(str(value))}" for name, value in options.items() if value]
    return " ".join(["fer-bench run", *given, *(["--cut-head"] if choice.cut_head else [])])
