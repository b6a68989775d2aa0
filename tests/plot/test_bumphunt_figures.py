"""Figures of bump hunts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from hepad.plot.bumphunt import add_statistics, plot_tomography
from hepad.plot.correlation import plot_correlation
from hepad.plot.plane import plot_plane
from hepad.plot.spectrum import plot_spectrum


@pytest.mark.parametrize("fall", [0.0, 2.0, 6.0])
def test_the_inset_hides_no_data(fall: float) -> None:
    """With bins that grow, the middle bin is far left of the middle of the axis."""
    edges = np.geomspace(1500, 9000, 41)
    counts = np.round(1e6 * (edges[:-1] / 1500) ** -fall)
    figure = plot_spectrum(edges, counts, counts, pulls=np.zeros(40), window=(edges[5], edges[9]))
    add_statistics(figure, np.random.default_rng(1).exponential(size=500), 1.0, edges=edges, counts=counts)
    figure.canvas.draw()
    axes = figure.axes[0]
    (white,) = axes.patches[-1:]
    box = white.get_window_extent()
    places = axes.transData.transform(np.stack([(edges[:-1] + edges[1:]) / 2, counts / np.diff(edges)], axis=1))
    assert not any(box.contains(x, y) for x, y in places)
    lines = [line.get_window_extent() for line in axes.lines if line.get_color() == "#bd1f01" and len(line.get_xdata())]
    assert len(lines) == 2
    assert not any(box.overlaps(line) for line in lines)


def test_windows_are_points_at_their_significance() -> None:
    """Excesses upwards, deficits downwards; windows without either are left out."""
    edges = np.linspace(0.0, 100.0, 11)
    figure = plot_tomography(
        edges,
        np.array([0, 2, 4, 6]),
        np.array([2, 6, 6, 8]),
        norm.logsf([3.0, 1.0, 0.5, 2.0]) * np.array([1, 1, 0, 1]),
        sign=np.array([1, -1, 1, 1], dtype=np.int8),
        best=(0.0, 20.0),
    )
    (points,) = figure.axes[0].collections
    drawn = dict(zip(points.get_offsets()[:, 0], points.get_offsets()[:, 1], strict=True))
    assert drawn == pytest.approx({10.0: 3.0, 40.0: -1.0, 70.0: 2.0})
    assert sorted(points.get_array()) == [20.0, 20.0, 40.0]
    (best,) = (line.get_ydata() for line in figure.axes[0].lines)
    assert list(best) == pytest.approx([3.0, 3.0])


def test_bins_without_anything_are_not_zero_standard_deviations() -> None:
    significance = np.array([[0.5, np.nan], [-1.0, 2.0]])
    edges = (np.arange(3.0), np.arange(3.0))
    figure = plot_plane(
        edges, significance, window=((0, 1), (0, 2)), titles=("x", "y"), remarks=("0 to 1, 0 to 2", "Local p = 0.1")
    )
    (mesh,) = figure.axes[0].collections
    assert mesh.get_array().mask.tolist() == [[False, False], [True, False]]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["0 to 1, 0 to 2", "No events, none expected"]
    assert legend.get_title().get_text() == "Local p = 0.1"


def test_degenerate_parameters_are_called_so() -> None:
    titles = [plot_correlation(np.array([[1, r], [r, 1]]), ["a", "b"]).axes[0].get_title("left") for r in (0.3, -0.97)]
    assert titles[0] == ""
    assert titles[1].startswith("All beyond 0.97: use decorrelated")
