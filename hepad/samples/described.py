"""Selected events as a bundle sees them: their scores, quantities that people know, and their place in latent space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.bundles.bundle import Bundle
from hepad.cards.bundle import RegionCard
from hepad.cards.selection import SelectionCard, load_selection
from hepad.errors import CardError, InputDataError, UsageError
from hepad.execution.executor import Execution
from hepad.execution.parts import Part
from hepad.execution.run import OnEvents, Run, Skipped
from hepad.execution.store import MemoryStore, RunFolder, Store
from hepad.execution.units import Step
from hepad.inputs.batch import Batch
from hepad.inputs.layout import IMAGE, VECTOR, Layout
from hepad.io.events import Chunk
from hepad.io.reader import DEFAULT_STEP_SIZE
from hepad.nn.embeds import Embeds
from hepad.nn.scorer import Scores
from hepad.objects.selection import apply_selection, check_events
from hepad.output.complete import made_with, selection_hash
from hepad.paths import InputPath
from hepad.provenance import command_line, provenance
from hepad.samples.selected import blocks, checked_flow
from hepad.stats.scores.regions import region_of

__all__ = [
    "SPACES",
    "Described",
    "DescribedJob",
    "DescribedOptions",
    "Space",
    "described_provenance",
    "described_samples",
    "quantity_names",
    "space_of",
]

Space = Literal["latent", "input", "quantities"]
SPACES: tuple[Space, ...] = ("latent", "input", "quantities")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DescribedOptions:
    """Options of a verb that describes samples and reports on them: where it writes, what it selects, how it reads.

    `selection` None is the model's own; `simulation` labels figures.
    """

    output: Path | None = None
    selection: str | None = None
    seed: int = 1
    simulation: bool = False
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    execution: Execution = field(default_factory=Execution)
    on_events: OnEvents | None = None

    @property
    def folder(self) -> Path:
        """The output; `UsageError` if there is none."""
        if self.output is None:
            raise UsageError("give the folder that the report goes to")
        return self.output

    def selection_of(self, bundle: Bundle) -> SelectionCard:
        """The selection asked for, by default that of the bundle."""
        return load_selection(self.selection) if self.selection else bundle.card.selection


@dataclass(frozen=True)
class Described:
    """Events of files that were selected, and are in the region if one was asked for.

    `file` and `entry` say which they are, `scores` are by name, `quantities` (n, len(names)) in their physical units,
    `points` (n, d) in the space asked for: in that of `quantities` they are ln(1 + x) of numbers and sums. `selected`
    counts all selected events.
    """

    file: npt.NDArray[np.int64]
    entry: npt.NDArray[np.int64]
    weight: Floats
    scores: Scores
    names: tuple[str, ...]
    quantities: Floats
    points: Floats
    selected: int

    def __len__(self) -> int:
        return len(self.weight)

    def check_weights(self, what: str) -> None:
        """`InputDataError` unless all events have the same positive weight: they are counted."""
        if len(self) and not (self.weight.min() > 0 and np.ptp(self.weight) <= 1e-6 * self.weight.max()):
            raise InputDataError(
                f"{what}: events of different weights ({self.weight.min():.3g} to {self.weight.max():.3g}), and events "
                "are counted here; unweight the sample first"
            )


@dataclass(frozen=True)
class DescribedJob:
    """Makes what `Described` holds of events; `region` None takes all that are selected, `space` None no points."""

    bundle: Bundle
    selection: SelectionCard
    region: RegionCard | None = None
    space: Space | None = None

    def prepare(self) -> Step:
        """The bundle was loaded when the job came to this process."""
        return Step(self.bundle.fields(self.selection), self._make)

    def _make(self, chunk: Chunk) -> Part:
        events, _, flow = apply_selection(chunk.events, self.selection)
        check_events(events, self.bundle.input.fields(), f"model {self.bundle.card.name!r}")
        pieces = [self._columns(block) for block in blocks(events, self.bundle.input.layout.size)]
        columns = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
        return Part(len(chunk.events), columns, flows={"all": flow})

    def _columns(self, events: ak.Array) -> dict[str, npt.NDArray[Any]]:
        bundle = self.bundle
        raw = bundle.input.raw(events)
        batch = bundle.input.scaled(raw)
        scores = bundle.scorer.scores(batch)
        keep = np.ones(len(batch), dtype=bool) if self.region is None else region_of(self.region).inside(scores)
        of_event = _of_event(events, bundle.fields(self.selection))[keep]
        of_input = _of_input(raw)[keep]
        return {
            "entry": ak.to_numpy(events["index"]).astype(np.int64)[keep],
            "weight": raw.weight[keep],
            "quantities": np.concatenate([of_event, of_input], axis=1),
            "points": self._points(batch.take(keep), of_event, of_input),
            **{f"score_{name}": values[keep] for name, values in scores.items()},
        }

    def _points(self, batch: Batch, of_event: Floats, of_input: Floats) -> Floats:
        scorer = self.bundle.scorer
        if self.space == "latent" and isinstance(scorer, Embeds):
            return scorer.embed(batch).reshape(len(batch), scorer.embedding_layout.size).astype(np.float64)
        if self.space == "input":
            return np.where(batch.there, batch.x, 0).reshape(len(batch), batch.layout.size).astype(np.float64)
        if self.space is None:
            return np.empty((len(batch), 0))
        summed = of_event if batch.layout.axes == VECTOR else np.concatenate([of_event, of_input], axis=1)
        return np.asarray(np.sign(summed) * np.log1p(np.abs(summed)))


def space_of(bundle: Bundle, asked: Space | None) -> Space:
    """The space asked for, by default the latent one if the model has it; `CardError` if it does not."""
    if asked == "latent" and not isinstance(bundle.scorer, Embeds):
        raise CardError(f"{bundle.card.name} embeds nothing: take --space input or quantities")
    return asked or ("latent" if isinstance(bundle.scorer, Embeds) else "input")


def _described(run: Run[DescribedJob], what: str) -> Described:
    """All events of a run, in memory; `what` is the sample's name. `InputDataError` if no event was selected."""
    pieces = list(run)
    whole = Part.join([piece.part for piece in pieces])
    columns, job = whole.columns, run.job
    flow = checked_flow(whole.flows["all"], job.selection, what=f"event of {what}")
    counts = [len(piece.part.columns["entry"]) for piece in pieces]
    return Described(
        np.repeat([piece.file for piece in pieces], counts).astype(np.int64),
        columns["entry"],
        columns["weight"],
        {name.removeprefix("score_"): values for name, values in columns.items() if name.startswith("score_")},
        quantity_names(job.bundle, job.selection),
        columns["quantities"],
        columns["points"],
        flow.selected.events,
    )


