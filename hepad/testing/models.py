"""The contract of a model, check by check. Which checks apply follows from what the model can do, not from its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad import registry
from hepad.cards.train import TrainCard
from hepad.errors import CardError, FitFailedError, InputDataError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import SET, VECTOR, Layout
from hepad.nn.explain import EXPLAINED_SCORE, Explains
from hepad.nn.scorer import Checkpoint, EpochEnd, FitReport, TrainingData
from hepad.testing.asserts import assert_same, raises
from hepad.testing.examples import example_batch, example_layout

__all__ = ["ModelCase", "check_model", "model_checks"]

Check = Callable[["ModelCase"], None]


@dataclass(frozen=True)
class ModelCase:
    """A model to check: its registered name, a configuration that trains in a second, and what it is fed.

    `precision` is that of its weights, which saving must keep. `unit` multiplies the example events, whose numbers are
    about one, for a model of larger ones.
    """

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    options: TrainCard = field(default_factory=lambda: TrainCard(epochs=30, batch_size=100, learning_rate=5e-3))
    axes: tuple[str, ...] = VECTOR
    features: tuple[str, ...] = ("pt",)
    precision: str = "float32"
    unit: float = 1.0

    @property
    def entry(self) -> registry.Entry:
        """Its entry in the registry."""
        return registry.lookup(registry.SCORERS, self.name, "model")

    @property
    def kind(self) -> str:
        """The input kind that it is fed: the first that it takes."""
        return self.entry.inputs[0]

    @property
    def layout(self) -> Layout:
        """The layout of its example events."""
        return example_layout(self.axes, self.features)

    @cached_property
    def events(self) -> Batch:
        """Background to score."""
        return self._batch(2500, 1)

    @cached_property
    def data(self) -> TrainingData:
        """Background to train on."""
        return TrainingData(self._batch(1000, 2), self._batch(201, 3))

    @cached_property
    def odd(self) -> Batch:
        """Anomalies."""
        return self._batch(20, 99, odd=True)

    @cached_property
    def trained(self) -> Any:
        """A trained model, shared by the checks: not to be fitted or loaded again."""
        scorer = self.new()
        scorer.fit(self.data, options=self.options, seed=1)
        return scorer

    @property
    def trainable(self) -> bool:
        """Whether it is trained here."""
        return self.entry.trainable

    def new(self, config: Mapping[str, Any] | None = None) -> Any:
        """An untrained model."""
        return registry.load(self.entry)(self.config if config is None else config, self.layout)

    def fit(self, scorer: Any, data: TrainingData | None = None, **changes: Any) -> FitReport:
        """Train a few epochs."""
        settings = {"options": self.options.model_copy(update={"epochs": 4}), "seed": 1} | changes
        report: FitReport = scorer.fit(data or self.data, **settings)
        return report

    def _batch(self, n: int, seed: int, *, odd: bool = False) -> Batch:
        batch = example_batch(self.kind, n, seed=seed, axes=self.axes, features=self.features, odd=odd)
        return replace(batch, x=batch.x * np.float32(self.unit))


def check_model(name: str, **settings: Any) -> None:
    """Run all checks that apply to a registered model; `settings` are those of `ModelCase`.

    `AssertionError` that names the check which does not hold.
    """
    case = ModelCase(name, **settings)
    for check in model_checks(case):
        try:
            check(case)
        except Exception as error:
            raise AssertionError(f"{name}: {check.__name__.replace('_', ' ')}: {error}") from error


def model_checks(case: ModelCase) -> list[Check]:
    """The checks that apply to a model."""
    checks: list[Check] = [the_registry_names_the_class, an_unknown_key_is_refused, a_card_is_checked_without_torch]
    if not case.trainable:
        return checks
    checks += _OF_SCORES + _OF_TRAINING + _OF_WEIGHTS
    if isinstance(case.new(), Explains) and EXPLAINED_SCORE in case.new().score_names:
        checks.append(reconstruction_errors_average_to_the_score)
    if case.axes == SET:
        checks += [the_order_of_objects_does_not_matter, padding_does_not_matter]
    return checks


# --- the registry and the card


def the_registry_names_the_class(case: ModelCase) -> None:
    """The class of the entry has its name and its input kinds, and can be trained if the entry says so."""
    kind = registry.load(case.entry)
    assert kind.name == case.name, f"the class calls itself {kind.name}"
    assert tuple(kind.input_kinds) == case.entry.inputs, f"the class takes {kind.input_kinds}"
    assert hasattr(kind, "fit") == case.trainable, "the entry's `trainable` is not what the class can do"


def an_unknown_key_is_refused(case: ModelCase) -> None:
    """A wrong key of the configuration is named."""
    with raises(CardError, "key 'no_such_key': unknown key"):
        case.new({**case.config, "no_such_key": 1})


def a_card_is_checked_without_torch(case: ModelCase) -> None:
    """The class of the settings is what the scorer itself takes."""
    settings = registry.load_config(case.entry)
    assert settings(**case.config).model_dump(mode="json", exclude_none=True).items() >= dict(case.config).items()


# --- scores


def scores_are_finite_float32_of_the_batch_length(case: ModelCase) -> None:
    """One array a score name, the default first."""
    scores = case.trained.scores(case.events)
    assert tuple(scores) == tuple(case.trained.score_names)
    for values in scores.values():
        assert values.shape == (len(case.events),)
        assert values.dtype == np.float32
        assert np.isfinite(values).all()


def scores_do_not_depend_on_the_split(case: ModelCase) -> None:
    """An event's score is the same, bit for bit, whatever the events around it."""
    for size in (1, 7, 1000):
        events = case.events if size > 1 else case.events.take(slice(0, 200))
        whole = case.trained.scores(events)
        parts = [case.trained.scores(events.take(slice(i, i + size))) for i in range(0, len(events), size)]
        for name, values in whole.items():
            np.testing.assert_array_equal(values, np.concatenate([part[name] for part in parts]))


