"""The figures of a report on runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hepad.pipeline.monitor.report import MonitorReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hepad.output.figure_context import FigureContext

__all__ = ["map_of", "run_figures"]

_QUANTITIES = 30
_PANELS = 4

Columns = Mapping[str, npt.NDArray[np.float64]]


def map_of(report: MonitorReport, *, context: FigureContext | None = None, ax: Axes | None = None) -> Figure:
    """All runs with the quantities that moved most anywhere, scores and regions first."""
    from hepad.plot.runs import shift_map

    smallest: dict[str, float] = {}
    for run in report.runs:
        for row in run.quantities:
            smallest[row.quantity] = min(row.p_value, smallest.get(row.quantity, 1.0))
    names = sorted(smallest, key=lambda name: (not name.startswith(("score ", "in region ")), smallest[name]))
    names = names[:_QUANTITIES]
    found = [{row.quantity: row.adjusted for row in run.quantities} for run in report.runs]
    values = np.array([[one[name] for name in names] for one in found])
    return shift_map([run.name for run in report.runs], names, values, context=context, caption=report.model, ax=ax)


def run_figures(
    report: MonitorReport, columns: Mapping[str, Columns], *, context: FigureContext | None = None
) -> Iterator[tuple[str, Figure]]:
    """For each run its name and the distributions of the default score and of the least probable quantities."""
    from hepad.plot.runs import Compared, distribution_figure

    for run in report.runs:
        score = next(row for row in run.quantities if row.quantity == next(iter(columns["reference"])))
        others = [row for row in run.quantities if row is not score and not row.quantity.startswith("in region ")]
        panels = [
            Compared(
                row.quantity,
                columns[run.name][row.quantity],
                columns["reference"][row.quantity],
                f"distance {row.distance:.3f}\n$p$ = {row.adjusted:.2g} (adjusted)",
            )
            for row in (score, *others[: _PANELS - 1])
        ]
        yield run.name, distribution_figure(panels, run=run.name, context=context, caption=report.model)
