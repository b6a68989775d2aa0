"""A decoder whose outputs have limits, and objects that may not be there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hepad.inputs.layout import Layout
from hepad.models.vae.scorer import VariationalAutoencoder
from hepad.testing.examples import example_batch
from hepad.trigger.bounded import bounded, if_there
from hepad.trigger.design import Design, Precision, input_formats
from hepad.trigger.finetune import finetune
from hepad.trigger.logic import compile_logic
from hepad.trigger.network import float_scores
from hepad.trigger.torch_scores import torch_scores

from .networks import bounded_decoder

LAYOUT = Layout.vector([f"{thing}_{name}" for thing in ("met", "muon1", "jet1") for name in ("pt", "eta", "phi")])
FINE = Precision(input=16, weight=16, activation=14, error=12, error_integer=3)


def design(network, precision, **part):
    return Design(network, precision, input_formats(LAYOUT, precision.input, "max_with_floor"), **part)


def rows(n=500, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1.5, (n, 9)) * np.where(np.arange(9) % 3, rng.choice([-1, 1], (n, 9)), 1)
    x *= np.repeat(rng.random((n, 3)) > 0.3, 3, axis=1)  # objects that are not there
    x[:, 1] = 0
    return x


def test_outputs_stay_within_their_limits_and_those_of_no_object_are_zero():
    values, limits = np.array([[0.5, -9.0, 3.0, 0.5]]), np.array([2.0, np.pi, np.inf, 2.0])
    got = bounded(values, limits, 6)
    np.testing.assert_allclose(got, [[2 * np.tanh(0.5), -np.pi, 3, 2 * np.tanh(0.5)]], atol=2.0**-6)
    together = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]) > 0
    x = np.array([[0, 5, 1, 0], [0, 0, 1, 1.0]])
    assert if_there(np.array([[1, 2, 3, 4.0]] * 2), x, together).tolist() == [[1, 2, 0, 0], [0, 0, 0, 4]]


def test_the_layers_give_the_scorers_error_whatever_is_there():
    batch = example_batch("l1_vector", 400, seed=1, features=("pt", "eta", "phi"))
    scorer = VariationalAutoencoder({"layers": [6, 3]}, batch.layout)
    network = scorer.layers("mse")
    assert (network.sizes[1:], len(network.encoder)) == ((6, 3, 3, 3, 6, 17), 3)
    expected = scorer.scores(batch)["mse"]
    np.testing.assert_allclose(float_scores(network, batch.x), expected, rtol=1e-4)
    double = replace(network, layers=tuple(replace(one, weight=1.5 * one.weight) for one in network.layers))
    scorer.load_state(scorer.state_of(double))  # normalisation is in the layers now
    np.testing.assert_allclose(float_scores(double, batch.x), scorer.scores(batch)["mse"], rtol=1e-4)
    assert np.abs(scorer.scores(batch)["mse"] / expected - 1).max() > 0.01


@pytest.mark.parametrize("shallow", [False, True])
def test_logic_is_the_emulation_bit_for_bit_and_near_the_network(shallow):
    pytest.importorskip("da4ml")
    network, x = replace(bounded_decoder(LAYOUT), slope=5 / 16), rows()
    fine = design(network, FINE, shallow=shallow)
    np.testing.assert_allclose(fine.scores(x), float_scores(network, x), rtol=0.005, atol=0.002)
    made = design(network, Precision(weight=5, error=4, error_integer=2), shallow=shallow)
    grid = made.quantised(rows(1500, seed=2) * 2)  # beyond the range of an input: saturates
    found = made(grid)
    assert np.array_equal(compile_logic(made).interpreted(grid), found)
    assert len(np.unique(found)) > 100
    assert (made(grid[~grid.any(axis=1)]) == 0).all()


def test_other_libraries_give_the_same_and_fine_tuning_lowers_the_same_error():
    network, x = bounded_decoder(LAYOUT), rows().astype(np.float32)
    expected = float_scores(network, x)
    np.testing.assert_allclose(torch_scores(network)(x), expected, rtol=1e-4, atol=1e-6)
    made = design(network, Precision(weight=3, error=4, error_integer=2))
    found = finetune(made, rows(400), rows(100, seed=3), epochs=2, learning_rate=3e-3, seed=1)
    assert found.loss_after < found.loss_before
    np.testing.assert_allclose(
        found.loss_held_out, float_scores(found.network, made.quantised(rows(100, seed=3))).mean(), rtol=0.05
    )
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from hepad.io.exchange.onnx_file import check_onnx
    from hepad.trigger.onnx_graph import onnx_bytes, onnx_scores

    data = onnx_bytes(network)
    np.testing.assert_allclose(onnx_scores(data, x), expected, rtol=1e-4, atol=1e-6)
    assert set(check_onnx(data, "model.onnx").outputs) == {"score", "output"}
