"""The background of a search, from simulated events that its models have not seen: events and spectra in pb."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.resolver import unpacked
from hepad.cards.search import ALL
from hepad.errors import InputDataError, UsageError
from hepad.execution.executor import Execution
from hepad.execution.making import Making
from hepad.execution.run import OnEvents, Run, Skipped
from hepad.execution.store import RunFolder
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.io.tables.background import EVENTS, RECORD, SCHEMA, SPECTRA, write_background_events
from hepad.output.atomic import atomic_folder, check_folder
from hepad.output.complete import stored_record
from hepad.output.json_text import json_text
from hepad.paths import InputPath
from hepad.provenance import command_line, provenance
from hepad.samples.heldout import held_out
from hepad.samples.sample import Samples, weight_sums
from hepad.samples.weighting import CrossSections, PbWeights
from hepad.search.bins import write_yields
from hepad.search.events import CategoryEvents, Reading, SearchJob, check_energy, search_parts
from hepad.search.search import Category, Search, prepare_search
from hepad.search.spectra import fill_spectrum
from hepad.spectra.files import write_histograms_json

__all__ = ["BackgroundOptions", "BackgroundReport", "make_background"]

FloatArray = npt.NDArray[np.float64]

YIELDS = "yields.csv"
"""Of a search with bins: the cross section of each process in each of them."""


@dataclass(frozen=True, kw_only=True)
class BackgroundOptions:
    """Options of `make_background`. `cross_sections` are patterns of files and pb (see `hepad.samples.weighting`);
    without any, files must state their own.
    """

    output: Path
    cross_sections: Sequence[tuple[str, float]] = ()
    model: str | None = None
    selection: str | None = None
    sqrt_s_gev: float | None = None
    step_size: int = DEFAULT_STEP_SIZE
    execution: Execution = field(default_factory=Execution)
    on_events: OnEvents | None = None


@dataclass(frozen=True)
class BackgroundReport:
    """What was written: the record, without its provenance. `complete_before`: it was there already."""

    output: Path
    record: dict[str, Any]
    complete_before: bool = False

    @property
    def skipped(self) -> list[Skipped]:
        """The files that were left out."""
        return [Skipped(**one) for one in self.record["skipped"]]

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {**self.record, "output": str(self.output)}


def make_background(analysis: str, files: Sequence[str], *, options: BackgroundOptions) -> BackgroundReport:
    """Write the events of background files that fall into a region of a search, and the spectra of all regions.

    Of a search whose bins are fitted together also the yields of the processes in them, which its card names.

    Events that a model of the search was trained on are left out, and the others of these files weighted up for them
    (see `held_out`). Weights are in pb: those of a file sum to its cross section, over all that was generated. Only
    events in at least one region are kept, as those are few. An interrupted run goes on from `OUTPUT.run`; if the
    output is there already, made by the same call of the same inputs, nothing is done. `UsageError` if a file has no
    cross section.
    """
    check_energy(options.sqrt_s_gev)
    check_folder(options.output, verb="analysis background")
    with unpacked(analysis) as card:
        search = prepare_search(card, model=options.model, selection=options.selection)
        return _make(search, expand_files(files), options)


def _make(search: Search, paths: Sequence[InputPath], options: BackgroundOptions) -> BackgroundReport:
    output = options.output
    sections = CrossSections.of(options.cross_sections, paths) if options.cross_sections else None
    command = command_line(
        "analysis background",
        analysis=search.card.name,
        cross_section=sections.words() if sections else None,
        model=options.model and Path(options.model).name,
        selection=options.selection and Path(options.selection).name,
        sqrt_s=options.sqrt_s_gev,
    )

    def described(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return provenance(command, inputs=records, cards=search.cards)

    making = Making.of(output, paths, described, again=options.execution.force)
    if before := making.before(read=_stored):
        return before
    with making.run_folder() as runs, atomic_folder(output, verb="analysis background") as folder:
        reading = Reading(
            sqrt_s_gev=options.sqrt_s_gev,
            step_size=options.step_size,
            execution=options.execution,
            on_events=options.on_events,
        )
        run = reading.run(paths, search, reading.store(runs, "background", search))
        events, factors, origins = _read(run, sections, _unseen(run, runs))
        record = _record(search, events, {paths[file]: factor for file, factor in factors.items()}, run.skipped)
        write_background_events(folder / EVENTS, _kept(search, events))
        write_histograms_json(folder / SPECTRA, _spectra(search, events))
        if search.card.simultaneous is not None:
            write_yields(folder / YIELDS, search, events, origins, paths)
        content = {**record, "provenance": making.description(run.reasons(), run.whole)}
        (folder / RECORD).write_text(
            json_text("analysis background/background.json", content, indent=2), encoding="utf-8"
        )
    return BackgroundReport(output, record)


def _stored(output: Path) -> tuple[Any, BackgroundReport]:
    """What a background that is there says of itself, and its report."""
    record, content = stored_record(output / RECORD, files=(EVENTS, SPECTRA))
    del content["provenance"]
    return record, BackgroundReport(output, content, complete_before=True)


def _unseen(run: Run[SearchJob], runs: RunFolder) -> dict[str, Sequence[FloatArray | None]]:
    """For each category the factors of the events of each file, None where all are usable; see `held_out`."""
    found: dict[str, Sequence[FloatArray | None]] = {}
    for number, category in enumerate(run.job.search.categories, 1):
        found[category.name] = [None] * len(run.paths)
        if category.bundle is not None:
            key = {"provenance": provenance("selection of entries", cards={"bundle": category.bundle.sha256})}
            store = partial(runs.store, f"training_{number}", key)
            found[category.name] = held_out(run.paths, category.bundle, execution=run.execution, store=store).factors
    return found


def _read(
    run: Run[SearchJob], sections: CrossSections | None, unseen: Mapping[str, Sequence[FloatArray | None]]
) -> tuple[dict[str, CategoryEvents], dict[int, float], dict[str, npt.NDArray[np.int64]]]:
    """The usable events of each category with weights in pb, and the pb that a unit of weight of each file stands for.

    Also, by category, the file of each of these events (n,). Files are told by their place among the inputs; those that
    were left out are in none of these.
    """
    search, paths = run.job.search, run.paths
    parts: dict[str, list[tuple[int, CategoryEvents]]] = {category.name: [] for category in search.categories}
    samples, in_pb = Samples(run.job.assumed_sqrt_s_gev), PbWeights(sections) if sections else None
    for piece in search_parts(run):
        file = piece.file
        samples.add(file, piece.path, piece.facts, piece.weights)
        if in_pb:
            in_pb.add(file, float(np.sum(piece.weights)))
        elif samples.files[file].info.cross_section_pb is None:
            raise UsageError(
                f"{piece.path.name} states no cross section; give those of all files with --cross-section FILE=PB"
            )
        for name, events in piece.events.items():
            factor = unseen[name][file]
            entries = events.row - piece.first_row + piece.first
            usable = events if factor is None else events.scaled(factor[entries])
            parts[name].append((file, usable.take(usable.weight != 0)))
    left_out = run.reasons()
    read = [file for file in range(len(paths)) if file not in left_out]
    of_all = in_pb.factors() if in_pb else None
    factors = {
        file: _own_factor(samples, file, paths[file]) if of_all is None else float(of_all[file]) for file in read
    }
    usable_pb = {
        name: CategoryEvents.concatenate(mine.scaled(factors[file]) for file, mine in pieces)
        for name, pieces in parts.items()
    }
    origins = {
        name: np.concatenate([np.full(len(mine), file, dtype=np.int64) for file, mine in pieces])
        for name, pieces in parts.items()
    }
    return usable_pb, factors, origins


def _own_factor(samples: Samples, file: int, path: InputPath) -> float:
    """By the cross section that a file states, of all that was generated for it."""
    sample = samples.files.get(file)
    total = 0.0 if sample is None else sample.generated(samples.read[file]).weight
    if sample is None or total <= 0:
        raise InputDataError(f"{path}: its weights sum to {total:g}, which stands for no cross section")
    return (sample.info.cross_section_pb or 0.0) / total


def _record(
    search: Search,
    events: Mapping[str, CategoryEvents],
    factors: Mapping[InputPath, float],
    skipped: Sequence[Skipped],
) -> dict[str, Any]:
    """What a background says of itself, but for its provenance; `InputDataError` if it has no events."""
    if not any(len(part) for part in events.values()):
        raise InputDataError(f"no background event passes a selection of {search.card.name} outside the training")
    return {
        "schema": SCHEMA,
        "analysis": search.card.name,
        "categories": [_category_record(search, category, events[category.name]) for category in search.categories],
        "files": [{"name": path.name, "pb_per_weight": factor} for path, factor in factors.items()],
        "skipped": [vars(one) for one in sorted(skipped, key=lambda one: one.file)],
    }


def _spectra(search: Search, events: Mapping[str, CategoryEvents]) -> dict[str, Any]:
    """The spectra in pb of all channels in all regions."""
    return {
        f"{channel.name}_{region}": fill_spectrum(events[category.name], category, channel.name, region, channel.edges)
        for category in search.categories
        for channel in category.channels
        for region in search.regions
    }


def _category_record(search: Search, category: Category, events: CategoryEvents) -> dict[str, Any]:
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
        "kept_all": _keeps_all(search, category),
        "kept_above": {score: min(c.threshold for c in cuts if c.score == score) for score in {c.score for c in cuts}},
        "regions": regions,
    }


def _keeps_all(search: Search, category: Category) -> bool:
    """Whether the region of every selected event is one of the search's own."""
    return ALL in search.card.regions or not category.regions


def _kept(search: Search, events: Mapping[str, CategoryEvents]) -> dict[str, npt.NDArray[Any]]:
    """The columns of the events in at least one region of their category; all if that is a region of its own."""
    kept = []
    for category in search.categories:
        mine = events[category.name]
        names = [ALL] if _keeps_all(search, category) else [*category.regions]
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
