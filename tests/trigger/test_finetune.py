from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hepad.models.vae.scorer import VariationalAutoencoder
from hepad.nn.layers import layers_of
from hepad.testing.examples import example_batch
from hepad.trigger.design import Design, Precision, input_formats, quantised_weights
from hepad.trigger.finetune import finetune
from hepad.trigger.network import float_scores

from .networks import LAYOUT, chain, dense, rows, spiking, variational

SPARE = rows(50, seed=5)


def design(network, **bits):
    precision = Precision(**bits)
    return Design(network, precision, input_formats(LAYOUT, precision.input, "max_with_floor"))


@pytest.mark.parametrize("make", [spiking, dense])
def test_fine_tuning_lowers_the_loss_and_leaves_weights_on_their_grid(make):
    made, x = design(make(), weight=3, leak=3), rows(600)
    before = [layer.weight.copy() for layer in made.network.layers]
    found = finetune(made, x, SPARE, epochs=4, learning_rate=3e-3, seed=1)
    assert found.loss_after < found.loss_before
    assert 1 <= found.best_epoch <= 4
    kept = replace(made.network, layers=found.network.layers)
    error = np.mean(float_scores(kept, made.quantised(SPARE)))
    assert found.loss_held_out == pytest.approx(error, rel=0.15)  # the leak of hidden neurons is rounded there
    assert all(np.array_equal(a, layer.weight) for a, layer in zip(before, made.network.layers, strict=True))
    tuned = design(found.network, weight=3, leak=3, error_integer=2)
    start = design(made.network, weight=3, leak=3, error_integer=2)
    assert tuned.scores(x).mean() < start.scores(x).mean()  # the logic too reconstructs better
    for layer in found.network.layers:
        unit = 1.2 if layer.after == "spike" else 1.0
        weight = np.float32(layer.weight).astype(float) / unit  # as a bundle keeps it
        np.testing.assert_allclose(quantised_weights(weight, 3), layer.weight / unit, atol=1e-6)
        assert len(np.unique(np.round(layer.weight[0] / unit / np.abs(layer.weight[0] / unit).max(), 6))) <= 8


def test_the_same_seed_gives_the_same_weights():
    one, two = (finetune(design(dense()), rows(300), SPARE, epochs=2, learning_rate=1e-3, seed=7) for _ in range(2))
    assert all(np.array_equal(a.weight, b.weight) for a, b in zip(one.network.layers, two.network.layers, strict=True))


@pytest.mark.parametrize("make", [lambda: variational("kl"), chain])
def test_an_encoder_is_trained_towards_its_own_output(make):
    """And so is the embedding of a chain."""
    made, x = design(make(), weight=3, error=5, error_integer=3), rows(600)
    found = finetune(made, x, SPARE, epochs=4, learning_rate=3e-3, seed=1)
    assert found.loss_after < found.loss_before
    error = [np.abs(float_scores(n, x) - float_scores(made.network, x)).mean() for n in (found.network,)]
    assert np.isfinite(error).all()


@pytest.mark.parametrize("score", ["kl", "mu2"])
def test_weights_of_an_encoder_go_back_into_its_scorer(score):
    batch = example_batch("l1_vector", 600, seed=1, features=("pt", "eta", "phi"))
    scorer = VariationalAutoencoder({"layers": [6, 3], "scores": ["mu2", "kl", "mse"]}, batch.layout)
    state = {name: np.array(values) for name, values in scorer.state().items()}
    rng = np.random.default_rng(2)
    state |= {
        name: rng.normal(0, 0.3, values.shape).astype(np.float32)
        for name, values in state.items()
        if "running_mean" in name
    }
    scorer.load_state(state)
    network = layers_of(scorer, score)
    before = scorer.scores(batch)
    scorer.load_state(scorer.state_of(network))  # batch normalisation is in the layers now
    after = scorer.scores(batch)
    for name in scorer.score_names:
        np.testing.assert_allclose(after[name], before[name], rtol=2e-4, atol=1e-5)
    again = layers_of(scorer, score)
    for a, b in zip(network.layers, again.layers, strict=True):
        np.testing.assert_allclose(a.weight, b.weight, rtol=1e-6)
