"""The background of a search, from simulated events that its models have not seen: events and spectra in pb."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.resolver import unpacked
from hepad.cards.search import ALL
from hepad.errors import InputDataError, UsageError
from hepad.io.atomic import atomic_folder, check_folder
from hepad.io.background import EVENTS, OURS, RECORD, SCHEMA, SPECTRA, write_background_events
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.io.spectra import write_histograms_json
from hepad.pipeline.heldout import held_out
from hepad.pipeline.sample import FileSample, common_energy, file_samples, weight_sums
from hepad.pipeline.search import Category, Search, prepare_search
from hepad.pipeline.search_events import CategoryEvents, Reading, search_chunks
from hepad.pipeline.search_spectra import channel_edges, fill_spectrum
from hepad.pipeline.weighting import CrossSections, PbWeights
from hepad.provenance import command_line, provenance
from hepad.stats.acceptance import Sums

__all__ = ["BackgroundOptions", "BackgroundReport", "make_background"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class BackgroundOptions:
    """Options of `make_background`. `cross_sections` are patterns of files and pb (see `hepad.pipeline.weighting`);
    without any, files must state their own.
    """

    output: Path
    cross_sections: Sequence[tuple[str, float]] = ()
    model: str | None = None
    selection: str | None = None
    sqrt_s_gev: float | None = None
    step_size: int = DEFAULT_STEP_SIZE
    on_events: Callable[[int], None] | None = None


@dataclass(frozen=True)
class BackgroundReport:
    """What was written: the record, without its provenance."""

    output: Path
    record: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {**self.record, "output": str(self.output)}


def make_background(analysis: str, files: Sequence[str], *, options: BackgroundOptions) -> BackgroundReport:
    """Write the events of background files that fall into a region of a search, and the spectra of all regions.

    Events that a model of the search was trained on are left out, and the others of these files weighted up for them
    (see `held_out`). Weights are in pb: those of a file sum to its cross section, over all that was generated. Only
    events in at least one region are kept, as those are few. `UsageError` if a file has no cross section.
    """
    check_folder(options.output, ours=OURS)
    with unpacked(analysis) as card:
        search = prepare_search(card, model=options.model, selection=options.selection)
    paths = expand_files(files)
    samples = file_samples(paths)
    sections = CrossSections.of(options.cross_sections, paths) if options.cross_sections else None
    missing = [s.path.name for s in samples if s.info.cross_section_pb is None]
    if sections is None and missing:
        raise UsageError(f"{missing[0]} states no cross section; give those of all files with --cross-section FILE=PB")
    events, factors = _read(search, samples, sections, options)
    if not any(len(part) for part in events.values()):
        raise InputDataError(f"no background event passes a selection of {search.card.name} outside the training")
    record = {
        "schema": SCHEMA,
        "analysis": search.card.name,
        "categories": [_category_record(category, events[category.name]) for category in search.categories],
        "files": [{"name": path.name, "pb_per_weight": float(f)} for path, f in zip(paths, factors, strict=True)],
    }
    command = command_line(
        "analysis background",
        analysis=search.card.name,
        cross_section=sections.words() if sections else None,
        model=options.model and Path(options.model).name,
        selection=options.selection and Path(options.selection).name,
    )
    origin = provenance(command, inputs=paths, cards=search.cards)
    spectra = {
        f"{channel.name}_{region}": fill_spectrum(
            events[category.name], category, channel.name, region, channel_edges(search, channel.name)
        )
        for category in search.categories
        for channel in category.channels
        for region in search.regions
    }
    with atomic_folder(options.output, ours=OURS) as folder:
        write_background_events(folder / EVENTS, _kept(search, events))
        write_histograms_json(folder / SPECTRA, spectra)
        text = json.dumps({**record, "provenance": origin}, indent=2, allow_nan=False)
        (folder / RECORD).write_text(text + "\n", encoding="utf-8")
    return BackgroundReport(options.output, record)


def _read(
    search: Search, samples: Sequence[FileSample], sections: CrossSections | None, options: BackgroundOptions
) -> tuple[dict[str, CategoryEvents], FloatArray]:
    """The usable events of each category with weights in pb, and the pb (files,) that a unit of weight stands for."""
    paths = [sample.path for sample in samples]
    unseen = {c.name: held_out(paths, c.bundle).factors if c.bundle else [None] * len(paths) for c in search.categories}
    energy = options.sqrt_s_gev or common_energy(samples) or search.card.sqrt_s_gev
    reading = Reading(sqrt_s_gev=energy, step_size=options.step_size, on_events=options.on_events)
    parts: dict[str, list[tuple[int, CategoryEvents]]] = {category.name: [] for category in search.categories}
    sums, in_pb = [Sums(0, 0.0, 0.0)] * len(paths), PbWeights(sections) if sections else None
    for piece in search_chunks(paths, search, reading):
        file = piece.chunk.file
        sums[file] += weight_sums(np.asarray(ak.to_numpy(piece.chunk.events.weight), dtype=np.float64))
        entries = ak.to_numpy(piece.chunk.events.index)
        if in_pb:
            in_pb.add(piece.chunk.file, float(np.sum(piece.chunk.events.weight)))
        for name, events in piece.events.items():
            factor = unseen[name][file]
            usable = events if factor is None else events.scaled(factor[entries[events.row - piece.first_row]])
            parts[name].append((file, usable.take(usable.weight != 0)))
    factors = in_pb.factors() if in_pb else _own_factors(samples, sums)
    usable_pb = {
        name: CategoryEvents.concatenate(mine.scaled(float(factors[file])) for file, mine in pieces)
        for name, pieces in parts.items()
    }
    return usable_pb, factors


def _own_factors(samples: Sequence[FileSample], sums: Sequence[Sums]) -> FloatArray:
    """By the cross sections that files state, of all that was generated for each."""
    factors = []
    for sample, own in zip(samples, sums, strict=True):
        total = sample.generated(own).weight
        if total <= 0:
            raise InputDataError(f"{sample.path}: its weights sum to {total:g}, which stands for no cross section")
        factors.append((sample.info.cross_section_pb or 0.0) / total)
    return np.array(factors)


def _category_record(category: Category, events: CategoryEvents) -> dict[str, Any]:
    """What the events of a category are good for: selection, model, and in each region the yield in pb."""
    regions = {}
    for name in (ALL, *category.regions):
        weights = events.weight[events.inside(category, name)]
        sums = weight_sums(weights)
        regions[name] = {
            "events": sums.events,
            "cross_section_pb": sums.weight,
            "error_pb": float(np.sqrt(sums.weight2)),
        }
    cuts = category.regions.values()
    return {
        "name": category.name,
        "selection": category.selection.model_dump(mode="json", by_alias=True, exclude_none=True),
        "bundle": None if category.bundle is None else category.bundle.sha256,
        "kept_above": {score: min(c.threshold for c in cuts if c.score == score) for score in {c.score for c in cuts}},
        "regions": regions,
    }


def _kept(search: Search, events: Mapping[str, CategoryEvents]) -> dict[str, npt.NDArray[Any]]:
    """The columns of the events in at least one region of their category; all events without a model."""
    kept = []
    for category in search.categories:
        mine = events[category.name]
        names = [*category.regions] or [ALL]
        kept.append(mine.take(np.any([mine.inside(category, name) for name in names], axis=0)))
    numbers = [np.full(len(part), i, dtype=np.int8) for i, part in enumerate(kept)]
    columns: dict[str, npt.NDArray[Any]] = {
        "category": np.concatenate(numbers),
        "event": np.concatenate([part.row for part in kept]),
        "weight_pb": np.concatenate([part.weight for part in kept]),
    }
    for prefix, what in (("score", "scores"), ("m", "masses")):
        names = sorted({name for part in kept for name in getattr(part, what)})
        for name in names:
            pieces = [getattr(part, what).get(name, np.full(len(part), np.nan)) for part in kept]
            columns[f"{prefix}_{name}"] = np.concatenate(pieces).astype(np.float32)
    return columns
