"""What methods select in windows: events that are read once, trainings in all windows, and the masses that are left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from hepad.cards.hunt import HuntCard
from hepad.errors import FitFailedError, InputDataError, UsageError
from hepad.execution.making import Making
from hepad.execution.store import RunFolder
from hepad.methods.base import MASS, Fitted, Window
from hepad.pipeline.hunt.chosen import chosen, ranked
from hepad.pipeline.hunt.events import HuntEvents
from hepad.pipeline.hunt.honesty import MassDependence
from hepad.pipeline.hunt.options import HuntOptions, HuntPlan
from hepad.pipeline.hunt.task import HuntTask, Others, read_events_of, read_others
from hepad.pipeline.hunt.trainings import run_trainings

__all__ = [
    "Library",
    "Selected",
    "SelectedMasses",
    "Selector",
    "SignalMasses",
    "check_wanted",
    "check_weights",
    "searches_of",
    "window_label",
]

FloatArray = npt.NDArray[np.float64]
_Read = TypeVar("_Read", HuntEvents, Others)

_SAME_WEIGHT = 1e-6
"""Weights that differ by less, relatively, are rounded."""


@dataclass(frozen=True)
class SignalMasses:
    """Masses (s,) and weights (s,) of the events of a signal that are selected; all events of its files weigh `total`,
    and `squares` is the sum of the squares of their weights.
    """

    masses: FloatArray
    weights: FloatArray
    total: float
    squares: float


@dataclass(frozen=True, kw_only=True)
class SelectedMasses:
    """What is selected for a window: the masses (n,) of the events, NaN for those that are not, and signals."""

    method: str
    set: str
    window: Window
    masses: FloatArray
    signals: Mapping[str, SignalMasses] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What it is called where it is left out."""
        return window_label(self.method, self.set, self.window)


@dataclass(frozen=True, kw_only=True)
class Selected(SelectedMasses):
    """What a method selects in a window.

    `fraction` is None for a method of cuts. `dependence` is that of score and selection on the mass in the sidebands.
    """

    fraction: float | None
    dependence: MassDependence


def window_label(method: str, set_: str, window: Window) -> str:
    """The name of a method in a window."""
    return f"{method} {set_} {window.low:g}:{window.high:g}"


class Library:
    """Events of the data and of simulation, read once for all methods with the same input and selection.

    Files that cannot be read so are not read again either: the error is raised once more.
    """

    def __init__(self, options: HuntOptions, folder: RunFolder, making: Making) -> None:
        self._options, self._folder, self._making = options, folder, making
        self._data: dict[str, HuntEvents | InputDataError] = {}
        self._others: dict[str, Others | InputDataError] = {}

    def data(self, plan: HuntPlan) -> HuntEvents:
        """The data; `InputDataError` if none is selected, or if weights differ: they are counted."""

        def read() -> HuntEvents:
            store = self._folder.store(f"events{len(self._data)}", plan.reading())
            events = read_events_of(plan, self._options, store, self._making.records)
            events.check()
            check_weights(events.raw.weight)
            return events

        return _once(self._data, _key(plan), read)

    def others(self, plan: HuntPlan) -> Others:
        """The simulated events."""
        return _once(self._others, _key(plan), lambda: read_others(plan, self._options))


def _once(known: dict[str, _Read | InputDataError], key: str, read: Callable[[], _Read]) -> _Read:
    """What was read under a key, now or before; the error if it could not be."""
    if key not in known:
        try:
            known[key] = read()
        except InputDataError as error:
            known[key] = error
    found = known[key]
    if isinstance(found, InputDataError):
        raise found
    return found


def _key(plan: HuntPlan) -> str:
    return str(plan.card.input) + str(plan.selection)


def check_weights(weight: FloatArray) -> None:
    """`InputDataError` if weights (n,) differ."""
    if np.ptp(weight) > _SAME_WEIGHT * np.abs(weight).max():
        raise InputDataError(
            f"events have weights from {weight.min():g} to {weight.max():g}: an analysis counts events, whose weights "
            "must be equal"
        )


