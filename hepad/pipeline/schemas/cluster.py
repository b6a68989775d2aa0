"""`hepad cluster`."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from hepad.execution.run import Skipped
from hepad.pipeline.cluster.report import ClusterRow, Sampled
from hepad.pipeline.schemas.parts import Provenance

__all__ = ["Printed", "Written"]


class Clusters(TypedDict):
    """The clusters of the events in a region, beside what is expected."""

    model: str
    region: str
    space: str
    """In which the events are clustered."""
    dimensions: int
    min_size: int
    """Events of the smallest cluster."""
    samples: dict[str, Sampled]
    rows: list[ClusterRow]
    global_p_value: float | None
    """Of an excess like the largest in any cluster; null without a background."""
    global_p_is_bound: bool
    toys: int
    region_p_value: float | None
    """Of as many data in the region, if data and background had the same fraction there."""
    warnings: list[str]
    """What to try where too few clusters were found, in words."""
    skipped: list[Skipped]


class Printed(Clusters):
    """The clusters; with their provenance if they were there already."""

    provenance: NotRequired[Provenance]


class Written(Clusters):
    """The clusters, with their provenance."""

    provenance: Provenance
