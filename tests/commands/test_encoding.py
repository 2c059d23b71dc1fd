"""Whatever the terminal's encoding: every command prints, and no name is lost."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dataset_makers import make_folders
from hypothesis import given
from hypothesis import strategies as st
from made_records import made_record

from benchmark.cli import main
from benchmark.encoding import encoded, printable
from benchmark.store.store import Store

ENCODINGS = ("cp1252", "ascii", "latin-1", "utf-8")
CLASSES = ("中立", "e\u0301motion", "ß†", "mean", "łódź", "fear", "👍🏽")
COMMANDS = (
    *(
        ("report", "--format", form)
        for form in ("markdown", "latex", "html", "csv", "json", "terminal", "macros")
    ),
    *(
        ("report", "--detail", detail, "--format", form)
        for detail in ("intervals", "summary", "confusion", "validation")
        for form in ("terminal", "markdown")
    ),
    ("report", "--select", "oracle"),
    ("report", "--table", "2", "--against", "paper"),
    ("report", "--format", "json", "--table", "2"),
    *(("compare", "cb", "mek", "--format", form) for form in ("text", "markdown", "csv", "json")),
    ("claims", "--source", "paper"),
    ("audit", "--format", "markdown"),
    ("status",),
    ("results", "check"),
    ("methods", "list"),
    ("methods", "show", "mek"),
    ("figure", "recall", "--out", "FIGURE"),
    *(("data", "counts", "FOLDER", "--format", form) for form in ("text", "html", "csv")),
    *(("data", "verify", "STRAYS", "--format", form) for form in ("text", "markdown", "csv")),
    ("run", "FOLDER", "--dry-run", "--protocol", "smoke", "--factors", "full"),
    ("check", "--against", "STORED"),
)
WITH_RESULTS = {"report", "compare", "status", "results", "figure", "run", "check"}


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store and an image folder whose classes hardly any code page has."""
    root = tmp_path_factory.mktemp("far")
    for name in ("store", "stored"):
        for method in ("cb", "mek"):
            for seed in (0, 1):
                record, arrays = made_record(method, 50.0, seed)
                Store(root / name).add(record.model_copy(update={"classes": CLASSES}), arrays)
    for name in ("faces", "strays"):
        make_folders(root / name, ("中立", "e\u0301motion"))
    stray = os.fsencode(root / "strays" / "train" / "中立") + b"/caf\xe9.png"
    with open(stray, "wb") as file:
        file.write(b"no picture")
    return root


def arguments_for(command: tuple[str, ...], root: Path) -> list[str]:
    stand_for = {
        "FOLDER": ["--dataset", "folder", "--data-root", str(root / "faces")],
        "STRAYS": ["--dataset", "folder", "--data-root", str(root / "strays")],
        "FIGURE": [str(root / "figure.svg")],
        "STORED": [str(root / "stored")],
    }
    found = [argument for word in command for argument in stand_for.get(word, [word])]
    return found + (["--results", str(root / "store")] if command[0] in WITH_RESULTS else [])


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_prints_in_every_encoding(
    monkeypatch: pytest.MonkeyPatch, far: Path, command: tuple[str, ...], encoding: str
) -> None:
    out, errors = io.BytesIO(), io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(errors, encoding=encoding))
    monkeypatch.setattr(sys, "argv", ["fer-bench", *arguments_for(command, far)])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("FER_BENCH_CACHE", str(far / "cache"))
    with pytest.raises(SystemExit) as ended:
        main()
    sys.stdout.flush()
    assert ended.value.code in (0, 1, 2)  # findings in the folder; a check that cannot decide
    text = out.getvalue().decode(encoding)
    assert text or command[0] == "figure"
    assert "Traceback" not in errors.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_whole_process_ends_well_and_its_file_is_utf8(
    far: Path, tmp_path: Path, encoding: str
) -> None:
    command = [sys.executable, "-m", "benchmark", "report", "--results", str(far / "store")]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "200"}
    done = subprocess.run(
        [*command, "--format", "terminal"], capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode(encoding)
    assert ("中立" if encoding == "utf-8" else r"\u4e2d\u7acb") in shown
    out = tmp_path / "table.txt"
    subprocess.run(
        [*command, "--format", "terminal", "--out", str(out)], env=environment, check=True
    )
    assert "中立" in out.read_text(encoding="utf-8")


def test_a_name_that_is_no_text_is_escaped_in_a_file(
    far: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "found.csv"
    arguments = ["data", "verify", "folder", "--data-root", str(far / "strays"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["fer-bench", *arguments, "--format", "csv"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert r"caf\udce9.png" in out.read_text(encoding="utf-8")


@given(text=st.text(st.characters()), encoding=st.sampled_from([*ENCODINGS, "cp437", "utf-16"]))
def test_any_text_is_printable(text: str, encoding: str) -> None:
    shown = printable(text, encoding)
    assert shown.encode(encoding).decode(encoding) == shown
    assert printable(shown, encoding) == shown
    assert encoded(text).decode("utf-8") == printable(text, "utf-8")
    if text.isascii():
        assert shown == text
