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

SIZES = (19, 24, 12, 4, 12, 24, 19)


def stack(steps: int = 5, beta: float = 0.9, threshold: float = 0.3) -> SpikingStack:
    """A network whose threshold lets its random weights spike in all layers."""
    return build_seeded(lambda: SpikingStack(SIZES, steps=steps, beta=beta, threshold=threshold), 3)


def inputs(n: int = 300) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(5).random((n, SIZES[0]), dtype=np.float32) * 3)


def reference(module: SpikingStack, x: Any) -> tuple[Any, list[Any]]:
    """The recurrences of the paper's equations 5 and 6, with the reset as snntorch has it, in plain numpy."""
    weights = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in module.layers]
    beta, threshold = np.float32(module.beta), np.float32(module.threshold)
    u = [np.zeros((len(x), size), dtype=np.float32) for size in SIZES[1:]]
    spikes: list[list[Any]] = [[] for _ in SIZES[1:-1]]
    for _ in range(module.steps):
        signal = x
        for i, (w, b) in enumerate(weights):
            last = i == len(weights) - 1
            reset = 0 if last else (u[i] > threshold).astype(np.float32) * threshold
            u[i] = beta * u[i] + signal @ w.T + b - reset
            if not last:
                signal = (u[i] > threshold).astype(np.float32)
                spikes[i].append(signal)
    return u[-1], [np.stack(layer) for layer in spikes]


@pytest.mark.parametrize(("steps", "beta", "threshold"), [(1, 0.9, 0.3), (5, 0.9, 0.3), (20, 0.5, 0.2), (7, 1.0, 0.6)])
def test_it_is_the_plain_recurrence(steps: int, beta: float, threshold: float) -> None:
    module, x = stack(steps, beta, threshold), inputs()
    output, spikes = reference(module, x.numpy())
    with torch.no_grad():
        np.testing.assert_allclose(module(x).numpy(), output, rtol=0, atol=1e-6 * max(1.0, np.abs(output).max()))
        for mine, expected in zip(module.spikes(x), spikes, strict=True):
            np.testing.assert_array_equal(mine.numpy(), expected)
    if steps >= 5:
        assert all(0 < layer.mean() < 1 for layer in spikes)  # the comparison means something in each layer


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
