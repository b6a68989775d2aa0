"""The scores of all samples of an evaluation by all its models."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hepad.bundles.bundle import Bundle
from hepad.bundles.systems import Training
from hepad.cards.selection import SelectionCard, load_selection
from hepad.errors import InputDataError, UsageError
from hepad.execution.executor import Execution
from hepad.execution.run import OnEvents, Run, Skipped
from hepad.execution.store import FolderStore, RunFolder
from hepad.output.complete import made_with, selection_hash
from hepad.paths import InputPath
from hepad.samples.scoring import SampleJob, ScoredSample, sample_of
from hepad.samples.weighting import CrossSections

__all__ = ["Sampling", "ScoringOptions", "Selections", "scored_samples"]


class ScoringOptions(Protocol):
    """The options of an evaluation that say how it reads; `hepad.pipeline.evaluate.run.EvaluateOptions` has them."""

    @property
    def selection(self) -> str | None: ...  # noqa: D102
    @property
    def selections(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def step_size(self) -> int: ...  # noqa: D102
    @property
    def max_events(self) -> int | None: ...  # noqa: D102
    @property
    def execution(self) -> Execution: ...  # noqa: D102
    @property
    def on_events(self) -> OnEvents | None: ...  # noqa: D102


@dataclass(frozen=True)
class Selections:
    """The selection in place of the models', None for theirs, and those that say which events are a sample's."""

    whole: SelectionCard | None
    of_sample: Mapping[str, SelectionCard]

    @classmethod
    def of(cls, options: ScoringOptions, samples: Collection[str]) -> Selections:
        """Load the cards; `UsageError` for a selection of none of the samples."""
        for name in options.selections:
            if name not in samples:
                raise UsageError(f"--selection {name}=...: there is no sample {name!r}; there are {', '.join(samples)}")
        whole = None if options.selection is None else load_selection(options.selection)
        return cls(whole, {name: load_selection(card) for name, card in options.selections.items()})

    def job(self, bundle: Bundle, sample: str) -> SampleJob:
        """What is done with the events of a sample: the model's selection, of those that are the sample's."""
        selection = self.whole or bundle.card.selection
        own = self.of_sample.get(sample)
        return SampleJob(bundle, selection if own is None else selection.within(own))

    def hashes(self) -> dict[str, str]:
        """The sha256 of the cards' contents, by their names."""
        cards = (*([self.whole] if self.whole else []), *self.of_sample.values())
        return {name: sha256 for card in cards for name, sha256 in selection_hash(card).items()}


@dataclass(frozen=True)
class Sampling:
    """Samples by training and name, and the files left out of them, with their places among the files of all.

    `whole` says by these places why files were read as a whole.
    """

    samples: dict[str, dict[str, ScoredSample]]
    skipped: tuple[Skipped, ...]
    whole: dict[int, str]


def scored_samples(
    trainings: Sequence[Training],
    paths: Mapping[str, Sequence[InputPath]],
    folder: RunFolder,
    options: ScoringOptions,
    *,
    sections: CrossSections | None,
    selections: Selections,
) -> Sampling:
    """Score all samples with all trainings; what is done is kept in `folder`.

    `InputDataError` if a file can be used by one training only: the others would be measured on other events.
    """
    jobs = {
        (training.name, sample): selections.job(training.bundle, sample) for training in trainings for sample in paths
    }
    stores = {  # all of them first: the folder stays as long as one is not complete
        (training.name, sample): _store(folder, f"model{i}-sample{j}", training, jobs[training.name, sample])
        for i, training in enumerate(trainings)
        for j, sample in enumerate(paths)
    }
    samples: dict[str, dict[str, ScoredSample]] = {training.name: {} for training in trainings}
    skipped: list[Skipped] = []
    whole: dict[int, str] = {}
    before = 0
    for sample, files in paths.items():
        reasons: dict[str, dict[int, str]] = {}
        for training in trainings:
            job, store = jobs[training.name, sample], stores[training.name, sample]
            run = Run(job, files, options.step_size, options.max_events, options.execution, store, options.on_events)
            in_pb = sections if sample == "background" else None
            samples[training.name][sample] = sample_of(run, cross_sections=in_pb)
            reasons[training.name] = run.reasons()
            whole |= {before + file: why for file, why in run.whole.items()}
        common = _common(reasons, sample, files)
        skipped += [Skipped(before + file, files[file].name, reason) for file, reason in common.items()]
        before += len(files)
    return Sampling(samples, tuple(skipped), whole)


def _store(folder: RunFolder, name: str, training: Training, job: SampleJob) -> FolderStore:
    return folder.store(name, made_with(**selection_hash(job.selection), bundle=training.bundle.sha256))


def _common(reasons: Mapping[str, Mapping[int, str]], sample: str, files: Sequence[InputPath]) -> Mapping[int, str]:
    """Why files were left out, the same ones for every training."""
    first, *others = reasons
    for other in others:
        for file in sorted(reasons[first].keys() ^ reasons[other].keys()):
            bad, good = (first, other) if file in reasons[first] else (other, first)
            raise InputDataError(
                f"{files[file]}: {good} can read what it needs of this file of {sample}, but {bad} cannot "
                f"({reasons[bad][file]}); leave it out yourself, so that both are measured on the same events"
            )
    return reasons[first]
