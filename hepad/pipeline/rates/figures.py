"""The figures of a report on rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from hepad.pipeline.rates.report import Overlap, RatesReport
from hepad.trigger.rates import FEW

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hepad.output.figure_context import FigureContext
    from hepad.plot.beside import BesideLine
    from hepad.plot.rates import EfficiencyLine, PileupLine, RateLine, RateMark

__all__ = ["CAPTIONS", "drawn_overlap", "rate_lines", "rate_marks", "rates_figures"]

CAPTIONS = {
    "rate_threshold": "Rate at or above a threshold, with its 68 % interval. Points are the working points, hollow "
    "where the rate rests on fewer than 10 crossings.",
    "overlap": "Which part of the crossings that the trigger of a row accepts the trigger of a column accepts too.",
    "efficiency_rate": "Efficiency of each signal against the rate of the zero-bias sample that thresholds are set on; "
    "shaded where that rate rests on fewer than 10 crossings.",
    "beside": "What is kept of signals at the same rate: by the model, by the trigger beside it, and by both together "
    "at that rate.",
    "rate_pileup": "Rate against the number of reconstructed vertices, if all crossings were like these.",
}

_MOST_SEEDS = 16
"""Seeds of a matrix that can be read: those with the highest rates."""


def rates_figures(report: RatesReport, *, context: FigureContext) -> Iterator[tuple[str, Figure]]:
    """Names without ending, and figures, of those in `CAPTIONS` that there is something to draw for."""
    from hepad.plot.beside import beside_figure
    from hepad.plot.rates import efficiency_figure, overlap_figure, pileup_figure, rate_figure

    caption = report.events_come
    if report.curves:
        yield (
            "rate_threshold",
            rate_figure(rate_lines(report), rate_marks(report), context=context, caption=caption),
        )
    overlap = drawn_overlap(report)
    if overlap is not None:
        matrix, names, said = overlap
        yield "overlap", overlap_figure(matrix.fractions(), names, context=context, caption=said)
    if report.signal_curves:
        yield (
            "efficiency_rate",
            efficiency_figure(
                _efficiency_lines(report),
                menus={row.signal: row.menu.value for row in report.signals if row.menu is not None},
                few_khz=FEW / report.samples[0].events * report.crossings_khz,
                context=context,
                caption=caption,
            ),
        )
    if report.beside_signals:
        yield "beside", beside_figure(_beside_lines(report), context=context, caption=caption)
    if report.measured.pileup:
        yield "rate_pileup", pileup_figure(_pileup_lines(report), context=context, caption=caption)


def rate_lines(report: RatesReport) -> list[RateLine]:
    """The curves of all models."""
    from hepad.plot.rates import RateLine

    labels = {("set on", "total"): "total", ("test", "total"): "total, test events", ("set on", "pure"): "pure"}
    return [
        RateLine(c.model, labels[c.sample, c.kind], c.threshold, c.khz, c.low_khz, c.high_khz) for c in report.curves
    ]


def rate_marks(report: RatesReport) -> list[RateMark]:
    """The working points of all models, at the rates of the sample that they are measured in."""
    from hepad.plot.rates import RateMark

    thresholds = {(p.model, p.point): p.threshold for p in report.points}
    return [
        RateMark(row.model, thresholds[row.model, row.point], row.total.khz, row.total.few)
        for row in report.measured.triggers
        if row.total.khz > 0
    ]


def drawn_overlap(report: RatesReport) -> tuple[Overlap, list[str], str] | None:
    """The matrix that is shown, with names that have the events, and of which working point it is."""
    models = len(report.models)
    if models + len(report.measured.seeds) < 2:
        return None
    point = _shown_point(report)
    whole = next(overlap for overlap in report.measured.overlaps if overlap.point == point)
    own = [whole.khz[i][i] for i in range(len(whole.triggers))]
    seeds = sorted(range(models, len(own)), key=lambda i: -own[i])[:_MOST_SEEDS]
    kept = [*range(models), *sorted(i for i in seeds if own[i] > 0)]
    part = Overlap(
        point,
        tuple(whole.triggers[i] for i in kept),
        tuple(tuple(whole.events[i][j] for j in kept) for i in kept),
        tuple(tuple(whole.khz[i][j] for j in kept) for i in kept),
    )
    names = [f"{name} ({part.events[i][i]})" for i, name in enumerate(part.triggers)]
    return part, names, f"models at {point}, (events)"


def _shown_point(report: RatesReport) -> str:
    """The lowest working point at which the rates of all models are known, or else the last."""
    known = {
        overlap.point: [row.total.few for row in report.measured.triggers if row.point == overlap.point]
        for overlap in report.measured.overlaps
    }
    sure = [point for point, few in known.items() if len(few) == len(report.models) and not any(few)]
    return sure[0] if sure else list(known)[-1]


def _efficiency_lines(report: RatesReport) -> list[EfficiencyLine]:
    from hepad.plot.rates import EfficiencyLine

    return [EfficiencyLine(c.signal, c.model, c.khz, c.efficiency, c.low, c.high) for c in report.signal_curves]


def _beside_lines(report: RatesReport) -> list[BesideLine]:
    from hepad.plot.beside import BesideLine

    return [
        BesideLine(
            f"{row.model}, {row.point}",
            row.signal,
            {
                name: (part.value, part.low, part.high)
                for name, part in (("model", row.own), (row.beside, row.other), ("together", row.shared))
            },
        )
        for row in report.beside_signals
    ]


def _pileup_lines(report: RatesReport) -> list[PileupLine]:
    from hepad.plot.rates import PileupLine

    bins, point = report.measured.pileup, _shown_point(report)
    lines = []
    for name in (name for name in bins[0].rates if name == "menu" or name.endswith(f", {point}")):
        rates = [each.rates[name] for each in bins]
        khz = np.array([rate.khz for rate in rates])
        errors = np.array([[r.khz - r.low_khz for r in rates], [r.high_khz - r.khz for r in rates]])
        middles = np.array([(each.low + each.high) / 2 for each in bins])
        lines.append(PileupLine(name, middles, khz, np.maximum(errors, 0), np.array([rate.few for rate in rates])))
    return lines