def scores_follow_the_order_of_events(case: ModelCase) -> None:
    """Shuffled events have shuffled scores."""
    order = np.random.default_rng(4).permutation(len(case.events))
    shuffled = case.trained.scores(case.events.take(order))
    for name, values in case.trained.scores(case.events).items():
        np.testing.assert_array_equal(values[order], shuffled[name])


def no_events_give_no_scores(case: ModelCase) -> None:
    """An empty batch is no special case."""
    for values in case.trained.scores(case.events.take(slice(0, 0))).values():
        assert values.shape == (0,)
        assert values.dtype == np.float32


def the_input_is_left_unmodified(case: ModelCase) -> None:
    """Neither training nor scoring writes into a batch."""
    batches = (case.events, case.data.train, case.data.validation)
    for batch in batches:
        for array in (batch.x, batch.mask, batch.weight):
            if array is not None and array.flags.owndata:
                array.setflags(write=False)  # writing would raise
    copies = [batch.x.copy() for batch in batches]
    scorer = case.new()
    case.fit(scorer)
    scorer.scores(case.events)
    for batch, copy in zip(batches, copies, strict=True):
        np.testing.assert_array_equal(batch.x, copy)


def a_huge_input_still_gets_a_finite_score(case: ModelCase) -> None:
    """A jet of absurd momentum is an anomaly, not a fault."""
    events = case.events
    huge = replace(events, x=np.where(events.there, np.float32(1e25), events.x).astype(np.float32))
    for values in case.trained.scores(huge).values():
        assert np.isfinite(values).all()


def a_non_finite_input_raises(case: ModelCase) -> None:
    """A NaN is not scored."""
    x = case.events.x.copy()
    x[1234].reshape(-1)[0] = np.nan
    with raises(InputDataError, "row 1234"):
        case.trained.scores(replace(case.events, x=x))


def an_anomaly_scores_above_background(case: ModelCase) -> None:
    """Higher is more anomalous."""
    name = case.trained.score_names[0]
    threshold = np.quantile(case.trained.scores(case.events)[name], 0.99)
    assert (case.trained.scores(case.odd)[name] > threshold).all()


def a_wrong_kind_of_input_raises(case: ModelCase) -> None:
    """A batch of another kind is refused by scoring and training."""
    other = next((kind for kind in registry.INPUTS if kind not in case.entry.inputs), "no_such_kind")
    wrong = replace(case.data.train, kind=other)
    with raises(CardError, other):
        case.trained.scores(wrong)
    with raises(CardError, other):
        case.fit(case.new(), replace(case.data, train=wrong))
    with raises(CardError, other):
        case.fit(case.new(), replace(case.data, validation=replace(case.data.validation, kind=other)))


