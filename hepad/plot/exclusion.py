"""Limits on a cross section against the mass, with the masses that a theory's cross section excludes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import legend_beside_curves, sigmas, span
from hepad.plot.style import GREY, ONE_SIGMA, RED, TWO_SIGMA, canvas, figure_of

__all__ = ["plot_exclusion"]

FloatArray = npt.NDArray[np.float64]


def plot_exclusion(
    masses: FloatArray,
    expected: FloatArray,
    *,
    observed: FloatArray | None = None,
    theory: FloatArray | None = None,
    theory_label: str = "Theory",
    excluded: Sequence[tuple[float, float]] = (),
    excluded_label: str = "Excluded",
    x_title: str = "Mass [GeV]",
    y_title: str = r"95% CL limit on $\sigma$ [pb]",
    unit: str = "",
    remarks: tuple[str, ...] = (),
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Expected limits (m, 5) for -2 to 2 standard deviations, at masses (m,) in GeV; observed ones (m,) if any.

    They are in what `y_title` says, and the table of numbers by `unit`. `theory` (m,) is the cross section of the same
    final state; `excluded` are ranges of masses in GeV, shaded and written out. NaN leaves gaps. A single mass is drawn
    as one bar of bands. Drawn on `ax`, if given.
    """
    with canvas(ax, (8, 6)) as axes:
        x, bands = _widened(masses, expected)
        axes.fill_between(x, bands[:, 0], bands[:, 4], color=TWO_SIGMA, linewidth=0, label=r"Expected $\pm 2\sigma$")
        axes.fill_between(x, bands[:, 1], bands[:, 3], color=ONE_SIGMA, linewidth=0, label=r"Expected $\pm 1\sigma$")
        axes.plot(x, bands[:, 2], color="black", linestyle="--", label="Expected limit")
        if observed is not None:
            axes.plot(masses, observed, color="black", marker="o", markersize=4, label="Observed limit")
        if theory is not None:
            marker = "D" if len(masses) == 1 else None
            axes.plot(masses, theory, color=RED, linewidth=2, marker=marker, linestyle="-", label=theory_label)
        axes.set_yscale("log")
        axes.set_xlim(*span(x))
        axes.set_xlabel(x_title)
        axes.set_ylabel(y_title)
        _limits(axes, [bands, observed, theory], rows=len(excluded))
        _shade(axes, excluded, excluded_label)
        curves = [(x, bands[:, 4]), *((masses, drawn) for drawn in (observed, theory) if drawn is not None)]
        legend_beside_curves(axes, curves, title="\n".join(remarks) or None)
        draw_context(axes, context)
        keep_numbers(
            axes, mass_gev=masses, observed=observed, **sigmas("expected", expected), theory=theory, unit=unit or None
        )
        return figure_of(axes)


def _widened(masses: FloatArray, expected: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A single mass has no width on paper: two points a twentieth to either side."""
    if len(masses) > 1:
        return masses, expected
    return masses[0] * np.array([0.95, 1.05]), np.repeat(expected, 2, axis=0)


def _limits(axes: Axes, drawn: Sequence[FloatArray | None], *, rows: int) -> None:
    """All of the curves, and room below for what is written of the excluded masses in so many rows."""
    values = np.concatenate([values.ravel() for values in drawn if values is not None])
    values = values[np.isfinite(values) & (values > 0)]
    decades = np.log10(values.max() / values.min()) + 0.3
    axes.set_ylim(values.min() / 10 ** ((0.05 + 0.09 * rows) * decades), values.max() * 10 ** (0.05 * decades))


def _shade(axes: Axes, excluded: Sequence[tuple[float, float]], label: str) -> None:
    for i, (low, high) in enumerate(excluded):
        axes.axvspan(low, high, color=GREY, alpha=0.13, linewidth=0, zorder=0)
        for edge in (low, high):
            axes.axvline(edge, color=GREY, linewidth=1.0, linestyle=":", zorder=0)
        left, right = axes.get_xlim()
        centre = (low + high) / 2
        # Text of a narrow range near a border grows inwards.
        align = "left" if centre < left + 0.15 * (right - left) else "center"
        align = "right" if centre > right - 0.15 * (right - left) else align
        at = {"left": max(low, left), "center": centre, "right": min(high, right)}[align]
        axes.text(
            at,
            0.02 + 0.055 * i,
            f"{label}: {low:.0f} to {high:.0f} GeV",
            transform=axes.get_xaxis_transform(),
            ha=align,
            va="bottom",
            fontsize=13,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )
