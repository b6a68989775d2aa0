"""A network in torch, in single precision: what a processor runs where torch is at hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hepad.nn.layers import Network

__all__ = ["restored", "torch_scores"]

Rows = npt.NDArray[np.float32]


def torch_scores(network: Network) -> Callable[[Rows], Any]:
    """A function that scores rows with torch, in single precision."""
    weights = [
        (torch.tensor(layer.weight, dtype=torch.float32), torch.tensor(layer.bias, dtype=torch.float32))
        for layer in network.layers
    ]

    def score(rows: Rows) -> Any:
        with torch.inference_mode():
            return _torch_score(network, torch.from_numpy(rows), weights).numpy()

    return score


def _torch_score(network: Network, x: Tensor, weights: list[tuple[Tensor, Tensor]]) -> Tensor:
    output = _torch_spiking(network, x, weights) if network.spiking else _torch_dense(network, x, weights)
    if network.score == "mse":
        return (x - restored(network, x, output)).square().mean(dim=1)
    if network.score == "sse":
        embedded = _torch_dense(network, x, weights[: network.embedding])
        return (embedded - output).square().sum(dim=1)
    if network.score == "output":
        return output[:, 0].clamp(0, network.highest)
    if network.score == "mu2":
        return output.square().sum(dim=1)
    mean, log_variance = output.chunk(2, dim=1)
    if network.score == "r":
        return (mean.square() * torch.exp(-log_variance)).sum(dim=1)
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).mean(dim=1)


def restored(network: Network, x: Tensor, output: Tensor) -> Tensor:
    """The reconstruction of x (n, d) that an output is: within its limits, 0 for objects that are not there."""
    if network.limits is None:
        return output
    bounded = torch.from_numpy(np.isfinite(network.limits))
    limits = torch.where(bounded, torch.from_numpy(network.limits).to(x.dtype), 1.0)
    there = (x != 0).to(x.dtype) @ torch.from_numpy(network.together.T).to(x.dtype) > 0
    return torch.where(there, torch.where(bounded, limits * torch.tanh(output), output), 0.0)


def _torch_dense(network: Network, x: Tensor, weights: list[tuple[Tensor, Tensor]]) -> Tensor:
    for layer, (weight, bias) in zip(network.layers[: len(weights)], weights, strict=True):
        x = torch.nn.functional.linear(x, weight, bias)
        if layer.after != "linear":
            x = torch.nn.functional.leaky_relu(x, network.slope if layer.after == "leaky_relu" else 0.0)
    return x


def _torch_spiking(network: Network, x: Tensor, weights: list[tuple[Tensor, Tensor]]) -> Tensor:
    neuron = network.spiking
    assert neuron is not None  # noqa: S101  asked by the caller
    linear = torch.nn.functional.linear
    currents = [linear(x, *weights[0])] * neuron.steps
    for weight, bias in weights[1:]:
        spikes: list[Tensor] = []
        potential = torch.zeros_like(currents[0])
        for current in currents:
            potential = neuron.beta * potential + current
            if spikes:
                potential = potential - neuron.threshold * spikes[-1]
            spikes.append((potential > neuron.threshold).to(x.dtype))
        currents = [linear(spike, weight, bias) for spike in spikes]
    output = torch.zeros_like(currents[0])
    for current in currents:
        output = neuron.beta * output + current
    return output
