"""CATHODE and LaCATHODE on a made-up spectrum whose numbers follow the mass in closed form."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import stats

from hepad.cards.train import TrainCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base import MASS, How, Problem, Sample, Training, Window
from hepad.methods.base.sideband_flow import FlowCard, SidebandFlow, masses_in, train_flow
from hepad.methods.cathode import Cathode
from hepad.methods.lacathode import LaCathode
from hepad.nn.scorer import State

pytest.importorskip("zuko")

WINDOW = Window(3300, 3700, (2800, 4200))
LAYOUT = Layout.vector(["jet1_mass", "jets_n"])
CARD = FlowCard(blocks=2, width=16, epochs=15, batch_size=100, learning_rate=5e-3, keep_epochs=3)
SHORT = FlowCard(blocks=1, width=8, epochs=1)
HOW = How(TrainCard(), 1)
SETTINGS = {"classifier": {"kind": "trees", "trees": 5}, "rotations": 1, "flow": CARD.model_dump()}


@cache
def problem() -> Problem:
    """The first number is N(m, 1), m from -0.7 to 0.7 over the masses; the second counts, more often with the first."""
    rng = np.random.default_rng(2)
    n = 6000
    mass = rng.uniform(2800, 4200, n)
    first = rng.normal((mass - 3500) / 1000, 1)
    counted = rng.poisson(2 + 2 * (first > 0))
    x = np.stack([first, counted], axis=1).astype(np.float32)
    events = Batch("event_features", LAYOUT, x, None, np.ones(n), {MASS: mass})
    return Problem(Sample(events, rng.integers(0, 3, n)), WINDOW)


@cache
def learned() -> State:
    return train_flow(CARD, LAYOUT, problem(), 0, HOW)


def flow() -> SidebandFlow:
    return SidebandFlow.restored(CARD, LAYOUT, learned(), "flow.0")


def same(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_the_flow_sees_neither_the_window_nor_its_fold() -> None:
    whole = problem()
    short = train_flow(SHORT, LAYOUT, whole, 0, HOW)
    events, folds = whole.data.events, whole.data.folds
    window = whole.parts["window"]
    spoiled = {}
    for what, rows in (("window", window), ("fold", folds == 0), ("no fold", folds == -1), ("rest", folds == 2)):
        x = np.where(rows[:, None], events.x + 1, events.x)
        other = replace(whole, data=replace(whole.data, events=replace(events, x=x)))
        spoiled[what] = same(train_flow(SHORT, LAYOUT, other, 0, HOW), short)
    assert spoiled == {"window": True, "fold": True, "no fold": True, "rest": False}
    without = whole.data.take(~window)
    assert same(train_flow(SHORT, LAYOUT, replace(whole, data=without), 0, HOW), short)


def test_it_interpolates_what_follows_the_mass() -> None:
    mass = np.random.default_rng(4).uniform(3300, 3700, 6000)
    drawn = flow().sample(mass, np.random.default_rng(5))
    pulls = drawn[:, 0] - (mass - 3500) / 1000
    assert abs(pulls.mean()) < 0.15
    assert pulls.std() == pytest.approx(1, abs=0.15)
    assert (drawn[:, 1] == np.round(drawn[:, 1])).all()  # a count is a count
    more = [drawn[rows, 1].mean() for rows in (drawn[:, 0] < -0.5, drawn[:, 0] > 0.5)]
    assert more == pytest.approx([2, 4], abs=0.4)
    inside = problem().data.take(problem().parts["window"]).events
    latent = flow().latent(inside)
    assert np.abs(latent.mean(axis=0)).max() < 0.15
    assert latent.std(axis=0) == pytest.approx([1, 1], abs=0.15)
    np.testing.assert_array_equal(flow().latent(inside.take(slice(3, 9))), latent[3:9])


def test_each_epoch_that_is_kept_draws_as_many() -> None:
    three = flow()
    assert len(three.epochs) == 3
    mass = np.full(7, 3500.0)
    mixed = three.sample(mass, np.random.default_rng(6))
    for place in range(3):
        one = replace(three, epochs=three.epochs[place : place + 1]).sample(mass, np.random.default_rng(6))
        np.testing.assert_allclose(mixed[place::3], one[place::3], rtol=1e-5)
    assert same(three.state(), learned())
    assert len(three.best().states) == 1


def test_masses_follow_those_of_the_data_in_the_window_by_their_weights() -> None:
    rng = np.random.default_rng(7)
    mass = 3300 + 400 * rng.beta(1, 2, 3000)
    weight = np.where(mass < 3400, 2.0, 1.0)
    events = Batch("event_features", LAYOUT, np.zeros((3000, 2), dtype=np.float32), None, weight, {MASS: mass})
    drawn = masses_in(WINDOW, Sample(events, np.zeros(3000, dtype=np.int64)), 20_000, rng)
    assert drawn.min() >= 3300
    assert drawn.max() < 3700
    bins = np.linspace(3300, 3700, 9)
    expected = np.histogram(mass, bins, weights=weight / weight.sum())[0]
    np.testing.assert_allclose(np.histogram(drawn, bins)[0] / 20_000, expected, atol=0.015)
    assert len(np.unique(drawn)) == 20_000  # no mass of the data comes again


def test_a_classifier_tells_the_window_without_its_fold_from_what_was_drawn() -> None:
    whole = problem()
    for kind in (Cathode, LaCathode):
        method = kind({**SETTINGS, "oversampling": 2.5}, LAYOUT)
        names = [training.name for training in method.trainings(3)]
        assert names == ["flow.0", "flow.1", "flow.2", "0.1.0", "1.2.0", "2.0.0"]
        assert method.trainings(3)[4] == Training("1.2.0", ("flow.1",))
        contest = method.contest(whole, flow(), 0, seed=1)
        data, drawn = (contest.sample.take(contest.group == group) for group in (0, 1))
        rows = whole.parts["window"] & (whole.data.folds != 0)
        assert len(data.folds) == rows.sum()
        assert len(drawn.folds) == np.ceil(2.5 * rows.sum())
        assert set(data.folds) == set(drawn.folds) == {1, 2}
        assert abs(np.diff(np.bincount(drawn.folds)[1:])) <= 1
        expected = whole.data.take(rows).events
        seen = expected.x if kind is Cathode else flow().latent(expected)
        np.testing.assert_array_equal(data.events.x, seen)
        if kind is LaCathode:
            assert data.events.columns == ("z1", "z2")
            assert all(stats.kstest(column, "norm").pvalue > 1e-3 for column in drawn.events.x.T)
        else:
            assert drawn.events.x[:, 0].mean() == pytest.approx(data.events.x[:, 0].mean(), abs=0.06)
