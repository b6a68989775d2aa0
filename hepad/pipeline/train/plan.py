"""What a training is of, before any event is read: cards, files, options, and the record that its bundle carries."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hepad import registry
from hepad.bundles.checkpoint import fingerprint
from hepad.cards.analysis import AnalysisCard, RegionSpec, TrainCard, load_analysis
from hepad.cards.bundle import SetAside
from hepad.cards.selection import SelectionCard, load_selection
from hepad.errors import UsageError
from hepad.execution.executor import Execution
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.nn.scorer import EpochEnd
from hepad.paths import InputPath
from hepad.provenance import provenance
from hepad.samples.parting import SPLIT
from hepad.samples.weighting import CrossSections

__all__ = ["TrainOptions", "TrainPlan"]


@dataclass(frozen=True)
class TrainOptions:
    """Options of `train`; None takes the value of the model's card. `resume` goes on from a checkpoint.

    `output` None is for a bundle that stays in memory. `set_aside` names selected background that the training must not
    see in any way, because a study measures on it.
    `cross_sections` are patterns of files and pb: see `hepad.samples.weighting`; none leaves weights as they are.
    `against` are files of the signal that a supervised model learns to tell from background, of the same selection;
    `against_aside` names its events that the training must not see, by default those of `set_aside`; with it all events
    of these files are read, whatever `max_events` is, since they may hold several signals one after the other.
    `execution` is how the files are read; the training itself is one process, on a `device` (`hepad.nn.device`).
    """

    output: Path | None = None
    selection: str | None = None
    seed: int = 1
    train: TrainCard | None = None
    regions: Mapping[str, RegionSpec] | None = None
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    set_aside: SetAside | None = None
    cross_sections: Sequence[tuple[str, float]] = ()
    against: Sequence[str | InputPath] = ()
    against_aside: SetAside | None = None
    resume: bool = False
    restart: bool = False
    device: str = "cpu"
    execution: Execution = field(default_factory=Execution)
    on_epoch: Callable[[EpochEnd], None] | None = None

    @property
    def folder(self) -> Path:
        """The output; `UsageError` if there is none."""
        if self.output is None:
            raise UsageError("give the folder that the bundle goes to")
        return self.output


@dataclass(frozen=True)
class TrainPlan:
    """What is trained on what, before any event is read."""

    name: str
    recipe: AnalysisCard
    selection: SelectionCard
    card: TrainCard
    specs: Mapping[str, RegionSpec]
    paths: Sequence[InputPath]
    sections: CrossSections | None
    against: Sequence[InputPath] = ()

    @property
    def inputs(self) -> list[InputPath]:
        """All files: the background's, then the signal's."""
        return [*self.paths, *self.against]

    @classmethod
    def of(cls, files: Sequence[str | InputPath], model: str | AnalysisCard, options: TrainOptions) -> TrainPlan:
        """Load the cards; `UsageError` for a model that is not trained."""
        recipe = load_analysis(model) if isinstance(model, str) else model
        if not registry.SCORERS[recipe.model.name].trainable:
            raise UsageError(f"a model of kind {recipe.model.name} is not trained; bring it with 'hepad import-model'")
        paths = expand_files(files)
        return cls(
            Path(model).stem if isinstance(model, str) else model.name,
            recipe,
            load_selection(options.selection or recipe.selection),
            options.train or recipe.train,
            recipe.regions if options.regions is None else options.regions,
            paths,
            CrossSections.of(options.cross_sections, paths) if options.cross_sections else None,
            expand_files(options.against) if options.against else (),
        )

    def content(self, options: TrainOptions) -> list[Any]:
        """What the weights depend on besides the events, in JSON types."""
        return [
            self.recipe.model_dump(mode="json"),
            self.selection.model_dump(mode="json"),
            self.card.model_dump(mode="json"),
            options.seed,
            options.set_aside.model_dump(mode="json") if options.set_aside else None,
            self.sections.words() if self.sections else None,
            SPLIT,
            *([] if options.device == "cpu" else [options.device]),
            *([{"against": len(self.against)}] if self.against else []),
            *([options.against_aside.model_dump(mode="json")] if options.against_aside else []),
        ]

    def provenance(self, options: TrainOptions, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The record of the bundle; its fingerprint is of all that the bundle depends on besides the files."""
        specs = {name: spec.model_dump(mode="json") for name, spec in self.specs.items()}
        record = provenance(_command(options, self), inputs=records, seed=options.seed)
        return {**record, "fingerprint": fingerprint(*self.content(options), specs, options.max_events)}


def _command(options: TrainOptions, plan: TrainPlan) -> str:
    """The command in a form that does not depend on where the output went or whether it was resumed."""
    selection = options.selection or plan.recipe.selection
    words = [f"hepad train --model {plan.name} --selection {selection} --seed {options.seed}"]
    words += [f"--cross-section {shlex.quote(word)}" for word in (plan.sections.words() if plan.sections else ())]
    words += [] if options.device == "cpu" else [f"--device {options.device}"]
    words += [f"--against {shlex.quote(path.name)}" for path in plan.against]
    words += [] if options.max_events is None else [f"--max-events {options.max_events}"]
    return " ".join(words)
