"""What explaining objects and explaining pixels share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hepad.bundles.bundle import Bundle
from hepad.cards.bundle import region_words
from hepad.cards.selection import SelectionCard, load_selection
from hepad.inputs.layout import IMAGE
from hepad.paths import InputPath
from hepad.pipeline.explain.options import ExplainOptions
from hepad.provenance import command_line, event_records, provenance

__all__ = ["FILES", "record_of", "selection_of"]

FILES = (("explain.md", "this page for a terminal"), ("explain.json", "all numbers, and the provenance"))
"""What is beside every page, and what is in it."""


def selection_of(bundle: Bundle, options: ExplainOptions) -> SelectionCard:
    """The selection that was asked for, else the model's."""
    return bundle.card.selection if options.selection is None else load_selection(options.selection)


def record_of(paths: Mapping[str, Sequence[InputPath]], bundle: Bundle, options: ExplainOptions) -> dict[str, Any]:
    """What the output says of itself."""
    region = None if options.region is None else region_words(options.region, options.regions.get(options.region))
    command = command_line(
        "explain", model=bundle.card.name, selection=options.selection, score=options.score, region=region,
        top=options.top, mean_of=options.mean_of if bundle.input.layout.axes == IMAGE else None,
        max_events=options.max_events,
    )  # fmt: skip
    return provenance(
        command,
        inputs=event_records(path for files in paths.values() for path in files),
        cards={f"bundle {bundle.card.name}": bundle.sha256},
    )
