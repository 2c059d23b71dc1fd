"""Figures: through the command line, read back from SVG, and their numbers against the frame."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from made_records import FERPLUS, TEST_COUNTS, fill, made_record
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_rgb
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy.stats import binomtest

from benchmark.cli import cli
from benchmark.commands.figure import FORMATS, NAMES
from benchmark.errors import InputError
from benchmark.record import Cell, Record
from benchmark.report import published
from benchmark.report.figures import page
from benchmark.report.figures.confusion import confusion_figure
from benchmark.report.figures.curves import curves_figure
from benchmark.report.figures.distribution import distribution_figure, training_sets
from benchmark.report.figures.draw import DISTRIBUTION, MEASURED, Wanted, drawings
from benchmark.report.figures.factor import factor_figure
from benchmark.report.figures.group import Group, make_groups
from benchmark.report.figures.recall import recall_figure
from benchmark.report.figures.style import PALETTE, look, plain, styled
from benchmark.report.frame import tidy
from benchmark.store import Store
from methods.registry import BUILT_IN

METHODS = ("baseline", "cb", "mek")
FACTORS = (50.0, 150.0, None)
STARTS = {"pdf": b"%PDF-", "svg": b"<?xml", "png": b"\x89PNG\r\n"}
NASTY = ("$\\frac{$", "a_b%", "<b>&amp;\"'", "$x^2$", "tab\there", "\x00\x1b[31m", "Überraschung")


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


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["figure", *map(str, arguments)])


def complaint(*arguments: str | Path) -> str:
    """The one line of an error."""
    result = call(*arguments)
    assert isinstance(result.exception, InputError), (result.output, result.exception)
    text = str(result.exception)
    assert "\n" not in text
    return text


def only(records: Sequence[Record], rule: str = "last") -> Group:
    (group,) = make_groups(records, rule)
    return group


def made(methods: Sequence[str], factors: Sequence[float | None], seeds: int) -> list[Record]:
    cells = itertools.product(methods, factors, range(seeds))
    return [made_record(method, factor, seed, epochs=3)[0] for method, factor, seed in cells]


def renamed(record: Record, classes: Sequence[str], title: str) -> Record:
    return record.model_copy(update={"classes": tuple(classes), "method_title": title})


@pytest.fixture
def drawing() -> Iterator[None]:
    with styled():
        yield


def svg_texts(path: Path) -> list[str]:
    root = ElementTree.fromstring(path.read_bytes())
    return ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("}text")]


def bars(figure: Figure, panel: int) -> dict[str, ErrorbarContainer]:
    containers = figure.axes[panel].containers
    return {str(c.get_label()): c for c in containers if isinstance(c, ErrorbarContainer)}


def reaches(container: ErrorbarContainer) -> np.ndarray:
    """Lower and upper end of each bar, (n, 2)."""
    (lines,) = container.lines[2]
    return np.array([segment[:, 1] for segment in lines.get_segments() if len(segment)])


# ---- the command ----


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
    assert "Protocol compact v1, shared recipe: dlib-face" in note
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
        "for name in ('recall', 'factor', 'confusion', 'curves', 'distribution'):\n"
        "    methods = [] if name == 'distribution' else ['--methods', 'cb,mek']\n"
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
    for name in NAMES:
        methods = () if name == DISTRIBUTION else ("mek", "cb")
        (drawn,) = drawings(name, records, Wanted(methods=methods, factors=[150.0]))
        for format_name in FORMATS:
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


# ---- groups ----


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


def test_more_matrices_than_a_page_holds_are_refused(drawing: None) -> None:
    group = only(made([*BUILT_IN], [50.0, 100.0], 1))
    with pytest.raises(InputError, match=r"16 confusion matrices .* \(12 at most\)"):
        confusion_figure(group)


# ---- the numbers ----


def test_recalls_are_those_of_the_frame_with_their_deviation(drawing: None) -> None:
    records = made(METHODS, [50.0, 150.0], 3)
    frame, figure = tidy(records, ["last"]), recall_figure(only(records))
    for panel, factor in enumerate((50.0, 150.0)):
        drawn = bars(figure, panel)
        assert list(drawn) == ["Baseline", "CB", "MEK"]
        for method, container in zip(METHODS, drawn.values(), strict=True):
            here = frame[(frame["factor"] == factor) & (frame["method"] == method)]
            values = here[[f"recall_{name}" for name in FERPLUS]].to_numpy()
            x, y = container.lines[0].get_data(orig=False)
            assert np.round(x).tolist() == list(range(7)), "each point in the place of its class"
            np.testing.assert_allclose(y, values.mean(axis=0))
            deviation = values.std(axis=0, ddof=1)
            np.testing.assert_allclose(
                reaches(container), np.stack([y - deviation, y + deviation], axis=1)
            )


def test_one_seed_gets_wilson_intervals(drawing: None) -> None:
    record = made(["mek"], [150.0], 1)[0]
    figure = recall_figure(only([record]))
    matrix = np.array(record.history[-1].test)
    for k, (low, high) in enumerate(reaches(bars(figure, 0)["MEK"])):
        interval = binomtest(int(matrix[k, k]), int(matrix[k].sum())).proportion_ci(method="wilson")
        assert (low, high) == pytest.approx((100 * interval.low, 100 * interval.high))


def test_a_mean_over_seeds_beside_one_seed_gets_wilson_intervals(drawing: None) -> None:
    records = [*made(["mek"], [150.0], 2), *made(["cb"], [150.0], 1)]
    figure = recall_figure(only(records))
    hits = np.mean([np.array(r.history[-1].test)[6, 6] for r in records[:2]])
    low, high = reaches(bars(figure, 0)["MEK"])[6]
    below, above = (
        binomtest(int(whole(hits)), 18).proportion_ci(method="wilson")
        for whole in (np.floor, np.ceil)
    )
    assert (low, high) == pytest.approx((100 * below.low, 100 * above.high))
    assert "95 % Wilson" in said(figure)
    assert "Fewer seeds: CB at 150 (1 of 2)." in said(figure)


def said(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


def test_accuracies_by_factor_are_those_of_the_frame(drawing: None) -> None:
    records = made(METHODS, FACTORS, 3)
    frame, figure = tidy(records, ["last"]), factor_figure(only(records))
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "Overall accuracy (%)",
        "Mean accuracy (%)",
    ]
    for panel, column in enumerate(("overall", "mean")):
        ticks = [text.get_text() for text in figure.axes[panel].get_xticklabels()]
        assert ticks == ["full", "50", "150"]
        for method, container in zip(METHODS, bars(figure, panel).values(), strict=True):
            rows = frame[frame["method"] == method].groupby("factor", dropna=False)[column]
            mean, deviation = rows.mean(), rows.std(ddof=1)
            x, y = container.lines[0].get_data(orig=False)
            assert np.isnan(y[1]), "nothing joins the unmodified set to the rest"
            kept = ~np.isnan(y)
            assert np.round(np.asarray(x)[kept]).tolist() == [0, 1, 2]
            order = [mean[mean.index.isna()].iloc[0], mean[50.0], mean[150.0]]
            np.testing.assert_allclose(np.asarray(y)[kept], order)
            low, high = reaches(container)[-1]
            assert high - low == pytest.approx(2 * deviation[150.0])


def test_a_missing_cell_leaves_a_gap(drawing: None) -> None:
    records = [
        record
        for record in made(METHODS, [50.0, 100.0, 150.0], 1)
        if (record.cell.method, record.cell.factor) != ("cb", 100.0)
    ]
    group = only(records)
    by_factor = factor_figure(group)
    y = np.asarray(bars(by_factor, 0)["CB"].lines[0].get_ydata(orig=False))
    assert np.isnan(y).tolist() == [False, True, False]
    assert "Not stored: CB at 100." in said(by_factor)
    assert list(bars(recall_figure(group), 1)) == ["Baseline", "MEK"]
    panels = confusion_figure(group).axes
    texts = [[text.get_text() for text in axes.texts] for axes in panels]
    assert texts.count(["not stored"]) == 1
    lines = [line.get_label() for line in curves_figure(group).axes[3].lines]
    assert "CB" not in lines


def test_one_seed_draws_no_spread(drawing: None) -> None:
    group = only(made(METHODS, [150.0], 1))
    figure = factor_figure(group)
    assert not any(container.has_yerr for container in bars(figure, 0).values())
    curves = curves_figure(group)
    assert not any(axes.collections for axes in curves.axes)
    assert "One seed: no spread." in said(figure)
    assert any(axes.collections for axes in curves_figure(only(made(METHODS, [150.0], 2))).axes)


def test_confusion_matrices_are_summed_and_shaded_by_row(drawing: None) -> None:
    records = made(["mek"], [150.0], 2)
    axes = confusion_figure(only(records)).axes[0]
    total = np.sum([record.history[-1].test for record in records], axis=0)
    printed = {text.get_position(): int(text.get_text()) for text in axes.texts}
    for (true, predicted), count in np.ndenumerate(total):
        assert printed[(predicted + 0.5, true + 0.5)] == count
    mesh = axes.collections[0]
    np.testing.assert_allclose(
        np.asarray(mesh.get_array()).reshape(7, 7), 100 * total / total.sum(1, keepdims=True)
    )
    assert mesh.get_clim() == (0, 100)
    assert axes.get_ylim() == (7, 0), "the first true class stands at the top"


def test_a_class_without_test_images_stays_blank(drawing: None) -> None:
    record, _ = made_record("mek", 150.0, test_counts=(50, 40, 30, 20, 10, 5, 0))
    group = only([record])
    shades = np.ma.asarray(confusion_figure(group).axes[0].collections[0].get_array())
    assert np.ma.getmaskarray(shades.reshape(7, 7))[6].all()
    points = np.asarray(bars(recall_figure(group), 0)["MEK"].lines[0].get_ydata(orig=False))
    assert np.isnan(points).tolist() == [False] * 6 + [True]


def test_curves_show_mean_spread_and_the_reported_epoch(drawing: None) -> None:
    records = made(["mek"], [150.0], 3)
    group = only(records, "oracle")
    loss, test, validation = curves_figure(group).axes
    titles = [axes.get_ylabel() for axes in (loss, test, validation)]
    assert titles[0] == "Training loss"
    assert titles[1].startswith("Test overall")
    assert titles[2].startswith("Validation overall")
    expected = np.array([[sum(e.loss.values()) for e in r.history] for r in records])
    np.testing.assert_allclose(loss.lines[0].get_ydata(orig=False), expected.mean(axis=0))
    matrices = np.array([[e.test for e in r.history] for r in records])
    accuracy = 100 * np.trace(matrices, axis1=2, axis2=3) / matrices.sum(axis=(2, 3))
    line, picked = test.lines
    np.testing.assert_allclose(line.get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(line.get_ydata(), accuracy.mean(axis=0))
    band = test.collections[0].get_paths()[0].vertices
    top = accuracy.mean(axis=0) + accuracy.std(axis=0, ddof=1)
    assert band[:, 1].max() == pytest.approx(top.max())
    best = accuracy.argmax(axis=1)
    np.testing.assert_allclose(picked.get_xdata(), best + 1)
    np.testing.assert_allclose(picked.get_ydata(), accuracy[range(3), best])


def test_without_a_validation_split_no_panel_waits_for_it(drawing: None) -> None:
    record, _ = made_record("mek", 150.0, dataset="raf-db", validation=False)
    assert len(curves_figure(only([record])).axes) == 2


# ---- the training sets ----


@pytest.mark.parametrize(("name", "table"), [("raf-db", 4), ("ferplus", 5)])
def test_published_sets_need_no_records(here: Path, name: str, table: int) -> None:
    done = call(DISTRIBUTION, "--dataset", name, "--results", "nowhere", "--out", "a.svg")
    assert done.exit_code == 0, done.exception
    assert f"Table {table} of the MEK paper" in " ".join(svg_texts(here / "a.svg"))
    with styled():
        (sets,) = training_sets([], name)
        figure = distribution_figure(sets)
    frame = published.counts(table).drop(columns="total")
    for row, line in zip(frame.to_numpy(), figure.axes[0].lines, strict=True):
        assert np.asarray(line.get_ydata()).tolist() == row[1:].tolist()
        assert line.get_label() == ("full" if np.isnan(row[0]) else f"{row[0]:g}")
    assert figure.axes[0].get_yscale() == "log"


def test_without_a_store_both_published_sets_are_drawn(here: Path) -> None:
    assert call(DISTRIBUTION, "--results", "nowhere", "--format", "png").exit_code == 0
    names = sorted(path.name for path in here.iterdir())
    assert names == ["distribution-ferplus.png", "distribution-raf-db.png"]
    text = complaint(DISTRIBUTION, "--results", "nowhere", "--out", "a.png")
    assert "distribution-ferplus, distribution-raf-db" in text


def test_stored_sets_stand_alone_where_they_are_not_the_published_ones() -> None:
    records = made(["mek"], [150.0], 2)
    (sets,) = training_sets(records, None)
    assert set(sets.counts) == {50.0, 100.0, 150.0, None}
    assert "Stored cells were trained on: 150." in sets.source

    other = [recounted(record, (7, 6, 5, 4, 3, 2, 1)) for record in records]
    (sets,) = training_sets(other, None)
    assert sets.counts == {150.0: (7, 6, 5, 4, 3, 2, 1)}
    with pytest.raises(InputError, match="different training sets"):
        training_sets([records[0], other[1]], None)
    with pytest.raises(InputError, match="no training set of ferplus at factor 75; known: 50, 100"):
        training_sets(records, "ferplus", [75.0])


def recounted(record: Record, counts: Sequence[int]) -> Record:
    cell = Cell(**{**record.cell.model_dump(), "class_counts": tuple(counts)})
    return record.model_copy(update={"cell": cell, "id": cell.id})


# ---- text of others, room, colours ----


@pytest.mark.parametrize(
    ("name", "format_name"),
    [*((name, "svg") for name in MEASURED), ("recall", "pdf"), ("confusion", "png")],
)
def test_text_of_others_is_drawn_as_it_stands(here: Path, name: str, format_name: str) -> None:
    records = [renamed(r, NASTY, "$\\alpha{$ <MEK> & 5%") for r in made(["mek"], [150.0], 1)]
    (drawn,) = drawings(name, records, Wanted())
    data = drawn.render(format_name)
    assert data.startswith(STARTS[format_name])
    if format_name == "svg":
        (here / "a.svg").write_bytes(data)
        texts = " ".join(svg_texts(here / "a.svg"))
        assert "$\\alpha{$ <MEK> & 5%" in texts
        if name in ("recall", "confusion"):
            for shown in ("$\\frac{$", "A_b%", "<b>&amp;\"'", "$x^2$", "Tab here", "Überraschung"):
                assert shown in texts
            assert "\x1b" not in texts


@pytest.mark.parametrize("kind", ["eight", "long", "one"])
@pytest.mark.parametrize("name", MEASURED)
def test_all_text_has_room(
    name: str, kind: str, drawing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = ["mek"] if kind == "one" else [*BUILT_IN]
    records = made(methods, [150.0], 2)
    if kind == "long":
        names = [*NASTY[:3], *(f"a class with the long name {k}" for k in range(4))]
        records = [renamed(r, names, f"{r.method_title} of a long title") for r in records]
    figure = MEASURED[name](only(records))
    shown = drawn_texts(figure, monkeypatch)
    width = figure.get_size_inches()[0]
    assert width == (3.5 if (name, kind) == ("confusion", "one") else 7.0)
    boxes = {id(text): text.get_window_extent() for text in shown}
    for text in shown:
        box = boxes[id(text)]
        inside = box.x0 >= -1 and box.y0 >= -1
        inside = inside and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1
        assert inside, f"clipped: {text.get_text()!r}"
    level = [text for text in shown if text.get_rotation() in (0, 90)]
    for one, other in itertools.combinations(level, 2):
        a, b = boxes[id(one)], boxes[id(other)]
        shared = min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
        assert not shared, f"overlap: {one.get_text()!r} {other.get_text()!r}"


def drawn_texts(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> list[Text]:
    """The texts that are drawn, without the labels of ticks beyond the limits."""
    figure.draw_without_rendering()  # the layout comes first
    shown: dict[int, Text] = {}
    draw = Text.draw

    def keep(self: Text, renderer: RendererBase) -> None:
        if self.get_visible() and self.get_text().strip():
            shown[id(self)] = self
        draw(self, renderer)

    monkeypatch.setattr(Text, "draw", keep)
    figure.draw_without_rendering()
    return list(shown.values())


@given(st.text(max_size=120), st.integers(4, 60))
def test_plain_text_is_one_short_printable_line(text: str, length: int) -> None:
    result = plain(text, length)
    assert len(result) <= length
    assert result.isprintable()
    if (
        text.isascii()
        and text.isprintable()
        and len(text) <= length
        and text == " ".join(text.split())
    ):
        assert result == text


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300))
def test_wrapping_keeps_every_letter_and_the_width(text: str) -> None:
    lines = page.wrapped(text, 1.5, 6.5)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert page.text_width(lines, 6.5) <= 1.5


def test_variants_of_a_method_are_told_apart_by_what_differs() -> None:
    records = []
    for smoothing in (0.1, 0.3):
        record, _ = made_record("mek", 150.0)
        hyper = {"smoothing": smoothing, "consistency": 0.1}
        cell = Cell(**{**record.cell.model_dump(), "hyper": hyper})
        records.append(record.model_copy(update={"cell": cell, "id": cell.id}))
    series = only(records).series
    assert [one.label for one in series] == ["MEK (smoothing=0.1)", "MEK (smoothing=0.3)"]
    assert len({look(one.slot) for one in series}) == 2


def test_methods_of_the_paper_keep_their_look_in_any_company() -> None:
    alone = only(made(["mek"], [150.0], 1)).series[0].slot
    crowd = only(made([*BUILT_IN, "zzz"], [150.0], 1)).series
    assert [one.method for one in crowd] == [*BUILT_IN, "zzz"]
    assert {one.method: one.slot for one in crowd}["mek"] == alone
    assert len({look(slot) for slot in range(88)}) == 88
    for part in range(3):
        assert len({look(slot)[part] for slot in range(8)}) == 8, "each alone tells eight apart"


# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision
# deficiency", IEEE TVCG 15 (2009), severity 1.0, on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(linear: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* of linear sRGB under D65."""
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
         [0.0193339, 0.1191920, 0.9503041]]
    )  # fmt: skip
    t = to_xyz @ linear / np.array([0.95047, 1.0, 1.08883])
    x, y, z = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("name", DEFICIENCIES)
def test_colours_stay_apart_for_every_eye(name: str) -> None:
    rgb = np.array([to_rgb(color) for color in PALETTE])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = [lab(np.clip(np.asarray(DEFICIENCIES[name]) @ color, 0, 1)) for color in linear]
    closest = min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))
    assert closest > 15, "a difference of 2.3 is just noticeable"