def wrong_columns_raise(case: ModelCase) -> None:
    """A batch of another layout is refused."""
    layout = case.layout
    swapped = replace(layout, features=tuple(f"other{i}" for i in range(len(layout.features))), slots=())
    with raises(CardError, "columns"):
        case.trained.scores(replace(case.data.train, layout=swapped))


def reconstruction_errors_average_to_the_score(case: ModelCase) -> None:
    """What explains a score adds up to it."""
    before = case.events.x.copy()
    errors = case.trained.reconstruction_errors(case.events)
    assert errors.dtype == np.float32
    assert errors.shape == case.events.x.shape
    assert (errors >= 0).all()
    mean = errors.reshape(len(errors), -1).mean(axis=1)
    np.testing.assert_allclose(mean, case.trained.scores(case.events)[EXPLAINED_SCORE], rtol=1e-5)
    np.testing.assert_array_equal(case.events.x, before)
    with raises(CardError, "another"):
        case.trained.reconstruction_errors(replace(case.events, kind="another"))


def the_order_of_objects_does_not_matter(case: ModelCase) -> None:
    """A set has no order."""
    events, order = case.events, np.random.default_rng(5).permutation(case.layout.shape[0])
    mask = None if events.mask is None else events.mask[:, order]
    shuffled = case.trained.scores(replace(events, x=events.x[:, order], mask=mask))
    for name, values in case.trained.scores(events).items():
        np.testing.assert_allclose(shuffled[name], values, rtol=1e-4, atol=1e-6)


def padding_does_not_matter(case: ModelCase) -> None:
    """What is masked is not seen."""
    events = case.events
    filled = np.where(events.there, events.x, np.float32(7)).astype(np.float32)
    for name, values in case.trained.scores(replace(events, x=filled)).items():
        np.testing.assert_allclose(values, case.trained.scores(events)[name], rtol=1e-6)


# --- training


def the_training_lowers_the_loss(case: ModelCase) -> None:
    """It learns something."""
    report = case.fit(case.new(), options=case.options.model_copy(update={"epochs": 8}))
    stages = report.stages or (8,)
    assert set(stages) == {8}
    assert report.epochs == sum(stages)
    assert not report.stopped_early
    for place in range(len(stages)):
        train, validation = (
            losses[8 * place : 8 * place + 8] for losses in (report.train_loss, report.validation_loss)
        )
        assert train[-1] < train[0]
        assert validation[-1] < validation[0]


def the_same_seed_gives_the_same_result(case: ModelCase) -> None:
    """Bit for bit, on the CPU."""
    first, second = case.new(), case.new()
    assert case.fit(first) == case.fit(second)
    assert_same(first.state(), second.state())
    assert_same(first.scores(case.events), second.scores(case.events))


def fitting_again_starts_anew(case: ModelCase) -> None:
    """A model that was trained before forgets it."""
    scorer, fresh = case.new(), case.new()
    case.fit(scorer, seed=5)
    case.fit(scorer)
    case.fit(fresh)
    assert_same(scorer.state(), fresh.state())


def another_seed_gives_another_result(case: ModelCase) -> None:
    """The seed is used."""
    first, second = case.new(), case.new()
    case.fit(first)
    case.fit(second, seed=2)
    name = first.score_names[0]
    assert not np.array_equal(first.scores(case.events)[name], second.scores(case.events)[name])


def a_resumed_training_ends_like_an_uninterrupted_one(case: ModelCase) -> None:
    """From any checkpoint, with and without patience, through a file."""
    from safetensors.numpy import load, save

    for patience in (None, 3):
        options = case.options.model_copy(update={"epochs": 5, "patience": patience})
        kept: list[Checkpoint] = []
        whole = case.new()
        report = case.fit(whole, options=options, on_epoch=_keeper(kept))
        for after in (1, 3):
            checkpoint = replace(kept[after - 1], tensors=load(save(kept[after - 1].tensors)))
            resumed = case.new()
            assert case.fit(resumed, options=options, resume=checkpoint) == report
            assert_same(whole.state(), resumed.state())


def a_checkpoint_of_another_network_is_refused(case: ModelCase) -> None:
    """By the name of the tensor that does not fit."""
    kept: list[Checkpoint] = []
    case.fit(case.new(), on_epoch=_keeper(kept))
    tensors = dict(kept[0].tensors)
    name = next(name for name in tensors if "weights/" in name)
    tensors[name] = np.zeros((99, 99), dtype=np.float32)
    with raises(CardError, name[name.index("weights/") :]):
        case.fit(case.new(), resume=replace(kept[0], tensors=tensors))


