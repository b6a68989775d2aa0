"""Which pixels carry a score: typed records, in JSON at the end."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["EventMap", "MapsReport", "MeanMap", "SampleMaps"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EventMap:
    """An event: its file (place in the list of the sample's files) and entry, its score, input and parts.

    `seen` and `parts` are of the input's shape (channel, eta, phi); the parts sum to score - baseline - missing.
    """

    file: int
    entry: int
    score: float
    baseline: float
    missing: float
    seen: Floats
    parts: Floats

    def pixels(self, channels: tuple[str, ...], most: int) -> list[dict[str, Any]]:
        """The pixels of the largest parts, by their size, with their places and inputs."""
        order = np.argsort(-np.abs(self.parts).ravel(), kind="stable")[:most]
        found = []
        for channel, eta, phi in zip(*np.unravel_index(order, self.parts.shape), strict=True):
            at = (int(channel), int(eta), int(phi))
            found.append(
                {"channel": channels[at[0]], "eta": at[1], "phi": at[2], "input": float(self.seen[at]),
                 "part": float(self.parts[at])}
            )  # fmt: skip
        return found

    def to_json(self, channels: tuple[str, ...]) -> dict[str, Any]:
        """The event in JSON types, with the ten pixels of the largest parts."""
        plain = {name: getattr(self, name) for name in ("file", "entry", "score", "baseline", "missing")}
        return {**plain, "pixels": self.pixels(channels, 10)}


@dataclass(frozen=True)
class MeanMap:
    """The mean over `events` events: input and parts of shape (channel, eta, phi), score and baseline."""

    events: int
    score: float
    baseline: float
    seen: Floats
    parts: Floats


@dataclass(frozen=True)
class SampleMaps:
    """A sample: how many events are in the region, the mean over some of them, and those of the highest scores."""

    sample: str
    events: int
    mean: MeanMap
    top: tuple[EventMap, ...]

    @property
    def incomplete(self) -> float:
        """The largest part of score - baseline of an event that is not shared out."""
        return max(abs(e.missing) / max(abs(e.score - e.baseline), sys.float_info.min) for e in self.top)


@dataclass(frozen=True)
class MapsReport:
    """All samples, explained with one model; `method` is exact or path, see `hepad.nn.explain.Attribution`.

    `eta` and `phi` are the edges of the pixels, in radians for phi; in bins if the input does not say.
    """

    model: str
    score: str
    method: str
    region: str | None
    channels: tuple[str, ...]
    eta: Floats
    phi: Floats
    in_bins: bool
    samples: tuple[SampleMaps, ...]
    output: Path | None

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types; the maps themselves are in the files."""
        return {
            "model": self.model,
            "score": self.score,
            "method": self.method,
            "region": self.region,
            "channels": list(self.channels),
            "samples": [
                {
                    "sample": sample.sample,
                    "events": sample.events,
                    "mean_of": sample.mean.events,
                    "mean_score": sample.mean.score,
                    "mean_baseline": sample.mean.baseline,
                    "incomplete": sample.incomplete,
                    "top": [event.to_json(self.channels) for event in sample.top],
                }
                for sample in self.samples
            ],
            "output": None if self.output is None else str(self.output),
        }
