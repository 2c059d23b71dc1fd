"""The text of a Slurm batch script: an array whose tasks train cells."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import InputError

WARNING = 120
"""Seconds before the time limit at which Slurm tells the script, for the end of a step and a
checkpoint."""

_BODY = """\
# Slurm tells this shell some time before the time limit, and the step itself when it is preempted.
# Either way the step keeps its checkpoint and ends with 130, and the task is queued again. Where
# Slurm ends the shell, too, it does as it likes: a task that is cancelled does not come back.
# (srun itself would kill the step outright if it were told to end.)
told=
trap 'told=${{told:-limit}}; scancel --signal=TERM "$SLURM_JOB_ID.0"' USR1
trap 'told=end' TERM
# The step says itself what it ended with: bash forgets it where a signal came in the same moment.
ended=$(mktemp)
(
    trap : USR1 TERM
    srun --ntasks=1 --cpus-per-task={threads} {command}
    echo $? > "$ended"
) &
step=$!
while kill -0 "$step" 2>/dev/null; do
    wait "$step"
done
code=$(cat "$ended")
code=${{code:-137}}
rm -f "$ended"
sleep 1
if [ "$told$code" = 130 ] || {{ [ "$told" = limit ] && [ "$code" -gt 128 ]; }}; then
    scontrol requeue "$SLURM_JOB_ID" || echo "Not queued again: give the same command once more."
fi
exit "$code"
"""


@dataclass(frozen=True)
class Script:
    """What a batch script asks Slurm for, and what its tasks run.

    Attributes:
        command: of one task, but for the file of its cells.
        option: that takes this file.
        folder: of the files ``0.json``, ``1.json``... of the tasks, and of what they print.
        here: the working directory of the tasks.
        tasks: how many there are.
        at_once: how many may run at the same time; None for as many as Slurm likes.
        threads: of the CPU for each task.
        asked: options of ``sbatch`` by name, without those that have no value.
        setup: shell lines that come first in each task.
        extra: options of ``sbatch`` as they are; they win over all others.
    """

    command: Sequence[str]
    option: str
    folder: Path
    here: Path
    tasks: int
    at_once: int | None
    threads: int
    asked: Mapping[str, str | None]
    setup: Sequence[str]
    extra: Sequence[str]

    def text(self) -> str:
        """Return the script.

        Raises:
            InputError: an option or a path has several lines.
        """
        limit = "" if self.at_once is None else f"%{self.at_once}"
        options = {
            "job-name": "fer-bench",
            "array": f"0-{self.tasks - 1}{limit}",
            "ntasks": "1",
            "cpus-per-task": str(self.threads),
            "requeue": None,
            "open-mode": "append",
            "signal": f"B:USR1@{WARNING}",
            "chdir": str(self.here),
            "output": str(self.folder).replace("%", "%%") + "/%a.log",
            **{name: value for name, value in self.asked.items() if value is not None},
        }
        asked = [
            f"--{name}" if value is None else f"--{name}={_quoted(name, value)}"
            for name, value in options.items()
        ]
        lines = [f"#SBATCH {option}" for option in (*asked, *map(_one_line, self.extra))]
        cells = shlex.quote(str(self.folder)) + '/"$SLURM_ARRAY_TASK_ID".json'
        command = f"{shlex.join(self.command)} {self.option} {cells}"
        body = _BODY.format(threads=self.threads, command=command)
        setup = [*self.setup, ""] if self.setup else []
        return "\n".join(["#!/bin/bash", *lines, "", *setup, body])


def _one_line(text: str) -> str:
    if "\n" in text or not text.startswith("-"):
        raise InputError(f"--slurm-extra {text!r}: not one option of sbatch such as --qos=long")
    return text


def _quoted(name: str, value: str) -> str:
    """Return a value as ``sbatch`` reads it from a script."""
    if re.fullmatch(r"[\w@%+:,./=|&*()\[\]-]+", value):
        return value
    if re.search(r"[\n\"\\]", value) or not value:
        raise InputError(f"--{name} of sbatch: {value!r} cannot stand in a batch script")
    return f'"{value}"'
