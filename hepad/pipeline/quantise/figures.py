"""The figures of `hepad quantise`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hepad.output.figures import save_figure
from hepad.pipeline.quantise.equal import QUANTITIES, Curve, costs_of

if TYPE_CHECKING:
    from hepad.output.figure_context import FigureContext
    from hepad.pipeline.quantise.report import QuantisedPoint, QuantiseReport, Summary

__all__ = ["write_figures"]


def write_figures(
    report: QuantiseReport,
    curves: Sequence[Curve],
    designs: Sequence[QuantisedPoint],
    folder: Path,
    *,
    context: FigureContext,
) -> None:
    """AUC against lookup tables and nanoseconds, decisions that differ, and, with curves, costs at equal AUC."""
    from hepad.plot.quantisation import Point, quantisation_figure

    logic = [item for item in report.summary if item.bits is not None]
    signals = list(report.points[0].auc)
    costs = {"lut": ("Lookup tables [thousands]", "lut", 1e-3), "ns": ("Latency, estimated [ns]", "latency_ns", 1.0)}
    for name, (xlabel, key, unit) in costs.items():
        points = [
            Point(_line(i), s, i.bits or 0, unit * getattr(i, key), i.auc[s], i.auc_spread.get(s), s in i.pareto)
            for i in logic
            for s in signals
        ]
        figure = quantisation_figure(points, _floats(report), xlabel=xlabel, ylabel="AUC", context=context)
        save_figure(figure, folder / f"auc_{name}")
    flips = [
        Point(_line(i), "background", i.bits or 0, 1e-3 * (i.lut or 0), 100 * i.flips, _percent(i.flips_spread))
        for i in logic
        if i.flips is not None
    ]
    if flips:
        figure = quantisation_figure(
            flips, xlabel="Lookup tables [thousands]", ylabel="Decisions that differ [%]", context=context
        )
        save_figure(figure, folder / "flips_lut")
    if curves:
        _equal_auc(curves, designs, folder, context=context)


def _line(item: Summary) -> str:
    return f"{item.model} {item.weights}"


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _floats(report: QuantiseReport) -> list[tuple[str, str, float]]:
    """The AUCs in floating point, for both kinds of weights."""
    return [
        (f"{item.model} {kind}", signal, value)
        for item in report.summary
        if item.bits is None
        for kind in ("rounded", "fine-tuned")
        for signal, value in item.auc.items()
    ]


def _equal_auc(
    curves: Sequence[Curve], designs: Sequence[QuantisedPoint], folder: Path, *, context: FigureContext
) -> None:
    from hepad.plot.equal_auc import CostDesign, CostLine, equal_auc_figure

    units = {name: 1e-3 if name == "lut" else 1.0 for name in QUANTITIES}
    lines = [
        CostLine(c.model, c.signal, name, c.auc, *(units[name] * row for row in rows))
        for c in curves
        for name, rows in c.costs.items()
    ]
    groups: dict[tuple[str, int], list[QuantisedPoint]] = {}
    for design in designs:
        groups.setdefault((design.model, design.bits or 0), []).append(design)
    points = []
    for (model, bits), group in groups.items():
        costs = np.mean([costs_of(design) for design in group], axis=0)
        for signal in group[0].auc:
            auc = np.array([design.auc[signal] for design in group])
            spread = float(auc.std(ddof=1)) if len(auc) > 1 else None
            points += [
                CostDesign(model, signal, name, bits, float(auc.mean()), spread, units[name] * float(cost))
                for name, cost in zip(QUANTITIES, costs, strict=True)
            ]
    save_figure(equal_auc_figure(lines, points, context=context), folder / "equal_auc")
