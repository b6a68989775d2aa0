"""The figures of a study of sensitivity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepad.output.figure_context import SIMULATION, FigureContext
from hepad.output.figures import save_figures
from hepad.pipeline.study.names import drawn
from hepad.pipeline.study.sensitivity.page import crossing_words
from hepad.pipeline.study.sensitivity.points import Counted
from hepad.pipeline.study.sensitivity.results import Curve, Found, SensitivityResults
from hepad.plot.sensitivity import GainTable, SensitivityLine, draw_points, gain_figure, p_figure, sensitivity_figure

__all__ = ["draw_limits", "draw_sensitivity"]


def draw_sensitivity(results: SensitivityResults, folder: Path) -> list[str]:
    """Draw all into a folder: the names of the figures, in order."""
    return save_figures(_figures(results), folder)


def _figures(results: SensitivityResults) -> Iterator[tuple[str, Figure]]:
    card = results.card
    tev = None if card.sqrt_s_gev is None else card.sqrt_s_gev / 1000
    luminosity = float(f"{results.luminosity:.4g}")  # of weights: as the page has it
    context = FigureContext(label=SIMULATION, sqrt_s=tev, luminosity=luminosity)
    yield "p_values", p_figure(_lines(results, lambda one: one.log_p), context=context)
    methods = [name for name in card.methods if name not in card.classical]
    if methods:
        tables = [_gains(results, of, title) for title, of in _WAYS]
        names = [drawn(card, name) for name in methods]
        yield (
            "improvements",
            gain_figure(tables, rows=[drawn(card, name) for name in results.curves], columns=names, context=context),
        )
    gains = _lines(results, lambda one: one.gain)
    yield "significance_improvement", sensitivity_figure(gains, y_title="Significance improvement", context=context)
    kept = _lines(results, lambda one: one.efficiency)
    yield "efficiency", sensitivity_figure(kept, y_title="Signal efficiency", top=1.0, context=context)


def draw_limits(results: SensitivityResults, ax: Axes) -> None:
    """Expected limits of each method on `ax`, a place a signal; what is only a bound is drawn open."""
    card, signals = results.card, list(results.curves)
    points: dict[str, tuple[list[float], list[bool]]] = {}
    for method in next(iter(results.curves.values())):
        found = [results.curves[signal][method].limit().value for signal in signals]
        points[drawn(card, method)] = (
            [one.value / results.luminosity for one in found],
            [bool(one.bound) for one in found],
        )
    draw_points(ax, points, [drawn(card, signal) for signal in signals], y_title="Expected limit at 95 % CL [fb]")


_WAYS: tuple[tuple[str, Callable[[Curve], Found]], ...] = (
    ("Limit, 95 % CL", Curve.limit),
    (r"$5\sigma$, expected", Curve.expected_discovery),
    (r"$5\sigma$, mock data", Curve.discovery),
)


def _lines(results: SensitivityResults, of: Callable[[Counted], float]) -> dict[str, list[SensitivityLine]]:
    """A quantity by the title of a signal: a line a method."""
    panels: dict[str, list[SensitivityLine]] = {}
    for signal, curves in results.curves.items():
        lines = []
        for method, curve in curves.items():
            band = curve.band(of)
            x = band.events / results.luminosity
            lines.append(SensitivityLine(drawn(results.card, method), x, band.median, band.low, band.high))
        panels[drawn(results.card, signal)] = lines
    return panels


def _gains(results: SensitivityResults, of: Callable[[Curve], Found], title: str) -> GainTable:
    rows = [list(row.values()) for row in results.improvements(of).values()]
    values = np.array([[one.value for one in row] for row in rows], dtype=np.float64)
    return GainTable(title, values, [[crossing_words(one) for one in row] for row in rows])
