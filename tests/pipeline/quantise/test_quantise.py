"""Points of a scan: chosen on background, compared at equal AUC."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from hepad.output.figure_context import simulated
from hepad.pipeline.quantise.equal import common_costs, cost_curves
from hepad.pipeline.quantise.figures import _equal_auc
from hepad.pipeline.quantise.report import QuantisedPoint, summaries
from hepad.pipeline.quantise.variant import least_changed
from hepad.plot.equal_auc import CostDesign, CostLine, equal_auc_figure
from hepad.plot.quantisation import Point, quantisation_figure


def point(model, bits, auc, lut, seed=1, adds=0.0):
    counts = {"mac": 10.0 * bits, "conditional_adds": adds, "neuron_updates": 5.0}
    return QuantisedPoint(
        model, "fine-tuned", bits, {"h0": auc}, 0.01, lut, 0, 10, lut / 100, 0.1, counts, seed, 0.5, 0.1
    )


def test_of_several_fine_tunings_background_chooses():
    made = [
        SimpleNamespace(flips=f, loss=loss, seed=s) for s, f, loss in ((1, 0.02, 0.1), (2, 0.01, 0.3), (3, 0.01, 0.2))
    ]
    assert least_changed(made).seed == 3
    assert least_changed([SimpleNamespace(flips=None, loss=x, seed=s) for s, x in ((1, 0.2), (2, 0.1))]).seed == 2


def test_seeds_are_summed_up_and_the_best_widths_marked():
    points = [
        point("a", 3, 0.6, 100),
        point("a", 3, 0.7, 110, 2),
        point("a", 4, 0.64, 200),
        point("a", 4, 0.64, 200, 2),
    ]
    points[1] = replace(points[1], chosen=True)
    three, four = summaries(points, ["h0"])
    assert (three.seeds, three.lut, three.chosen_seed) == (2, 105, 2)
    assert three.auc["h0"] == pytest.approx(0.65)
    assert three.auc_spread["h0"] == pytest.approx(np.std([0.6, 0.7], ddof=1))
    assert three.flips_spread == 0
    assert (three.pareto, four.pareto) == (("h0",), ())
    alone = summaries(points[:1], ["h0"])[0]
    assert (alone.auc_spread, alone.flips_spread, alone.pareto) == ({}, None, ("h0",))


def test_costs_at_equal_auc_are_read_off_between_widths():
    points = [point("a", 3, 0.6, 100), point("a", 4, 0.8, 300), point("a", 5, 0.7, 400)]  # the last is beaten
    points += [point("b", 3, 0.5, 500), point("b", 4, 0.7, 900)]
    curves = cost_curves(points, ["h0"], seed=1)
    assert [curve.model for curve in curves] == ["a", "b"]
    assert curves[0].at(0.7)["lut"][1] == pytest.approx(200)
    assert curves[0].at(0.7)["mac"][1] == pytest.approx(35)
    assert curves[0].at(0.7)["operations"][1] == pytest.approx(40)
    low, *_, high = [cost for cost in common_costs(curves) if cost.model == "b"]
    assert (low.auc, high.auc) == (pytest.approx(0.5), pytest.approx(0.7))
    assert low.costs["latency_ns"][1] == pytest.approx(5)
    assert curves[0].at(0.5)["lut"][1] == 100  # its smallest design is better than that
    assert low.costs["lut"][0] is None  # one seed has no band
    assert low.to_json()["lut"] == {"low": None, "mean": pytest.approx(500), "high": None}
    apart = [point("a", 3, 0.6, 100), point("a", 4, 0.7, 300), point("b", 3, 0.8, 500), point("b", 4, 0.9, 900)]
    better = [cost.costs["lut"][1] for cost in common_costs(cost_curves(apart, ["h0"], seed=1)) if cost.model == "b"]
    assert better == [500, 500, 500]
    assert common_costs(cost_curves(apart[:2], ["h0"], seed=1)) == ()


def test_the_band_holds_the_mean_and_narrows_with_the_spread_of_seeds():
    rng = np.random.default_rng(1)
    widths = {}
    for spread in (0.002, 0.02):
        points = [
            point("a", bits, auc + rng.normal(0, spread), lut, seed)
            for bits, auc, lut in ((3, 0.5, 100), (4, 0.7, 300), (5, 0.9, 700))
            for seed in range(6)
        ]
        (curve,) = cost_curves(points, ["h0"], seed=1)
        low, mean, high = curve.at(0.7)["lut"]
        assert low <= mean <= high
        assert mean == pytest.approx(300, rel=0.2)
        widths[spread] = high - low
        assert np.isnan(curve.costs["lut"][0][-1])  # half of the draws do not reach the highest mean
        again = cost_curves(points, ["h0"], seed=1)[0]
        np.testing.assert_array_equal(again.costs["lut"], curve.costs["lut"])
    assert widths[0.002] < widths[0.02] / 3


def test_designs_and_curves_are_drawn_from_a_scan(tmp_path):
    points = [
        point(model, bits, auc + 0.01 * seed, 1000 * bits, seed, adds=adds)
        for model, adds in (("snn", 100.0), ("dnn", 0.0))
        for bits, auc in ((3, 0.5), (4, 0.7))
        for seed in (1, 2)
    ]
    _equal_auc(cost_curves(points, ["h0"], seed=1), points, tmp_path, context=simulated(True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["equal_auc.csv", "equal_auc.png"]


def test_the_figure_has_a_column_a_signal_and_a_row_a_quantity():
    auc, nothing = np.array([0.6, 0.7]), np.full(2, np.nan)
    lines = [
        CostLine(m, s, q, auc, nothing, np.array([1.0, 2.0]) * (m == "snn" or q != "conditional_adds"), nothing)
        for m in ("snn", "dnn")
        for s in ("h0", "lq")
        for q in ("lut", "latency_ns", "operations", "mac", "conditional_adds", "neuron_updates")
    ]
    designs = [CostDesign("snn", "h0", "lut", 3, 0.6, 0.01, 1.0)]
    figure = equal_auc_figure(lines, designs)
    assert len(figure.axes) == 6
    assert [ax.get_ylabel() for ax in figure.axes[::2]] == [
        "Lookup tables [thousands]",
        "Estimated latency [ns]",
        "Operations per event",
    ]
    assert [ax.get_xlabel() for ax in figure.axes[-2:]] == ["AUC", "AUC"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[:2] == ["snn", "dnn"]
    assert "snn: conditional additions" in labels
    assert not any(label.startswith("dnn:") for label in labels)  # all of its operations are of one kind
    with pytest.raises(ValueError, match="nothing to compare"):
        equal_auc_figure([], [])


def test_spreads_are_drawn():
    points = [Point("a", "h0", b, b, 0.5 + b / 100, spread) for b, spread in ((3, 0.01), (4, None))]
    figure = quantisation_figure(points, xlabel="LUT", ylabel="AUC")
    (bars,) = figure.axes[0].containers
    assert len(bars.lines[2][0].get_segments()) == 1
