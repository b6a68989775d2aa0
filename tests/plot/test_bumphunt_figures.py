"""Figures of bump hunts."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.plot.bumphunt import add_statistics
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
