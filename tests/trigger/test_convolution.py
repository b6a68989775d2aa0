"""A convolution in logic: the student of CICADA, small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from torch import from_numpy
from torch.nn.functional import conv2d

from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.cicada.network import Cicada
from hepad.models.conv_ae.network import ConvAutoencoder
from hepad.nn.exact import hardware_rows
from hepad.nn.layers import convolved, layers_of
from hepad.trigger.design import Design, Precision, quantised_weights
from hepad.trigger.finetune import finetune
from hepad.trigger.fixed import Format
from hepad.trigger.logic import compile_logic
from hepad.trigger.network import float_scores, operations
from hepad.trigger.torch_scores import torch_scores

REGIONS = Layout.image(("et",), 4, 6)
PORTS = (Format(False, 6, 0),) * 24
FINE = Precision(input=6, weight=16, activation=14)


def student(**config):
    """A small model with all neurons and the score on both sides of their bounds, and events (n, 1, eta, phi)."""
    model = Cicada({"filters": 2, "hidden": [3], "teacher_filters": [2, 2], "latent": 2, **config}, REGIONS)
    rng = np.random.default_rng(3)
    state = {name: rng.normal(0, 0.6, array.shape).astype(np.float32) for name, array in model.state().items()}
    x = rng.integers(0, 60, (600, 1, 4, 6)).astype(np.float32)
    if "student/convolution.bias" in state:
        state["student/convolution.bias"] = -30 * state["student/convolution.weight"].sum(axis=(1, 2, 3))
    state["student/dense.2.weight"] = np.array([[3.0, -2.5, 2.0]], dtype=np.float32)
    for name in ("student/dense.0.bias", "student/dense.2.bias"):
        model.load_state(state)
        rows = hardware_rows(x)
        for layer in layers_of(model, "student").layers[: -1 if name.endswith("0.bias") else None]:
            given = rows @ layer.weight.T + layer.bias
            rows = np.maximum(given, 0)
        state[name] = (state[name] - np.median(given, axis=0) + (128 if "2" in name else 0)).astype(np.float32)
    model.load_state(state)
    return model, x


def design(network, precision, **part):
    return Design(network, precision, PORTS, **part)


def test_a_convolution_is_the_matrix_that_torch_says_it_is():
    rng = np.random.default_rng(0)
    weight, bias, x = rng.normal(size=(3, 2, 3, 2)), rng.normal(size=3), rng.normal(size=(5, 2, 7, 6))
    layer = convolved(weight, bias, (7, 6), 2, "relu")
    expected = conv2d(from_numpy(x), from_numpy(weight), from_numpy(bias), stride=2).numpy()
    np.testing.assert_allclose(x.reshape(5, -1) @ layer.weight.T + layer.bias, expected.reshape(5, -1), atol=1e-12)
    numbers = layer.tied.gathered(layer.weight, layer.bias)
    assert np.array_equal(numbers[0], weight.ravel())
    assert np.array_equal(numbers[1], bias)
    assert layer.products == 3 * 2 * 3 * 2 * 9  # positions 3 x 3
    assert [(len(a), len(b)) for a, b in layer.groups] == [(3, 12)] * 9


@pytest.mark.parametrize("filters", [2, 0])
def test_the_layers_give_the_students_score_and_go_back_into_it(filters):
    model, x = student(filters=filters)
    network, batch = layers_of(model, "student"), Batch("calo_regions", REGIONS, x, None, np.ones(len(x)))
    expected = model.scores(batch)["student"]
    assert (expected.min(), expected.max()) == (0, network.highest)
    assert len(np.unique(expected)) > 100
    np.testing.assert_allclose(float_scores(network, hardware_rows(x)), expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(torch_scores(network)(hardware_rows(x)), expected, rtol=1e-4, atol=1e-3)
    halved = replace(network, layers=tuple(replace(w, weight=w.weight / 2, bias=w.bias / 2) for w in network.layers))
    model.load_state(model.state_of(halved))
    np.testing.assert_allclose(
        float_scores(halved, hardware_rows(x)), model.scores(batch)["student"], rtol=1e-4, atol=1e-3
    )
    positions = 6 if filters else 0
    assert operations(network)["mac"] == positions * 2 * 4 + (12 if filters else 24) * 3 + 3


def test_logic_is_the_emulation_bit_for_bit_and_near_the_network():
    pytest.importorskip("da4ml")
    model, x = student()
    network = layers_of(model, "student")
    np.testing.assert_allclose(design(network, FINE).scores(x), float_scores(network, hardware_rows(x)), atol=0.15)
    for shallow in (False, True):
        made = design(network, Precision(input=6, weight=5, activation=3), shallow=shallow)
        rows = made.quantised(x)
        found = made(rows)
        assert np.array_equal(compile_logic(made).interpreted(rows), found)
        assert (found.min(), found.max()) == (0, 256 - 1 / 8)
        assert len(np.unique(found)) > 100


def test_onnx_bounds_the_score_too():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from hepad.trigger.onnx_graph import onnx_bytes, onnx_scores

    model, x = student()
    network, rows = layers_of(model, "student"), hardware_rows(x)
    np.testing.assert_allclose(
        onnx_scores(onnx_bytes(network), rows), float_scores(network, rows), rtol=1e-4, atol=1e-3
    )


def test_fine_tuning_leaves_one_kernel_for_all_positions():
    model, x = student()
    made = design(layers_of(model, "student"), Precision(input=6, weight=3, activation=3))
    found = finetune(made, x[:500], x[500:], epochs=12, learning_rate=0.05, seed=1)
    assert found.loss_after < found.loss_before
    first, tied = found.network.layers[0], made.network.layers[0].tied
    again = tied.spread(*tied.gathered(first.weight, first.bias))
    assert np.array_equal(again[0], first.weight)
    assert np.array_equal(again[1], first.bias)
    assert not np.array_equal(first.weight, quantised_weights(made.network.layers[0].weight, 3))
    model.load_state(model.state_of(found.network))
    kept = layers_of(model, "student").layers[0]
    np.testing.assert_allclose(kept.weight, first.weight, rtol=1e-6)


def test_what_no_trigger_could_hold_is_refused_with_the_reason():
    with pytest.raises(CardError, match="score 'teacher' of cicada has no logic: there is some for student; the teach"):
        layers_of(student()[0], "teacher")
    images = ConvAutoencoder({"filters": [2], "latent": 2}, Layout.image(("a", "b"), 8, 6))
    with pytest.raises(CardError, match="'conv_ae' has no logic yet: no trigger is given 96 pixels in one clock"):
        layers_of(images, "mse")
