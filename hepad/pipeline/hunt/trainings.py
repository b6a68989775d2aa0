"""The trainings of a hunt as tasks: any of them in any process, and none twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hepad.cards.method import MethodKeys
from hepad.errors import FitFailedError, InputDataError
from hepad.execution.executor import Execution
from hepad.execution.store import Store
from hepad.execution.tasks import Arrays, Task, failure, failure_of, run_tasks
from hepad.inputs.layout import Layout
from hepad.methods.base import Fitted, How, Method, Problem, make_method

__all__ = ["Assignment", "OnTraining", "run_trainings"]

OnTraining = Callable[[int, int], None]
"""Told how many trainings are done, of how many."""


@dataclass(frozen=True)
class Assignment:
    """A method and what it is to learn from."""

    keys: MethodKeys
    layout: Layout
    problem: Problem
    how: How

    def method(self) -> Method:
        """The method."""
        return make_method(self.keys, self.layout)


@dataclass(frozen=True)
class _Job:
    """All assignments of a run by name; a task is named after its assignment and its training.

    With `tells` a training that fails gives the reason, as do those that build on it.
    """

    assignments: Mapping[str, Assignment]
    tells: bool = False

    def do(self, name: str, given: Mapping[str, Arrays]) -> Arrays:
        for before in given.values():
            if failure_of(before) is not None:
                return before
        try:
            return self._trained(name, given)
        except (FitFailedError, InputDataError) as error:
            if not self.tells:
                raise
            return failure(error)

    def _trained(self, name: str, given: Mapping[str, Arrays]) -> Arrays:
        whose, _, what = name.rpartition("/")
        of = self.assignments[whose]
        method = of.method()
        training = next(t for t in method.trainings(of.problem.folds) if t.name == what)
        before = {name.rpartition("/")[2]: dict(arrays) for name, arrays in given.items()}
        return method.train(training, of.problem, before, of.how)


def run_trainings(
    assignments: Mapping[str, Assignment],
    store: Store,
    *,
    execution: Execution,
    on_training: OnTraining | None = None,
    failed: dict[str, str] | None = None,
) -> dict[str, Fitted]:
    """Do all trainings of all assignments that are not in the store; what each method learned, by name.

    `FitFailedError` or `InputDataError` of the first that fails; if `failed` is given, assignments with one that fails
    are left out, and it gets the reason by name.
    """
    tasks = [
        Task(f"{name}/{training.name}", tuple(f"{name}/{before}" for before in training.after))
        for name, of in assignments.items()
        for training in of.method().trainings(of.problem.folds)
    ]
    of_all = assignments
    if execution.workers > 1 or execution.executor != "local":  # nobody is told of epochs in other processes
        of_all = {name: replace(of, how=replace(of.how, on_epoch=None)) for name, of in assignments.items()}
    done = run_tasks(_Job(of_all, failed is not None), tasks, store, execution=execution, on_done=on_training)
    fitted: dict[str, Fitted] = {}
    for name, of in assignments.items():
        try:
            fitted[name] = _assembled(name, of, done)
        except (FitFailedError, InputDataError) as error:
            if failed is None:
                raise
            failed[name] = str(error)
    return fitted


def _assembled(name: str, of: Assignment, done: Mapping[str, Arrays]) -> Fitted:
    mine: dict[str, dict[str, Any]] = {
        task.removeprefix(f"{name}/"): dict(arrays) for task, arrays in done.items() if task.rpartition("/")[0] == name
    }
    for arrays in mine.values():
        if (why := failure_of(arrays)) is not None:
            raise FitFailedError(why)
    return of.method().assembled(of.problem, mine)
