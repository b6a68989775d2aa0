"""CWoLa hunting of each jet: what is multiplied, which classifier it is, and what it does not see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hepad.cards.method import load_method
from hepad.cards.train import TrainCard
from hepad.errors import CardError
from hepad.inputs.base import make_input
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base import MASS, How, Problem, Sample, Window, make_method, train_all
from hepad.methods.base.folded import Place
from hepad.methods.base.pairs import FittedPair
from hepad.methods.cwola_jets import CwolaJets

WINDOW = Window(3300, 3700, (2800, 4200))
LAYOUT = Layout.vector(["jet1_mass", "jet1_pt", "jet2_mass", "jet2_pt"])
TREES = {"classifier": {"kind": "trees", "trees": 5, "leaves": 4}, "rotations": 1}


@pytest.fixture(scope="module")
def problem() -> Problem:
    rng = np.random.default_rng(1)
    mass = np.append(rng.uniform(2800, 4200, 1500), rng.uniform(3300, 3700, 150))
    x = rng.normal(size=(1650, 4))
    x[:, [1, 3]] += (mass[:, None] - 3500) / 400
    x[1500:, [0, 2]] += 2
    batch = Batch("event_features", LAYOUT, x.astype(np.float32), None, np.ones(1650), {MASS: mass})
    return Problem(Sample(batch, rng.integers(0, 3, 1650)), WINDOW)


def learned(problem: Problem, **settings: object) -> FittedPair:
    return train_all(CwolaJets({**TREES, **settings}, LAYOUT), problem, How(TrainCard(), 1))


def test_the_scores_of_the_jets_are_multiplied_and_neither_sees_the_momentum(problem: Problem) -> None:
    fitted = learned(problem, reweight="pt")
    data, folds = problem.data.events, problem.data.folds
    found = fitted.scores(data, folds)
    each = [np.zeros(len(data)) for _ in range(2)]
    for fold in range(3):
        rows = folds == fold
        for jet, one in enumerate(fitted.each.values()):
            each[jet][rows] = one.log_odds(fitted.jets.batch(data.take(rows), jet), fold)
    product = np.prod([1 / (1 + np.exp(-log_odds)) for log_odds in each], axis=0)
    np.testing.assert_allclose(found["log_odds"], np.log(product), rtol=1e-5)
    odds = learned(problem, reweight="pt", product="odds").scores(data, folds)
    np.testing.assert_allclose(odds["log_odds"], np.sum(each, axis=0), rtol=1e-5, atol=1e-6)
    moved = replace(data, x=data.x * np.float32([1, 7, 1, -2]))
    np.testing.assert_array_equal(fitted.scores(moved, folds)["rank"], found["rank"])
    assert fitted.jets.layout == Layout.vector(["mass"])


def test_each_jet_is_weighted_by_its_own_momentum(problem: Problem) -> None:
    method = CwolaJets({**TREES, "reweight": "pt"}, LAYOUT)
    window = problem.parts["window"]
    for jet, column in ((0, 1), (1, 3)):
        made = method.contest(problem, jet)
        trained = problem.data.folds > 1
        values = problem.data.events.x[trained, column].astype(float)
        weight = made.training(Place(0, 1, 0)).train.weight
        np.testing.assert_array_equal(made.matched, problem.data.events.x[:, column].astype(float))
        for side in ("lower sideband", "upper sideband"):
            own = problem.parts[side][trained]
            target = values[window[trained]].mean()
            assert weight[own].sum() == pytest.approx(0.25)
            assert abs(np.average(values[own], weights=weight[own]) - target) < 0.7 * abs(values[own].mean() - target)


def test_windows_of_few_events_have_another_classifier(problem: Problem) -> None:
    few = {"below": 1651, "classifier": {"kind": "trees", "trees": 2, "leaves": 3}}
    for below, trees in ((1651, 2), (1650, 5)):
        fitted = learned(problem, few={**few, "below": below})
        assert max(network.epochs for network in fitted.networks) <= trees
        assert fitted.networks == CwolaJets({**TREES, "few": few}, LAYOUT).fitted(fitted.state()).networks
    network = {"kind": "network", "layers": [4]}
    method = CwolaJets({**TREES, "few": {"below": 2000, "classifier": network}}, LAYOUT)
    state = train_all(method, problem, How(TrainCard(epochs=1), 1)).state()
    scores = method.fitted(state).scores(problem.data.events, problem.data.folds)
    assert np.isfinite(scores["rank"]).all()


def test_what_is_no_feature_of_the_jets_is_refused() -> None:
    with pytest.raises(
        CardError, match="reweight: eta must be one of several features of the jets, which are mass, pt"
    ):
        CwolaJets({"reweight": "eta"}, LAYOUT)
    with pytest.raises(CardError, match="must be one of several"):
        CwolaJets({"reweight": "pt"}, Layout.vector(["jet1_pt", "jet2_pt"]))


def test_the_card_of_cms_has_networks_that_see_four_numbers_a_jet() -> None:
    card = load_method("cwola_cms")
    method = make_method(card.method, make_input(card.input).layout)
    assert isinstance(method, CwolaJets)
    assert len(method.trainings(5)) == 2 * 5
    assert method._jets.layout.features == ("sdmass", "tau21", "tau32", "tau43")
