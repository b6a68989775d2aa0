"""What is made of events: which steps each passes, what a menu decides, and its weight."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.menu import MenuCard
from hepad.errors import UsageError
from hepad.execution.parts import Part
from hepad.execution.units import Step
from hepad.io.events import SQRT_S, Chunk, merge_fields
from hepad.objects.menu import seed_decisions
from hepad.pipeline.chain.steps import ChainStep
from hepad.search.events import in_region, with_energy

__all__ = ["ChainJob"]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ChainJob:
    """Makes `weight`, `steps` and `seeds` of all events; the latter two are packed, eight decisions to a byte."""

    steps: tuple[ChainStep, ...]
    menu: MenuCard | None
    sqrt_s_gev: float | None = None

    def __post_init__(self) -> None:
        sources = {c.selection.collections for step in self.steps for c in step.search.categories}
        if len(sources | ({self.menu.collections} if self.menu is not None else set())) > 1:
            raise UsageError("the steps of a chain take different collections of a file, which is read once")

    @property
    def assumed_sqrt_s_gev(self) -> float | None:
        """The energy taken for files that state none; None if no step needs it, or it was given for all."""
        asking = [step for step in self.steps if SQRT_S in step.search.fields()]
        return asking[0].search.card.sqrt_s_gev if asking and self.sqrt_s_gev is None else None

    def prepare(self) -> Step:
        """The bundles were loaded when the job came to this process."""
        fields = [step.search.fields() for step in self.steps]
        fields += [self.menu.fields()] if self.menu is not None else []
        return Step(merge_fields(*fields), self._make, facts=True)

    def _make(self, chunk: Chunk) -> Part:
        passed = np.stack([self._passes(chunk.events, step) for step in self.steps], axis=1)
        columns = {"weight": ak.to_numpy(chunk.events.weight).astype(np.float64), "steps": np.packbits(passed, axis=1)}
        if self.menu is not None:
            columns["seeds"] = np.packbits(seed_decisions(chunk.events, self.menu), axis=1)
        return Part(len(chunk.events), columns)

    def _passes(self, events: ak.Array, step: ChainStep) -> Mask:
        events = with_energy(events, self.sqrt_s_gev, step.search.card.sqrt_s_gev)
        masks = [in_region(events, category, step.region) for category in step.search.categories]
        return np.asarray(np.logical_or.reduce(masks), dtype=np.bool_)

    def unpacked(self, part: Part) -> tuple[Mask, Mask]:
        """The decisions (n, steps) and (n, seeds) of a part, the latter without columns if there is no menu."""
        passed = np.unpackbits(part.columns["steps"], axis=1, count=len(self.steps)).astype(np.bool_)
        if self.menu is None:
            return passed, np.zeros((part.events, 0), dtype=np.bool_)
        seeds = np.unpackbits(part.columns["seeds"], axis=1, count=len(self.menu.seeds))
        return passed, seeds.astype(np.bool_)
