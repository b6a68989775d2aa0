"""Figures of limits and of spectra with a signal."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from hepad.output.figure_context import simulated
from hepad.plot.channels import ChannelLimit, plot_channels
from hepad.plot.exclusion import plot_exclusion
from hepad.plot.local_p import plot_local_p
from hepad.plot.spectrum import plot_spectrum

BANDS = np.array([0.5, 0.7, 1.0, 1.4, 2.0])
MASSES = np.array([500.0, 1000.0, 2000.0])
EXPECTED = (MASSES[:, None] / 1000) ** -2 * BANDS


def texts(figure: Figure) -> list[str]:
    legends = [*figure.legends, *(a.get_legend() for a in figure.axes if a.get_legend() is not None)]
    return [text.get_text() for legend in legends for text in legend.get_texts()] + [
        text.get_text() for axes in figure.axes for text in axes.texts
    ]


def test_an_exclusion_says_which_masses_and_what_it_is_made_of() -> None:
    figure = plot_exclusion(
        MASSES,
        EXPECTED,
        theory=0.1 * EXPECTED[:, 2],
        theory_label="theory",
        excluded=[(500.0, 1234.4)],
        context=simulated(True),
    )
    assert texts(figure) == [
        r"Expected $\pm 2\sigma$", r"Expected $\pm 1\sigma$", "Expected limit", "theory",
        "Excluded: 500 to 1234 GeV", "hepad", "Simulation (Delphes)",
    ]  # fmt: skip
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert axes.get_ylim()[0] < 0.1 * EXPECTED[:, 2].min()
    assert "pb" in axes.get_ylabel()


def test_an_exclusion_can_have_one_mass_gaps_and_data() -> None:
    one = plot_exclusion(MASSES[:1], EXPECTED[:1], observed=np.array([4.0]), theory=np.array([1.0]))
    assert "Observed limit" in texts(one)
    gap = EXPECTED.copy()
    gap[1] = np.nan
    assert np.all(np.isfinite(plot_exclusion(MASSES, gap).axes[0].get_ylim()))


def test_channels_have_a_row_each_and_the_combination_the_last() -> None:
    rows = [ChannelLimit(f"c{i}", BANDS * 2**i, 1.1 * 2**i) for i in range(9)]
    rows[3] = ChannelLimit("c3", None, remark="too few events")
    figure = plot_channels(rows, combined=ChannelLimit("Combined", BANDS / 3), theory_pb=0.01, context=simulated(True))
    found = texts(figure)
    assert "too few events" in found
    assert "Theory: 0.01 pb" in found
    assert "Simulation (Delphes)" in found
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [*(f"c{i}" for i in range(9)), "Combined"]
    assert axes.get_xlim()[0] < 0.01
    assert plot_channels([ChannelLimit("none", None)]).axes[0].get_xscale() == "log"
    with pytest.raises(ValueError, match="no channel"):
        plot_channels([])


def test_a_spectrum_can_show_a_signal_a_band_and_asimov_data() -> None:
    edges = np.array([1.0, 2.0, 3.0, 4.0])
    expected = np.array([100.0, 10.0, 1.0])
    figure = plot_spectrum(
        edges,
        expected,
        expected,
        pulls=np.zeros(3),
        background_errors=np.array([5.0, 2.0, 4.0]),
        signal=np.array([0.0, 3.0, 0.0]),
        signal_label="signal at 1 pb",
        data_label="Asimov data",
    )
    # Three events on ten add less than one standard deviation: they are drawn five times larger, which the legend says.
    assert texts(figure)[:3] == ["Asimov data", "Background", r"signal at 1 pb $\times$ 5"]
    top, bottom = figure.axes
    signals = [p.get_data().values for p in top.patches if to_hex(p.get_edgecolor()) == "#e76300"]
    np.testing.assert_allclose(signals, [[0.0, 15.0, 0.0]])
    added = [p.get_data().values for p in bottom.patches if not p.get_fill()]
    np.testing.assert_allclose(added, [[0.0, np.sqrt(2 * (25 * np.log(2.5) - 15)), 0.0]])
    assert top.get_ylabel() == "Events / 1 GeV"
    weighted = plot_spectrum(edges, expected, expected, pulls=np.zeros(3), count_errors=np.sqrt(expected))
    assert texts(weighted)[0] == "Data"


def test_events_of_unequal_bins_are_drawn_per_unit() -> None:
    edges, counts = np.array([1.0, 2.0, 6.0]), np.array([40.0, 20.0])
    figure = plot_spectrum(edges, counts, counts, pulls=np.zeros(2), x_title="Mass [TeV]")
    assert figure.axes[0].get_ylabel() == "Events / TeV"
    (drawn,) = (p.get_data().values for p in figure.axes[0].patches)
    np.testing.assert_array_equal(drawn, [40.0, 5.0])


def covered(figure: Figure) -> list[float]:
    """Points of the curves of the first axes, in pixels, that lie behind the legend."""
    figure.draw_without_rendering()
    axes = figure.axes[0]
    box = axes.get_legend().get_window_extent()
    found = []
    for line in axes.lines:
        x, y = line.get_transform().transform(np.column_stack(line.get_data())).T
        grid = np.linspace(x[0], x[-1], 300) if len(x) and x[-1] > x[0] else np.empty(0)
        found += [at for at, up in zip(grid, np.interp(grid, x, y), strict=True) if box.contains(at, up)]
    return found


@pytest.mark.parametrize("power", [-2.0, 0.0, 2.0])
def test_a_legend_covers_no_curve_and_takes_no_more_than_it_needs(power: float) -> None:
    expected = (MASSES[:, None] / 1000) ** power * BANDS
    figure = plot_exclusion(MASSES, expected, observed=expected[:, 4], theory=1.2 * expected[:, 2])
    assert not covered(figure)
    axes = figure.axes[0]
    assert axes.get_legend().get_window_extent().height < 0.4 * axes.bbox.height
    low, high = np.log10(axes.get_ylim())
    assert np.log10(expected.max()) > low + 0.6 * (high - low)
    # Numbers of the first and last mass stay within the frame.
    ends = [t.get_window_extent() for t in axes.get_xticklabels() if t.get_text() in {"500", "2000"}]
    assert all(axes.bbox.x0 - 5 < e.x0 and e.x1 < axes.bbox.x1 + 5 for e in ends)


def test_a_probability_ends_at_one() -> None:
    figure = plot_local_p(MASSES, np.log([0.5, 1e-3, 0.3]), remarks=("a remark",))
    assert not covered(figure)
    assert figure.axes[0].get_ylim()[1] == 0.0
    assert [t.get_text() for t in figure.axes[0].texts] == [rf"{z}$\sigma$" for z in (1, 2, 3)]
