from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hepad.cards.analysis import TrainCard
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.vae.scorer import VariationalAutoencoder
from hepad.nn.explain import explains
from hepad.nn.scorer import TrainingData
from hepad.testing.examples import example_batch, example_layout

FEATURES = ("pt", "eta", "phi")


def test_padded_columns_do_not_enter_the_error() -> None:
    events = example_batch("l1_vector", 100, seed=8, features=FEATURES)
    scorer = VariationalAutoencoder({}, events.layout)
    nothing = replace(events, mask=np.zeros_like(events.mask))
    np.testing.assert_array_equal(scorer.scores(nothing)["mse"], 0)
    one = nothing.mask.copy()
    one[:, 0] = True
    assert (scorer.scores(replace(events, mask=one))["mse"] > 0).all()
    np.testing.assert_array_equal(scorer.scores(nothing)["kl"], scorer.scores(events)["kl"])


def test_the_error_is_a_sum_over_present_columns_divided_by_all() -> None:
    events = example_batch("l1_vector", 100, seed=8, features=FEATURES)
    scorer = VariationalAutoencoder({}, events.layout)
    parts = []
    for column in range(events.layout.size):
        mask = np.zeros_like(events.mask)
        mask[:, column] = events.mask[:, column]
        parts.append(scorer.scores(replace(events, mask=mask))["mse"])
    np.testing.assert_allclose(np.sum(parts, axis=0), scorer.scores(events)["mse"], rtol=1e-5)


def test_outputs_stay_within_the_detector() -> None:
    layout = example_layout(features=FEATURES)
    scorer = VariationalAutoencoder({}, layout)
    state = scorer.state()
    bias = list(state)[-1]
    state[bias] = np.full_like(state[bias], 1e6)  # saturates each tanh
    scorer.load_state(state)
    limits = {"jet_eta": 4.0, "muon_eta": 2.1, "electron_eta": 3.0}
    events = example_batch("l1_vector", 3, seed=8, features=FEATURES)
    for column, name in enumerate(layout.columns):
        if name.endswith("_pt"):
            continue
        thing, feature = name.rstrip("_etaphi").rstrip("0123456789"), name.rsplit("_", 1)[1]
        limit = limits.get(f"{thing}_{feature}", np.pi)
        mask = np.zeros_like(events.mask)
        mask[:, column] = True
        x = np.full_like(events.x, limit)
        error = scorer.scores(replace(events, x=x, mask=mask))["mse"]
        np.testing.assert_allclose(error, 0, atol=1e-12, err_msg=name)


def test_the_encoder_scores_follow_from_its_output() -> None:
    events = example_batch("l1_vector", 10, seed=8, features=FEATURES)
    scorer = VariationalAutoencoder({"latent": 2}, events.layout)
    state = {name: np.zeros_like(array) for name, array in scorer.state().items()}
    state["encoder.4.bias"] = np.array([3.0, 1.0, np.log(4.0), 0.0], dtype=np.float32)
    scorer.load_state(state)
    scores = scorer.scores(events)
    np.testing.assert_allclose(scores["r"], 3**2 / 4 + 1, rtol=1e-6)
    np.testing.assert_allclose(scores["kl"], 0.5 * ((9 + 4 - np.log(4) - 1) + 1) / 2, rtol=1e-6)


def test_the_scores_are_those_asked_for_in_that_order() -> None:
    events = example_batch("l1_vector", 10, seed=8, features=FEATURES)
    usual = VariationalAutoencoder({"latent": 2}, events.layout)
    assert usual.score_names == ("mse", "kl", "r")
    other = VariationalAutoencoder({"latent": 2, "scores": ["mu2", "mse"]}, events.layout)
    state = {name: np.zeros_like(array) for name, array in other.state().items()}
    state["encoder.4.bias"] = np.array([3.0, 1.0, np.log(4.0), 0.0], dtype=np.float32)
    for scorer in (usual, other):
        scorer.load_state(state)  # which scores are given does not change the network
    assert list(other.scores(events)) == ["mu2", "mse"]
    np.testing.assert_allclose(other.scores(events)["mu2"], 3**2 + 1, rtol=1e-6)
    np.testing.assert_array_equal(other.scores(events)["mse"], usual.scores(events)["mse"])
    assert VariationalAutoencoder(other.config, events.layout).score_names == other.score_names


