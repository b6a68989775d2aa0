from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from snntorch import Leaky, SpikingNeuron

from hepad.nn.reproducible import build_seeded
from hepad.nn.spiking import SpikingStack

from .exact import of_torch, truth

SIZES = (19, 24, 12, 4, 12, 24, 19)


def stack(steps: int = 5, beta: float = 0.9, threshold: float = 0.3) -> SpikingStack:
    """A network whose threshold lets its random weights spike in all layers."""
    return build_seeded(lambda: SpikingStack(SIZES, steps=steps, beta=beta, threshold=threshold), 3)


def inputs(n: int = 300) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(5).random((n, SIZES[0]), dtype=np.float32) * 3)


@pytest.mark.parametrize(("steps", "beta", "threshold"), [(1, 0.9, 0.3), (5, 0.9, 0.3), (20, 0.5, 0.2), (7, 1.0, 0.6)])
def test_it_is_the_plain_recurrence(steps: int, beta: float, threshold: float) -> None:
    module, x = stack(steps, beta, threshold), inputs().numpy()
    expected = truth(module, x)
    assert expected.sure.mean() > 0.9
    expected.hold(*of_torch(module, x))
    if steps >= 5:
        assert all(0 < layer.mean() < 1 for layer in expected.spikes)  # the comparison means something in each layer


def test_it_is_a_chain_of_snntorch_neurons_with_an_unreachable_output_threshold() -> None:
    module, x = stack(), inputs()
    neurons = [Leaky(beta=0.9, threshold=0.3) for _ in SIZES[1:-1]] + [Leaky(beta=0.9, threshold=1e9)]
    membranes: list[Any] = [torch.zeros(len(x), size) for size in SIZES[1:]]
    for _ in range(5):
        signal = x
        for i, (layer, neuron) in enumerate(zip(module.layers, neurons, strict=True)):
            signal, membranes[i] = neuron(layer(signal), membranes[i])
    SpikingNeuron.init()  # empties snntorch's list
    output = module(x)
    assert torch.equal(output, membranes[-1])
    weights = list(module.parameters())
    mine, theirs = (torch.autograd.grad(y.square().mean(), weights) for y in (output, membranes[-1]))
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * b.abs().max().item())


def test_gradients_reach_the_first_layer() -> None:
    module = stack()
    module(inputs()).square().mean().backward()
    assert module.layers[0].weight.grad is not None
    assert module.layers[0].weight.grad.abs().sum() > 0


def test_no_neuron_and_no_graph_outlives_its_use() -> None:
    before = len(SpikingNeuron.instances)
    module = stack()
    x = inputs()
    output = module(x)
    graph, network = weakref.ref(x), weakref.ref(module)  # the graph of the output holds its input
    del x
    assert graph() is not None
    del output
    assert graph() is None
    del module
    gc.collect()
    assert network() is None
    assert len(SpikingNeuron.instances) == before


def test_only_weights_and_biases_are_state() -> None:
    assert set(stack().state_dict()) == {f"layers.{i}.{part}" for i in range(6) for part in ("weight", "bias")}
