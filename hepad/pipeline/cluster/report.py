"""What `hepad cluster` found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hepad.execution.run import Skipped

__all__ = ["Characteristic", "ClusterReport", "ClusterRow", "Sampled"]


@dataclass(frozen=True)
class Characteristic:
    """A quantity in which a cluster differs: in standard deviations, and its means inside and in the rest."""

    quantity: str
    difference: float
    inside: float
    rest: float


@dataclass(frozen=True)
class Sampled:
    """How many events of a sample were selected, and are in the region."""

    selected: int
    inside: int


@dataclass(frozen=True)
class ClusterRow:
    """A cluster, `none` for the events in none: how many events of data and background, what was expected.

    `expected` data, if they fell into the clusters as the background does, and `p_value` of as many or more, both None
    without a background. `shares` of the events in the region of each simulation.
    """

    name: str
    data: int
    background: int | None
    expected: float | None
    p_value: float | None
    shares: Mapping[str, float]
    characteristics: tuple[Characteristic, ...]


@dataclass(frozen=True)
class ClusterReport:
    """All clusters, and the probability of an excess like the largest in any of them.

    `region_p_value` is of as many or more data in the region, if data and background had the same fraction there.
    """

    model: str
    region: str
    space: str
    dimensions: int
    min_size: int
    samples: Mapping[str, Sampled]
    rows: tuple[ClusterRow, ...]
    global_p_value: float | None
    global_p_is_bound: bool
    toys: int
    region_p_value: float | None
    warnings: tuple[str, ...] = ()
    output: Path | None = None
    skipped: tuple[Skipped, ...] = ()
    complete_before: Mapping[str, Any] | None = None

    @property
    def most_significant(self) -> ClusterRow | None:
        """The cluster of the smallest p-value; None without a background."""
        tested = [row for row in self.rows if row.p_value is not None]
        return min(tested, key=lambda row: row.p_value or 0.0) if tested else None

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        if self.complete_before is not None:
            return dict(self.complete_before)
        content = asdict(self)
        del content["complete_before"], content["output"]
        content["skipped"] = [vars(skipped) for skipped in self.skipped]
        return content
