"""What the contract of a model asks of its training, and of its weights on their way to a file and back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError, FitFailedError
from hepad.nn.scorer import Checkpoint, FitReport
from hepad.testing.asserts import assert_same, raises
from hepad.testing.model_case import Check, ModelCase

__all__ = ["OF_TRAINING", "OF_WEIGHTS"]


def the_training_lowers_the_loss(case: ModelCase) -> None:
    """It learns something."""
    _, report = case.whole
    epochs = case.options.epochs
    stages = report.stages or (epochs,)
    assert set(stages) == {epochs}
    assert report.epochs == sum(stages)
    assert not report.stopped_early
    for place in range(len(stages)):
        part = slice(epochs * place, epochs * (place + 1))
        train, validation = report.train_loss[part], report.validation_loss[part]
        assert train[-1] < train[0]
        assert validation[-1] < validation[0]


def the_same_seed_gives_the_same_result(case: ModelCase) -> None:
    """Bit for bit, on the CPU."""
    (first, report, _), second = case.brief, case.new()
    assert case.fit(second) == report
    assert_same(first.state(), second.state())
    assert_same(first.scores(case.events), second.scores(case.events))


def fitting_again_starts_anew(case: ModelCase) -> None:
    """A model that was trained before forgets it."""
    scorer, (fresh, _, _) = case.new(), case.brief
    case.fit(scorer, seed=5, options=case.options.model_copy(update={"epochs": 1}))
    case.fit(scorer)
    assert_same(scorer.state(), fresh.state())


def another_seed_gives_another_result(case: ModelCase) -> None:
    """The seed is used."""
    (first, _, _), second = case.brief, case.new()
    case.fit(second, seed=2)
    name = first.score_names[0]
    assert not np.array_equal(first.scores(case.events)[name], second.scores(case.events)[name])


def a_resumed_training_ends_like_an_uninterrupted_one(case: ModelCase) -> None:
    """From an early checkpoint without patience and a late one with it, through a file."""
    from safetensors.numpy import load, save

    def ends_alike(whole: Any, report: FitReport, checkpoint: Checkpoint, **options: Any) -> None:
        resumed, read = case.new(), replace(checkpoint, tensors=load(save(checkpoint.tensors)))
        assert case.fit(resumed, resume=read, **options) == report
        assert_same(whole.state(), resumed.state())

    ends_alike(*case.brief)
    patient = case.options.model_copy(update={"epochs": 3, "patience": 2})
    kept: list[Checkpoint] = []
    scorer = case.new()
    report = case.fit(scorer, options=patient, on_epoch=lambda end: kept.append(end.checkpoint()))
    ends_alike(scorer, report, kept[1], options=patient)


def a_checkpoint_of_another_network_is_refused(case: ModelCase) -> None:
    """By the name of the tensor that does not fit."""
    _, _, checkpoint = case.brief
    tensors = dict(checkpoint.tensors)
    name = next(name for name in tensors if "weights/" in name)
    tensors[name] = np.zeros((99, 99), dtype=np.float32)
    with raises(CardError, name[name.index("weights/") :]):
        case.fit(case.new(), resume=replace(checkpoint, tensors=tensors))


def a_diverging_training_fails_and_keeps_the_weights(case: ModelCase) -> None:
    """A failed training leaves the model as it was."""
    scorer = case.new()
    before = scorer.state()
    with raises(FitFailedError, "epoch"):
        case.fit(
            scorer,
            options=case.options.model_copy(update={"learning_rate": 1e38, "clip_norm": None, "clip_each": None}),
        )
    assert_same(before, scorer.state())


def a_training_needs_events(case: ModelCase) -> None:
    """It says which part has none."""
    with raises(FitFailedError, "no training events"):
        case.fit(case.new(), replace(case.data, train=case.data.train.take(slice(0, 0))))
    with raises(FitFailedError, "no validation events"):
        case.fit(case.new(), replace(case.data, validation=case.data.validation.take(slice(0, 0))))


def weights_matter_and_equal_ones_do_not(case: ModelCase) -> None:
    """Weights of events are relative."""
    train = case.few.train
    (plain, _, _), doubled, uneven = case.brief, case.new(), case.new()
    case.fit(doubled, replace(case.few, train=replace(train, weight=2 * train.weight)))
    case.fit(uneven, replace(case.few, train=replace(train, weight=np.linspace(0, 1, len(train)))))
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


OF_TRAINING: list[Check] = [
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
OF_WEIGHTS: list[Check] = [saving_and_loading_is_exact, a_state_is_a_copy, a_state_that_does_not_fit_is_refused]