@dataclass
class Selector:
    """Trains methods in the `windows`, by set, and keeps what they select.

    `unreached` says why windows are there for no method, `left_out` why something else is not.
    """

    card: HuntCard
    options: HuntOptions
    windows: Sequence[tuple[str, Window]]
    library: Library
    unreached: Mapping[str, str]
    selected: list[Selected] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def check(self, plan: HuntPlan) -> None:
        """Find a window in which the method can learn, before anything is trained; else raise what a card lacks."""
        for _, window in self.windows:
            try:
                self._task(plan, window)
            except InputDataError:
                continue
            return

    def select(self, plan: HuntPlan, folder: RunFolder, on_training: Callable[[int, int], None] | None) -> None:
        """Train a method in all windows in which it can be, and keep what it selects."""
        tasks: dict[str, tuple[str, Window, HuntTask]] = {}
        for name, window in self.windows:
            label = window_label(plan.card.name, name, window)
            try:
                tasks[label] = (name, window, self._task(plan, window))
            except InputDataError as error:
                self.left_out[label] = str(error)
        if not tasks:
            return
        events = self.library.data(plan)
        used = _used_by(plan)
        keys = [replace(used, window=w).key(events.records, len(events.raw)) for _, w, _ in tasks.values()]
        fitted = run_trainings(
            {label: task.assignment for label, (_, _, task) in tasks.items()},
            folder.store(f"trainings-{plan.card.name}", {"windows": keys}),
            execution=self.options.execution,
            on_training=on_training,
            failed=self.left_out,
        )
        for label, one in fitted.items():
            name, _, task = tasks[label]
            try:
                self.selected.append(self._selected(plan, name, task, one))
            except (FitFailedError, InputDataError) as error:
                self.left_out[label] = str(error)

    def _selected(self, plan: HuntPlan, name: str, task: HuntTask, fitted: Fitted) -> Selected:
        """What a method that has learned selects in a window of a set."""
        events, window = task.events, task.plan.window
        fraction, mass = self.card.fraction(window.low, window.high), events.raw.beside[MASS]
        scores = task.scores(fitted)
        kept, values = chosen(scores, fraction), next(iter(scores.values()))
        depends = MassDependence.of(values, mass, events.raw.weight, window, selected=kept, seed=self.options.seed)
        signals = {
            signal: _signal(sample, chosen(task.scores(fitted, sample), fraction))
            for signal, sample in self.library.others(plan).signals.items()
        }
        used = fraction if ranked(scores) else None
        return Selected(
            method=plan.card.name,
            set=name,
            window=window,
            masses=np.where(kept, mass, np.nan),
            signals=signals,
            fraction=used,
            dependence=depends,
        )

    def _task(self, plan: HuntPlan, window: Window) -> HuntTask:
        used, others = _used_by(plan), self.library.others(plan)
        wanted = Others(others.background if used.background else None, others.signals if used.signals else {})
        return HuntTask.of(replace(used, window=window), self.library.data(plan), self.options, wanted)


def check_wanted(plans: Sequence[HuntPlan]) -> None:
    """`UsageError` for files of background that no method takes; signals are for limits too."""
    if any(plan.background for plan in plans) and not any(_used_by(plan).background for plan in plans):
        raise UsageError("none of the methods takes background: leave out --background")


def _used_by(plan: HuntPlan) -> HuntPlan:
    """The plan with the simulation that its method wants, and no other."""
    return replace(
        plan,
        background=plan.background if plan.takes("background") else (),
        signals=plan.signals if plan.takes("signals") else {},
    )


def searches_of(plans: Mapping[str, HuntPlan]) -> dict[str, dict[str, Any]]:
    """What an output says of how each method hunts, whatever the window."""
    return {n: {k: v for k, v in _used_by(p).content().items() if k != "window"} for n, p in plans.items()}


def _signal(sample: HuntEvents, kept: npt.NDArray[np.bool_]) -> SignalMasses:
    mass, weight = sample.raw.beside[MASS], np.asarray(sample.raw.weight, dtype=np.float64)
    there = kept & np.isfinite(mass)
    every = sample.whole.columns["all_weight"]
    return SignalMasses(mass[there], weight[there], float(every.sum()), float((every**2).sum()))
