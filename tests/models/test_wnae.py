"""The normalised autoencoder: its losses by hand, and a density that it learns and a plain autoencoder does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from hepad.cards.train import TrainCard
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.wnae import NormalisedAutoencoder
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise, Rows
from hepad.nn.transport import wasserstein

LAYOUT = Layout.vector(["x", "y"])


def made(**config: Any) -> NormalisedAutoencoder:
    return NormalisedAutoencoder({"layers": [32, 32], **config}, LAYOUT)


def noise() -> Noise:
    return Noise(torch.Generator().manual_seed(3), torch.device("cpu"))


def test_the_losses_of_a_batch() -> None:
    """Of one seed of the noise: the same chains, drawn here, give the distance and the contrast of energies."""
    x = torch.from_numpy(np.random.default_rng(2).normal(size=(40, 2)).astype(np.float32))
    found = {}
    for loss in ("wasserstein", "contrastive"):
        scorer = made(loss=loss, steps=4, noise=0.3, temperature=0.1, bounds=(-2, 2), buffer=50)
        torch.manual_seed(1)
        module = scorer._build()
        recipe = scorer._recipe(module)
        found[loss] = recipe.phases[0].loss(Rows((x,), None), noise())
        draws = noise()
        y = draws.normal(40, 2)
        draws.uniform(40)  # which chains go on from the buffer, which is empty yet
        for _ in range(4):
            y = y.requires_grad_()
            (slope,) = torch.autograd.grad((y - module(y)).square().mean(dim=1).sum(), y)
            y = (y - 0.3**2 / 2 * slope / 0.1 + 0.3 * draws.normal(40, 2)).clamp(-2, 2).detach()
        expected = {"wasserstein": wasserstein(x, y)}
        error = [(part - module(part)).square().mean() for part in (x, y)]
        expected["contrastive"] = error[0] - error[1]
        assert found[loss].item() == pytest.approx(expected[loss].item(), rel=1e-5)
        memory = recipe.memory.state()
        assert memory["pushed"] == 40
        np.testing.assert_allclose(memory["rows"][:40], y.numpy(), atol=1e-6)
        recipe.validate(Rows((x,), None), noise())
        np.testing.assert_array_equal(recipe.memory.state()["rows"], memory["rows"])
        found[loss].backward()
        assert all(parameter.grad.abs().sum() > 0 for parameter in module.parameters())


def test_a_loss_of_reconstruction_is_that_of_any_autoencoder() -> None:
    x = torch.ones(3, 2)
    scorer = made(loss="reconstruction")
    module = scorer._build()
    recipe = scorer._recipe(module)
    assert recipe.memory is None
    expected = (x - module(x)).square().mean().item()
    assert recipe.phases[0].loss(Rows((x,), None), noise()).item() == pytest.approx(expected, rel=1e-6)


def two_peaks(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.choice([-1.5, 1.5], n) + 0.15 * rng.normal(size=n))[:, None]


def test_the_density_of_the_normalised_one_is_that_of_the_events_and_a_plain_one_has_none() -> None:
    """Two peaks of one number, and latent numbers enough to copy any: a plain autoencoder gives back what it never saw
    as well as events, so that exp(-energy / temperature) is the same between the peaks and beyond them.
    """
    layout = Layout.vector(["x"])
    data = TrainingData(*(Batch("rmm", layout, two_peaks(n, n).astype("f4"), None, np.ones(n)) for n in (512, 128)))
    places = [two_peaks(500, 3), np.linspace(-0.5, 0.5, 100)[:, None], np.array([[-2.5], [2.5]])]
    at = [Batch("rmm", layout, x.astype("f4"), None, np.ones(len(x))) for x in places]
    options, above = TrainCard(epochs=25, batch_size=128, learning_rate=5e-3), {}
    for loss in ("wasserstein", "reconstruction"):
        scorer = NormalisedAutoencoder({"layers": [16, 16], "loss": loss, "steps": 5}, layout)
        report = scorer.fit(data, options=options, seed=1)
        events, between, beyond = (scorer.scores(batch)["mse"].mean() for batch in at)
        above[loss] = ((between - events) / 0.05, (beyond - events) / 0.05)
        if loss == "wasserstein":
            assert report.validation_loss[-1] < 0.2 * report.validation_loss[0]
    assert min(above["wasserstein"]) > 5, above
    assert max(above["reconstruction"]) < 1, above


@pytest.mark.parametrize(("key", "value"), [("bounds", [2, -2]), ("loss", "other"), ("decoder", [0]), ("noise", 0)])
def test_impossible_settings_are_refused(key: str, value: object) -> None:
    with pytest.raises(CardError, match=f"model wnae.*{key}"):
        made(**{key: value})


def test_a_decoder_may_differ_from_the_encoder() -> None:
    """57-28-15-8 and 57, 128, 64, 32, 24 on the way back, as the authors' for trigger inputs."""
    layout = Layout.vector([f"c{i}" for i in range(57)])
    scorer = NormalisedAutoencoder({"layers": [28, 15, 8], "decoder": [24, 32, 64, 128]}, layout)
    widths = [array.shape for array in scorer.state().values() if array.ndim == 2]
    assert widths == [(28, 57), (15, 28), (8, 15), (24, 8), (32, 24), (64, 32), (128, 64), (57, 128)]
