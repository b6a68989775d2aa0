"""Read files and apply a selection chunk by chunk: the loop that every stage over events shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.selection import SelectionCard
from hepad.errors import InputDataError
from hepad.io.events import Chunk, Fields
from hepad.io.reader import DEFAULT_STEP_SIZE, read_events
from hepad.objects.cutflow import CutFlow
from hepad.objects.selection import apply_selection
from hepad.paths import InputPath

__all__ = ["SelectedChunk", "blocks", "checked_flow", "selected_chunks"]

BLOCK_BYTES = 1 << 23
"""Of the numbers that an input makes of a block of events: about what a processor's cache holds."""
BLOCK_ROWS = 1024
"""Blocks are multiples of this, for models that take so many events at a time, or half as many."""


@dataclass(frozen=True)
class SelectedChunk:
    """A chunk as it was read, the mask of shape (n,) of the events selected, and these events with their objects cut.

    `flow` is the cut flow of all chunks up to this one: that of the last chunk is the whole.
    """

    chunk: Chunk
    keep: npt.NDArray[np.bool_]
    events: ak.Array
    flow: CutFlow


def blocks(events: ak.Array, numbers: int) -> Iterator[ak.Array]:
    """The events in pieces for which `numbers` single-precision numbers an event take about `BLOCK_BYTES`.

    At least one piece, if an empty one: it gives the shapes of what is made of it.
    """
    rows = max(1, BLOCK_BYTES // (4 * numbers * BLOCK_ROWS)) * BLOCK_ROWS
    for start in range(0, max(len(events), 1), rows):
        yield events[start : start + rows]


def selected_chunks(
    paths: Sequence[InputPath],
    selection: SelectionCard,
    fields: Fields,
    *,
    step_size: int = DEFAULT_STEP_SIZE,
    max_events: int | None = None,
    what: str = "event",
) -> Iterator[SelectedChunk]:
    """The selected events of files, chunk by chunk.

    `InputDataError` at the end if there were none, with the cut flow: nothing selected is no result. `what` is the
    word for the events in that message.
    """
    flow: CutFlow | None = None
    for chunk in read_events(paths, fields, step_size=step_size, max_events=max_events):
        events, keep, own = apply_selection(chunk.events, selection)
        flow = own if flow is None else flow + own
        yield SelectedChunk(chunk, keep, events, flow)
    checked_flow(flow, selection, what=what)


def checked_flow(flow: CutFlow | None, selection: SelectionCard, *, what: str = "event") -> CutFlow:
    """The cut flow of all that was read; `InputDataError` if nothing was selected: that is no result."""
    if flow is None or flow.selected.events == 0:
        raise InputDataError(f"no {what} passes selection {selection.name!r} ({flow or 'no events read'})")
    return flow
