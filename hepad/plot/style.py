"""The look of every figure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hepad.output.figure_kinds import figure_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = [
    "AREAS",
    "COLOURS",
    "DASHES",
    "GREY",
    "MARKERS",
    "ONE_SIGMA",
    "RED",
    "TWO_SIGMA",
    "canvas",
    "figure_of",
    "frame",
    "hep_style",
]

COLOURS = ("#3f90da", "#bd1f01", "#ffa90e", "#832db6", "#92dadd", "#e76300", "#717581", "#a96b59", "#b9ac70")
"""Lines that lie on one another, in the order in which figures use them: the first few differ most, in grey print too.

Beyond five no nine colours are told apart by everybody: lines have dashes or markers besides.
"""

DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.3)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))

MARKERS = "osD^vP*X"

_HATCHES = (None, "\\\\\\\\", "....")
AREAS: tuple[dict[str, Any], ...] = tuple(
    {"facecolor": colour, "edgecolor": "white", "hatch": hatch, "linewidth": 0.0}
    for hatch in _HATCHES
    for colour in ("#3f90da", "#ffa90e", "#832db6", "#92dadd")
)[:9]
"""How to fill areas on one another: as few colours as everybody tells apart, then hatches; none is red."""

GREY = "#717581"
"""Background."""

RED = "#bd1f01"
"""What is pointed at."""

ONE_SIGMA = "#85d1fb"
TWO_SIGMA = "#ffd966"
"""Bands of expected limits: a blue and a yellow that colour-blind readers tell apart, not green and yellow."""

# M. A. Petroff's ten colours (arXiv:2107.02270), told apart by colour-blind readers; blue, orange and red first.
_COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip

_LOOKS: dict[str, dict[Any, Any]] = {
    "hepad": {
        "axes.labelpad": 6,
        "ytick.major.size": 8,
        "ytick.minor.size": 4,
        "xtick.major.size": 8,
        "xtick.minor.size": 4,
    },
    "cms": {  # its sizes are those of figures that are 10 inches wide; ours have 8 and less
        "font.size": 16,
        "axes.labelsize": "large",
        "axes.titlesize": "large",
        "xtick.labelsize": "medium",
        "ytick.labelsize": "medium",
        "legend.fontsize": 14,
        "legend.title_fontsize": 14,
        "axes.linewidth": 1.6,
        "xtick.major.size": 10,
        "xtick.minor.size": 5,
        "ytick.major.size": 10,
        "ytick.minor.size": 5,
    },
    "atlas": {},
}
"""What the styles of `--style` change of those of mplhep."""


@contextmanager
def hep_style() -> Iterator[None]:
    """Make figures in mplhep's style, as `--style` asks, inside the block; matplotlib's settings come back at its end.

    A figure may be saved after the block: fonts are named outright, because matplotlib looks up a generic family
    and the "custom" mathematics fonts only when it draws.
    """
    import matplotlib as mpl
    import mplhep
    from cycler import cycler
    from matplotlib import style

    chosen = figure_style()
    with style.context(mplhep.style.CMS if chosen == "cms" else mplhep.style.ATLAS):
        mpl.rcParams.update(
            {
                "font.family": ["TeX Gyre Heros", "DejaVu Sans"],
                "mathtext.fontset": "stixsans",
                "axes.autolimit_mode": "data",
                "axes.prop_cycle": cycler(color=_COLOURS),
                "savefig.dpi": 150,
                **_LOOKS[chosen],
            }
        )
        yield


@contextmanager
def canvas(ax: Axes | None, size: tuple[float, float]) -> Iterator[Axes]:
    """The style, and what to draw on: the axes given, or those of a new figure of a size in inches."""
    from matplotlib.figure import Figure

    with hep_style():
        yield Figure(figsize=size, layout="constrained").subplots() if ax is None else ax


def frame(ax: Axes | None, size: tuple[float, float], layout: Any = "constrained") -> Figure | SubFigure:
    """What to draw several panels on: a new figure of a size in inches, or the place that `ax` has in its figure.

    The panels then stand where `ax` was, with what is theirs beside them. `ValueError` for axes of no grid.
    """
    from matplotlib.figure import Figure

    if ax is None:
        return Figure(figsize=size, layout=layout)
    place, figure = ax.get_subplotspec(), ax.get_figure()
    if place is None or figure is None:
        raise ValueError("panels need the place of axes in a grid: those of plt.subplots, say")
    ax.remove()
    return figure.add_subfigure(place)


def figure_of(axes: Axes) -> Figure:
    """The figure that axes are part of, be it through others."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101  axes that are drawn on have one
    return figure
