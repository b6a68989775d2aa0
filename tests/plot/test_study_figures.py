"""The figures of a study: what is drawn is what was given."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

from hepad.output.figure_context import simulated
from hepad.plot.latent import latent_figure
from hepad.plot.loss import LossCurves, loss_figure, plot_loss
from hepad.plot.multiplicity import ObjectSample, object_figure
from hepad.plot.scan import ScanLine, scan_figure
from hepad.plot.seeds import SeedPoints, seeds_figure


def sample(name: str, jets: list[float], met: list[float], style: int = 0) -> ObjectSample:
    return ObjectSample(name, {"jets": np.array(jets), "met": np.array(met)}, np.ones(len(jets)), style)


def test_objects_have_unit_area_and_nothing_is_lost() -> None:
    background = sample("bkg", [0, 0, 1, 3], [0.0, 10.0, 20.0, 5000.0])
    figure = object_figure(background, [sample("sig", [1, 1, 2, 2], [1.0, 2.0, 3.0, 4.0])], context=simulated(True))
    assert [axes.get_xlabel() for axes in figure.axes] == ["Number of jets", r"$p_\mathrm{T}^\mathrm{miss}$ [GeV]"]
    for axes in figure.axes:
        for patch in axes.patches:
            assert patch.get_data().values.sum() == pytest.approx(1)
    counts = figure.axes[0].patches[0].get_data()
    assert list(counts.values) == [0.5, 0.25, 0, 0.25]
    assert list(counts.edges) == [-0.5, 0.5, 1.5, 2.5, 3.5]
    with pytest.raises(ValueError, match="neither"):
        object_figure(ObjectSample("x", {}, np.ones(1)), [])


def test_latent_maps_show_step_and_neuron_where_they_belong() -> None:
    spikes = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])  # three steps, two neurons
    axes = latent_figure({"bkg": spikes, "sig": spikes / 2}).axes[0]
    assert {t.get_text(): t.get_position() for t in axes.texts}["0.60"] == (3, 2)
    assert axes.get_title() == "bkg"
    with pytest.raises(ValueError, match="no latent"):
        latent_figure({})


def test_loss_stops_where_the_training_stopped() -> None:
    losses = np.array([[4.0, 2.0, 1.0], [4.0, 3.0, np.nan]])
    curve = LossCurves("m", "p", np.array([10, 20, 30]), losses, losses)
    line = loss_figure([curve], context=simulated(True)).axes[0].lines[0]
    assert list(line.get_xdata()) == [10, 20, 30]
    assert list(line.get_ydata()) == [4.0, 2.5, 1.0]
    with pytest.raises(ValueError, match="no loss"):
        loss_figure([])


def test_losses_have_at_most_three_panels_in_a_row() -> None:
    losses = np.full((1, 3), 0.5)
    curves = [LossCurves(name, name, np.array([1, 2, 3]), losses, losses) for name in "abcd"]
    axes = loss_figure(curves).axes
    assert [(one.get_subplotspec().rowspan.start, one.get_subplotspec().colspan.start) for one in axes] == [
        (0, 0), (0, 1), (0, 2), (1, 0),
    ]  # fmt: skip


def test_scan_has_the_loss_and_a_panel_for_each_model() -> None:
    x, mean, std = np.array([1.0, 5.0]), np.array([0.6, 0.7]), np.array([0.0, 0.1])
    lines = [ScanLine(m, s, x, mean, std) for m in ("a", "b") for s in (None, "h0")]
    before = dict(mpl.rcParams)
    figure = scan_figure(lines, xlabel="Steps")
    assert [axes.get_ylabel() for axes in figure.axes] == ["Training loss per event", "AUC", "AUC"]
    assert list(figure.axes[1].get_xticks()) == [1, 5]
    assert dict(mpl.rcParams) == before
    one = scan_figure([ScanLine("a", s, x[:1], mean[:1], std[:1]) for s in (None, "h0")], xlabel="T", log_x=True)
    assert len(one.axes) == 2
    with pytest.raises(ValueError, match="no scan"):
        scan_figure([], xlabel="")


def test_each_training_is_a_point_beside_their_mean() -> None:
    """Of two models on two signals: groups at 0 and 1, the models on both sides, the published number behind."""
    auc = np.array([0.6, 0.7, 0.8])
    points = [SeedPoints(m, s, auc, (0.9, 0.02) if m == "b" else None) for s in ("h0", "a4l") for m in ("a", "b")]
    figure = seeds_figure(points, context=simulated(True))
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["h0", "a4l"]
    drawn = [line for line in axes.lines if list(line.get_ydata()) == [0.6, 0.7, 0.8]]
    assert [round(float(line.get_xdata()[0])) for line in drawn] == [0, 0, 1, 1]
    assert len({line.get_marker() for line in drawn}) == 2
    means = [container.lines[0] for container in axes.containers if hasattr(container, "has_yerr")]
    assert [line.get_ydata()[0] for line in means] == pytest.approx([0.7] * 4)
    bars = [(bar.get_y(), bar.get_height()) for bar in axes.patches if np.isfinite(bar.get_height())]
    assert bars == [pytest.approx((0.88, 0.04))] * 2
    with pytest.raises(ValueError, match="no training"):
        seeds_figure([])


def test_the_losses_of_a_single_epoch_are_seen() -> None:
    figure = plot_loss([3.0], [2.0], best_epoch=1)
    assert [line.get_marker() for line in figure.axes[0].lines] == ["D", "D", "o"]
    assert plot_loss([3.0, 2.0], [2.0, 1.0], best_epoch=1).axes[0].lines[0].get_marker() == "None"