def described_samples(
    job: DescribedJob,
    paths: Mapping[str, Sequence[InputPath]],
    folder: RunFolder | None,
    options: DescribedOptions,
    **key: Any,
) -> tuple[dict[str, Described], tuple[Skipped, ...], dict[int, str]]:
    """The samples by name, the files left out of them, and why files were read as a whole: by place among those of all.

    What is done is kept in `folder`, if there is one; `key` is what the events kept there depend on beside bundle and
    selection.
    """
    stores: dict[str, Store] = {name: MemoryStore() for name in paths}
    if folder is not None:
        made = made_with(**selection_hash(job.selection), bundle=job.bundle.sha256, **key)
        # All of them first: the folder stays as long as one is not complete.
        stores = {name: folder.store(f"sample{place}", made) for place, name in enumerate(paths)}
    samples: dict[str, Described] = {}
    skipped: list[Skipped] = []
    whole: dict[int, str] = {}
    before = 0
    for name, files in paths.items():
        run = Run(job, files, options.step_size, options.max_events, options.execution, stores[name], options.on_events)
        samples[name] = _described(run, name)
        skipped += [replace(one, file=before + one.file) for one in run.skipped]
        whole |= {before + file: why for file, why in run.whole.items()}
        before += len(files)
    return samples, tuple(skipped), whole


def described_provenance(
    verb: str, records: Sequence[dict[str, Any]], bundle: Bundle, options: DescribedOptions, **words: Any
) -> dict[str, Any]:
    """What a report says of itself; `words` are the options of the command line but for the number of events."""
    said = f"{verb} --simulated" if options.simulation else verb
    command = command_line(said, **words, max_events=options.max_events)
    selection = selection_hash(load_selection(options.selection)) if options.selection else {}
    cards = {f"bundle {bundle.card.name}": bundle.sha256, **selection}
    return provenance(command, inputs=records, seed=options.seed, cards=cards)


def quantity_names(bundle: Bundle, selection: SelectionCard) -> tuple[str, ...]:
    """What the columns of `quantities` are: numbers and summed pT of objects (GeV), and what the input makes of them.

    A vector is taken as it is, missing objects as 0; of an image the sum, the maximum and the sums of rings in eta of
    each channel are taken, of a set the sums over its objects.
    """
    return (*_collections(bundle.fields(selection)), *_input_names(bundle.input.layout))


def _collections(fields: Mapping[str, Any]) -> list[str]:
    names = []
    for name in sorted(fields):
        if name == "met" and "pt" in fields[name]:
            names.append("met")
        elif name == "scalar_ht":
            names.append("scalar_ht")
        elif "pt" in fields[name]:
            names += [f"n_{name}", f"sum_pt_{name}"]
    return names


def _input_names(layout: Layout) -> Sequence[str]:
    if layout.axes == VECTOR:
        return layout.features
    if layout.axes != IMAGE:
        return [f"sum_{feature}" for feature in layout.features]
    rings = range(layout.shape[1])
    return [f"{what}_{name}" for name in layout.features for what in ("sum", "max", *(f"ring{i}" for i in rings))]


def _of_event(events: ak.Array, fields: Mapping[str, Any]) -> Floats:
    columns: list[npt.NDArray[Any]] = []
    for name in _collections(fields):
        if name == "met":
            columns.append(ak.to_numpy(events["met"]["pt"]))
        elif name == "scalar_ht":
            columns.append(ak.to_numpy(events["scalar_ht"]))
        elif name.startswith("n_"):
            columns.append(ak.to_numpy(ak.num(events[name.removeprefix("n_")], axis=1)))
        else:
            columns.append(ak.to_numpy(ak.sum(events[name.removeprefix("sum_pt_")]["pt"], axis=1)))
    return np.stack([np.empty(len(events)), *columns], axis=1).astype(np.float64)[:, 1:]


def _of_input(raw: Batch) -> Floats:
    x = np.where(raw.there, raw.x, 0).astype(np.float64)
    if raw.layout.axes == VECTOR:
        return x
    if raw.layout.axes != IMAGE:
        return np.asarray(x.sum(axis=1))
    parts = []
    for channel in range(x.shape[1]):
        image = x[:, channel]
        parts += [image.sum(axis=(1, 2))[:, None], image.max(axis=(1, 2))[:, None], image.sum(axis=2)]
    return np.concatenate(parts, axis=1)
