"""How often the neurons of a spiking latent space fire."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import NullLocator

from hepad.output.figure_numbers import keep_matrix
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import label_outer
from hepad.plot.style import figure_of, frame, hep_style

__all__ = ["latent_figure"]

Floats = npt.NDArray[np.float64]


def latent_figure(
    samples: Mapping[str, Floats], *, context: FigureContext | None = None, ax: Axes | None = None
) -> Figure:
    """One panel a sample: the fraction of its events in which latent neuron n (rows) spikes at step t (columns).

    Arrays of shape (steps, latent), from 0 to 1, all of one shape; the fraction is also written into the cells where
    there is room. `ValueError` without a sample.
    """
    if not samples:
        raise ValueError("there are no latent spikes to draw")
    steps, latent = next(iter(samples.values())).shape
    columns = min(math.ceil(math.sqrt(len(samples))), 3)
    rows = -(-len(samples) // columns)
    size = (1.4 + 3.9 * columns, 0.6 + 3.4 * rows)
    with hep_style():
        figure = frame(ax, size, ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08))
        grid = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel())
        for spare in grid[len(samples) :]:
            spare.remove()
        shown = grid[: len(samples)]
        for axes, (name, spikes) in zip(shown, samples.items(), strict=True):
            image = _draw(axes, spikes, write=max(steps, 2 * latent) <= 20)
            axes.set_title(name, fontsize="medium", pad=24)
        label_outer(shown, columns, x="Step $t$", y="Latent neuron $n$")
        bar = figure.colorbar(image, ax=shown, label="Fraction of events that spike", pad=0.02)
        bar.ax.yaxis.set_minor_locator(NullLocator())
        draw_context(shown[0], context, right=shown[columns - 1])
        for name, spikes in samples.items():
            step, neuron = (np.arange(1, size + 1) for size in spikes.shape)
            keep_matrix(figure, {"fraction": spikes}, {"step": step}, {"neuron": neuron}, sample=name)
    return figure_of(shown[0])


def _draw(axes: Axes, spikes: Floats, *, write: bool) -> AxesImage:
    steps, latent = spikes.shape
    extent = (0.5, steps + 0.5, 0.5, latent + 0.5)
    image = axes.imshow(spikes.T, origin="lower", extent=extent, aspect="auto", vmin=0, vmax=1, cmap="viridis")
    axes.set_xticks(range(1, steps + 1) if steps <= 10 else range(5, steps + 1, 5))
    axes.set_yticks(range(1, latent + 1))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(length=0)
    if write:
        for (step, neuron), value in np.ndenumerate(spikes):
            ink = "black" if value > 0.6 else "white"
            axes.text(step + 1, neuron + 1, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=11)
    return image
