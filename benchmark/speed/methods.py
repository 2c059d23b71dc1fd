"""What a step of each method costs beside one of the baseline, under `compact`."""

from __future__ import annotations

from benchmark.speed.findings import Findings, finding
from benchmark.speed.setting import Setting
from benchmark.speed.steps import Steps
from benchmark.speed.timing import interleaved
from methods import registry

GOALS = {"cb": 1.05, "scn": 1.05, "rul": 1.05, "soft": 1.4, "eac": 1.9, "mek": 1.9, "bbn": 2.05}
"""Steps of the baseline that a step may take: what its images cost, and a little."""


def trained() -> list[str]:
    """Return the methods that take any steps: a second stage may be of none."""
    found = []
    for name, method in registry.every()[0].items():
        stage = method.second_stage(method.Hyper())
        if stage is None or stage.epochs:
            found.append(name)
    return found


def measure(setting: Setting) -> Findings:
    """Take a step of the baseline and one of another method in turns."""
    dataset, protocol = setting.load(), setting.protocol("compact")
    steps = {name: Steps(name, dataset, protocol) for name in trained()}
    base = steps.pop("baseline")
    laps = interleaved(base.step, {n: s.step for n, s in steps.items()}, setting.seconds)
    rows = [finding("baseline: a step", "s", laps.base, at_least=False)]
    for name in steps:
        what = f"{name}: a step against the baseline's"
        rows.append(finding(what, "x", laps.ratios(name), GOALS.get(name), at_least=False))
    return Findings(rows)
