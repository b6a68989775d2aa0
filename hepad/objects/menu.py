"""Which seeds of a menu accept events."""

from __future__ import annotations

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.menu import MenuCard
from hepad.io.events import TRIGGER
from hepad.objects.selection import apply_selection, fulfils

__all__ = ["menu_fields", "seed_decisions"]


def menu_fields(menu: MenuCard) -> dict[str, set[str]]:
    """What must be read of events to apply a menu."""
    bits = {TRIGGER: set(menu.bits)} if menu.bits else {}
    return {**menu.fields(), **bits}


def seed_decisions(events: ak.Array, menu: MenuCard) -> npt.NDArray[np.bool_]:
    """Whether each seed accepts each event, of shape (n, seeds), before prescales.

    `events` are hepad's, with what `menu_fields` asks for; `InputDataError` if they lack some of it.
    """
    objects, _, _ = apply_selection(events, menu.objects_selection)
    found = [
        ak.to_numpy(events[TRIGGER][seed.bit]) if seed.bit is not None else fulfils(objects, menu.requirement(seed))
        for seed in menu.seeds
    ]
    return np.stack(found, axis=1).astype(np.bool_)
