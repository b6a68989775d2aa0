"""The events of a study of sensitivity: background and signals, as every method sees them, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.hunt import HuntCard
from hepad.cards.input import InputCard, parse_input
from hepad.cards.selection import load_selection
from hepad.cards.sensitivity import SensitivityCard
from hepad.errors import InputDataError
from hepad.execution.store import MemoryStore
from hepad.inputs.base import Input, make_input
from hepad.inputs.batch import Batch
from hepad.io.reader import open_events
from hepad.io.tables.features import TablePath
from hepad.methods.base import MASS, Folds, Window
from hepad.methods.cuts import Cuts
from hepad.paths import InputPath
from hepad.pipeline.hunt.mass import mass_of
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

    `required` is what all events were asked for, in JSON types. `shares` are the parts of all events of the files of
    each signal that are kept, and `uneven` the signals whose events have weights that differ, which are not heeded.
    """

    background: PoolEvents
    signals: Mapping[str, PoolEvents]
    records: Mapping[str, Sequence[Mapping[str, Any]]]
    weight: float
    required: Mapping[str, Any]
    shares: Mapping[str, float] = field(default_factory=dict)
    uneven: tuple[str, ...] = ()

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
    hunt: HuntCard,
    plans: Mapping[str, HuntPlan],
    signals: Mapping[str, Sequence[InputPath]],
    options: HuntOptions,
) -> Pools:
    """Read all files of the plans and of the signals.

    Of a study of tables a signal may also be files of events, which then must pass the selection of the hunt.
    `InputDataError` if the background has weights that differ, as mock data must count events, or nothing is selected.
    """
    reader = _Reader(card, plans, options)
    background, weight, records, _ = reader.read(next(iter(plans.values())).paths, "background")
    if not _even(weight) or not weight[0] > 0:
        raise InputDataError(
            f"background has weights from {weight.min():g} to {weight.max():g}: mock data are made of events of equal, "
            "positive weight"
        )
    pools, known, shares, uneven = {}, {"background": records}, {}, []
    for name, paths in signals.items():
        of_events = card.table is not None and not any(_is_table(path) for path in paths)
        own = replace(reader, plans=event_plans(card, hunt, paths, plans)) if of_events else reader
        files = [TablePath(path) for path in paths] if card.table is not None and not of_events else paths
        pools[name], own_weight, known[name], shares[name] = own.read(files, f"signal {name}", like=reader)
        if not _even(own_weight):
            uneven.append(name)
    required = {name: list(bounds) for name, bounds in card.require.items()}
    return Pools(background, pools, known, float(np.mean(weight)), required, shares, tuple(uneven))


def event_plans(
    card: SensitivityCard, hunt: HuntCard, files: Sequence[InputPath], plans: Mapping[str, HuntPlan]
) -> dict[str, HuntPlan]:
    """The plans of a study of tables for files of events: the same features, of the objects that they name."""
    selection = load_selection(hunt.selection)

    def changed(plan: HuntPlan) -> HuntPlan:
        own = plan.card.input.model_dump(mode="json")
        content = {"kind": "event_features", "features": own["features"], "scale": own["scale"]}
        seen = parse_input(content, f"study {card.name}, for files of events")
        own_card = plan.card.model_copy(update={"input": seen})
        return replace(plan, card=own_card, selection=selection, mass=mass_of(hunt.mass, seen), paths=files)

    return {name: changed(plan) for name, plan in plans.items()}


def _is_table(path: InputPath) -> bool:
    """Whether a file is a table of features, and not one of events."""
    try:
        with closing(open_events(path)):
            return False
    except InputDataError:
        return True


def _even(weight: npt.NDArray[np.float64]) -> bool:
    return bool(np.ptp(weight) <= _SAME_WEIGHT * np.abs(weight).max())


@dataclass(frozen=True)
class _Reader:
    """Reads what any method sees, and what is required of all events."""

    card: SensitivityCard
    plans: Mapping[str, HuntPlan]
    options: HuntOptions

    def read(
        self, paths: Sequence[InputPath], what: str, *, like: _Reader | None = None
    ) -> tuple[PoolEvents, npt.NDArray[np.float64], list[dict[str, Any]], float]:
        """The events that are kept, their weights in the files, the records of these, and the share that is kept.

        Batches are known by the inputs of `like`, which sees the same of other files.
        """
        first = next(iter(self.plans.values()))
        known = (like or self).plans
        inputs = {input_key(known[name].card.input): plan.card.input for name, plan in self.plans.items()}
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
        kind = next(iter(known.values())).card.input.kind
        seen = {key: replace(batch.take(rows), kind=kind, weight=np.ones(len(rows))) for key, batch in batches.items()}
        weight = events.raw.weight[rows]
        share = float(weight.sum() / events.whole.columns["all_weight"].sum())
        return PoolEvents(_taken(ids, rows), seen), weight, [dict(r) for r in events.records], share

    def _required(self, like: InputCard) -> InputCard | None:
        """The input of the features that have bounds."""
        if not self.card.require:
            return None
        content: dict[str, Any] = {"kind": like.kind, "features": list(self.card.require), "scale": "none"}
        if self.card.table and like.kind == "table":
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
