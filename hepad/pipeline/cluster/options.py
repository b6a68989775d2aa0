"""How clusters are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hepad.cards.analysis import RegionSpec
from hepad.errors import UsageError
from hepad.samples.described import SPACES, DescribedOptions, Space

__all__ = ["ClusterOptions"]


@dataclass(frozen=True, kw_only=True)
class ClusterOptions(DescribedOptions):
    """Options of `cluster`.

    `region` names the region of the bundle, or of `regions`, whose events are clustered; None takes all selected ones.
    `space` is that of the clusters (see `hepad.samples.described`), None the latent one of a model that has it, else
    its inputs; more than `components` dimensions are reduced to so many principal components, 0 keeps all.
    `min_size` is the least number of events of a cluster, None 1 % of all, at least 10. `toys` are pseudo-experiments.
    """

    region: str | None = None
    regions: Mapping[str, RegionSpec] = field(default_factory=dict)
    space: Space | None = None
    components: int = 10
    min_size: int | None = None
    toys: int = 10_000

    def check(self) -> None:
        """`UsageError` for values out of bounds."""
        if self.space not in {None, *SPACES}:
            raise UsageError(f"--space {self.space!r}: choose {', '.join(SPACES)}")
        for name, value, least in (("toys", self.toys, 100), ("components", self.components, 0)):
            if value < least:
                raise UsageError(f"--{name} {value}: at least {least}")
        if self.min_size is not None and self.min_size < 2:
            raise UsageError(f"--min-size {self.min_size}: a cluster has at least 2 events")
