"""The autoencoder and its discriminator: losses by hand, and that each optimiser moves its own network only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from hepad.cards.train import TrainCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.vae_gan import VaeGanConfig
from hepad.models.vae_gan.network import TorchVaeGan
from hepad.models.vae_gan.scorer import VaeGan
from hepad.nn.layers import layers_of
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import ArraySource, Rows
from hepad.nn.tensors import get_weights
from hepad.nn.training import train
from hepad.testing.examples import example_batch

SMALL = {"layers": [6], "latent": 2, "discriminator": [5], "beta": 0.5, "gamma": 2.0}
BATCH = example_batch("l1_vector", 200, seed=1, features=("pt", "eta", "phi"))
DATA = TrainingData(BATCH, BATCH)


class Silent:
    """Noise without noise."""

    def normal(self, *shape: int) -> torch.Tensor:
        return torch.zeros(shape)


def test_the_losses_by_hand() -> None:
    layout = Layout.vector(["jet1_pt", "jet1_phi"])
    scorer = TorchVaeGan(VaeGanConfig.model_validate(SMALL), layout)
    state = {name: np.zeros_like(array) for name, array in scorer.state().items()}
    state["inner.encoder.2.bias"] = np.array([3.0, 1.0, 0.0, np.log(4.0)], dtype=np.float32)  # means, log variances
    state["inner.decoder.2.bias"] = np.array([2.0, 0.0], dtype=np.float32)
    state["discriminator.2.bias"] = np.array([np.log(3.0)], dtype=np.float32)
    scorer.load_state(state)
    x = np.array([[5.0, 4.0]], dtype=np.float32)
    batch = Batch("l1_hardware", layout, x, None, np.ones(1))
    recipe = scorer._recipe(scorer._module, TrainingData(batch, batch))  # (5 - 2) / 2 and 4 - 2
    rows, noise = Rows((torch.from_numpy(x),), None), Silent()
    own = (0.5**2 + 2**2) / 2 + 0.5 * 0.5 * (9 + 1 + 4 - np.log(4) - 1)
    assert recipe.validate(rows, noise).tolist() == pytest.approx([own])
    autoencoder, discriminator = (phase.loss(rows, noise).item() for phase in recipe.phases)
    assert autoencoder == pytest.approx(own - 2 * np.log(0.75))
    assert discriminator == pytest.approx(-np.log(0.75) - np.log(0.25))
    assert scorer.scores(batch)["mu2"].tolist() == [10.0]


@pytest.mark.parametrize(("which", "moved"), [(0, "inner."), (1, "discriminator.")])
def test_a_phase_moves_its_own_network_only(which: int, moved: str) -> None:
    module = TorchVaeGan(VaeGanConfig.model_validate(SMALL), BATCH.layout)._build()
    recipe = TorchVaeGan(VaeGanConfig.model_validate(SMALL), BATCH.layout)._recipe(module, DATA)
    before = get_weights(module)
    source = ArraySource.of((BATCH.x,), BATCH.weight, "")
    options = TrainCard(epochs=1, batch_size=50)
    train(replace(recipe, phases=(recipe.phases[which],)), source, source, options=options, seed=1)
    for name, values in get_weights(module).items():
        assert np.array_equal(values, before[name]) != name.startswith(moved), name


def test_the_layers_are_the_encoder() -> None:
    scorer = VaeGan(SMALL, BATCH.layout)
    scorer.fit(DATA, options=TrainCard(epochs=1, batch_size=50), seed=1)
    network = layers_of(scorer, "mu2")
    x = BATCH.x.astype(np.float64)
    for layer in network.layers:
        x = x @ layer.weight.T + layer.bias
        x = np.maximum(x, 0) if layer.after == "relu" else x
    scores = scorer.scores(BATCH)["mu2"]
    np.testing.assert_allclose(np.square(x).sum(axis=1), scores, rtol=1e-3, atol=1e-6)
    other = VaeGan(SMALL, BATCH.layout)
    other.load_state(scorer.state_of(network))
    np.testing.assert_allclose(other.scores(BATCH)["mu2"], scores, rtol=1e-3, atol=1e-6)
