"""ROC and score figures: what is drawn, and that nothing runs into anything else."""

from __future__ import annotations

import io
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest

from hepad.output.figure_context import SIMULATION, simulated
from hepad.plot.roc import RocLine, roc_figure, score_figure
from hepad.plot.style import COLOURS

GRID = np.linspace(0.02, 1, 50)


def line(model="snn_ae", signal="h0", power=3.0, band=True):
    kept = np.where(GRID > 0.05, GRID**power, 0.0)
    return RocLine(model, signal, GRID, kept, kept * 0.8 if band else None, kept * 1.2 if band else None)


def render(figure, *kinds):
    """Lay out and draw; into a file of each kind too, which takes as long again."""
    for kind in kinds:
        figure.savefig(io.BytesIO(), format=kind)
    figure.draw_without_rendering()
    return figure


def texts(figure):
    return [t.get_text() for axes in figure.axes for t in axes.texts]


def legend_of(figure):
    """Above all axes of several panels, within a single one."""
    return figure.legends[0] if figure.legends else figure.axes[0].get_legend()


def legend_labels(figure):
    return [t.get_text() for t in legend_of(figure).get_texts()]


def legend_is_clear(figure):
    box = legend_of(figure).get_window_extent()
    if not figure.legends:
        (axes,) = figure.axes
        points = [axes.transData.transform(curve.get_xydata()) for curve in axes.lines]
        return not any(box.count_contains(each[np.isfinite(each).all(axis=1)]) for each in points)
    inside_figure = figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
    return inside_figure and not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)


def test_rejection_curves_of_two_models_and_two_signals():
    lines = [line(m, s, p) for m, s, p in [("snn_ae", "h0", 2), ("snn_ae", "a4l", 3), ("dnn_ae", "h0", 2.5)]]
    figure = render(roc_figure(lines, context=simulated(True), caption="13 TeV"), "png", "pdf")
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert axes.get_xlabel() == "Signal efficiency"
    assert "rejection" in axes.get_ylabel()
    snn_h0, snn_a4l, dnn_h0, chance = axes.lines
    assert snn_h0.get_color() == snn_a4l.get_color() != dnn_h0.get_color()
    assert snn_h0.get_linestyle() == dnn_h0.get_linestyle() != snn_a4l.get_linestyle()
    np.testing.assert_allclose(chance.get_ydata() * chance.get_xdata(), 1)
    assert np.isnan(snn_h0.get_ydata()[0])  # no background survives there
    np.testing.assert_allclose(snn_h0.get_ydata()[10], 1 / GRID[10] ** 2)
    assert len(axes.collections) == 3
    assert texts(figure) == ["hepad", SIMULATION, "13 TeV"]
    labels = [label.strip() for label in legend_labels(figure)]
    assert labels == ["snn_ae", "dnn_ae", "68 % bootstrap", "Random choice", "h0", "a4l"]
    assert legend_is_clear(figure)


def test_background_efficiency_without_a_band():
    figure = render(roc_figure([line(band=False)], vertical="efficiency"))
    (axes,) = figure.axes
    np.testing.assert_allclose(axes.lines[0].get_ydata()[10], GRID[10] ** 3)
    assert not axes.collections
    assert "68 % bootstrap" not in legend_labels(figure)
    assert texts(figure) == []


@pytest.mark.parametrize("count", [1, 3, 4, 7])
def test_one_panel_a_signal(count):
    signals = [f"signal {i}" for i in range(count)]
    lines = [line(m, s) for s in signals for m in ("snn_ae", "dnn_ae")]
    figure = render(roc_figure(lines, panels=True))
    assert (texts(figure) or [legend_of(figure).get_title().get_text()]) == signals
    assert all(len(axes.lines) == 3 for axes in figure.axes)
    assert not set(signals) & set(legend_labels(figure))
    assert legend_is_clear(figure)
    lowest = {axes.get_position().x0.round(3): axes for axes in figure.axes}
    assert all(axes.get_xlabel() == "Signal efficiency" for axes in lowest.values())


def test_a_curve_that_no_background_survives_still_gives_a_figure():
    nothing = np.zeros_like(GRID)
    figure = render(roc_figure([RocLine("m", "s", GRID, nothing, nothing, nothing)]))
    low, high = figure.axes[0].get_ylim()
    assert 0 < low < high < np.inf


