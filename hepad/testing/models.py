"""The contract of a model, check by check. Which checks apply follows from what the model can do, not from its name."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad import registry
from hepad.errors import CardError, FitFailedError, InputDataError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import SET
from hepad.nn.explain import EXPLAINED_SCORE, Explains
from hepad.testing.asserts import assert_same, raises
from hepad.testing.model_case import Check, ModelCase
from hepad.testing.model_training import OF_TRAINING, OF_WEIGHTS

__all__ = ["ModelCase", "check_model", "model_checks"]


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
    scorer = case.new()
    checks += _OF_SCORES + (OF_TRAINING + OF_WEIGHTS if scorer.state() else [it_has_no_weights])
    explains = isinstance(scorer, Explains)
    if explains and EXPLAINED_SCORE in scorer.score_names:
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


def _arrays(batch: Batch) -> dict[str, npt.NDArray[Any]]:
    mask = {} if batch.mask is None else {"mask": batch.mask}
    return {"x": batch.x, "weight": batch.weight, **mask, **batch.beside}


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
    for size, calls in ((1, 25), (7, 20), (1000, 3)):
        events = case.events.take(slice(0, size * calls))
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
    case.trained.scores(case.events)
    unused = replace(case)
    for batch, fresh in (
        (case.events, unused.events),
        (case.data.train, unused.data.train),
        (case.data.validation, unused.data.validation),
    ):
        assert_same(_arrays(batch), _arrays(fresh))


def a_huge_input_still_gets_a_finite_score(case: ModelCase) -> None:
    """A jet of absurd momentum is an anomaly, not a fault."""
    events = case.events
    huge = replace(events, x=np.where(events.there, np.float32(1e25), events.x).astype(np.float32))
    for values in case.trained.scores(huge).values():
        assert np.isfinite(values).all()


def a_non_finite_input_raises(case: ModelCase) -> None:
    """A NaN is not scored."""
    x, row = case.events.x.copy(), len(case.events) // 2 - 16
    x[row].reshape(-1)[0] = np.nan
    with raises(InputDataError, f"row {row}"):
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


def it_has_no_weights(case: ModelCase) -> None:
    """Nothing is learned of background and nothing kept, but events there must be."""
    report = case.fit(case.new())
    assert report.epochs == 1
    assert case.trained.state() == {}
    json.dumps(case.trained.config)
    with raises(CardError, "stranger"):
        case.new().load_state({"stranger": np.zeros(1, dtype=np.float32)})
    for part, what in (("train", "training"), ("validation", "validation")):
        nothing = getattr(case.data, part).take(slice(0, 0))
        with raises(FitFailedError, f"no {what} events"):
            case.fit(case.new(), replace(case.data, **{part: nothing}))


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
    beside = {name: values[:, order] if values.ndim > 1 else values for name, values in events.beside.items()}
    shuffled = case.trained.scores(replace(events, x=events.x[:, order], mask=mask, beside=beside))
    for name, values in case.trained.scores(events).items():
        np.testing.assert_allclose(shuffled[name], values, rtol=1e-4, atol=1e-6)


def padding_does_not_matter(case: ModelCase) -> None:
    """What is masked is not seen."""
    events = case.events
    filled = np.where(events.there, events.x, np.float32(7)).astype(np.float32)
    missing = ~events.there[..., 0]
    beside = {k: np.where(missing, v + 1, v) if v.ndim > 1 else v for k, v in events.beside.items()}
    for name, values in case.trained.scores(replace(events, x=filled, beside=beside)).items():
        np.testing.assert_allclose(values, case.trained.scores(events)[name], rtol=1e-6)


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
