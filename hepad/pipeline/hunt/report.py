"""What a hunt found, apart from the scores themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hepad.execution.run import Skipped
from hepad.methods.base import Network
from hepad.objects.cutflow import CutFlow
from hepad.pipeline.hunt.honesty import MassDependence, Spill

__all__ = ["HuntRegion", "HuntReport"]


@dataclass(frozen=True)
class HuntRegion:
    """A region: its threshold, the fraction of the sidebands' weights in it and its error, and events in each part.

    `expected` events would be in the window if it had the fraction of the sidebands: no background estimate, but an
    excess over it is what a bump hunt may find. `dependence` is that of score and selection on the mass.
    """

    score: str
    threshold: float
    efficiency: float | None
    efficiency_error: float | None
    events: dict[str, int]
    expected: float
    dependence: MassDependence

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> HuntRegion:
        """What `asdict` made."""
        return cls(**{**content, "dependence": MassDependence(**content["dependence"])})


@dataclass(frozen=True)
class HuntReport:
    """What `hunt` did. `events` are those selected, in the window, in each sideband, and without the mass.

    `dependence` is that of the default score on the mass, in the sidebands. `spills` says of simulated signals how much
    of them is in the sidebands; without them nobody knows. `scores` are the names of the scores, the default first.

    `skipped` are the files that were left out, in their order. `complete_before`: the output was there already.
    `output` is None if nothing was written.
    """

    method: str
    selection: str
    output: Path | None
    mass: str
    cutflow: CutFlow
    folds: int
    events: dict[str, int]
    networks: tuple[Network, ...]
    regions: dict[str, HuntRegion]
    dependence: MassDependence
    spills: Mapping[str, Spill] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    complete_before: bool = False
    scores: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {**self.content(), "output": None if self.output is None else str(self.output)}

    def content(self) -> dict[str, Any]:
        """The report in JSON types, wherever it is written to."""
        return {
            "method": self.method,
            "selection": self.selection,
            "mass": self.mass,
            "cutflow": self.cutflow.to_json(),
            "folds": self.folds,
            "scores": list(self.scores),
            "events": self.events,
            "networks": [asdict(network) for network in self.networks],
            "regions": {name: asdict(region) for name, region in self.regions.items()},
            "dependence": asdict(self.dependence),
            "spills": {name: asdict(spill) for name, spill in self.spills.items()},
            "skipped": [vars(skipped) for skipped in self.skipped],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], output: Path) -> HuntReport:
        """What `content` made, of an output that was complete before."""
        return cls(
            content["method"],
            content["selection"],
            output,
            content["mass"],
            CutFlow.from_json(content["cutflow"]),
            content["folds"],
            content["events"],
            tuple(Network(**network) for network in content["networks"]),
            {name: HuntRegion.from_json(region) for name, region in content["regions"].items()},
            MassDependence(**content["dependence"]),
            {name: Spill(**spill) for name, spill in content["spills"].items()},
            tuple(Skipped(**skipped) for skipped in content["skipped"]),
            complete_before=True,
            scores=tuple(content["scores"]),
        )
