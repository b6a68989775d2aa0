"""Which pixels of an image carry a score: of the events of the highest scores, and in the mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.bundles.bundle import Bundle
from hepad.cards.selection import SelectionCard
from hepad.errors import InputDataError, UsageError
from hepad.inputs.batch import Batch
from hepad.io.reader import read_events
from hepad.nn.explain import Attribution, attribution
from hepad.objects.selection import apply_selection
from hepad.paths import InputPath
from hepad.pipeline.explain.options import ExplainOptions
from hepad.pipeline.explain.report import EventMap, MapsReport, MeanMap, SampleMaps
from hepad.pipeline.explain.shared import selection_of
from hepad.samples.scoring import score_events
from hepad.stats.scores.regions import Region, region_of

__all__ = ["explain_maps"]

_AT_ONCE = 64
"""Events whose maps are in memory together."""


def explain_maps(paths: Mapping[str, Sequence[InputPath]], bundle: Bundle, options: ExplainOptions) -> MapsReport:
    """Share a score out among the pixels.

    `CardError` if the model cannot say, `InputDataError` if a sample has no event in the region.
    """
    score = options.score or bundle.card.scores[0]
    region = _region(bundle, options)
    selection = selection_of(bundle, options)
    layout = bundle.input.layout
    asked = _Asked(bundle, selection, score, region, options)
    maps = [_sample(name, files, asked) for name, files in paths.items()]
    edges = getattr(bundle.input, "edges", None)
    eta, phi = (np.arange(n + 1.0) for n in layout.shape[1:]) if edges is None else edges
    return MapsReport(
        bundle.card.name, score, maps[0][1], options.region, layout.features, eta, phi, edges is None,
        tuple(sample for sample, _ in maps), options.output,
    )  # fmt: skip


@dataclass(frozen=True)
class _Asked:
    """What is explained."""

    bundle: Bundle
    selection: SelectionCard
    score: str
    region: Region | None
    options: ExplainOptions


def _region(bundle: Bundle, options: ExplainOptions) -> Region | None:
    if options.region is None:
        return None
    known = bundle.regions(options.regions)
    if options.region not in known:
        raise UsageError(f"--region {options.region}: no such region; there are {', '.join(known) or 'none'}")
    return region_of(known[options.region])


def _chunks(paths: Sequence[InputPath], asked: _Asked, *, tell: bool) -> Iterator[tuple[int, ak.Array]]:
    """The place of its file and the selected events of each chunk."""
    options = asked.options
    fields = asked.bundle.fields(asked.selection)
    for chunk in read_events(paths, fields, step_size=options.step_size, max_events=options.max_events):
        yield chunk.file, apply_selection(chunk.events, asked.selection)[0]
        if tell and options.on_events:
            options.on_events(len(chunk.events), None)


def _sample(name: str, paths: Sequence[InputPath], asked: _Asked) -> tuple[SampleMaps, str]:
    """The maps of a sample, and by which method. Its events are read twice: only those that are shown are kept."""
    found, inside = [], []
    for _, events in _chunks(paths, asked, tell=True):
        scores = score_events(asked.bundle, events)
        if asked.score not in scores:
            attribution(asked.bundle.scorer, asked.bundle.input(events[:0]), asked.score)  # says which there are
        found.append(scores[asked.score])
        inside.append(np.ones(len(events), bool) if asked.region is None else asked.region.inside(scores))
    values, kept = np.concatenate(found), np.concatenate(inside)
    rows = np.flatnonzero(kept)
    if not len(rows):
        where = "" if asked.options.region is None else f" is in region {asked.options.region!r}, or"
        raise InputDataError(f"sample {name}: no event{where} passes selection {asked.selection.name!r}")
    top = rows[np.argsort(-values[rows], kind="stable")[: asked.options.top]]
    spaced = np.linspace(0, len(rows) - 1, min(len(rows), asked.options.mean_of)).round().astype(np.int64)
    mean, shown, method = _explained(paths, asked, top, rows[np.unique(spaced)])
    return SampleMaps(name, len(rows), mean, shown), method


def _explained(
    paths: Sequence[InputPath], asked: _Asked, top: npt.NDArray[np.int64], of_mean: npt.NDArray[np.int64]
) -> tuple[MeanMap, tuple[EventMap, ...], str]:
    """The mean over rows of a sample's selected events, the maps of its `top` rows, and by which method."""
    shown: dict[int, EventMap] = {}
    shape = asked.bundle.input.layout.shape
    sums, numbers, method = np.zeros((2, *shape)), np.zeros(2), "exact"
    for row, file, entry, batch, parts in _attributions(paths, asked, np.union1d(top, of_mean)):
        method = parts.method
        seen = np.asarray(batch.x, dtype=np.float64)
        mine = np.isin(row, of_mean)
        sums += np.stack([seen[mine].sum(axis=0), parts.parts[mine].sum(axis=0)])
        numbers += (parts.score[mine].sum(), parts.baseline[mine].sum())
        for i in np.flatnonzero(np.isin(row, top)):
            score, baseline, missing = (float(array[i]) for array in (parts.score, parts.baseline, parts.missing))
            shown[int(row[i])] = EventMap(file, int(entry[i]), score, baseline, missing, seen[i], parts.parts[i])
    n = len(of_mean)
    mean = MeanMap(n, float(numbers[0] / n), float(numbers[1] / n), *(sums / n))
    return mean, tuple(shown[int(row)] for row in top), method


def _attributions(
    paths: Sequence[InputPath], asked: _Asked, wanted: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.int64], int, npt.NDArray[np.int64], Batch, Attribution]]:
    """Rows, file, entries, batch and attribution of the wanted rows of a sample's selected events, some at a time."""
    before = 0
    for file, events in _chunks(paths, asked, tell=False):
        mine = wanted[(wanted >= before) & (wanted < before + len(events))]
        for start in range(0, len(mine), _AT_ONCE):
            rows = mine[start : start + _AT_ONCE]
            some = events[rows - before]
            batch = asked.bundle.input(some)
            found = attribution(asked.bundle.scorer, batch, asked.score)
            if not np.isfinite(found.parts).all():
                raise InputDataError(f"{paths[file]}: a part of the score is not finite; is the input?")
            yield rows, file, ak.to_numpy(some.index).astype(np.int64), batch, found
        before += len(events)
