"""`cluster`: clusters of the events that a model keeps, and what is expected in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hepad.api.events import as_files
from hepad.api.models import Model, as_model
from hepad.api.record import Record, Row
from hepad.pipeline.cluster.options import ClusterOptions
from hepad.pipeline.cluster.report import ClusterReport, ClusterRow
from hepad.samples.described import Space

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hepad.pipeline.cluster.run import Clustered

__all__ = ["ClusterRecord", "cluster"]


@dataclass(frozen=True, repr=False)
class ClusterRecord(Record):
    """Clusters of data and background in a region, the largest first, and events in none of them (`none`)."""

    report: ClusterReport
    found: Clustered

    @property
    def rows(self) -> tuple[ClusterRow, ...]:
        """`row.data`, `row.expected`, `row.p_value`, `row.shares` of simulations, `row.characteristics`."""
        return self.report.rows

    @property
    def global_p(self) -> float | None:
        """The probability of an excess like the largest in any cluster; None without a background."""
        return self.report.global_p_value

    @property
    def points(self) -> npt.NDArray[np.float64]:
        """Where the n events of the region are, data before background, shape (n, k): k axes, the widest first."""
        return self.found.points

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """The cluster of each of these events, (n,): 0 is that of row 1, -1 is none."""
        return self.found.classes

    @property
    def is_data(self) -> npt.NDArray[np.bool_]:
        """Which of these events are data, (n,)."""
        return self.found.is_data

    def to_json(self) -> dict[str, Any]:
        """As `hepad cluster --json`."""
        return self.report.to_json()

    def _remarks(self) -> Sequence[str]:
        return self.report.warnings

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        from hepad.pipeline.cluster.output import formatted_clusters

        return f"Clusters of {self.report.model}, {self.report.region}", *formatted_clusters(self.report)

    def _draw(self, ax: Axes) -> None:
        from hepad.pipeline.cluster.figures import counts_of

        counts_of(self.report, ax=ax)


def cluster(
    events: Any,
    model: str | Path | Model,
    *,
    background: Any = None,
    simulations: Mapping[str, Any] | None = None,
    region: str | None = None,
    selection: str | None = None,
    space: Space | None = None,
    components: int = 10,
    min_size: int | None = None,
    toys: int = 10_000,
    seed: int = 1,
    max_events: int | None = None,
) -> ClusterRecord:
    """Cluster the events that a model keeps, compare the clusters with what is expected, and say what makes each.

    `events`, `background` (what is expected: simulation, or data without a signal) and each of the `simulations`, by
    name, are files or arrays in memory as in `hepad.load_events`. `region` is one of the model's or a new one, such as
    "kept=efficiency:0.01"; None takes all selected events. `space` is "latent", "input" or "quantities", by default the
    latent one of a model that has it; of it at most `components` principal axes are kept, 0 keeps all. `min_size` is
    the least number of events of a cluster (None: 1 % of all, at least 10), `toys` are behind the global p-value.

    `MissingExtraError` without scikit-learn, `InputDataError` for events that cannot be used or are too few,
    `UsageError` for a region that the model does not have, `CardError` for a space that it does not have.

    >>> import hepad
    >>> h0, background = "examples/data/h0.h5", "examples/data/background.h5"
    >>> found = hepad.cluster(h0, "vae", background=background, max_events=400, toys=100)
    >>> sum(row.data for row in found.rows), found.points.shape[0] == len(found.classes) == 800
    (400, True)
    """
    from hepad.cards.bundle import parse_region
    from hepad.pipeline.cluster.run import cluster_in_memory

    options = ClusterOptions(
        region=region.partition("=")[0] if region else None,
        regions=dict([parse_region(region)]) if region and "=" in region else {},
        selection=selection,
        space=space,
        components=components,
        min_size=min_size,
        toys=toys,
        seed=seed,
        max_events=max_events,
    )
    report, found = cluster_in_memory(
        as_files(events),
        as_model(model).bundle,
        background=() if background is None else as_files(background),
        simulations={name: as_files(given) for name, given in (simulations or {}).items()},
        options=options,
    )
    return ClusterRecord(report, found)
