"""Which seeds of a menu accept events."""

from __future__ import annotations

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.menu import MenuCard
from hepad.objects.selection import apply_selection, fulfils

__all__ = ["seed_decisions"]


def seed_decisions(events: ak.Array, menu: MenuCard) -> npt.NDArray[np.bool_]:
    """Whether each seed accepts each event, of shape (n, seeds), before prescales.

    `events` are hepad's, with what `menu.fields()` asks for; `InputDataError` if they lack some of it.
    """
    objects, _, _ = apply_selection(events, menu.objects_selection)
    return np.stack([fulfils(objects, seed) for seed in menu.seeds], axis=1)
