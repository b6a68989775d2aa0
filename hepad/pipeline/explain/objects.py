"""Which objects carry the reconstruction error, for samples and for their most anomalous events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.bundles.bundle import Bundle
from hepad.cards.selection import SelectionCard
from hepad.errors import CardError, InputDataError, UsageError
from hepad.inputs.layout import Layout
from hepad.io.reader import read_events
from hepad.nn.explain import EXPLAINED_SCORE, explains
from hepad.objects.selection import apply_selection
from hepad.paths import InputPath
from hepad.pipeline.explain.options import ExplainOptions
from hepad.pipeline.explain.shared import selection_of
from hepad.stats.scores.shares import event_shares, mean_shares

__all__ = [
    "EventRow",
    "ExplainReport",
    "SampleRow",
    "explain_objects",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EventRow:
    """One event: its file (place in the list of the sample's files) and entry, its score, the share of each object.

    `present` names the objects that the event has; an absent one is reconstructed too, from its padding.
    """

    file: int
    entry: int
    score: float
    shares: dict[str, float]
    present: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The event in JSON types."""
        return {**vars(self), "present": list(self.present)}


@dataclass(frozen=True)
class SampleRow:
    """A sample: shares of objects and of columns in the error of all events, with errors, and in that of the top ones.

    Each maps a name to (share, standard error); `present` is the weighted fraction of events that have the object.
    """

    sample: str
    events: int
    mean_score: float
    objects: dict[str, tuple[float, float]]
    columns: dict[str, tuple[float, float]]
    present: dict[str, float]
    top_objects: dict[str, tuple[float, float]]
    top: tuple[EventRow, ...]

    def to_json(self) -> dict[str, Any]:
        """The sample in JSON types."""
        return {**vars(self), "top": [event.to_json() for event in self.top]}


@dataclass(frozen=True)
class ExplainReport:
    """All samples, explained with one model."""

    model: str
    score: str
    samples: tuple[SampleRow, ...]
    output: Path | None

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "model": self.model,
            "score": self.score,
            "samples": [sample.to_json() for sample in self.samples],
            "output": None if self.output is None else str(self.output),
        }


def explain_objects(paths: Mapping[str, Sequence[InputPath]], bundle: Bundle, options: ExplainOptions) -> ExplainReport:
    """Take the score `mse` of a bundle apart.

    The score of an event is the mean over the columns of the squared difference of input and reconstruction; the share
    of an object is that of its columns in the sum. `CardError` if the model reconstructs nothing.
    """
    explains(bundle.scorer)
    if bundle.input.kind != "l1_vector":
        raise CardError(
            f"{bundle.card.name} sees input kind {bundle.input.kind}, whose numbers belong to pairs of objects: "
            "its score cannot be shared out among objects"
        )
    if options.score not in (None, EXPLAINED_SCORE) or options.region is not None:
        raise UsageError("--score and --region are for models of images; of objects the score mse is explained")
    selection = selection_of(bundle, options)
    rows = tuple(_sample(name, files, bundle, selection, options) for name, files in paths.items())
    return ExplainReport(bundle.card.name, EXPLAINED_SCORE, rows, options.output)


@dataclass(frozen=True)
class _Errors:
    """The errors of selected events: of columns, shape (n, d), with masks, weights, files and entries."""

    errors: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    weight: Floats
    file: npt.NDArray[np.int64]
    entry: npt.NDArray[np.int64]


def _read(paths: Sequence[InputPath], bundle: Bundle, selection: SelectionCard, options: ExplainOptions) -> _Errors:
    scorer = explains(bundle.scorer)
    pieces = []
    reading = {"step_size": options.step_size, "max_events": options.max_events}
    for chunk in read_events(paths, bundle.fields(selection), **reading):  # type: ignore[arg-type]
        events, _, _ = apply_selection(chunk.events, selection)
        batch = bundle.input(events)
        entry = ak.to_numpy(events.index).astype(np.int64)
        file = np.full(len(batch), chunk.file, dtype=np.int64)
        pieces.append((scorer.reconstruction_errors(batch), batch.there, batch.weight, file, entry))
        if options.on_events:
            options.on_events(len(chunk.events), None)
    if not sum(len(piece[0]) for piece in pieces):
        raise InputDataError(f"no event of {paths[0].name} passes selection {selection.name!r}; nothing to explain")
    return _Errors(*(np.concatenate(part) for part in zip(*pieces, strict=True)))


def _sample(
    name: str, paths: Sequence[InputPath], bundle: Bundle, selection: SelectionCard, options: ExplainOptions
) -> SampleRow:
    found = _read(paths, bundle, selection, options)
    if not np.isfinite(found.errors).all():
        raise InputDataError(f"sample {name}: a reconstruction error is not finite; is the input?")
    columns = bundle.input.layout.columns
    objects, member = _objects(bundle.input.layout)
    parts = found.errors.astype(np.float64) @ member
    score = found.errors.astype(np.float64).mean(axis=1)
    has = (found.mask.astype(np.float64) @ member) > 0
    best = np.argsort(-score, kind="stable")[: options.top]
    shares = event_shares(parts[best])
    top = tuple(
        EventRow(
            int(found.file[row]),
            int(found.entry[row]),
            float(score[row]),
            dict(zip(objects, map(float, share), strict=True)),
            tuple(o for o, there in zip(objects, has[row], strict=True) if there),
        )
        for row, share in zip(best, shares, strict=True)
    )
    whole = float(found.weight.sum())
    return SampleRow(
        name,
        len(score),
        float(found.weight @ score / whole),
        _named(objects, *mean_shares(parts, found.weight)),
        _named(columns, *mean_shares(found.errors, found.weight)),
        dict(zip(objects, map(float, found.weight @ has / whole), strict=True)),
        _named(objects, *mean_shares(parts[best])),
        top,
    )


def _objects(layout: Layout) -> tuple[tuple[str, ...], Floats]:
    """Objects such as jet1 of a vector, in order, and the (d, k) matrix of which column is whose."""
    owners = [slot.owner for slot in layout.slots]
    objects = tuple(dict.fromkeys(owners))
    return objects, np.array([[owner == o for o in objects] for owner in owners], dtype=np.float64)


def _named(names: Sequence[str], shares: Floats, errors: Floats) -> dict[str, tuple[float, float]]:
    return {name: (float(s), float(e)) for name, s, e in zip(names, shares, errors, strict=True)}