def test_no_curve_is_refused():
    with pytest.raises(ValueError, match="no ROC curve"):
        roc_figure([])


def sample(seed, scale=1.0, n=2000):
    return np.random.default_rng(seed).normal(scale, 1.0, n)


def test_scores_have_unit_area_and_labelled_thresholds():
    thresholds = {"loose": 2.3, "tight": 3.1}
    figure = score_figure(sample(1), {"h0": sample(2, 2)}, thresholds=thresholds, score="ln(loss)", bins=40)
    render(figure, "png", "pdf")
    (axes,) = figure.axes
    assert axes.get_xlabel() == "ln(loss)"
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
    assert legend_labels(figure) == ["Background", "h0"]
    filled, _, signal = axes.patches
    assert filled.get_fill()
    assert not signal.get_fill()
    for patch in (filled, signal):
        data = patch.get_data()
        assert np.sum(data.values * np.diff(data.edges)) == pytest.approx(1)
    assert sorted(x.get_xdata()[0] for x in axes.lines) == [2.3, 3.1]
    assert texts(figure) == ["loose", "tight"]
    assert legend_is_clear(figure)


def test_names_of_close_thresholds_do_not_run_into_each_other():
    thresholds = {"loose": 2.30, "tight": 2.34, "tightest": 3.9}
    figure = render(score_figure(sample(1), {"h0": sample(2, 2)}, thresholds=thresholds))
    boxes = [t.get_window_extent() for t in figure.axes[0].texts]
    frame = figure.axes[0].get_window_extent()
    assert len(boxes) == 3
    assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 and box.y1 <= frame.y1 for box in boxes)


def test_weights_are_used_and_outliers_fall_into_the_last_bin():
    background = np.concatenate([np.zeros(5000), np.ones(5000), [1e6]])
    weight = np.concatenate([np.full(5000, 3.0), np.full(5000, 1.0), [1.0]])
    figure = score_figure(background, {}, background_weight=weight, bins=2, log_x=False)
    values, edges, _ = figure.axes[0].patches[0].get_data()
    assert edges[-1] < 2
    np.testing.assert_allclose(values * np.diff(edges), [15000 / 20001, 5001 / 20001])


def test_a_long_positive_tail_gets_a_logarithmic_axis_of_unit_area():
    scores = np.exp(sample(3) * 1.5)
    figure = render(score_figure(scores, {"h0": scores * 5}, thresholds={"loose": 30.0}))
    axes = figure.axes[0]
    assert axes.get_xscale() == "log"
    values, edges, _ = axes.patches[0].get_data()
    assert np.sum(values * np.diff(np.log10(edges))) == pytest.approx(1)
    assert score_figure(scores - 1, {}).axes[0].get_xscale() == "linear"


def test_a_constant_score_still_gives_a_figure():
    low, high = render(score_figure(np.ones(10), {"h0": np.ones(5)})).axes[0].get_xlim()
    assert low < 1 < high


def test_samples_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match="Background: the weights of 0 events"):
        score_figure([], {})
    with pytest.raises(ValueError, match="h0: scores must be finite"):
        score_figure([1.0, 2.0], {"h0": [np.nan]})
    with pytest.raises(ValueError, match="positive scores"):
        score_figure([-1.0], {}, log_x=True)


def test_the_style_does_not_leak():
    before = dict(mpl.rcParams)
    roc_figure([line()])
    score_figure(sample(1), {})
    assert dict(mpl.rcParams) == before


def test_models_that_share_a_colour_differ_in_their_dashes() -> None:
    grid = np.linspace(0.1, 1, 5)
    figure = roc_figure([RocLine(f"m{i}", "s", grid, grid) for i in range(len(COLOURS) + 1)], panels=True)
    first, *_, last = figure.axes[0].lines[: len(COLOURS) + 1]
    assert first.get_color() == last.get_color()
    assert (first.get_linestyle(), last.get_linestyle()) == ("-", "--")
    drawn = [handle.get_linestyle() for handle in figure.legends[0].get_lines()]
    assert (drawn[0], drawn[len(COLOURS)]) == ("-", "--")
