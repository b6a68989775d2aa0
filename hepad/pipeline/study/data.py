"""The events of a study: which files, and what each network sees of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hepad.cards.analysis import AnalysisCard
from hepad.cards.bundle import SetAside
from hepad.cards.selection import Condition, Requirement, SelectionCard, load_selection
from hepad.cards.study import StudyCard
from hepad.errors import InputDataError, UsageError
from hepad.inputs.base import make_input
from hepad.inputs.batch import Batch
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.paths import InputPath
from hepad.provenance import file_record, sha256_file
from hepad.samples.background import Background, read_background
from hepad.samples.parting import is_aside
from hepad.samples.split import EventIds

__all__ = ["BACKGROUND", "Samples", "StudyData", "StudyFiles", "find_files", "first_files", "matching_files"]

BACKGROUND = "background"

_READ_MORE = 1.1
"""Events read for each that is wanted: a selection may drop some of a file that was selected before."""


@dataclass(frozen=True)
class StudyFiles:
    """Files of a study; without an evaluation background a part of the background is set aside for it."""

    background: tuple[InputPath, ...]
    evaluation: tuple[InputPath, ...]
    signals: dict[str, tuple[InputPath, ...]]

    def everything(self) -> list[InputPath]:
        """All files, background first."""
        return [*self.background, *self.evaluation, *(path for paths in self.signals.values() for path in paths)]


def find_files(
    card: StudyCard,
    folder: Path | None,
    background: Sequence[str] = (),
    evaluation: Sequence[str] = (),
    signals: Mapping[str, Sequence[str]] | None = None,
) -> StudyFiles:
    """The files given, and for those not given the ones of the card's names in `folder`.

    `UsageError` if nothing says where a sample is, `InputDataError` for a file that is not there, or if the
    evaluation background is the training background.
    """
    if folder is not None and not folder.is_dir():
        raise InputDataError(f"{folder} is not a folder; --samples names the folder of the event files")
    if folder is None and not (background and signals):
        raise UsageError("give --samples FOLDER, or --background FILE and at least one --signal NAME=FILE")
    given: dict[str, Sequence[str]] = dict(signals or {})
    if not given and folder is not None:
        given = _signals(folder, card)
    held = list(evaluation)
    if not background and folder is not None:
        background = first_files(folder, card.data.background, BACKGROUND)
        held = held or next(
            (found for n in card.data.evaluation_background if (found := matching_files(folder, n))), []
        )
    files = StudyFiles(
        tuple(expand_files(background)),
        tuple(expand_files(held)) if held else (),
        {name: tuple(expand_files(paths)) for name, paths in given.items()},
    )
    trained_on = {sha256_file(path) for path in files.background}
    for path in files.evaluation:
        if sha256_file(path) in trained_on:
            raise InputDataError(f"{path} is also the training background: leave it out, and a part will be set aside")
    return files


def _signals(folder: Path, card: StudyCard) -> dict[str, Sequence[str]]:
    """The files of the signals; of a card with `some_signals` of those that are there, at least one."""
    there = {
        name: next((f for n in names if (f := matching_files(folder, n))), [])
        for name, names in card.data.signals.items()
    }
    if card.data.some_signals and any(there.values()):
        return {name: files for name, files in there.items() if files}
    return {name: first_files(folder, names, name) for name, names in card.data.signals.items()}


def first_files(folder: Path, names: Sequence[str], sample: str) -> list[str]:
    """The files of the first of the names that is there; `InputDataError` if none is."""
    for name in names:
        if found := matching_files(folder, name):
            return found
    raise InputDataError(f"{folder}: no file of {sample}; looked for {', '.join(names)}")


def matching_files(folder: Path, name: str) -> list[str]:
    """The files of a name or a pattern, in sorted order."""
    return sorted(str(path) for path in folder.glob(name) if path.is_file())


@dataclass(frozen=True)
class Samples:
    """Who the background events are that were read, and batches to measure on (`background` and the signals)."""

    ids: EventIds
    evaluation: dict[str, Batch]


@dataclass
class StudyData:
    """Reads the files once for each kind of input."""

    files: StudyFiles
    card: StudyCard
    step_size: int = DEFAULT_STEP_SIZE
    _read: dict[str, Samples] = field(default_factory=dict)

    @property
    def set_aside(self) -> SetAside | None:
        """The part of the background that no training sees, None if there are files for that."""
        evaluation = self.card.evaluation
        return None if self.files.evaluation else SetAside(fraction=evaluation.fraction, seed=evaluation.seed)

    def trained_on(self, *, labelled: bool = False) -> tuple[InputPath, ...]:
        """The files that a training reads: the background's, and those of all signals if it is `labelled`."""
        signals = self.files.signals.values() if labelled else ()
        every = (*self.files.background, *(path for paths in signals for path in paths))
        return tuple(dict.fromkeys(every))  # a file may hold several signals

    def kept_away(self, *, labelled: bool = False) -> SetAside | None:
        """The part of the events of these files that a training must not see."""
        if labelled and self.card.labelled:
            return SetAside(fraction=self.card.labelled.fraction, seed=self.card.evaluation.seed)
        return self.set_aside

    def most_read(self, recipe: AnalysisCard, *, labelled: bool = False) -> int | None:
        """How many of their events are read at most: the signals come last and must be among them."""
        return None if labelled else self.max_background(recipe)

    def max_background(self, recipe: AnalysisCard) -> int:
        """How many background events are read, so that `training_events` of them are trained on."""
        share = 1 - recipe.train.validation_fraction - recipe.train.holdout_fraction
        if self.set_aside:
            share *= 1 - self.set_aside.fraction
        return math.ceil(_READ_MORE * self.card.training_events / share)

    def against(self, names: Sequence[str]) -> tuple[InputPath, ...]:
        """The files of the signals of these names; of each of them a training must not see `kept_away`.

        `UsageError` for a signal of which there are none.
        """
        for name in names:
            if name not in self.files.signals:
                raise UsageError(
                    f"an analysis learns from signal {name}, of which there is no file: give --signal {name}=FILE"
                )
        return tuple(dict.fromkeys(path for name in names for path in self.files.signals[name]))

    def samples(self, recipe: AnalysisCard, *, labelled: bool = False, against: Sequence[str] = ()) -> Samples:
        """What the recipe's network sees, before scaling.

        Of files that a `labelled` training, or one `against` some signals, reads it is what it has not seen: a file may
        hold other signals too.
        """
        limit = self.max_background(recipe)
        key = f"{recipe.selection} {limit} {labelled} {recipe.input.model_dump_json()} {sorted(against)}"
        if key not in self._read:
            self._read[key] = self._samples(recipe, limit, labelled, against)
        return self._read[key]

    def _samples(self, recipe: AnalysisCard, limit: int, labelled: bool, against: Sequence[str]) -> Samples:
        most = self.card.evaluation.events
        files = self.trained_on(labelled=labelled)
        read = self._background(recipe, files, None if labelled else limit)
        ids = read.ids([file_record(path) for path in files])
        if self.files.evaluation:
            held = self._background(recipe, self.files.evaluation, most).batch
        else:
            is_background = read.file < len(self.files.background)
            held = read.batch.take(np.flatnonzero(is_aside(ids, self.set_aside) & is_background)[:most])
        if not len(held):
            raise InputDataError(f"{len(ids)} background events are too few to set some aside")
        learned = set(files if labelled else self.against(against))
        signals = {
            name: self._signal(recipe, name, None if learned.isdisjoint(paths) else self.kept_away(labelled=True))
            for name, paths in self.files.signals.items()
        }
        return Samples(ids, {BACKGROUND: held, **signals})

    def _signal(self, recipe: AnalysisCard, name: str, kept_away: SetAside | None) -> Batch:
        """A signal to measure on: what has its label, and only what was kept away from the training, if any is."""
        paths, label = self.files.signals[name], self.card.data.labels.get(name)
        selection, most = load_selection(recipe.selection), self.card.evaluation.events
        if label is not None:
            one = Requirement(name=f"label {label}", all=(Condition(label=label),))
            selection = selection.model_copy(update={"require": (*selection.require, one)})
        signal = self._events(recipe, selection, paths, most if label is None else None)
        if kept_away is None:
            return signal.batch.take(slice(most))
        there = is_aside(signal.ids([file_record(path) for path in paths]), kept_away)
        if not there.any():
            names = ", ".join(path.name for path in paths)
            raise InputDataError(f"{names}: {len(there)} events are too few to set some aside from the training")
        return signal.batch.take(np.flatnonzero(there)[:most])

    def _background(self, recipe: AnalysisCard, paths: Sequence[InputPath], limit: int | None) -> Background:
        return self._events(recipe, load_selection(recipe.selection), paths, limit)

    def _events(
        self, recipe: AnalysisCard, selection: SelectionCard, paths: Sequence[InputPath], limit: int | None
    ) -> Background:
        # What a network is measured on it sees without labels: a signal may have none of its classes.
        unlabelled = {"classes": ()} if "classes" in type(recipe.input).model_fields else {}
        vector = make_input(recipe.input.model_copy(update=unlabelled))
        return read_background(paths, selection, vector, step_size=self.step_size, max_events=limit)
