"""Guards put to the test: break a copy of the source tree and see which of them go red.

``python tests/mutations.py`` runs every mutation and writes ``tests/MUTATIONS.md``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree

from mutation_list import MUTATIONS, TRAINER, Mutation

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests" / "MUTATIONS.md"
COPIED = (
    "benchmark", "fer_bench", "methods", "templates", "results/paper", "results/curves.json",
    "tests", "pyproject.toml",
)  # fmt: skip

# A guard is a name and its files of tests; a further one is a further line.
GUARDS: dict[str, tuple[str, ...]] = {
    "curves": ("tests/gate/test_curves.py",),
    "unit": (
        "tests/methods/test_functional.py",
        "tests/methods/test_longtail.py",
        "tests/methods/test_methods.py",
        "tests/methods/test_longtail_methods.py",
    ),
}

# What a mutation of a method can touch: words in the names of tests.
WORDS = {
    "baseline": ("baseline",),
    "cb": ("cb]", "-cb", "effective", "weighted_cross", "class_weights"),
    "scn": ("scn", "rank", "relabel"),
    "bbn": ("bbn", "ramps", "reversed"),
    "rul": ("rul", "mixup", "gradients_in"),
    "soft": ("[soft", "-soft", "test_soft_", "ramps"),
    "eac": ("eac", "attention", "consistency"),
    "mek": ("mek", "attention", "consistency", "inverse_freq", "class_weights", "smooth_labels"),
    "focal": ("focal", "gradients_in"),
    "cb_focal": ("focal",),
    "ldam": ("ldam", "cosines", "deferr"),
    "drw": ("drw", "deferr"),
    "logit_adjustment": ("logit_adjust",),
    "vs": ("[vs", "-vs", "test_vs", "vector_scaling"),
    "label_smoothing": ("label_smoothing", "labels_uniformly"),
    "mixup": ("mixup", "remix"),
    "balanced_sampling": ("balanced_sampling", "sampling_probabilities"),
    "crt": ("crt",),
    "tau_norm": ("tau_norm",),
    # One that is plain, one with after_step, one that draws within its loss.
    TRAINER: ("baseline", "soft]", "rul]"),
}
_LONG = "every_kind_of_backbone"


def mutated_copy(folder: Path, mutation: Mutation | None) -> Path:
    """Copy the source tree and change the copy; an old text that is not there once is an error."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
    if mutation is not None:
        path = folder / mutation.file
        path.write_text(mutated(path.read_text(encoding="utf-8"), mutation), encoding="utf-8")
    return folder


def mutated(text: str, mutation: Mutation) -> str:
    for old, new in mutation.edits:
        assert text.count(old) == 1, f"{mutation.label}: {text.count(old)} times {old!r}"
        text = text.replace(old, new)
    return text


def red_guards(tree: Path, method: str | None) -> tuple[str, ...]:
    """Run the guards on a tree, one method's tests or all, and return those that fail."""
    failures = _failures(tree, method)
    for guard, failed in failures.items():
        assert failed, f"{guard}: no test ran for {method}"
    return tuple(guard for guard, failed in failures.items() if any(failed))


def _failures(tree: Path, method: str | None) -> Mapping[str, list[bool]]:
    """Return for each guard whether each of its tests failed, in one process for all guards."""
    report = tree / "report.xml"
    chosen = f"not {_LONG}"
    if method is not None:
        chosen += f" and ({' or '.join(WORDS[method])})"
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=no",
            "--hypothesis-seed=0", f"--junitxml={report}", "-k", chosen,
            *(file for files in GUARDS.values() for file in files),
        ],
        cwd=tree, env=_environment(tree), capture_output=True, text=True, check=False,
    )  # fmt: skip
    # A tree that cannot even be imported proves nothing about a guard.
    assert done.returncode in (0, 1), done.stdout[-2000:] + done.stderr[-2000:]
    failures: dict[str, list[bool]] = {guard: [] for guard in GUARDS}
    for case in ElementTree.parse(report).iter("testcase"):
        file = case.get("classname", "").replace(".", "/") + ".py"
        (guard,) = (name for name, files in GUARDS.items() if file in files)
        failures[guard].append(case.find("failure") is not None or case.find("error") is not None)
    return failures


def _environment(tree: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FER_BENCH_")}
    return {
        **kept, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
    }  # fmt: skip


def caught(mutation: Mutation) -> tuple[str, ...]:
    """Return the guards that notice a mutation."""
    with tempfile.TemporaryDirectory() as folder:
        return red_guards(mutated_copy(Path(folder), mutation), mutation.method)


def table(found: Iterable[tuple[Mutation, tuple[str, ...]]]) -> str:
    """Return the table of mutations and the guards that caught them, in Markdown."""
    rows = [(m.method, m.name, ", ".join(guards) or "nothing") for m, guards in found]
    lines = [
        "# Mutations",
        "",
        "Each is made in a copy of the source tree, and the guards are run there. Written by",
        "`python tests/mutations.py`; checked by `FER_BENCH_MUTATIONS=1 pytest "
        "tests/test_mutations.py`.",
        "",
        "| method | mutation | caught by |",
        "| --- | --- | --- |",
        *(f"| {method} | {name} | {guards} |" for method, name, guards in rows),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run all, write the table, and say where the list is wrong."""
    found = []
    for mutation in MUTATIONS:
        guards = caught(mutation)
        note = "" if guards == mutation.caught_by else f"   (listed: {mutation.caught_by})"
        print(f"{mutation.label}: {', '.join(guards) or 'NOTHING'}{note}", flush=True)
        found.append((mutation, guards))
    TABLE.write_text(table(found), encoding="utf-8")
    return int(any(guards != mutation.caught_by for mutation, guards in found))


if __name__ == "__main__":
    sys.exit(main())
