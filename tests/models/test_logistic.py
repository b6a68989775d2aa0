"""The logistic regression: the published numbers by hand, and a training against Newton's method."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hepad.cards.analysis import load_analysis
from hepad.cards.train import TrainCard
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.logistic.network import LogisticRegression
from hepad.nn.scorer import TrainingData
from hepad.nn.supervised import LABEL, is_supervised

LAYOUT = Layout.vector(["tau21", "tau32", "tau42"])


def jets(x: np.ndarray, label: np.ndarray | None = None) -> Batch:
    beside = {} if label is None else {LABEL: label.astype("f8")}
    x = x.astype(np.float32)
    return Batch("jet_features", LAYOUT, x, np.ones(x.shape, dtype=bool), np.ones(len(x)), beside)


def test_the_published_regression_is_that_of_the_paper() -> None:
    """Section 4.1 of arXiv:2311.17162: sigma(9.9 - 7.2 tau21 - 3.3 tau32 - 3.4 tau42)."""
    card = load_analysis("nsubjettiness")
    scorer = LogisticRegression(card.model.config, Layout.vector(card.input.features))
    x = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.3, 0.5, 0.25], [0.6, 0.7, 0.5]])
    np.testing.assert_allclose(scorer.scores(jets(x))["log_odds"], [9.9, 2.7, 5.24, 1.57], rtol=1e-5)
    lacking = replace(jets(x), mask=np.array([[True, True, True], [False, True, True], *[[True] * 3] * 2]))
    assert scorer.scores(lacking)["log_odds"][1] == np.float32(9.9)
    assert not is_supervised(scorer)
    before = scorer.state()
    report = scorer.fit(TrainingData(jets(x), jets(x)), options=TrainCard(epochs=9), seed=1)
    assert (report.epochs, report.train_loss) == (1, (0.0,))
    assert all(np.array_equal(before[name], array) for name, array in scorer.state().items())


def test_a_training_finds_the_least_cross_entropy_of_signals_that_weigh_the_same() -> None:
    rng = np.random.default_rng(3)
    label = np.repeat([0, 1, 2], [400, 40, 160])
    x = rng.normal(0.5, 0.3, (600, 3)) + 0.3 * np.array([[0, 0, 0], [1, 0, -1], [-1, 0.5, 0]])[label]
    background, signal = (jets(x[part], label[part]) for part in (label == 0, label > 0))
    data = TrainingData(background, background, against=TrainingData(signal, signal))
    scorer = LogisticRegression({}, LAYOUT)
    assert is_supervised(scorer)
    scorer.fit(data, options=TrainCard(epochs=400, batch_size=600, learning_rate=0.05), seed=1)
    design, y = np.column_stack([np.ones(600), x.astype(np.float32)]), (label > 0).astype(float)
    weight = np.array([0.5 / 400, 0.25 / 40, 0.25 / 160])[label]
    best = np.zeros(4)
    for _ in range(20):  # Newton's method
        p = 1 / (1 + np.exp(-design @ best))
        hessian = design.T @ (design * (weight * p * (1 - p))[:, None])
        best += np.linalg.solve(hessian, design.T @ (weight * (y - p)))
    found = np.concatenate([scorer.state()["bias"], scorer.state()["weight"][0]])
    np.testing.assert_allclose(found, best, atol=2e-3)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(CardError, match="coefficients are of tau21, the input has tau21, tau32, tau42"):
        LogisticRegression({"coefficients": {"tau21": 1.0}}, LAYOUT)
    with pytest.raises(CardError, match="an intercept goes with coefficients"):
        LogisticRegression({"intercept": 1.0}, LAYOUT)
    some = jets(np.zeros((4, 3)))
    with pytest.raises(CardError, match=r"logistic learns to tell a signal from background: .*--against"):
        LogisticRegression({}, LAYOUT).fit(TrainingData(some, some), options=TrainCard(), seed=1)
