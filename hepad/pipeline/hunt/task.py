"""What a hunt is of: the events that were read, and what a method is to learn of them in a window."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hepad.errors import InputDataError
from hepad.execution.run import Run
from hepad.execution.store import MemoryStore, Store
from hepad.inputs.base import Input, make_input
from hepad.methods.base import MASS, Fitted, Folds, How, Problem, Sample
from hepad.nn.scorer import Scores
from hepad.pipeline.hunt.events import HuntEvents, HuntJob
from hepad.pipeline.hunt.options import HuntOptions, HuntPlan
from hepad.pipeline.hunt.trainings import Assignment, run_trainings
from hepad.provenance import FileRecords

__all__ = ["HuntTask", "read_events_of"]


def read_events_of(plan: HuntPlan, options: HuntOptions, store: Store, records: FileRecords) -> HuntEvents:
    """All events, in memory; what was read stays in the store, for a training that is resumed."""
    job = HuntJob(plan.selection, make_input(plan.card.input), plan.mass)
    run = Run(job, plan.paths, options.step_size, options.max_events, options.execution, store, options.on_events)
    pieces = list(run)
    return HuntEvents(job, tuple(pieces), tuple(records.wait(run.reasons(), run.whole)), tuple(run.skipped))


_BACKGROUND = ""


def _others(plan: HuntPlan, options: HuntOptions, vector: Input) -> dict[str, Sample]:
    """The simulated samples by name, that of background without one: as networks see the data."""
    samples = {_BACKGROUND: plan.background, **plan.signals} if plan.background else dict(plan.signals)
    found = {}
    for name, paths in samples.items():
        with_paths = replace(plan, paths=paths)
        events = read_events_of(with_paths, replace(options, max_events=None), MemoryStore(), FileRecords(paths))
        events.check()
        found[name] = events.sample(plan.window, vector, events.folds(plan.card.folds, plan.seed))
    return found


@dataclass(frozen=True)
class HuntTask:
    """What is to be learned: the events that were read, their folds, and from which of them."""

    plan: HuntPlan
    events: HuntEvents
    folds: Folds
    vector: Input
    assignment: Assignment

    @classmethod
    def of(cls, plan: HuntPlan, events: HuntEvents, options: HuntOptions) -> HuntTask:
        """Check the events and scale them; `InputDataError` if the method cannot learn from them in the window."""
        events.check()
        folds = events.folds(plan.card.folds, plan.seed)
        rows = events.around(plan.window)
        if not len(rows):
            below, above = plan.window.sidebands
            raise InputDataError(f"no selected event has a mass of {options.mass} from {below:g} to {above:g} GeV")
        vector = events.job.vector.fitted(events.raw.take(rows))
        others = _others(plan, options, vector)
        background = others.pop(_BACKGROUND, None)
        problem = Problem(events.sample(plan.window, vector, folds), plan.window, background, others)
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

    def scores(self, fitted: Fitted) -> Scores:
        """The scores (n,) of all selected events, NaN for those without the mass."""
        raw = self.events.raw
        there = np.flatnonzero(~np.isnan(raw.beside[MASS]))
        scores = {name: np.full(len(raw), np.nan, dtype=np.float32) for name in fitted.score_names}
        for name, values in fitted.scores(self.vector.scaled(raw.take(there)), self.folds[there]).items():
            scores[name][there] = values
        return scores