def a_diverging_training_fails_and_keeps_the_weights(case: ModelCase) -> None:
    """A failed training leaves the model as it was."""
    scorer = case.new()
    before = scorer.state()
    with raises(FitFailedError, "epoch"):
        case.fit(scorer, options=case.options.model_copy(update={"learning_rate": 1e30, "clip_norm": None}))
    assert_same(before, scorer.state())


def a_training_needs_events(case: ModelCase) -> None:
    """It says which part has none."""
    with raises(FitFailedError, "no training events"):
        case.fit(case.new(), replace(case.data, train=case.data.train.take(slice(0, 0))))
    with raises(FitFailedError, "no validation events"):
        case.fit(case.new(), replace(case.data, validation=case.data.validation.take(slice(0, 0))))


def weights_matter_and_equal_ones_do_not(case: ModelCase) -> None:
    """Weights of events are relative."""
    train = case.data.train
    plain, doubled, uneven = case.new(), case.new(), case.new()
    case.fit(plain)
    case.fit(doubled, replace(case.data, train=replace(train, weight=2 * train.weight)))
    case.fit(uneven, replace(case.data, train=replace(train, weight=np.linspace(0, 1, len(train)))))
    assert_same(plain.state(), doubled.state())
    assert any(not np.array_equal(plain.state()[name], array) for name, array in uneven.state().items())


# --- weights


def saving_and_loading_is_exact(case: ModelCase) -> None:
    """State and configuration, through a file, are the model."""
    from safetensors.numpy import load, save

    state = case.trained.state()
    assert all(array.dtype == case.precision and array.flags.c_contiguous for array in state.values())
    other = case.new(json.loads(json.dumps(case.trained.config)))
    other.load_state(load(save(state)))
    assert other.config == case.trained.config
    assert_same(state, other.state())
    assert_same(case.trained.scores(case.events), other.scores(case.events))


def a_state_is_a_copy(case: ModelCase) -> None:
    """Who changes it does not change the model."""
    before, state = case.trained.state(), case.trained.state()
    for array in state.values():
        array.fill(12345)
    assert_same(before, case.trained.state())


def a_state_that_does_not_fit_is_refused(case: ModelCase) -> None:
    """Missing, unknown, misshapen and non-finite tensors are named, and nothing is taken."""
    name = list(case.trained.state())[-1]
    value = case.trained.state()[name]
    spoiled: dict[str, dict[str, npt.NDArray[Any] | None]] = {
        "missing": {name: None},
        "stranger": {"stranger": np.zeros(1, dtype=np.float32)},
        "shape": {name: np.zeros((2, 99), dtype=np.float32)},
        "finite": {name: np.full_like(value, np.nan)},
    }
    for message, changes in spoiled.items():
        scorer = case.new()
        before = scorer.state()
        state = {key: array for key, array in {**case.trained.state(), **changes}.items() if array is not None}
        with raises(CardError, message):
            scorer.load_state(state)
        assert_same(before, scorer.state())


_OF_SCORES: list[Check] = [
    scores_are_finite_float32_of_the_batch_length,
    scores_do_not_depend_on_the_split,
    scores_follow_the_order_of_events,
    no_events_give_no_scores,
    the_input_is_left_unmodified,
    a_huge_input_still_gets_a_finite_score,
    a_non_finite_input_raises,
    an_anomaly_scores_above_background,
    a_wrong_kind_of_input_raises,
    wrong_columns_raise,
]
_OF_TRAINING: list[Check] = [
    the_training_lowers_the_loss,
    the_same_seed_gives_the_same_result,
    fitting_again_starts_anew,
    another_seed_gives_another_result,
    a_resumed_training_ends_like_an_uninterrupted_one,
    a_checkpoint_of_another_network_is_refused,
    a_diverging_training_fails_and_keeps_the_weights,
    a_training_needs_events,
    weights_matter_and_equal_ones_do_not,
]
_OF_WEIGHTS: list[Check] = [saving_and_loading_is_exact, a_state_is_a_copy, a_state_that_does_not_fit_is_refused]


def _keeper(kept: list[Checkpoint]) -> Callable[[EpochEnd], None]:
    return lambda end: kept.append(end.checkpoint())
