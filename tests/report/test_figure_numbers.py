"""What figures plot, against the frame and the confusion matrices it comes from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from figure_reading import (
    FACTORS,
    METHODS,
    bars,
    made,
    only,
    reaches,
    recounted,
    said,
)
from made_records import FERPLUS, made_record
from scipy.stats import binomtest

from benchmark.analysis.frame import tidy
from benchmark.errors import InputError
from benchmark.paper import published
from benchmark.report.drawing.style import styled
from benchmark.report.figures.confusion import draw as confusion_figure
from benchmark.report.figures.curves import draw as curves_figure
from benchmark.report.figures.distribution import distribution_figure, training_sets
from benchmark.report.figures.factor import draw as factor_figure
from benchmark.report.figures.recall import draw as recall_figure


@pytest.fixture
def drawing() -> Iterator[None]:
    with styled():
        yield


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


@pytest.mark.parametrize(("name", "table"), [("raf-db", 4), ("ferplus", 5)])
def test_a_distribution_shows_the_published_counts(name: str, table: int, drawing: None) -> None:
    (sets,) = training_sets([], name)
    (axes,) = distribution_figure(sets).axes
    frame = published.counts(table).drop(columns="total")
    for row, line in zip(frame.to_numpy(), axes.lines, strict=True):
        assert np.asarray(line.get_ydata()).tolist() == row[1:].tolist()
        assert line.get_label() == ("full" if np.isnan(row[0]) else f"{row[0]:g}")
    assert axes.get_yscale() == "log"
