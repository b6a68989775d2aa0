"""The events of a study of sensitivity: background and signals, as every method sees them, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.hunt import HuntCard
from hepad.cards.input import InputCard, parse_input
from hepad.cards.sensitivity import SensitivityCard
from hepad.errors import InputDataError
from hepad.execution.store import MemoryStore
from hepad.inputs.base import Input, make_input
from hepad.inputs.batch import Batch
from hepad.methods.base import MASS, Folds, Window
from hepad.methods.cuts import Cuts
from hepad.paths import InputPath
from hepad.pipeline.hunt.options import HuntOptions, HuntPlan
from hepad.pipeline.hunt.task import read_events_of
from hepad.provenance import FileRecords
from hepad.samples.split import EventIds

__all__ = ["PoolEvents", "Pools", "input_key", "plans_of", "read_pools"]

Rows = npt.NDArray[np.int64]

_SAME_WEIGHT = 1e-6
"""Weights that differ by less, relatively, are rounded."""
_PB_IN_FB = 1e3


@dataclass(frozen=True)
class PoolEvents:
    """Events of one sample that may be in mock data: who they are, and by input what is seen of them.

    The masses stand beside the batches; all weights are 1. Events are in the order of file content and entry.
    """

    ids: EventIds
    seen: Mapping[str, Batch]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def mass(self) -> npt.NDArray[np.float64]:
        """The mass (n,) in GeV."""
        return np.asarray(next(iter(self.seen.values())).beside[MASS])

    def folds(self, count: int, seed: int) -> Folds:
        """The fold (n,) of each event; copies of an event are in the same."""
        return np.minimum((self.ids.uniform(seed=seed, draw="fold") * count).astype(np.int64), count - 1)

    def rows(self, fraction: float, *, seed: int, draw: str) -> tuple[Rows, Rows]:
        """The rows of so much of the events, drawn by the seed, and those of the rest."""
        first = self.ids.uniform(seed=seed, draw=draw) < fraction
        return np.flatnonzero(first), np.flatnonzero(~first)


@dataclass(frozen=True)
class Pools:
    """All samples, the records of their files, and the weight of an event of background in pb, the same for all.

    `required` is what all events were asked for, in JSON types.
    """

    background: PoolEvents
    signals: Mapping[str, PoolEvents]
    records: Mapping[str, Sequence[Mapping[str, Any]]]
    weight: float
    required: Mapping[str, Any]

    def luminosity(self, fraction: float) -> float:
        """Of mock data with so much of the background, in 1/fb."""
        return fraction / self.weight / _PB_IN_FB


def plans_of(
    card: SensitivityCard, hunt: HuntCard, files: Sequence[InputPath], methods: Mapping[str, str]
) -> dict[str, HuntPlan]:
    """How each method hunts in these files, by its name, of which `methods` has the card; windows and seeds differ."""
    table = card.table
    below, low, high, above = next(iter(card.windows.values()))
    options = HuntOptions(
        mass=table.mass if table else hunt.mass,
        window=Window(low, high, (below, above)),
        selection=table.selection if table else hunt.selection,
        table=table is not None,
        columns=table.columns if table else {},
        input=hunt.input,
    )
    return {name: HuntPlan.of(list(files), method, options) for name, method in methods.items()}


def input_key(card: InputCard) -> str:
    """By what the batches of an input are known."""
    return card.model_dump_json()


def read_pools(
    card: SensitivityCard,
    plans: Mapping[str, HuntPlan],
    signals: Mapping[str, Sequence[InputPath]],
    options: HuntOptions,
) -> Pools:
    """Read all files of the plans and of the signals.

    `InputDataError` if the background has weights that differ, as mock data must count events, or nothing is selected.
    """
    reader = _Reader(card, plans, options)
    background, weight, records = reader.read(next(iter(plans.values())).paths, "background")
    if np.ptp(weight) > _SAME_WEIGHT * np.abs(weight).max() or not weight[0] > 0:
        raise InputDataError(
            f"background has weights from {weight.min():g} to {weight.max():g}: mock data are made of events of equal, "
            "positive weight"
        )
    pools, known = {}, {"background": records}
    for name, paths in signals.items():
        pools[name], _, known[name] = reader.read(paths, f"signal {name}")
    required = {name: list(bounds) for name, bounds in card.require.items()}
    return Pools(background, pools, known, float(np.mean(weight)), required)


@dataclass(frozen=True)
class _Reader:
    """Reads what any method sees, and what is required of all events."""

    card: SensitivityCard
    plans: Mapping[str, HuntPlan]
    options: HuntOptions

    def read(
        self, paths: Sequence[InputPath], what: str
    ) -> tuple[PoolEvents, npt.NDArray[np.float64], list[dict[str, Any]]]:
        """The events that are kept, their weights in the files, and the records of the files."""
        first = next(iter(self.plans.values()))
        inputs = {input_key(plan.card.input): plan.card.input for plan in self.plans.values()}
        required = self._required(first.card.input)
        every = {**inputs, **({"required": required} if required else {})}
        batches: dict[str, Batch] = {}
        for key, one in every.items():
            plan = replace(first, card=first.card.model_copy(update={"input": one}), paths=paths)
            events = read_events_of(plan, self.options, MemoryStore(), FileRecords(paths))
            events.check()
            batches[key] = events.raw
        ids = _ids(events.pieces, events.records)
        kept = np.isfinite(events.raw.beside[MASS])
        if required:
            kept &= self._passes(batches.pop("required"), make_input(required))
        rank = {sha256: place for place, sha256 in enumerate(sorted(set(ids.sha256)))}
        order = np.lexsort((ids.entry, np.array([rank[sha256] for sha256 in ids.sha256])[ids.file]))
        rows = order[kept[order]]
        if not len(rows):
            raise InputDataError(f"no event of {what} has a mass and is within the bounds of the study")
        seen = {key: replace(batch.take(rows), weight=np.ones(len(rows))) for key, batch in batches.items()}
        return PoolEvents(_taken(ids, rows), seen), events.raw.weight[rows], [dict(r) for r in events.records]

    def _required(self, like: InputCard) -> InputCard | None:
        """The input of the features that have bounds."""
        if not self.card.require:
            return None
        content: dict[str, Any] = {"kind": like.kind, "features": list(self.card.require), "scale": "none"}
        if self.card.table:
            content["columns"] = dict(self.card.table.columns)
        return parse_input(content, f"study {self.card.name}, require")

    def _passes(self, batch: Batch, vector: Input) -> npt.NDArray[np.bool_]:
        cuts = Cuts({"require": dict(self.card.require)}, vector.layout).fitted({})
        return np.asarray(next(iter(cuts.scores(batch, np.zeros(len(batch), np.int64)).values())) > 0)


def _ids(pieces: Sequence[Any], records: Sequence[Mapping[str, Any]]) -> EventIds:
    """Who the selected events are."""
    kept = [piece.part.columns["entry"][piece.part.columns["keep"]] for piece in pieces]
    files = [np.full(len(entries), piece.file) for piece, entries in zip(pieces, kept, strict=True)]
    return EventIds([str(r["sha256"]) for r in records], np.concatenate(files), np.concatenate(kept))


def _taken(ids: EventIds, rows: Rows) -> EventIds:
    return EventIds(ids.sha256, ids.file[rows], ids.entry[rows])
