"""What stages share of selected events: pieces that fit the cache, and that nothing selected is no result."""

from __future__ import annotations

from collections.abc import Iterator

import awkward as ak

from hepad.cards.selection import SelectionCard
from hepad.errors import InputDataError
from hepad.objects.cutflow import CutFlow

__all__ = ["blocks", "checked_flow"]

BLOCK_BYTES = 1 << 23
"""Of the numbers that an input makes of a block of events: about what a processor's cache holds."""
BLOCK_ROWS = 1024
"""Blocks are multiples of this, for models that take so many events at a time, or half as many."""


def blocks(events: ak.Array, numbers: int) -> Iterator[ak.Array]:
    """The events in pieces for which `numbers` single-precision numbers an event take about `BLOCK_BYTES`.

    At least one piece, if an empty one: it gives the shapes of what is made of it.
    """
    rows = max(1, BLOCK_BYTES // (4 * numbers * BLOCK_ROWS)) * BLOCK_ROWS
    if len(events) <= rows:
        yield events
        return
    for start in range(0, len(events), rows):
        yield events[start : start + rows]


def checked_flow(flow: CutFlow | None, selection: SelectionCard, *, what: str = "event") -> CutFlow:
    """The cut flow of all that was read; `InputDataError` if nothing was selected: that is no result."""
    if flow is None or flow.selected.events == 0:
        raise InputDataError(f"no {what} passes selection {selection.name!r} ({flow or 'no events read'})")
    return flow
