"""What a method cannot learn from, said before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError, InputDataError, UsageError
from hepad.inputs.layout import Layout
from hepad.methods.base.contract import MASS, Problem, Sample

__all__ = ["check_inside", "check_parts", "check_problem", "check_sample", "samples_of"]


class _Learner(Protocol):
    """What the checks know of a method."""

    @property
    def name(self) -> str: ...
    @property
    def input_kinds(self) -> tuple[str, ...]: ...
    @property
    def parts(self) -> tuple[str, ...]: ...
    @property
    def wants(self) -> tuple[str, ...]: ...
    @property
    def layout(self) -> Layout: ...


def samples_of(method: _Learner) -> tuple[str, ...]:
    """Of `background` and `signals` those that a method, or its class, learns from, or can do with and without."""
    return (*method.wants, *getattr(method, "may_have", ()))


def check_problem(method: _Learner, problem: Problem) -> None:
    """Check the data, each fold of the `parts` of the spectrum that the method learns from, and what else it `wants`.

    `UsageError` if that is not there, or there and of no use. `CardError` for events of another kind or layout;
    `InputDataError` for a mass or number that is not finite, weights that are not positive, numbers that are the same
    in all events, and a fold without events in a part.
    """
    for what, there in (("background", problem.background is not None), ("signals", bool(problem.signals))):
        if there and what not in samples_of(method):
            raise UsageError(f"{method.name} learns from the data alone: it takes no {what}")
        if not there and what in method.wants:
            raise UsageError(f"{method.name} learns from {what} too: give files with --{what.removesuffix('s')}")
    check_sample(method, problem.data, "")
    check_parts(method, problem)
    others = {} if problem.background is None else {"background": problem.background}
    for what, sample in {**others, **{f"signal {name}": sample for name, sample in problem.signals.items()}}.items():
        check_sample(method, sample, f" of {what}")
        _check_folds(what, np.ones(len(sample.folds), dtype=np.bool_), sample.folds, problem.folds)


def check_sample(method: _Learner, sample: Sample, whose: str) -> None:
    """Check that events are what the method was built for, finite and of positive weight; `whose` ends their name."""
    events = sample.events
    if events.kind not in method.input_kinds or events.layout != method.layout:
        raise CardError(
            f"{method.name} was built for {method.layout.summary} columns of {' or '.join(method.input_kinds)}"
        )
    if MASS not in events.beside:
        raise CardError(f"{method.name} needs a mass beside the events: the key 'mass' of the input")
    columns = events.x.reshape(len(events), method.layout.size)
    for what, good in (("mass", np.isfinite(sample.mass)), ("input", np.isfinite(columns).all(axis=1))):
        if not good.all():
            event = int(np.argmin(good))
            where = "" if what == "mass" or not events.layout.slots else f": {_spoiled(events.columns, columns[event])}"
            raise InputDataError(f"the {what} of event {event}{whose} is not finite{where}")
    if not (events.weight > 0).all():
        raise InputDataError(
            f"the weight of event {int(np.argmin(events.weight > 0))}{whose} is not positive: {method.name} is for "
            "data, or for simulation without negative weights"
        )


def check_parts(method: _Learner, problem: Problem) -> None:
    """Check that each fold has events in the method's parts, and that no number is the same in all events."""
    known: Mapping[str, npt.NDArray[np.bool_]] = problem.parts
    for what in method.parts:
        _check_folds(what, known[what], problem.data.folds, problem.folds)
    columns = problem.data.events.x.reshape(len(problem.data.folds), method.layout.size)
    same = np.ptp(columns, axis=0) == 0
    if same.any() and problem.data.events.layout.slots:
        name = problem.data.events.columns[int(np.argmax(same))]
        raise InputDataError(f"{name} is the same in all {len(columns)} events: leave it out of the features")


def check_inside(sample: Sample, what: str, problem: Problem) -> None:
    """Check that events of another sample, those in the window, are in each fold."""
    _check_folds(f"{what} in the window", np.ones(len(sample.folds), dtype=np.bool_), sample.folds, problem.folds)


def _check_folds(what: str, inside: npt.NDArray[np.bool_], folds: npt.NDArray[np.int64], count: int) -> None:
    if not inside.any():
        raise InputDataError(f"no events in the {what}")
    for fold in range(count):
        if not (inside & (folds == fold)).any():
            raise InputDataError(
                f"fold {fold} has no events in the {what}, which has {int(inside.sum())}: too few for so many folds"
            )


def _spoiled(names: Sequence[str], row: npt.NDArray[Any]) -> str:
    return names[int(np.argmin(np.isfinite(row)))]
