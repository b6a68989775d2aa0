"""The figures of a report on clusters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from hepad.pipeline.cluster.report import ClusterReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hepad.output.figure_context import FigureContext
    from hepad.pipeline.cluster.run import Clustered

__all__ = ["cluster_figures", "counts_of"]


def counts_of(report: ClusterReport, *, context: FigureContext | None = None, ax: Axes | None = None) -> Figure:
    """Data in each cluster, and what is expected of the background."""
    from hepad.plot.clusters import count_figure

    return count_figure(
        [row.name for row in report.rows],
        np.array([row.data for row in report.rows], dtype=np.float64),
        np.array([row.expected or 0.0 for row in report.rows]) if report.most_significant is not None else None,
        [1.0 if row.p_value is None else row.p_value for row in report.rows],
        context=context,
        caption=f"{report.model}, {report.region}",
        ax=ax,
    )


def cluster_figures(
    report: ClusterReport, found: Clustered, *, context: FigureContext | None = None
) -> Iterator[tuple[str, Figure, str]]:
    """Name without ending, figure and caption: counts, the map, and what makes the most significant cluster."""
    from hepad.plot.clusters import characteristic_figure, map_figure

    best = report.most_significant or (report.rows[0] if report.rows else None)
    tested = report.most_significant is not None
    marked = int(best.name) - 1 if tested and best is not None and best.name != "none" else None
    yield (
        "counts",
        counts_of(report, context=context),
        "Data in each cluster" + (" and what is expected of the background." if tested else "."),
    )
    yield (
        "map",
        map_figure(found.points, found.classes, marked, context=context, caption=f"{report.model}, {report.region}"),
        f"Data and background in the first two of {report.dimensions} axes in which clusters were looked for.",
    )
    if best is not None and best.characteristics:
        yield (
            "characteristics",
            characteristic_figure(
                [one.quantity for one in best.characteristics],
                [one.difference for one in best.characteristics],
                context=context,
                caption=f"cluster {best.name}",
            ),
            f"In which quantities cluster {best.name} differs most from the rest.",
        )
