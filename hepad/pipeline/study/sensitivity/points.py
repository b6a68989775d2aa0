"""One point of a study of sensitivity: mock data with so much signal, a method trained in them, and what it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hepad.cards.method import MethodCard
from hepad.errors import FitFailedError, InputDataError
from hepad.execution.tasks import Arrays, failure, failure_of
from hepad.inputs.base import Input, make_input
from hepad.inputs.batch import Batch
from hepad.methods.base import How, Problem, Sample, Window, make_method, train_all
from hepad.pipeline.hunt.chosen import chosen
from hepad.pipeline.study.sensitivity.data import PoolEvents, input_key
from hepad.samples.split import uniform_of
from hepad.spectra.models import functions_of
from hepad.stats.bumphunt.window_count import WindowCount, count_masses
from hepad.stats.limits.sensitivity import expected_z, median_limit

__all__ = ["Counted", "Mock", "Point", "PointJob", "mock_data"]

FloatArray = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_PRIOR_SEED = 0
"""Which events of a signal are known beforehand does not depend on the seed: they are never judged."""


@dataclass(frozen=True)
class Point:
    """A method, and mock data: with so many `events` of a signal in the mean, by a seed."""

    method: str
    signal: str
    events: float
    seed: int

    @property
    def name(self) -> str:
        """The name of its task."""
        return f"{self.method}.{self.signal}.{self.events:g}.{self.seed}"


@dataclass(frozen=True)
class Counted:
    """What a method made of mock data.

    `z` and `log_p` are the local significance and p-value (natural logarithm) of `observed` events in the window, where
    the fit outside of it has `expected` ± `error`; `free_*` is the fit to what it selects of the background alone,
    and `limit` the median upper limit (CLs, 95 %) on signal events in the window above that. `drawn` events of signal
    are in the data. Of `judged` ones, these among them, `judged_window` are in the window and `judged_selected` of
    those selected; `background_window` and `background_selected` are the same of the background in the data.
    """

    z: float
    log_p: float
    observed: float
    expected: float
    error: float
    free_expected: float
    free_error: float
    limit: float
    drawn: float
    judged: float
    judged_window: float
    judged_selected: float
    background_window: float
    background_selected: float

    @property
    def efficiency(self) -> float:
        """Of the signal: in the window and selected, of all."""
        return self.judged_selected / self.judged

    @property
    def efficiency_error(self) -> float:
        """Its binomial error."""
        return float(np.sqrt(max(self.efficiency * (1 - self.efficiency), 0.0) / self.judged))

    @property
    def gain(self) -> float:
        """The significance improvement in the window: the efficiency of signal by the root of that of background."""
        if not (self.judged_window and self.background_selected):
            return float("nan")
        kept = self.background_selected / self.background_window
        return float(self.judged_selected / self.judged_window / np.sqrt(kept))

    def typical_z(self, events: float) -> float:
        """The significance of so many signal events without the luck of these mock data: see `expected_z`."""
        return expected_z(events * self.efficiency, self.free_expected, self.expected, self.error)

    def excluded(self, events: float) -> float:
        """By how much so many signal events exceed the median limit: from 1 on they are excluded."""
        return events * self.efficiency / self.limit

    def to_arrays(self) -> Arrays:
        """As a store keeps it."""
        return {name: np.array([value]) for name, value in vars(self).items()}

    @classmethod
    def of(cls, arrays: Arrays) -> Counted | str:
        """What was kept, or why nothing could be counted."""
        why = failure_of(arrays)
        return cls(**{name: float(values[0]) for name, values in arrays.items()}) if why is None else why


@dataclass(frozen=True)
class Mock:
    """Rows of background and of signal, with copies, that are the data; of background beside them, and of signal that

    may be in any data, which is judged.
    """

    background: Rows
    signal: Rows
    simulation: Rows
    judged: Rows


def mock_data(
    background: PoolEvents,
    signal: PoolEvents,
    point: Point,
    *,
    data_fraction: float,
    prior_fraction: float,
) -> Mock:
    """The mock data of a point.

    Signal events arrive one after the other at rate 1, each any of those that may be judged: so the data of one seed
    with more signal have what those with less have, and their number is Poisson's.
    """
    data, simulation = background.rows(data_fraction, seed=point.seed, draw="mock")
    _, judged = signal.rows(prior_fraction, seed=_PRIOR_SEED, draw="prior")
    if not len(judged):
        raise InputDataError(f"no event of signal {point.signal} is left beside those kept as prior knowledge")
    most = np.arange(int(point.events + 12 * np.sqrt(point.events) + 24))
    times = np.cumsum(-np.log1p(-uniform_of(point.signal, most, seed=point.seed, draw="times")))
    which = (uniform_of(point.signal, most, seed=point.seed, draw="events") * len(judged)).astype(np.int64)
    return Mock(data, judged[which[times <= point.events]], simulation, judged)


@dataclass(frozen=True)
class _Seen:
    """What one method sees of the samples: its input, unscaled events and folds."""

    vector: Input
    key: str
    folds: int
    seed: int

    def sample(self, parts: Sequence[tuple[PoolEvents, Rows]], *, around: Window | None = None) -> Sample:
        """Events of the given rows, unscaled; only those in and beside a window if there is one."""
        raw = Batch.concatenate([pool.seen[self.key].take(rows) for pool, rows in parts])
        folds = np.concatenate([pool.folds(self.folds, self.seed)[rows] for pool, rows in parts])
        found = Sample(raw, folds)
        if around is None:
            return found
        return found.take(np.logical_or.reduce(list(around.parts(found.mass).values())))


@dataclass(frozen=True)
class PointJob:
    """Does points; see `TaskJob`. `methods` are the cards by the names of the study; `bins` are edges in GeV.

    `windows` and `priors`, which signals a method may know, are by method and signal, and by signal.
    """

    points: Mapping[str, Point]
    methods: Mapping[str, MethodCard]
    background: PoolEvents
    signals: Mapping[str, PoolEvents]
    windows: Mapping[str, Window]
    fractions: Mapping[str, float]
    bins: tuple[float, ...]
    functions: tuple[str, ...]
    priors: Mapping[tuple[str, str], tuple[str, ...]]
    data_fraction: float
    prior_fraction: float
    device: str = "cpu"

    def do(self, name: str, given: Mapping[str, Arrays]) -> Arrays:  # noqa: ARG002  points build on nothing
        """Count at a point; events that do not suffice, or a fit that fails, are told in place of numbers."""
        try:
            return self.count(self.points[name]).to_arrays()
        except (FitFailedError, InputDataError) as error:
            return failure(error)

    def wants(self, method: str) -> tuple[str, ...]:
        """What a method learns from beside the data."""
        card = self.methods[method]
        return make_method(card.method, make_input(card.input).layout).wants

    def count(self, point: Point) -> Counted:
        """Train the method in the mock data and count what it selects."""
        signal, window = self.signals[point.signal], self.windows[point.signal]
        mock = mock_data(
            self.background,
            signal,
            point,
            data_fraction=self.data_fraction,
            prior_fraction=self.prior_fraction,
        )
        card = self.methods[point.method]
        seen = _Seen(make_input(card.input), input_key(card.input), card.folds, point.seed)
        parts = [(self.background, mock.background), (signal, mock.signal)]
        data, judged = seen.sample(parts), seen.sample([(signal, mock.judged)])
        around = seen.sample(parts, around=window)
        vector = seen.vector.fitted(around.events)
        method = make_method(card.method, vector.layout)
        method.check_folds(card.folds)
        problem = self._problem(point, mock, seen, vector, _scaled(around, vector))
        fitted = train_all(method, problem, How(card.train, point.seed, self.device))
        fraction = self.fractions[point.signal]

        def selected(sample: Sample) -> npt.NDArray[np.bool_]:
            ready = _scaled(sample, vector)
            return chosen(fitted.scores(ready.events, ready.folds), fraction)

        is_signal = np.arange(len(data.folds)) >= len(mock.background)
        free, taken = ~is_signal, selected(data)
        all_, alone = (self._fit(data.mass[rows], window) for rows in (taken, taken & free))
        inside, judged_inside = (window.parts(sample.mass)["window"] for sample in (data, judged))
        return Counted(
            **_excess(all_),
            **_alone(alone),
            drawn=float(is_signal.sum()),
            judged=float(len(judged.folds)),
            judged_window=float(judged_inside.sum()),
            judged_selected=float((judged_inside & selected(judged)).sum()),
            background_window=float((inside & free).sum()),
            background_selected=float((inside & free & taken).sum()),
        )

    def _problem(self, point: Point, mock: Mock, seen: _Seen, vector: Input, data: Sample) -> Problem:
        """What the method learns from: of simulation only what it wants, and nothing that is judged."""
        window = self.windows[point.signal]
        wants = self.wants(point.method)
        background, signals = None, {}
        if "background" in wants:
            background = _scaled(seen.sample([(self.background, mock.simulation)], around=window), vector)
        if "signals" in wants:
            for name in self.priors[point.method, point.signal]:
                known, _ = self.signals[name].rows(self.prior_fraction, seed=_PRIOR_SEED, draw="prior")
                sample = seen.sample([(self.signals[name], known)], around=window)
                if len(sample.folds):
                    signals[name] = _scaled(sample, vector)
            if not signals:
                raise InputDataError(f"{point.method} learns from signals, and no other is around the window")
        return Problem(data, window, background, signals, seen.folds)

    def _fit(self, mass: FloatArray, window: Window) -> WindowCount:
        functions = [function for name in self.functions for function in functions_of(name, None)]
        return count_masses(mass, np.array(self.bins), window.low, window.high, functions)


def _scaled(sample: Sample, vector: Input) -> Sample:
    return replace(sample, events=vector.scaled(sample.events))


def _excess(count: WindowCount) -> dict[str, float]:
    """The excess in the window, by the names of `Counted`."""
    expected, error = float(count.expected[count.place]), float(count.errors[count.place])
    return {"z": count.z, "log_p": count.log_p, "observed": count.observed, "expected": expected, "error": error}


def _alone(count: WindowCount) -> dict[str, float]:
    """What background alone lets expect in the window, and the limit above it."""
    expected, error = float(count.expected[count.place]), float(count.errors[count.place])
    return {"free_expected": expected, "free_error": error, "limit": median_limit(expected, error)}
