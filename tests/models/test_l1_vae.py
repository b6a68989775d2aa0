"""The variational autoencoder of hardware integers: its loss by hand, its layers, and what a training leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hepad.cards.train import TrainCard
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.l1_vae import HardwareVaeConfig
from hepad.models.l1_vae.network import TorchHardwareVae
from hepad.models.l1_vae.scorer import HardwareVae
from hepad.nn.layers import Network, layers_of
from hepad.nn.scorer import TrainingData
from hepad.testing.examples import example_batch

SMALL = {"layers": [6, 4], "latent": 2, "decoder": [5]}


def events(n: int = 300, seed: int = 1) -> Batch:
    """Integers of the order of a trigger's."""
    batch = example_batch("l1_hardware", n, seed=seed, features=("pt", "eta", "phi"))
    return Batch(batch.kind, batch.layout, np.rint(40 * batch.x).astype(np.float32), batch.mask, batch.weight)


def value(network: Network, x: np.ndarray) -> np.ndarray:
    for layer in network.layers:
        x = x @ layer.weight.T + layer.bias
        x = np.maximum(x, 0) if layer.after == "relu" else x
    return np.square(x).sum(axis=1)


def test_the_loss_by_hand() -> None:
    layout = Layout.vector(["met_pt", "met_phi", "jet1_pt", "jet1_eta", "jet1_phi"])
    # MET: |3 - 1|. The jet: |4 - 1|, and in pz 3 times sinh eta = 2, or |4 * 2 - 1 * 0| with the reconstructed eta.
    for reconstruct_eta, error in ((False, 2 + 3 + 3 * 2), (True, 2 + 3 + 8)):
        config = {**SMALL, "alpha": 0.5, "beta": 0.2, "reconstruct_eta": reconstruct_eta}
        scorer = TorchHardwareVae(HardwareVaeConfig.model_validate(config), layout)
        state = {name: np.zeros_like(array) for name, array in scorer.state().items()}
        state["inner.encoder.4.bias"] = np.array([3.0, 0.0, 0.0, np.log(4.0)], dtype=np.float32)  # means, log variances
        state["scale.shift"] = np.array([1, 0, 2, 0, 0], dtype=np.float32)  # a jet's pt is 4 / 2^2 = 1
        state["inner.decoder.2.bias"] = np.array([1, 0, 1, 0, 0], dtype=np.float32)
        scorer.load_state(state)
        eta = np.arcsinh(2.0) / 0.0435
        x = np.array([[6.0, 9.0, 16.0, eta, 9.0]], dtype=np.float32)  # scaled pt: 3 and 4
        batch = Batch("l1_hardware", layout, x, None, np.ones(1))
        module = scorer._module
        assert module.error(torch.from_numpy(x), torch.from_numpy(state["inner.decoder.2.bias"])[None]).tolist() == (
            pytest.approx([error / 2], rel=1e-5)
        )
        kl = 0.5 * (9 + (4 - np.log(4) - 1)) / 2
        recipe = scorer._recipe(module, TrainingData(batch, batch))
        module.scale.load_state_dict({name: torch.from_numpy(state[f"scale.{name}"]) for name in ("offset", "shift")})

        class Silent:
            def normal(self, *shape: int) -> torch.Tensor:
                return torch.zeros(shape)

        class Rows:
            tensors = (torch.from_numpy(x),)

        loss = recipe.validate(Rows(), Silent())
        assert loss.tolist() == pytest.approx([0.5 * 0.8 * error / 2 + 0.2 * kl], rel=1e-5)
        assert scorer.scores(batch)["mu2"].tolist() == [9.0]


def test_the_layers_are_the_encoder_of_the_integers() -> None:
    batch = events()
    scorer = HardwareVae(SMALL, batch.layout)
    scorer.fit(TrainingData(batch, events(50, 2)), options=TrainCard(epochs=3, batch_size=100), seed=1)
    assert scorer.state()["scale.shift"].max() > 0
    network = layers_of(scorer, "mu2")
    assert network.sizes == (17, 6, 4, 2)
    scores = scorer.scores(batch)["mu2"]
    np.testing.assert_allclose(value(network, batch.x.astype(np.float64)), scores, rtol=1e-4)
    np.testing.assert_allclose(np.square(scorer.embed(batch)).sum(axis=1), scores, rtol=1e-5)
    other = HardwareVae(SMALL, batch.layout)
    other.load_state(scorer.state_of(network))
    np.testing.assert_allclose(other.scores(batch)["mu2"], scores, rtol=1e-3)
    with pytest.raises(CardError, match="there is some for mu2"):
        layers_of(scorer, "kl")


def test_a_training_leaves_the_scale_alone() -> None:
    batch = events()
    scorers = [HardwareVae(SMALL, batch.layout) for _ in range(2)]
    for epochs, scorer in zip((1, 4), scorers, strict=True):
        scorer.fit(TrainingData(batch, events(50, 2)), options=TrainCard(epochs=epochs, batch_size=50), seed=1)
    first, second = (scorer.state() for scorer in scorers)
    for name in first:
        assert np.array_equal(first[name], second[name]) == name.startswith("scale."), name
