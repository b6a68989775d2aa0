"""The classifier in numpy is the torch network that was trained: layers, activations, normalisation of inputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from hepad.cards.train import TrainCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.classifier import Classifier
from hepad.nn.scorer import TrainingData
from hepad.nn.supervised import LABEL

LAYOUT = Layout.vector(["jet1_mass", "jet2_mass"])
SETTINGS = {"activations": ("leaky_relu", "elu"), "dropout": (0.3, 0.0), "normalise": True}


def batch(n: int, seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(n, 2)) * (3, 100) + (5, -40)).astype(np.float32)
    return Batch("event_features", LAYOUT, x, None, np.ones(n), {LABEL: (x[:, 0] > 5).astype(np.float32)})


def test_the_scores_are_those_of_the_network() -> None:
    options = TrainCard(epochs=2, batch_size=100, learning_rate=1e-2)
    made = []
    for settings in (SETTINGS, {**SETTINGS, "dropout": (0.0,)}):
        network = Classifier(LAYOUT, (16, 8), **settings)
        network.fit(TrainingData(batch(500, 1), batch(100, 2)), options=options, seed=1)
        made.append(network)
    network, events = made[0], batch(700, 3)
    with torch.no_grad():
        expected = network._module.eval()(torch.from_numpy(events.x))[:, 0].numpy()
    np.testing.assert_allclose(network.scores(events)["log_odds"], expected, rtol=1e-4, atol=1e-5)
    assert np.corrcoef(expected, events.x[:, 0])[0, 1] > 0.5
    assert not np.array_equal(made[1].scores(events)["log_odds"], network.scores(events)["log_odds"])
    again = Classifier(LAYOUT, (16, 8), **SETTINGS)
    again.fit(TrainingData(batch(500, 1), batch(100, 2)), options=options, seed=1)
    np.testing.assert_array_equal(again.state()["1.weight"], network.state()["1.weight"])


def test_a_setting_is_of_all_layers_or_of_each() -> None:
    with pytest.raises(ValidationError, match="dropout has 3 entries for 2 layers"):
        Classifier(LAYOUT, (16, 8), dropout=(0.1, 0.1, 0.1))
