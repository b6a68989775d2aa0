"""What events look like: numbers of objects and missing momentum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, NullLocator

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import legend_above
from hepad.plot.style import COLOURS, DASHES, GREY, figure_of, frame, hep_style

__all__ = ["ObjectSample", "object_figure"]

_TITLES = {"jets": "Number of jets", "electrons": "Number of electrons", "muons": "Number of muons"}
_MET = r"$p_\mathrm{T}^\mathrm{miss}$ [GeV]"


@dataclass(frozen=True)
class ObjectSample:
    """One sample: `values` maps `jets`, `electrons`, `muons` (counts) and `met` (GeV) to arrays of shape (n,).

    `weight` has shape (n,); `style` numbers the colour and dashes of a signal, so that it keeps them in all figures.
    """

    name: str
    values: Mapping[str, npt.NDArray[np.float64]]
    weight: npt.NDArray[np.float64]
    style: int = 0


def object_figure(
    background: ObjectSample,
    signals: Sequence[ObjectSample],
    *,
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Numbers of objects and MET, each of unit area on a log axis: background filled, signals as lines.

    What a sample's `values` lack is left out. The MET axis ends at the largest
    99.5 % quantile of a sample; what lies beyond is put into the last bin. `ValueError` for nothing to draw.
    """
    quantities = [key for key in (*_TITLES, "met") if key in background.values]
    if not quantities:
        raise ValueError("there is neither a number of objects nor a missing momentum to draw")
    columns = min(len(quantities), 2)
    rows = -(-len(quantities) // columns)
    with hep_style():
        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
        figure = frame(ax, (max(8.0, 0.8 + 4.8 * columns), 0.5 + 3.7 * rows), layout)
        grid = list(figure.subplots(rows, columns, squeeze=False).ravel())
        for spare in grid[len(quantities) :]:
            spare.remove()
        for axes, key in zip(grid, quantities, strict=False):
            _draw(axes, key, background, signals)
        legend_above(figure, grid[0].get_legend_handles_labels()[0])
        draw_context(grid[0], context, right=grid[columns - 1])
    return figure_of(grid[0])


def _draw(axes: Axes, key: str, background: ObjectSample, signals: Sequence[ObjectSample]) -> None:
    edges = _edges(key, [sample.values[key] for sample in (background, *signals)])
    heights = [_density(background, key, edges)]
    axes.stairs(heights[0], edges, fill=True, color=GREY, alpha=0.35, lw=0, label=background.name)
    axes.stairs(heights[0], edges, color=GREY, lw=1.2)
    for signal in signals:
        heights.append(_density(signal, key, edges))
        colour, dashes = COLOURS[signal.style % len(COLOURS)], DASHES[signal.style % len(DASHES)]
        axes.stairs(heights[-1], edges, lw=2, label=signal.name, color=colour, ls=dashes)
    for sample, height in zip((background, *signals), heights, strict=True):
        keep_numbers(axes, quantity=key, sample=sample.name, low=edges[:-1], high=edges[1:], fraction=height)
    filled = np.concatenate(heights)
    low = float(filled[filled > 0].min())
    axes.set(xlim=(edges[0], edges[-1]), yscale="log", ylim=(low / 2, 2 * float(filled.max())))
    if key == "met":
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set(xlabel=_MET, ylabel=f"Fraction of events / {edges[1] - edges[0]:g} GeV")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel=_TITLES[key], ylabel="Fraction of events")


def _edges(key: str, arrays: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    if key != "met":
        return np.arange(max(float(a.max()) for a in arrays) + 2) - 0.5
    top = max(float(np.quantile(a, 0.995)) for a in arrays)
    width = next((w for w in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0) if top / w <= 40), 100.0)
    return np.arange(0.0, np.ceil(max(top, width) / width) + 1) * width


def _density(sample: ObjectSample, key: str, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    inside = np.clip(sample.values[key], edges[0], edges[-1])
    counted, _ = np.histogram(inside, edges, weights=sample.weight)
    return np.asarray(counted / sample.weight.sum(), dtype=np.float64)