@pytest.mark.parametrize("scores", [[], ["mse", "mse"], ["mu"]])
def test_scores_must_be_known_and_different(scores: list[str]) -> None:
    with pytest.raises(CardError, match="scores"):
        VariationalAutoencoder({"scores": scores}, Layout.vector(["jet1_pt"]))


def test_without_a_reconstruction_error_nothing_is_explained() -> None:
    with pytest.raises(CardError, match="reconstructs nothing"):
        explains(VariationalAutoencoder({"scores": ["mu2"]}, Layout.vector(["jet1_pt"])))


def test_met_has_a_column_for_eta_that_is_never_filled() -> None:
    layout = Layout.vector(["met_pt", "met_eta", "met_phi"])
    batch = Batch(
        "l1_vector", layout, np.array([[1, 0, 2]], dtype=np.float32), np.array([[True, False, True]]), np.ones(1)
    )
    assert np.isfinite(VariationalAutoencoder({}, layout).scores(batch)["mse"]).all()


@pytest.mark.parametrize("column", ["HT", "jet_1", "jet1_mass"])
def test_a_column_without_a_meaning_is_refused(column: str) -> None:
    with pytest.raises(CardError, match=column):
        VariationalAutoencoder({}, Layout.vector([column]))


def test_a_new_object_needs_an_eta_limit() -> None:
    with pytest.raises(CardError, match=r"photon1_eta.*eta_limits"):
        VariationalAutoencoder({}, Layout.vector(["photon1_pt", "photon1_eta"]))
    VariationalAutoencoder({"eta_limits": {"photon": 2.5}}, Layout.vector(["photon1_pt", "photon1_eta"]))


def test_beta_weighs_divergence_against_error() -> None:
    data = TrainingData(*(example_batch("l1_vector", n, seed=n, features=FEATURES) for n in (500, 100)))
    divergence = {}
    for beta in (0.01, 0.99):
        scorer = VariationalAutoencoder({"beta": beta}, data.train.layout)
        scorer.fit(data, options=TrainCard(epochs=5, batch_size=100, learning_rate=1e-2), seed=1)
        divergence[beta] = scorer.scores(data.validation)["kl"].mean()
    assert divergence[0.99] < 0.1 * divergence[0.01]


def test_without_torch_the_scores_are_those_of_torch_but_for_rounding() -> None:
    """Against the layers in double precision, whose weights are the same: nearer than torch, which rounds at each."""
    events = example_batch("l1_vector", 300, seed=8, features=FEATURES)
    names = ["mse", "kl", "r", "mu2"]
    scorer = VariationalAutoencoder({"latent": 3, "scores": names}, events.layout)
    state, rng = scorer.state(), np.random.default_rng(2)
    for name, array in state.items():  # a normalisation that does something
        state[name] = (array + 0.05 * rng.standard_normal(array.shape)).astype(np.float32)
    scorer.load_state(state)
    assert {name: array.shape for name, array in scorer._in_torch().state().items()} == scorer._shapes()
    found, torch_too = scorer.scores(events), scorer._in_torch().scores(events)
    x = events.x.astype(np.float64)
    for layer in scorer.layers("kl").layers:
        x = x @ layer.weight.T + layer.bias
        x = np.where(x < 0, 0.3 * x, x) if layer.after == "leaky_relu" else x
    mean, log_variance = x[:, :3], x[:, 3:]
    exact = {
        "kl": 0.5 * (mean**2 + np.exp(log_variance) - log_variance - 1).mean(axis=1),
        "r": (mean**2 / np.exp(log_variance)).sum(axis=1),
        "mu2": (mean**2).sum(axis=1),
    }
    for name, values in exact.items():
        np.testing.assert_allclose(found[name], values, rtol=2e-5, err_msg=name)
    for name, values in torch_too.items():
        np.testing.assert_allclose(found[name], values, rtol=2e-5, err_msg=name)
    np.testing.assert_allclose(scorer.reconstruction_errors(events).mean(axis=1), found["mse"], rtol=1e-6)
    np.testing.assert_allclose((scorer.embed(events).astype(float) ** 2).sum(axis=1), found["mu2"], rtol=1e-6)
