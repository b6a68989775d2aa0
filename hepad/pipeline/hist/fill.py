"""Histograms of masses: the job that fills them of a chunk of events, and how their sums are kept and added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.selection import SelectionCard
from hepad.errors import UsageError
from hepad.execution.parts import Part
from hepad.execution.units import Step
from hepad.io.events import Chunk, merge_fields
from hepad.objects.kinematics import invariant_mass, mass_fields
from hepad.objects.selection import apply_selection
from hepad.pipeline.hist.scores import EventScores

if TYPE_CHECKING:
    import hist

__all__ = ["HistJob", "Masses", "binning", "empty_histogram", "equal_bins", "histogram_sums", "histograms_of"]

Masses = Mapping[str, Sequence[tuple[str, int]]]
"""The objects of each mass, by the mass's name."""
Sums = Mapping[str, npt.NDArray[np.float64]]
"""Sums of weights and of their squares in each bin, with under- and overflow: shape (bins + 2, 2), by histogram."""


@dataclass(frozen=True)
class HistJob:
    """Fills `m_MASS` of the selected events and `m_MASS_REGION` of those in a region; `edges` are in GeV."""

    selection: SelectionCard
    masses: Masses
    edges: tuple[float, ...]
    regions: tuple[str, ...] = ()
    scores: EventScores | None = None

    def __post_init__(self) -> None:
        names = [name for name, *_ in self.histograms()]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"two histograms would be called {name!r}; fill them in two runs")

    def histograms(self) -> Iterator[tuple[str, str, str | None]]:
        """Name, mass and region of each histogram."""
        for mass in self.masses:
            for region in (None, *self.regions):
                yield f"m_{mass}" if region is None else f"m_{mass}_{region}", mass, region

    def prepare(self) -> Step:
        """The score file is opened with each chunk."""
        fields = (mass_fields(objects) for objects in self.masses.values())
        return Step(merge_fields(self.selection.fields(), *fields), self._make)

    def _make(self, chunk: Chunk) -> Part:
        events, keep, flow = apply_selection(chunk.events, self.selection)
        inside = self.scores.inside(chunk, keep) if self.scores else {}
        weight = ak.to_numpy(events.weight)
        values = {mass: invariant_mass(events, objects) for mass, objects in self.masses.items()}
        sums = {}
        for name, mass, region in self.histograms():
            masses, present = values[mass]
            filled = empty_histogram(self.edges, mass)
            if region is None:
                filled.fill(masses, weight=weight[present])
            else:
                mask = inside[region]
                filled.fill(masses[mask[present]], weight=weight[present & mask])
            sums[name] = histogram_sums(filled)
        return Part(len(keep), sums=sums, flows={"all": flow})


def binning(edges: tuple[float, ...]) -> dict[str, Any]:
    """The options of the command line that give these edges."""
    if edges == equal_bins(edges[0], edges[-1], len(edges) - 1):
        return {"bins": len(edges) - 1, "range": f"{edges[0]!r}:{edges[-1]!r}"}
    return {"edges": ",".join(map(repr, edges))}


def equal_bins(low: float, high: float, bins: int) -> tuple[float, ...]:
    """The edges of bins of equal width."""
    return tuple(low + (high - low) * i / bins for i in range(bins + 1))


def histogram_sums(histogram: hist.Hist[Any]) -> npt.NDArray[np.float64]:
    """The numbers of a weighted histogram, of shape (bins + 2, 2)."""
    values, variances = histogram.values(flow=True), histogram.variances(flow=True)
    return np.stack([values, np.asarray(variances)], axis=1).astype(np.float64)


def histograms_of(job: HistJob, sums: Sums) -> dict[str, hist.Hist[Any]]:
    """The histograms of a job with these numbers."""
    made = {}
    for name, mass, _ in job.histograms():
        made[name] = empty_histogram(job.edges, mass)
        view: Any = made[name].view(flow=True)
        view["value"], view["variance"] = sums[name][:, 0], sums[name][:, 1]
    return made


def empty_histogram(edges: tuple[float, ...], mass: str) -> hist.Hist[Any]:
    """A weighted histogram of a mass, `jet1_jet2` say, with these edges in GeV."""
    import hist

    axis = hist.axis.Variable(list(edges), name="mass", label=f"m({', '.join(mass.split('_'))}) [GeV]")
    return hist.Hist(axis, storage=hist.storage.Weight())
