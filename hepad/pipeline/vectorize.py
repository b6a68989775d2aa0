"""Write what a network sees: events as rows of numbers, for people who train networks of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from hepad import registry
from hepad.cards.analysis import InputCard
from hepad.cards.base import parse_card
from hepad.cards.selection import load_selection
from hepad.inputs.l1_vector import L1Vector
from hepad.io.atomic import atomic_path, check_file
from hepad.io.events import merge_fields
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.io.tables import TableWriter
from hepad.objects.cutflow import CutFlow
from hepad.pipeline.selected import selected_chunks
from hepad.provenance import command_line, provenance

__all__ = ["VectorizeOptions", "VectorizeReport", "vectorize"]


@dataclass(frozen=True)
class VectorizeOptions:
    """Options of `vectorize`. `features`, `order` and `counts` are as in an analysis card's input."""

    selection: str = "adc2021"
    input: str = "l1_vector"
    features: tuple[str, ...] = ("pt",)
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

    `x` is float32 of shape (n, d) in physical units (GeV, radians), not scaled: a scale belongs to a training.
    """
    options = options or VectorizeOptions()
    paths = expand_files(files)
    check_file(output, inputs=paths)
    selection = load_selection(options.selection)
    registry.lookup(registry.INPUTS, options.input, "input")
    vector = L1Vector(_input_card(options))
    fields = merge_fields(selection.fields(), vector.fields())
    command = command_line(
        "vectorize",
        selection=selection.name,
        input=options.input,
        features=",".join(options.features),
        max_events=options.max_events,
    )
    info = {"selection": selection.name, "provenance": provenance(command, inputs=paths)}
    with atomic_path(output) as temporary, TableWriter(temporary, vector.columns, info) as out:
        for piece in selected_chunks(
            paths, selection, fields, step_size=options.step_size, max_events=options.max_events
        ):
            flow = piece.flow
            batch = vector.raw(piece.events)
            out.write(
                {
                    "x": batch.x,
                    "file": np.full(len(batch), piece.chunk.file, dtype=np.int32),
                    "entry": ak.to_numpy(piece.events.index).astype(np.int64),
                    "weight": batch.weight,
                }
            )
            if options.on_events:
                options.on_events(len(piece.keep))
    return VectorizeReport(output, flow, vector.columns)


def _input_card(options: VectorizeOptions) -> InputCard:
    content: dict[str, Any] = {"kind": options.input, "features": options.features}
    if options.order is not None:
        content["order"] = options.order
    if options.counts is not None:
        content["counts"] = options.counts
    return parse_card(InputCard, content, "input options")
