"""The workflows ask for what is there, and for no more rights and time than they need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmark.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))

PUBLISHER = "pypa/gh-action-pypi-publish@release/v1"
"""The index's own action, which has no version of one number."""

pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="an sdist has no workflows")


def targets() -> set[str]:
    """The targets of the Makefile."""
    rules = re.findall(r"^([a-z][a-z ]*):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {name for rule in rules for name in rule.split()}


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def text(request: pytest.FixtureRequest) -> str:
    return request.param.read_text()


def test_every_target_is_in_the_makefile(text: str) -> None:
    asked = set(re.findall(r"\bmake ([a-z]\S*)", re.sub(r"#.*", "", text)))
    # `make gate` comes together with `fer-bench check`, and is no exception from then on.
    to_come = set() if "check" in COMMANDS else {"gate"}
    assert asked
    assert asked - to_come <= targets()


def test_actions_are_pinned_to_a_major_version(text: str) -> None:
    used = re.findall(r"uses: *(.*)", text)
    assert used
    own = r"actions/[a-z-]+@v\d+"
    assert all(re.fullmatch(own, name) or name == PUBLISHER for name in used)


def test_rights_and_time_are_bounded(text: str) -> None:
    rights = re.findall(r"^permissions:\n((?: +.*\n)+)", text, re.MULTILINE)
    assert rights == ["  contents: read\n"]
    # What publishes needs more, in a job that runs no code of the checkout.
    for job in re.findall(
        r"^  \w+:\n(?:    .*\n|\n)+", text.split("\njobs:\n", 1)[1], re.MULTILINE
    ):
        if "permissions:" in job:
            assert job.startswith("  publish:")
            assert "run:" not in job
            assert "checkout" not in job
    assert text.count("\n    runs-on: ") == text.count("\n    timeout-minutes: ") > 0
    assert "cancel-in-progress: true" in text


def test_the_gate_is_shown_when_it_fails() -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    behind = text.split("run: make gate", 1)[1]
    steps = behind.split("\n      - ")[1:]
    assert len(steps) == 2
    assert all("if: ${{ !cancelled() }}" in step for step in steps)
    assert '>> "$GITHUB_STEP_SUMMARY"' in steps[0]
    assert all(f"gate/{name}" in steps[1] for name in ("junit.xml", "summary.md"))


def test_a_release_is_started_by_a_person_and_holds_no_secret() -> None:
    text = (ROOT / ".github/workflows/release.yml").read_text()
    started = re.search(r"^on:\n((?: +.*\n)+)", text, re.MULTILINE)
    assert started is not None
    assert re.findall(r"^  (\w+):", started[1], re.MULTILINE) == ["workflow_dispatch"]
    assert "secrets." not in text
    assert "password" not in text


def test_the_version_is_the_same_everywhere() -> None:
    from benchmark import __version__

    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
