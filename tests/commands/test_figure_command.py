"""Figures through the command line: files, groups, errors, the same bytes every time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from figure_reading import (
    FACTORS,
    METHODS,
    STARTS,
    call,
    complaint,
    made,
    only,
    svg_texts,
)
from made_records import FERPLUS, TEST_COUNTS, fill, made_cell, made_record

from benchmark.choices import FIGURE_FORMATS
from benchmark.errors import InputError
from benchmark.report.drawing.draw import Wanted, drawings
from benchmark.report.figures import figures
from benchmark.report.figures.confusion import draw as confusion_figure
from benchmark.store.store import Store
from methods.registry import PAPER

DISTRIBUTION = "distribution"
OF_OTHER_THINGS = (DISTRIBUTION, "tuning", "attention")  # than groups of cells that can be compared
MEASURED = [name for name in figures() if name not in OF_OTHER_THINGS]
ALL = [DISTRIBUTION, *MEASURED]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three methods, three factors and two seeds on FERPlus."""
    root = tmp_path_factory.mktemp("figures") / "runs"
    fill(Store(root), METHODS, FACTORS, seeds=2)
    return root


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("FER_BENCH_DATASET", "FER_BENCH_RESULTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["factor", DISTRIBUTION])
def test_a_figure_is_a_pdf_in_the_working_directory(store: Path, here: Path, name: str) -> None:
    result = call(name, "--results", store, "--factors", "150")
    assert result.exit_code == 0, result.exception
    stem = "distribution-ferplus" if name == DISTRIBUTION else f"{name}-ferplus-compact"
    (path,) = here.iterdir()
    assert path.name == f"{stem}.pdf"
    assert path.read_bytes().startswith(STARTS["pdf"])


def test_what_a_recall_figure_says(store: Path, here: Path) -> None:
    assert call("recall", "--results", store, "--out", "a.svg").exit_code == 0
    texts = svg_texts(here / "a.svg")
    for text in ("Baseline", "CB", "MEK", "Factor 50", "Factor 150", "Full set", "Recall (%)"):
        assert text in texts
    for name, count in zip(FERPLUS, TEST_COUNTS["ferplus"], strict=True):
        assert f"{name.capitalize()}" in texts
        assert f"{count}" in texts
    note = " ".join(texts)
    assert "FERPlus, imbalance factors 50, 150 and full set." in note
    protocol = made_cell().protocol
    named = f"Protocol compact v{protocol.version} ({protocol.values_hash})"
    assert f"{named}, shared recipe: dlib-face" in note
    assert "Seeds 0, 1." in note
    assert "Reported: last epoch." in note
    assert "Bars: sample standard deviation over seeds." in note
    assert "†" not in note


@pytest.mark.parametrize("name", MEASURED)
def test_the_best_test_epoch_is_marked_with_a_dagger(store: Path, here: Path, name: str) -> None:
    done = call(
        name, "--results", store, "--select", "oracle", "--factors", "150", "--out", "a.svg"
    )
    assert done.exit_code == 0, done.exception
    texts = svg_texts(here / "a.svg")
    assert "chosen on the test set, too optimistic" in " ".join(texts)
    marked = [text for text in texts if "†" in text and "TEST" not in text and text != "†"]
    assert marked, "the dagger stands only in the note"


def test_methods_and_factors_are_chosen(store: Path, here: Path) -> None:
    done = call(
        "recall", "--results", store, "--methods", "OURS,cb", "--factors", "full", "--out", "a.svg"
    )
    assert done.exit_code == 0, done.exception
    texts = svg_texts(here / "a.svg")
    assert {"CB", "MEK"} <= set(texts)
    assert "Baseline" not in texts
    assert "FERPlus, full set." in " ".join(texts)


def test_the_ending_of_out_decides(store: Path, here: Path) -> None:
    assert call("factor", "--results", store, "--out", "new/folder/f.PNG").exit_code == 0
    assert (here / "new/folder/f.PNG").read_bytes().startswith(STARTS["png"])
    assert "must end in .pdf, .svg, .png" in complaint("factor", "--results", store, "--out", "f.x")
    text = complaint("factor", "--results", store, "--out", "f.svg", "--format", "pdf")
    assert "does not end in .pdf" in text
    (here / "file").write_text("")
    assert "cannot be written" in complaint("factor", "--results", store, "--out", "file/f.svg")
    assert sorted(p.name for p in here.iterdir()) == ["file", "new"]


def test_every_figure_in_every_format_has_the_same_bytes_without_torch_or_pyplot(
    store: Path, here: Path
) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from benchmark.cli import cli\n"
        f"for name in {ALL!r}:\n"
        "    methods = [] if name == 'distribution' else ['--methods', 'mek']\n"
        "    for end in ('pdf', 'svg', 'png'):\n"
        "        done = CliRunner().invoke(cli, ['figure', name, '--results', sys.argv[1],\n"
        "            '--factors', '150', *methods, '--out', f'{name}.{end}'])\n"
        "        assert done.exit_code == 0, done.exception\n"
        "wrong = {'torch', 'matplotlib.pyplot', 'tkinter'} & set(sys.modules)\n"
        "sys.exit(f'imported: {wrong}' if wrong else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(store)], capture_output=True, text=True, cwd=here
    )
    assert done.returncode == 0, done.stderr
    records = Store(store).records()[::-1]
    for name in ALL:
        methods = () if name == DISTRIBUTION else ("mek",)
        (drawn,) = drawings(name, records, Wanted(methods=methods, factors=[150.0]), Store(store))
        for format_name in FIGURE_FORMATS:
            written = (here / f"{name}.{format_name}").read_bytes()
            assert written.startswith(STARTS[format_name])
            if name in ("factor", DISTRIBUTION) or format_name == "svg":
                assert written == drawn.render(format_name), f"{name}.{format_name}"


