"""Apply a selection card to Events."""

from __future__ import annotations

from functools import reduce
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.selection import Condition, ObjectCuts, Range, SelectionCard
from hepad.io.events import collection
from hepad.objects.cutflow import CutFlow, CutStep
from hepad.objects.flat import FlatObjects

__all__ = ["apply_selection"]

_Mask = npt.NDArray[np.bool_]


def apply_selection(events: ak.Array, card: SelectionCard) -> tuple[ak.Array, _Mask, CutFlow]:
    """The selected events, with their objects cut, sorted by falling pT and truncated as the card says.

    Also returns the mask of shape (n,) that says which of the given events were kept, and the cut flow.
    Collections that the card does not name are left as they were read.
    """
    for name, rule in card.objects.items():
        events = ak.with_field(events, _define(events, name, rule, rule.max_count), name)
    weights = ak.to_numpy(events.weight)
    keep: _Mask = np.ones(len(events), dtype=bool)
    steps = [CutStep.of("all events", weights)]
    for requirement in card.require:
        masks = [_holds(events, condition) for condition in (*requirement.any, *requirement.all)]
        keep = keep & reduce(np.logical_or if requirement.any else np.logical_and, masks)
        steps.append(CutStep.of(requirement.name, weights[keep]))
    return events[keep], keep, CutFlow(tuple(steps))


def _define(events: ak.Array, name: str, cuts: ObjectCuts, max_count: int | None) -> ak.Array:
    objects = FlatObjects.of(events[name])
    mask = _passes(objects, cuts)
    if mask is not None:
        objects = objects.take(mask)
    objects = objects.sorted()
    if max_count is not None:
        objects = objects.first(max_count)
    return collection(objects.offsets, objects.columns)


def _passes(objects: FlatObjects, cuts: ObjectCuts) -> _Mask | None:
    """Flat mask of the objects that pass all cuts; None if there are no cuts."""
    masks: list[_Mask] = []
    for feature in ("pt", "eta", "mass"):
        bounds = getattr(cuts, feature)
        if bounds is not None:
            masks.append(_inside(objects.columns[feature], bounds))
    if cuts.abs_eta is not None:
        masks.append(_inside(abs(objects.columns["eta"]), cuts.abs_eta))
    if cuts.btag is not None:
        masks.append(objects.columns["btag"] == cuts.btag)
    return reduce(np.logical_and, masks) if masks else None


def _holds(events: ak.Array, condition: Condition) -> _Mask:
    """Mask of shape (n,) of the events that fulfil one condition."""
    name = condition.quantity
    cuts = getattr(condition, name)
    if isinstance(cuts, Range):
        values = events.met.pt if name == "met" else events[name]
        return np.asarray(_inside(ak.to_numpy(values), cuts))
    objects = FlatObjects.of(events[name])
    mask = _passes(objects, cuts)
    count = objects.counts if mask is None else objects.number(mask)
    result: _Mask = np.ones(len(count), dtype=bool)
    if condition.min_count is not None:
        result &= count >= condition.min_count
    if condition.max_count is not None:
        result &= count <= condition.max_count
    return result


def _inside(values: Any, bounds: Range) -> Any:
    if bounds.min is None:
        return values < bounds.max
    if bounds.max is None:
        return values > bounds.min
    return (values > bounds.min) & (values < bounds.max)
