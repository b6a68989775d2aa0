"""What every scorer promises; a scorer's test class inherits `ScorerContract` and says which scorer it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest
import safetensors.numpy

from hepad import registry
from hepad.cards.analysis import TrainCard
from hepad.errors import CardError, FitFailedError, InputDataError
from hepad.inputs.batch import Batch
from hepad.nn.explain import EXPLAINED_SCORE, explains
from hepad.nn.scorer import Checkpoint, EpochEnd, FitReport, State

OBJECTS = ("jet1", "jet2", "jet3", "muon1", "electron1", "met")


class ScorerContract:
    """Give `name`, and `config` and `features` where the defaults do not do."""

    name: ClassVar[str]
    config: ClassVar[dict[str, Any]] = {}
    features: ClassVar[tuple[str, ...]] = ("pt",)
    kind: ClassVar[str] = "l1_vector"
    precision: ClassVar[type[np.floating[Any]]] = np.float32
    options: ClassVar[TrainCard] = TrainCard(epochs=30, batch_size=100, learning_rate=5e-3)

    @pytest.fixture
    def events(self) -> Batch:
        return synthetic(2500, self.features, seed=1, kind=self.kind)

    @pytest.fixture
    def train(self) -> Batch:
        return synthetic(1000, self.features, seed=2, kind=self.kind)

    @pytest.fixture
    def validation(self) -> Batch:
        return synthetic(201, self.features, seed=3, kind=self.kind)

    @pytest.fixture
    def trained(self) -> Any:
        """Trained once per class; shared, so not to be fitted or loaded again."""
        return _trained(type(self))

    def new(self, config: dict[str, Any] | None = None) -> Any:
        return _new(type(self), config)

    def fit(self, scorer: Any, train: Batch, validation: Batch, **changes: Any) -> FitReport:
        settings = {"options": self.options.model_copy(update={"epochs": 4}), "seed": 1} | changes
        return scorer.fit(train, validation, **settings)

    # --- the registry

    def test_the_registry_names_the_class(self) -> None:
        entry = registry.lookup(registry.SCORERS, self.name, "model")
        kind = registry.load(entry)
        assert kind.name == self.name
        assert kind.input_kinds == entry.inputs

    # --- scores

    def test_scores_are_finite_float32_of_the_batch_length(self, trained: Any, events: Batch) -> None:
        scores = trained.scores(events)
        assert tuple(scores) == trained.score_names
        for values in scores.values():
            assert values.shape == (len(events),)
            assert values.dtype == np.float32
            assert np.isfinite(values).all()

    def test_reconstruction_errors_average_to_the_score(self, trained: Any, events: Batch) -> None:
        before = events.x.copy()
        errors = explains(trained).reconstruction_errors(events)
        assert errors.dtype == np.float32
        assert errors.shape == events.x.shape
        assert (errors >= 0).all()
        np.testing.assert_allclose(errors.mean(axis=1), trained.scores(events)[EXPLAINED_SCORE], rtol=1e-5)
        np.testing.assert_array_equal(events.x, before)
        with pytest.raises(CardError):
            explains(trained).reconstruction_errors(replace(events, kind="another"))

    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_scores_do_not_depend_on_the_split(self, trained: Any, events: Batch, size: int) -> None:
        events = events if size > 1 else events.take(slice(0, 200))
        whole = trained.scores(events)
        parts = [trained.scores(events.take(slice(i, i + size))) for i in range(0, len(events), size)]
        for name, values in whole.items():
            np.testing.assert_array_equal(values, np.concatenate([part[name] for part in parts]))

    def test_scores_follow_the_order_of_events(self, trained: Any, events: Batch) -> None:
        order = np.random.default_rng(4).permutation(len(events))
        shuffled = trained.scores(events.take(order))
        for name, values in trained.scores(events).items():
            np.testing.assert_array_equal(values[order], shuffled[name])

    def test_no_events_give_no_scores(self, trained: Any, events: Batch) -> None:
        for values in trained.scores(events.take(slice(0, 0))).values():
            assert values.shape == (0,)
            assert values.dtype == np.float32

    def test_the_input_is_left_unmodified(self, events: Batch, train: Batch, validation: Batch) -> None:
        scorer = self.new()
        for batch in (events, train, validation):
            for array in (batch.x, batch.mask, batch.weight):
                array.setflags(write=False)  # writing would raise
        copies = [batch.x.copy() for batch in (events, train, validation)]
        self.fit(scorer, train, validation)
        scorer.scores(events)
        for batch, copy in zip((events, train, validation), copies, strict=True):
            np.testing.assert_array_equal(batch.x, copy)

    def test_a_huge_input_still_gets_a_finite_score(self, trained: Any, events: Batch) -> None:
        huge = replace(events, x=np.where(events.mask, np.float32(1e25), events.x).astype(np.float32))
        for values in trained.scores(huge).values():
            assert np.isfinite(values).all()

    def test_a_non_finite_input_raises(self, trained: Any, events: Batch) -> None:
        x = events.x.copy()
        x[1234, 0] = np.nan
        with pytest.raises(InputDataError, match="row 1234"):
            trained.scores(replace(events, x=x))

    def test_an_anomaly_scores_above_background(self, trained: Any, events: Batch) -> None:
        threshold = np.quantile(trained.scores(events)[trained.score_names[0]], 0.99)
        anomalies = trained.scores(anomalous(20, self.features, self.kind))[trained.score_names[0]]
        assert (anomalies > threshold).all()

    # --- training

    def test_the_training_lowers_the_loss(self, train: Batch, validation: Batch) -> None:
        report = self.fit(self.new(), train, validation, options=self.options.model_copy(update={"epochs": 8}))
        assert report.train_loss[-1] < report.train_loss[0]
        assert report.validation_loss[-1] < report.validation_loss[0]
        assert (report.epochs, report.best_epoch, report.stopped_early) == (8, 8, False)

    def test_the_same_seed_gives_the_same_result(self, events: Batch, train: Batch, validation: Batch) -> None:
        first, second = self.new(), self.new()
        assert self.fit(first, train, validation) == self.fit(second, train, validation)
        assert_same_state(first.state(), second.state())
        assert_same_state(first.scores(events), second.scores(events))

    def test_fitting_again_starts_anew(self, train: Batch, validation: Batch) -> None:
        scorer, fresh = self.new(), self.new()
        self.fit(scorer, train, validation, seed=5)
        self.fit(scorer, train, validation)
        self.fit(fresh, train, validation)
        assert_same_state(scorer.state(), fresh.state())

    def test_another_seed_gives_another_result(self, events: Batch, train: Batch, validation: Batch) -> None:
        first, second = self.new(), self.new()
        self.fit(first, train, validation)
        self.fit(second, train, validation, seed=2)
        name = first.score_names[0]
        assert not np.array_equal(first.scores(events)[name], second.scores(events)[name])

    @pytest.mark.parametrize("patience", [None, 3])
    @pytest.mark.parametrize("after", [1, 3])
    def test_a_resumed_training_ends_like_an_uninterrupted_one(
        self, train: Batch, validation: Batch, patience: int | None, after: int
    ) -> None:
        options = self.options.model_copy(update={"epochs": 5, "patience": patience})
        checkpoints: list[Checkpoint] = []
        whole, resumed = self.new(), self.new()
        report = self.fit(whole, train, validation, options=options, on_epoch=lambda end: keep(end, checkpoints))
        checkpoint = through_safetensors(checkpoints[after - 1])
        assert self.fit(resumed, train, validation, options=options, resume=checkpoint) == report
        assert_same_state(whole.state(), resumed.state())

    def test_a_checkpoint_of_another_network_is_refused(self, train: Batch, validation: Batch) -> None:
        checkpoints: list[Checkpoint] = []
        self.fit(self.new(), train, validation, on_epoch=lambda end: keep(end, checkpoints))
        tensors = dict(checkpoints[0].tensors)
        name = next(name for name in tensors if name.startswith("adam/exp_avg/"))
        tensors[name] = np.zeros((99, 99), dtype=np.float32)
        with pytest.raises(CardError, match=name):
            self.fit(self.new(), train, validation, resume=replace(checkpoints[0], tensors=tensors))

    def test_a_diverging_training_fails_and_keeps_the_weights(self, train: Batch, validation: Batch) -> None:
        scorer = self.new()
        before = scorer.state()
        options = self.options.model_copy(update={"learning_rate": 1e30})
        with pytest.raises(FitFailedError, match="epoch 1"):
            self.fit(scorer, train, validation, options=options)
        assert_same_state(before, scorer.state())

    def test_a_training_needs_events(self, train: Batch, validation: Batch) -> None:
        with pytest.raises(FitFailedError, match="no training events"):
            self.fit(self.new(), train.take(slice(0, 0)), validation)
        with pytest.raises(FitFailedError, match="no validation events"):
            self.fit(self.new(), train, validation.take(slice(0, 0)))

    def test_weights_matter_and_equal_ones_do_not(self, train: Batch, validation: Batch) -> None:
        plain, doubled, uneven = self.new(), self.new(), self.new()
        self.fit(plain, train, validation)
        self.fit(doubled, replace(train, weight=2 * train.weight), validation)
        self.fit(uneven, replace(train, weight=np.linspace(0, 1, len(train))), validation)
        assert_same_state(plain.state(), doubled.state())
        assert any(not np.array_equal(plain.state()[name], array) for name, array in uneven.state().items())

    # --- weights and configuration

    def test_saving_and_loading_is_exact(self, trained: Any, events: Batch) -> None:
        state = trained.state()
        assert all(array.dtype == self.precision and array.flags.c_contiguous for array in state.values())
        other = self.new(json.loads(json.dumps(trained.config)))
        other.load_state(safetensors.numpy.load(safetensors.numpy.save(state)))
        assert other.config == trained.config
        assert_same_state(state, other.state())
        assert_same_state(trained.scores(events), other.scores(events))

    def test_a_state_is_a_copy(self, trained: Any) -> None:
        before, state = trained.state(), trained.state()
        for array in state.values():
            array.fill(12345)
        assert_same_state(before, trained.state())

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda state, name: state.pop(name), "missing"),
            (lambda state, name: state.update(stranger=np.zeros(1, dtype=np.float32)), "stranger"),
            (lambda state, name: state.update({name: np.zeros((2, 99), dtype=np.float32)}), "shape"),
            (lambda state, name: state.update({name: np.full_like(state[name], np.nan)}), "finite"),
        ],
    )
    def test_a_state_that_does_not_fit_is_refused(
        self, spoil: Callable[[State, str], None], message: str, trained: Any
    ) -> None:
        scorer, state = self.new(), trained.state()
        before = scorer.state()
        spoil(state, list(state)[-1])
        with pytest.raises(CardError, match=message):
            scorer.load_state(state)
        assert_same_state(before, scorer.state())

    def test_an_unknown_key_is_refused(self) -> None:
        with pytest.raises(CardError, match="key 'no_such_key': unknown key"):
            self.new({**self.config, "no_such_key": 1})

    # --- what it is fed

    def test_a_wrong_kind_of_input_raises(self, trained: Any, train: Batch, validation: Batch) -> None:
        wrong = replace(train, kind="calo_image")
        with pytest.raises(CardError, match="calo_image"):
            trained.scores(wrong)
        with pytest.raises(CardError, match="calo_image"):
            self.fit(self.new(), wrong, validation)
        with pytest.raises(CardError, match="calo_image"):
            self.fit(self.new(), train, replace(validation, kind="calo_image"))

    def test_wrong_columns_raise(self, trained: Any, train: Batch) -> None:
        swapped = replace(train, columns=tuple(reversed(train.columns)))
        with pytest.raises(CardError, match="columns"):
            trained.scores(swapped)
        with pytest.raises(CardError, match="column"):
            type(trained)(self.config, ())


@cache
def _trained(contract: type[ScorerContract]) -> Any:
    scorer = _new(contract)
    train, validation = (synthetic(n, contract.features, seed, contract.kind) for n, seed in ((1000, 2), (201, 3)))
    scorer.fit(train, validation, options=contract.options, seed=1)
    return scorer


def _new(contract: type[ScorerContract], config: dict[str, Any] | None = None) -> Any:
    kind = registry.load(registry.lookup(registry.SCORERS, contract.name, "model"))
    return kind(contract.config if config is None else config, columns(contract.features))


def columns(features: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        f"{thing}_{feature}" for thing in OBJECTS for feature in features if (thing, feature) != ("met", "eta")
    )


def synthetic(n: int, features: tuple[str, ...], seed: int, kind: str = "l1_vector") -> Batch:
    """Background: transverse momenta of all objects follow two common factors; the third jet is often missing."""
    rng = np.random.default_rng(seed)
    factors = rng.uniform(0.1, 0.5, (n, 2))
    present = np.ones((n, len(OBJECTS)), dtype=bool)
    present[:, 2] = rng.random(n) < 0.6
    shares = np.linspace(0.2, 1.0, len(OBJECTS))
    pt = factors[:, :1] * shares + factors[:, 1:] * shares[::-1] + 0.01 * rng.standard_normal((n, len(OBJECTS)))
    return _batch(pt, present, features, rng, kind)


def anomalous(n: int, features: tuple[str, ...], kind: str = "l1_vector") -> Batch:
    """Events with momenta far above background's, and not in its proportions."""
    rng = np.random.default_rng(99)
    pt = np.tile([6.0, 0.1, 6.0, 0.1, 6.0, 0.1], (n, 1)) * rng.uniform(0.9, 1.1, (n, len(OBJECTS)))
    return _batch(pt, np.ones(pt.shape, dtype=bool), features, rng, kind)


def _batch(pt: Any, present: Any, features: tuple[str, ...], rng: np.random.Generator, kind: str) -> Batch:
    values = {"pt": pt, "eta": rng.uniform(-2, 2, pt.shape), "phi": rng.uniform(-np.pi, np.pi, pt.shape)}
    names = columns(features)
    place = [name.rsplit("_", 1) for name in names]
    x = np.stack([values[feature][:, OBJECTS.index(thing)] for thing, feature in place], axis=1)
    mask = np.stack([present[:, OBJECTS.index(thing)] for thing, _ in place], axis=1)
    return Batch(kind, names, np.where(mask, x, 0).astype(np.float32), mask, np.ones(len(pt)))


def keep(end: EpochEnd, checkpoints: list[Checkpoint]) -> None:
    checkpoints.append(end.checkpoint())


def through_safetensors(checkpoint: Checkpoint) -> Checkpoint:
    return replace(checkpoint, tensors=safetensors.numpy.load(safetensors.numpy.save(checkpoint.tensors)))


def assert_same_state(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)
