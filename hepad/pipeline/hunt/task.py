"""What a hunt is of: the events that were read, and what a method is to learn of them in a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hepad.errors import InputDataError, NotStoredError
from hepad.execution.run import Run
from hepad.execution.store import MemoryStore, Store
from hepad.inputs.base import Input, make_input
from hepad.io.reader import open_events
from hepad.io.tables.features import TablePath
from hepad.methods.base import MASS, Fitted, Folds, How, Problem, Sample
from hepad.nn.scorer import Scores
from hepad.paths import InputPath
from hepad.pipeline.hunt.events import HuntEvents, HuntJob
from hepad.pipeline.hunt.options import HuntOptions, HuntPlan
from hepad.pipeline.hunt.trainings import Assignment, run_trainings
from hepad.provenance import FileRecords

__all__ = ["HuntTask", "Others", "read_events", "read_events_of", "read_others", "table_hint"]

_OF_TABLES = "a table takes --selection all_events, a column as --mass, --column NAME=COLUMN for a feature of a card"


def read_events_of(plan: HuntPlan, options: HuntOptions, store: Store, records: FileRecords) -> HuntEvents:
    """All events, in memory; what was read stays in the store, for a training that is resumed."""
    job = HuntJob(plan.selection, make_input(plan.card.input), plan.mass)
    try:
        return read_events(job, plan.paths, options, store, records)
    except InputDataError as error:
        if hint := table_hint(plan.paths):
            raise InputDataError(f"{error}; {hint}") from error
        raise


def read_events(
    job: HuntJob, paths: Sequence[InputPath], options: HuntOptions, store: Store, records: FileRecords
) -> HuntEvents:
    """The events of files, whatever is done with them."""
    run = Run(job, paths, options.step_size, options.max_events, options.execution, store, options.on_events)
    try:
        pieces = list(run)
    except NotStoredError as error:
        if options.table:
            raise NotStoredError(f"{error}; {_OF_TABLES}") from error
        raise
    return HuntEvents(job, tuple(pieces), tuple(records.wait(run.reasons(), run.whole)), tuple(run.skipped))


def table_hint(paths: Sequence[InputPath]) -> str:
    """What to do about the first of files that holds no events but is a table of features; empty if none is."""
    for path in paths:
        if not isinstance(path, TablePath) and not _opens(path) and _opens(TablePath(path)):
            return f"{path.name} is a table: give --table"
    return ""


def _opens(path: InputPath) -> bool:
    try:
        open_events(path).close()
    except InputDataError:
        return False
    return True


@dataclass(frozen=True)
class Others:
    """Simulated events besides the data: `background`, and `signals` by name."""

    background: HuntEvents | None = None
    signals: Mapping[str, HuntEvents] = field(default_factory=dict)


def read_others(plan: HuntPlan, options: HuntOptions) -> Others:
    """All simulated events of a plan, as the data are read; `InputDataError` if none of a sample is selected."""

    def read(paths: Sequence[InputPath]) -> HuntEvents:
        with_paths = replace(plan, paths=paths)
        events = read_events_of(with_paths, replace(options, max_events=None), MemoryStore(), FileRecords(paths))
        events.check()
        return events

    background = read(plan.background) if plan.background else None
    return Others(background, {name: read(paths) for name, paths in plan.signals.items()})


@dataclass(frozen=True)
class HuntTask:
    """What is to be learned: the events that were read, their folds, and from which of them."""

    plan: HuntPlan
    events: HuntEvents
    folds: Folds
    vector: Input
    assignment: Assignment

    @classmethod
    def of(cls, plan: HuntPlan, events: HuntEvents, options: HuntOptions, others: Others) -> HuntTask:
        """Check the events and scale them; `InputDataError` if the method cannot learn from them in the window."""
        events.check()
        folds = events.folds(plan.card.folds, plan.seed)
        rows = events.around(plan.window)
        if not len(rows):
            below, above = plan.window.sidebands
            raise InputDataError(f"no selected event has a mass of {options.mass} from {below:g} to {above:g} GeV")
        vector = events.job.vector.fitted(events.raw.take(rows))

        def seen(sample: HuntEvents) -> Sample:
            return sample.sample(plan.window, vector, sample.folds(plan.card.folds, plan.seed))

        background = None if others.background is None else seen(others.background)
        signals = {name: seen(sample) for name, sample in others.signals.items()}
        data = events.sample(plan.window, vector, folds)
        problem = Problem(data, plan.window, background, signals, plan.card.folds)
        how = How(plan.card.train, plan.seed, options.device, options.on_epoch)
        assignment = Assignment(plan.card.method, vector.layout, problem, how)
        assignment.method().check(problem)
        return cls(plan, events, folds, vector, assignment)

    def fit(self, options: HuntOptions, store: Store) -> Fitted:
        """Train on the window and its sidebands what the store has not."""
        name = self.plan.card.name
        return run_trainings(
            {name: self.assignment}, store, execution=options.execution, on_training=options.on_training
        )[name]

    def scores(self, fitted: Fitted, others: HuntEvents | None = None) -> Scores:
        """The scores (n,) of all selected events, NaN for those without the mass; of other events in place of these.

        Those of simulation have folds as data have, and are scored by networks that have not seen their fold.
        """
        events, folds = self.events, self.folds
        if others is not None:
            events, folds = others, others.folds(self.plan.card.folds, self.plan.seed)
        there = np.flatnonzero(~np.isnan(events.raw.beside[MASS]))
        scores = {name: np.full(len(events.raw), np.nan, dtype=np.float32) for name in fitted.score_names}
        for name, values in fitted.scores(self.vector.scaled(events.raw.take(there)), folds[there]).items():
            scores[name][there] = values
        return scores