def test_fonts_are_embedded_and_text_stays_text(store: Path) -> None:
    (drawn,) = drawings("factor", Store(store).records(), Wanted(methods=["mek"]))
    pdf = drawn.render("pdf")
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf
    assert b"<dc:date>" not in drawn.render("svg")


def test_what_cannot_be_compared_never_shares_a_figure(here: Path) -> None:
    store = Store(here / "runs")
    fill(store, ["baseline", "mek"], [150.0], seeds=1)
    store.add(*made_record("mek", 150.0, dataset="raf-db"))
    store.add(*made_record("mek", 150.0, overrides=["training.epochs=8"]))
    assert call("factor", "--results", "runs", "--format", "svg").exit_code == 0
    names = sorted(path.name for path in here.glob("*.svg"))
    assert len(names) == 3
    assert names[-1] == "factor-raf-db-compact.svg"
    assert all(name.startswith("factor-ferplus-compact-") for name in names[:2])
    changed = [n for n in names if "training.epochs=8" in " ".join(svg_texts(here / n))]
    assert len(changed) == 1
    assert "Baseline" not in svg_texts(here / changed[0])

    text = complaint("factor", "--results", "runs", "--out", "a.svg")
    assert "3 figures" in text
    assert "factor-raf-db-compact" in text
    assert call("factor", "--results", "runs", "--dataset", "raf-db", "--out", "a.svg").output
    assert "RAF-DB" in " ".join(svg_texts(here / "a.svg"))


def test_every_error_is_one_line_that_helps(store: Path, here: Path) -> None:
    run = ("--results", store)
    assert "did you mean 'baseline'?" in complaint("recall", *run, "--methods", "basline")
    assert "stored: 50, 150, full" in complaint("recall", *run, "--factors", "100")
    assert "neither a number" in complaint("recall", *run, "--factors", "x")
    assert "--methods is empty" in complaint("recall", *run, "--methods", ",")
    assert "stored: ferplus" in complaint("recall", *run, "--dataset", "raf-db")
    assert "no results in" in complaint("recall", "--results", "nowhere")
    assert "--methods and --select" in complaint(DISTRIBUTION, *run, "--methods", "cb")
    assert "--methods and --select" in complaint(DISTRIBUTION, *run, "--select", "last")
    assert "known without records: ferplus, raf-db" in complaint(
        DISTRIBUTION, *run, "--dataset", "synthetic"
    )
    Store(here / "empty").prepare()
    assert "no finished cell" in complaint("recall", "--results", "empty")
    Store(here / "noval").add(*made_record(validation=False))
    assert "--select val" in complaint("recall", "--results", "noval", "--select", "val")
    assert call("nothing").exit_code == 2


def test_more_matrices_than_a_page_holds_are_refused() -> None:
    group = only(made([*PAPER], [50.0, 100.0], 1))
    with pytest.raises(InputError, match=r"16 confusion matrices .* \(12 at most\)"):
        confusion_figure(group)


@pytest.mark.parametrize(("name", "table"), [("raf-db", 4), ("ferplus", 5)])
def test_published_sets_need_no_records(here: Path, name: str, table: int) -> None:
    done = call(DISTRIBUTION, "--dataset", name, "--results", "nowhere", "--out", "a.svg")
    assert done.exit_code == 0, done.exception
    assert f"Table {table} of the MEK paper" in " ".join(svg_texts(here / "a.svg"))


def test_without_a_store_both_published_sets_are_drawn(here: Path) -> None:
    assert call(DISTRIBUTION, "--results", "nowhere", "--format", "png").exit_code == 0
    names = sorted(path.name for path in here.iterdir())
    assert names == ["distribution-ferplus.png", "distribution-raf-db.png"]
    text = complaint(DISTRIBUTION, "--results", "nowhere", "--out", "a.png")
    assert "distribution-ferplus, distribution-raf-db" in text
