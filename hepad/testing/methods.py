"""The contract of a data-driven method, check by check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad import registry
from hepad.cards.method import MethodKeys
from hepad.cards.train import TrainCard
from hepad.errors import CardError, HepadError, InputDataError, UsageError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import VECTOR, Layout
from hepad.methods.base import MASS, Fitted, Folds, How, Method, Problem, Sample, Window, make_method, train_all
from hepad.methods.base.contract import PARTS
from hepad.nn.scorer import State
from hepad.testing.asserts import assert_same, raises
from hepad.testing.examples import example_batch, example_layout

__all__ = ["MethodCase", "check_method", "method_checks"]

Check = Callable[["MethodCase"], None]

WINDOW = Window(3300, 3700, (2800, 4200))
FOLDS = 3
_WINDOW = PARTS[1]
BACKGROUND, SIGNAL = 900, 60


@dataclass(frozen=True)
class MethodCase:
    """A method to check: its registered name, a configuration that trains in a second, and what it is fed."""

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    options: TrainCard = field(default_factory=lambda: TrainCard(epochs=8, batch_size=100, learning_rate=5e-3))
    axes: tuple[str, ...] = VECTOR
    features: tuple[str, ...] = ("pt",)

    @property
    def entry(self) -> registry.Entry:
        """Its entry in the registry."""
        return registry.lookup(registry.METHODS, self.name, "method")

    @property
    def kind(self) -> Any:
        """Its class."""
        return registry.load(self.entry)

    @property
    def layout(self) -> Layout:
        """The layout of its example events."""
        return example_layout(self.axes, self.features)

    @cached_property
    def data(self) -> Batch:
        """Background over the window and its sidebands, and a resonance in the window, shuffled."""
        events = Batch.concatenate([self._events(BACKGROUND, odd=False), self._events(SIGNAL, odd=True)])
        return events.take(np.random.default_rng(3).permutation(len(events)))

    @cached_property
    def signal(self) -> npt.NDArray[np.bool_]:
        """Which of the events are the resonance."""
        order = np.random.default_rng(3).permutation(BACKGROUND + SIGNAL)
        return order >= BACKGROUND

    @cached_property
    def folds(self) -> Folds:
        """The fold of each event."""
        return np.random.default_rng(4).integers(0, FOLDS, len(self.data))

    @property
    def learned(self) -> str:
        """The part of the mass that the checks change: the window, or else the first of those that it learns from."""
        return _WINDOW if _WINDOW in self.kind.parts else str(self.kind.parts[0])

    @cached_property
    def trained(self) -> Fitted:
        """What it learned, shared by the checks."""
        return self.fit()

    @cached_property
    def scores(self) -> dict[str, npt.NDArray[np.float32]]:
        """The scores of the data."""
        return self.trained.scores(self.data, self.folds)

    def new(self, config: Mapping[str, Any] | None = None) -> Method:
        """The method."""
        return make_method(MethodKeys(name=self.name, **(self.config if config is None else config)), self.layout)

    def problem(self, data: Batch | None = None, folds: Folds | None = None) -> Problem:
        """The data, or others, and what the method wants besides."""
        wants = self.kind.wants
        folds_of = np.arange(BACKGROUND) % FOLDS
        others = {odd: Sample(self._events(BACKGROUND, odd=odd, seed=6), folds_of) for odd in (False, True)}
        return Problem(
            Sample(self.data if data is None else data, self.folds if folds is None else folds),
            WINDOW,
            others[False] if "background" in wants else None,
            {"resonance": others[True]} if "signals" in wants else {},
        )

    def fit(self, data: Batch | None = None, folds: Folds | None = None, *, seed: int = 1) -> Fitted:
        """Learn from the data, or others."""
        return train_all(self.new(), self.problem(data, folds), self.how(seed))

    def how(self, seed: int = 1) -> How:
        """How it is trained."""
        return How(self.options, seed)

    def _events(self, n: int, *, odd: bool, seed: int = 2) -> Batch:
        batch = example_batch(self.entry.inputs[0], n, seed=seed, axes=self.axes, features=self.features, odd=odd)
        rng = np.random.default_rng([3 + seed, odd])
        mass = rng.normal(3500, 50, n) if odd else rng.uniform(*WINDOW.sidebands, n)
        return replace(batch, beside={MASS: mass})


def check_method(name: str, **settings: Any) -> None:
    """Run all checks on a registered method; `settings` are those of `MethodCase`.

    `AssertionError` that names the check which does not hold.
    """
    case = MethodCase(name, **settings)
    for check in method_checks(case):
        try:
            check(case)
        except Exception as error:
            raise AssertionError(f"{name}: {check.__name__.replace('_', ' ')}: {error}") from error


def method_checks(case: MethodCase) -> list[Check]:
    """The checks that apply to a method: of one that learns from the data, or learns at all, also how."""
    learns = bool(case.new().trainings(FOLDS))
    return [*(_OF_DATA if case.kind.parts else []), *_ALL, *(_OF_TRAINED if learns else [])]


def the_registry_names_the_class(case: MethodCase) -> None:
    """The class of the entry has its name, inputs and scores, and refuses a key that nobody knows."""
    kind = registry.load(case.entry)
    assert kind.name == case.name
    assert tuple(kind.input_kinds) == case.entry.inputs
    assert tuple(kind.score_names) == tuple(case.trained.score_names)
    with raises(CardError, "key 'no_such_key': unknown key"):
        kind({**case.config, "no_such_key": 1}, case.layout)
    assert registry.load_config(case.entry)(**case.config)


def scores_are_finite_float32_of_the_batch_length(case: MethodCase) -> None:
    """One array a score name, the default first, for events in the window, beside it and far away."""
    assert tuple(case.scores) == tuple(case.trained.score_names)
    for values in case.scores.values():
        assert values.shape == (len(case.data),)
        assert values.dtype == np.float32
        assert np.isfinite(values).all()


def scores_do_not_depend_on_the_events_around(case: MethodCase) -> None:
    """One event, none, any split and any order."""
    first = case.data.take(slice(0, 30))
    for size in (1, 7):
        starts = range(0, 30, size)
        parts = [
            case.trained.scores(first.take(slice(i, i + size)), case.folds[:30][slice(i, i + size)]) for i in starts
        ]
        assert_same(
            {name: np.concatenate([part[name] for part in parts]) for name in case.scores},
            {name: values[:30] for name, values in case.scores.items()},
        )
    order = np.random.default_rng(1).permutation(len(case.data))
    shuffled = case.trained.scores(case.data.take(order), case.folds[order])
    assert_same(shuffled, {name: values[order] for name, values in case.scores.items()})
    none = case.trained.scores(case.data.take(slice(0, 0)), case.folds[:0])
    assert all(values.shape == (0,) and values.dtype == np.float32 for values in none.values())


def a_resonance_scores_above_background(case: MethodCase) -> None:
    """Nine tenths of it above nine tenths of the background."""
    values = case.scores[case.trained.score_names[0]]
    assert np.mean(values[case.signal] > np.quantile(values[~case.signal], 0.9)) > 0.9


def no_resonance_makes_no_bump(case: MethodCase) -> None:
    """Without it, a cut keeps as much of the window as of the sidebands, but for chance."""
    data, folds = case.data.take(~case.signal), case.folds[~case.signal]
    name = case.trained.score_names[0]
    values = case.fit(data, folds).scores(data, folds)[name]
    window = WINDOW.parts(data.beside[MASS])["window"]
    kept = values >= np.quantile(values[~window], 0.7)
    pulled = kept[window].sum() - 0.3 * window.sum()
    spread = np.sqrt(0.21 * window.sum() * (1 + window.sum() / (~window).sum()))
    assert abs(pulled) < 4 * spread, f"{kept[window].sum()} of {window.sum()} events kept, 30 % expected"


def an_event_is_not_scored_by_a_network_that_saw_it(case: MethodCase) -> None:
    """Without some events of a fold, the others of the fold have the same scores, some of other folds not.

    Of a method that learns from the sidebands alone the default score is left out, which is a rank among their events.
    """
    learned = WINDOW.parts(case.data.beside[MASS])[case.learned]
    kept = ~(learned & (case.folds == 1)) | (np.arange(len(case.data)) % 2 == 0)
    assert kept.sum() < len(kept)
    data, folds = case.data.take(kept), case.folds[kept]
    found = case.fit(data, folds).scores(data, folds)
    for name, values in list(case.scores.items())[0 if case.learned == _WINDOW else 1 :]:
        before = values[kept]
        np.testing.assert_array_equal(found[name][folds == 1], before[folds == 1])
        assert not np.array_equal(found[name], before)


def an_event_of_no_fold_is_scored_by_all(case: MethodCase) -> None:
    """Signal simulated later, say; a fold that there was not is refused."""
    found = case.trained.scores(case.data, np.full(len(case.data), -1))
    for name, values in found.items():
        each = [case.trained.scores(case.data, np.full(len(case.data), fold))[name] for fold in range(FOLDS)]
        np.testing.assert_allclose(values, np.mean(each, axis=0, dtype=np.float64), rtol=1e-5, atol=1e-6)
    with raises(UsageError, "folds"):
        case.trained.scores(case.data, np.full(len(case.data), FOLDS))


def the_same_seed_gives_the_same_result(case: MethodCase) -> None:
    """Bit for bit, on the CPU; another seed another."""
    again, other = case.fit(), case.fit(seed=2)
    assert again.networks == case.trained.networks
    assert_same(again.state(), case.trained.state())
    name = case.trained.score_names[0]
    assert not np.array_equal(other.scores(case.data, case.folds)[name], case.scores[name])


def trainings_stand_by_themselves(case: MethodCase) -> None:
    """Done in another order, each by a method of its own, from what others left in files: the same comes of it."""
    from safetensors.numpy import load, save

    problem, trainings = case.problem(), case.new().trainings(FOLDS)
    assert len({training.name for training in trainings}) == len(trainings)
    files: dict[str, bytes] = {}
    waiting = list(reversed(trainings))
    while waiting:
        training = next(t for t in waiting if set(t.after) <= files.keys())
        given: dict[str, State] = {name: load(files[name]) for name in training.after}
        files[training.name] = save(case.new().train(training, problem, given, case.how()))
        waiting.remove(training)
    done = {name: load(content) for name, content in files.items()}
    assert_same(case.new().assembled(problem, done).state(), case.trained.state())


def what_it_learned_is_its_state(case: MethodCase) -> None:
    """Through a file; what does not fit is refused by name."""
    from safetensors.numpy import load, save

    state = load(save(case.trained.state()))
    again = case.new().fitted(state)
    assert again.networks == case.trained.networks
    assert_same(again.state(), case.trained.state())
    assert_same(again.scores(case.data, case.folds), case.scores)
    for name in state:
        rest = {key: array for key, array in state.items() if key != name}
        with raises(CardError, name.partition("/")[0]):
            case.new().fitted(rest)
        with raises(CardError, name.partition("/")[0]):
            case.new().fitted({**rest, name: np.full_like(state[name], np.nan)})
    with raises(CardError, "stranger"):
        case.new().fitted({**state, "stranger": np.zeros(1, dtype=np.float32)})


def weights_matter_and_equal_ones_do_not(case: MethodCase) -> None:
    """Weights of events are relative."""
    data, name = case.data, case.trained.score_names[0]
    doubled = case.fit(replace(data, weight=2 * data.weight)).scores(data, case.folds)[name]
    np.testing.assert_array_equal(doubled, case.scores[name])
    uneven = replace(data, weight=np.linspace(0.1, 2, len(data)))
    assert not np.array_equal(case.fit(uneven).scores(data, case.folds)[name], case.scores[name])


def the_data_are_left_unmodified(case: MethodCase) -> None:
    """Neither learning nor scoring writes into a batch."""
    before = case.data.x.copy()
    copies = {name: values.copy() for name, values in case.data.beside.items()}
    case.trained.scores(case.data, case.folds)
    np.testing.assert_array_equal(case.data.x, before)
    assert_same(copies, case.data.beside)


def what_it_cannot_learn_from_is_refused(case: MethodCase) -> None:
    """Numbers that are not finite, weights that are not positive, parts without events, another input."""
    data, folds = case.data, case.folds
    spoiled = np.where(np.arange(len(data)) == 17, np.nan, data.beside[MASS])
    x = data.x.copy()
    x[23].reshape(-1)[0] = np.nan
    weight = np.where(np.arange(len(data)) == 5, -1.0, 1.0)
    refused: list[tuple[type[HepadError], str, Batch, Folds]] = [
        (InputDataError, "mass of event 17", replace(data, beside={MASS: spoiled}), folds),
        (InputDataError, "input of event 23", replace(data, x=x), folds),
        (InputDataError, "weight of event 5", replace(data, weight=weight), folds),
        (CardError, case.name, replace(data, kind="no_such_kind"), folds),
        (CardError, MASS, replace(data, beside={}), folds),
    ]
    for kind, message, batch, parts in refused:
        with raises(kind, message):
            case.fit(batch, parts)


def too_few_folds_are_refused(case: MethodCase) -> None:
    """One is scored, the others are learned from."""
    with raises(UsageError, "too few"):
        case.new().check_folds(1)


def parts_without_events_are_refused(case: MethodCase) -> None:
    """A part that it learns from, a fold, and no events at all."""
    data, folds = case.data, case.folds
    beyond = np.where(WINDOW.parts(data.beside[MASS])[case.learned], 9000.0, data.beside[MASS])
    for message, batch, parts in (
        (f"no events in the {case.learned}", replace(data, beside={MASS: beyond}), folds),
        ("fold 1 has no events", data.take(folds != 1), folds[folds != 1]),
        ("no events", data.take(slice(0, 0)), folds[:0]),
    ):
        with raises(InputDataError, message):
            case.fit(batch, parts)


_ALL: list[Check] = [
    the_registry_names_the_class,
    scores_are_finite_float32_of_the_batch_length,
    scores_do_not_depend_on_the_events_around,
    a_resonance_scores_above_background,
    trainings_stand_by_themselves,
    what_it_learned_is_its_state,
    the_data_are_left_unmodified,
    what_it_cannot_learn_from_is_refused,
]
_OF_DATA: list[Check] = [
    no_resonance_makes_no_bump,
    an_event_is_not_scored_by_a_network_that_saw_it,
    weights_matter_and_equal_ones_do_not,
    parts_without_events_are_refused,
]
_OF_TRAINED: list[Check] = [
    an_event_of_no_fold_is_scored_by_all,
    the_same_seed_gives_the_same_result,
    too_few_folds_are_refused,
]
