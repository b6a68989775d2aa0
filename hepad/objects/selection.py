"""Apply a selection card to Events."""

from __future__ import annotations

from functools import reduce
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.condition import (
    LABEL,
    LEPTONS,
    ChargeSum,
    Condition,
    LeptonPairs,
    ObjectCuts,
    ObjectsRange,
    Range,
    TriggerBit,
)
from hepad.cards.selection import Requirement, SelectionCard
from hepad.errors import InputDataError
from hepad.io.detector.columns import Objects
from hepad.io.events import SQRT_S, Fields, collection, contents, numbers, objects_of, record, taken
from hepad.objects.build import build_collections
from hepad.objects.cutflow import CutFlow, CutStep
from hepad.objects.cuts import inside, passing
from hepad.objects.kinematics import invariant_mass, parse_mass, separation
from hepad.objects.pairs import opposite_pairs, pairs_in_range

__all__ = ["apply_selection", "check_events", "fulfils"]

_Mask = npt.NDArray[np.bool_]


def apply_selection(events: ak.Array, card: SelectionCard) -> tuple[ak.Array, _Mask, CutFlow]:
    """The selected events, with their objects cut, sorted by falling pT and truncated as the card says.

    What the card builds is among them. Also returns the mask of shape (n,) that says which of the given events were
    kept, and the cut flow. Collections that the card does not name are left as they were read.

    `events` are hepad's, as the readers or `hepad.io.memory.events_from` make them; else, or if they lack what the card
    needs or hold a pT that is not finite, `InputDataError`.
    """
    check_events(events, card.fields(), f"selection {card.name!r}")
    fields = contents(events)
    defined = {name: _define(fields[name], rule, rule.max_count) for name, rule in card.objects.items()}
    events = build_collections(record(fields | defined), card)
    weights = numbers(fields["weight"])
    keep: _Mask = np.ones(len(events), dtype=bool)
    steps = [CutStep.of("all events", weights)]
    for requirement in card.require:
        keep = keep & fulfils(events, requirement)
        steps.append(CutStep.of(requirement.name, weights[keep]))
    return taken(events, keep), keep, CutFlow(tuple(steps))


def fulfils(events: ak.Array, requirement: Requirement) -> _Mask:
    """The mask (n,) of the events that fulfil a requirement; their objects are cut, sorted and built already."""
    masks = [_holds(events, condition) for condition in (*requirement.any, *requirement.all)]
    return np.asarray(reduce(np.logical_or if requirement.any else np.logical_and, masks))


def check_events(events: Any, needed: Fields, by: str) -> None:
    """Raise `InputDataError` unless events have the fields that are `needed` `by` something, and finite momenta."""
    remedy = "make them with hepad.load_events"
    if not isinstance(events, ak.Array):
        raise InputDataError(f"{by} takes hepad's events, an awkward array, not {type(events).__name__}; {remedy}")
    needed = objects_of(needed) | {name: set() for name in needed if name == SQRT_S}
    layout: Any = events.layout  # without behaviours: vector's refuse to look at incomplete momenta
    have = {name: set(layout[name].fields) for name in layout.fields}
    lacks = [name for name in (*needed, "weight") if name not in have]
    lacks += [f"{name}.{f}" for name in needed if have.get(name) for f in sorted(needed[name] - have[name])]
    if lacks:
        raise InputDataError(f"these events lack {', '.join(lacks)}, which {by} needs; {remedy}")
    for name in [name for name, features in have.items() if "pt" in features]:
        try:
            part = layout[name]
            pt = numbers(part["pt"]) if name == "met" else Objects.of(part)["pt"]
        except (AttributeError, TypeError, ValueError) as error:
            raise InputDataError(f"the {name} of these events are no plain lists of numbers; {remedy}") from error
        if not np.isfinite(pt.sum()):
            raise InputDataError(f"{name}.pt of these events holds {pt[~np.isfinite(pt)][0]}; {remedy}")


def _define(collected: Any, cuts: ObjectCuts, max_count: int | None) -> ak.Array:
    objects = Objects.of(collected)
    mask = passing(objects, cuts)
    if mask is not None:
        objects = objects.take(mask)
    objects = objects.sorted()
    if max_count is not None:
        objects = objects.first(max_count)
    return collection(objects.offsets, objects.columns)


def _holds(events: ak.Array, condition: Condition) -> _Mask:
    """Mask of shape (n,) of the events that fulfil one condition."""
    name = condition.quantity
    rule = getattr(condition, name)
    if isinstance(rule, ObjectsRange):
        return _objects_hold(events, name, rule)
    if isinstance(rule, Range):
        values = events.met.pt if name == "met" else events[name]
        return np.asarray(inside(ak.to_numpy(values), rule))
    if isinstance(rule, TriggerBit):
        return np.asarray(ak.to_numpy(events.trigger[rule.bit]) == rule.fired)
    if name == LABEL:
        return np.asarray(ak.to_numpy(events.label[rule]))
    if isinstance(rule, ChargeSum):
        return np.isin(sum(_charge(Objects.of(events[n])) for n in LEPTONS), rule.values)
    if isinstance(rule, LeptonPairs):
        leptons = [Objects.of(events[n]) for n in LEPTONS]
        count = sum(pairs_in_range(part, rule.mass) if rule.mass else opposite_pairs(part) for part in leptons)
    else:
        count = sum(_count(events.layout[n], rule) for n in (LEPTONS if name == "leptons" else (name,)))
    result: _Mask = np.ones(len(events), dtype=bool)
    if condition.min_count is not None:
        result &= count >= condition.min_count
    if condition.max_count is not None:
        result &= count <= condition.max_count
    return result


def _objects_hold(events: ak.Array, name: str, rule: ObjectsRange) -> _Mask:
    objects = parse_mass(rule.objects)
    if name == "mass":
        values, has_all = invariant_mass(events, objects)
    else:
        values, has_all = separation(events, objects, "eta" if name == "delta_eta" else "phi")
    result: _Mask = has_all.copy()
    result[has_all] = inside(values, rule)
    return result


def _count(collection: Any, cuts: ObjectCuts) -> npt.NDArray[np.int64]:
    objects = Objects.of(collection)
    mask = passing(objects, cuts)
    return objects.counts if mask is None else objects.number(mask)


def _charge(leptons: Objects) -> npt.NDArray[np.int64]:
    charge = leptons.columns["charge"]
    return leptons.number(charge > 0) - leptons.number(charge < 0)
