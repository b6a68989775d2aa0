"""Write what a network sees: events as rows of numbers, for people who train networks of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.input import InputCard, L1VectorCard, parse_input
from hepad.cards.selection import load_selection
from hepad.inputs.base import Input, make_input
from hepad.io.atomic import atomic_path, check_file
from hepad.io.events import merge_fields
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.io.tables import TableWriter
from hepad.objects.cutflow import CutFlow
from hepad.pipeline.selected import blocks, selected_chunks
from hepad.provenance import command_line, provenance

__all__ = ["VectorizeOptions", "VectorizeReport", "vectorize"]


@dataclass(frozen=True)
class VectorizeOptions:
    """Options of `vectorize`. `features`, `order` and `counts` are as in an analysis card's input, None: its default.

    Input kind `rmm` knows neither features nor an order.
    """

    selection: str = "adc2021"
    input: str = "l1_vector"
    features: tuple[str, ...] | None = None
    order: tuple[str, ...] | None = None
    counts: dict[str, int] | None = None
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    on_events: Callable[[int], None] | None = None


@dataclass(frozen=True)
class VectorizeReport:
    """What `vectorize` wrote."""

    output: Path
    cutflow: CutFlow
    columns: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "events": self.cutflow.total.events,
            "selected": self.cutflow.selected.events,
            "cutflow": self.cutflow.to_json(),
            "columns": list(self.columns),
            "output": str(self.output),
        }


def vectorize(files: Sequence[str], output: Path, *, options: VectorizeOptions | None = None) -> VectorizeReport:
    """Write `x`, `columns`, `file`, `entry` and `weight` of the selected events as .npz, .h5 or .parquet.

    `x` is float32 of shape (n, d) in physical units (GeV, radians), not scaled: a scale belongs to a training. For
    input kind `rmm` it is the whole matrices, of shape (n, size, size); in .parquet one column a cell.
    """
    options = options or VectorizeOptions()
    paths = expand_files(files)
    check_file(output, inputs=paths)
    selection = load_selection(options.selection)
    card = _input_card(options)
    vector = make_input(card)
    fields = merge_fields(selection.fields(), vector.fields())
    command = command_line(
        "vectorize",
        selection=selection.name,
        input=options.input,
        features=",".join(card.features) if isinstance(card, L1VectorCard) else None,
        max_events=options.max_events,
    )
    info = {"selection": selection.name, "provenance": provenance(command, inputs=paths)}
    with atomic_path(output) as temporary, TableWriter(temporary, vector.table_names, info) as out:
        for piece in selected_chunks(
            paths, selection, fields, step_size=options.step_size, max_events=options.max_events
        ):
            flow = piece.flow
            for events in blocks(piece.events, vector.table_names.size):
                out.write(_rows(vector, events, piece.chunk.file))
            if options.on_events:
                options.on_events(len(piece.keep))
    return VectorizeReport(output, flow, tuple(vector.table_names.ravel().tolist()))


def _rows(vector: Input, events: ak.Array, file: int) -> dict[str, npt.NDArray[Any]]:
    return {
        "x": vector.table(events),
        "file": np.full(len(events), file, dtype=np.int32),
        "entry": ak.to_numpy(events.index).astype(np.int64),
        "weight": ak.to_numpy(events.weight).astype(np.float64),
    }


def _input_card(options: VectorizeOptions) -> InputCard:
    given = {"features": options.features, "order": options.order, "counts": options.counts}
    content = {"kind": options.input, **{key: value for key, value in given.items() if value is not None}}
    return parse_input(content, "input options")
