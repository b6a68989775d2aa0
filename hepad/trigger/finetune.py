"""Quantisation-aware fine-tuning: weights are rounded in the forward pass, as in the logic, and trained through it.

The gradient passes a rounding unchanged (straight-through); a spike's derivative is that of an arctangent, as in
`hepad.nn.spiking`. What is trained are weights and biases at a given weight and leak width; membranes and activations
stay in floating point, for the bits that matter are those of the weights. The result's weights are on their grids, so
that quantising them again changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hepad.nn.layers import Network
from hepad.trigger.design import Design, Precision, quantised_weights
from hepad.trigger.fixed import Floats, to_grid
from hepad.trigger.torch_scores import restored

__all__ = ["FineTuned", "finetune"]

BATCH = 500


@dataclass(frozen=True)
class FineTuned:
    """The network with its new weights, and the loss a batch before and after, with rounded weights.

    `loss_held_out` is that on events that had no part in it.
    """

    network: Network
    loss_before: float
    loss_after: float
    best_epoch: int
    loss_held_out: float


def finetune(design: Design, x: Floats, held_out: Floats, *, epochs: int, learning_rate: float, seed: int) -> FineTuned:
    """Train the weights of a design on background rows x (n, d), inputs as the network sees them.

    An autoencoder is trained to reconstruct its input; an encoder to give the output that it had before. A tenth of
    the rows, drawn by the seed, tells which epoch to keep; the start is one of the choices. Rows `held_out` (m, d) are
    only looked at in the end.
    """
    network = design.network
    order = np.random.default_rng(seed).permutation(len(x))
    rows = torch.tensor(design.quantised(x)[order], dtype=torch.float32)
    validation, training = rows[: len(rows) // 10], rows[len(rows) // 10 :]
    trained = _Trained(design)
    optimiser = torch.optim.Adam([*trained.weights, *trained.biases], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(epochs, 1))
    generator = torch.Generator().manual_seed(seed)
    best = before = trained.evaluated(validation)
    kept, best_epoch = trained.copy(), 0
    for epoch in range(1, epochs + 1):
        order_now = torch.randperm(len(training), generator=generator)
        for places in torch.chunk(order_now, -(-len(training) // BATCH)):
            optimiser.zero_grad()
            trained.loss(training[places]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()
        now = trained.evaluated(validation)
        if now < best:
            best, best_epoch, kept = now, epoch, trained.copy()
    layers = []
    for i, (layer, (w, b)) in enumerate(zip(network.layers, kept, strict=True)):
        weight, bias = (w, b) if layer.tied is None else layer.tied.spread(w, b)
        layers.append(replace(layer, weight=_on_grid(weight, i, network, design.precision), bias=bias))
    trained.restore(kept)
    last = trained.evaluated(torch.tensor(design.quantised(held_out), dtype=torch.float32))
    return FineTuned(replace(network, layers=tuple(layers)), before, best, best_epoch, last)


class _Trained:
    """The weights and biases that are trained, and the loss."""

    def __init__(self, design: Design) -> None:
        self._network, self._precision = design.network, design.precision
        layers = design.network.layers
        self._first_weights = [_tensor(layer.weight) for layer in layers]
        self._first_biases = [_tensor(layer.bias) for layer in layers]
        numbers = [(w.weight, w.bias) if w.tied is None else w.tied.gathered(w.weight, w.bias) for w in layers]
        self.weights, self.biases = ([_tensor(pair[i]).requires_grad_() for pair in numbers] for i in range(2))

    def loss(self, batch: Tensor) -> Tensor:
        """The mean squared error of a batch, with rounded weights."""
        network, precision = self._network, self._precision
        weights, biases = self._in_their_places()
        rounded = [_rounded(weight, i, network, precision) for i, weight in enumerate(weights)]
        if network.embedding:  # an autoencoder is trained on an embedding that stays as it is
            with torch.no_grad():
                wanted = self._embedded(batch, self._first_weights, self._first_biases)
            return (wanted - _output(network, precision, batch, rounded, biases)).square().mean() + (
                wanted - self._embedded(batch, rounded, biases)
            ).square().mean()
        output = _output(network, precision, batch, rounded, biases)
        if network.score in {"mse", "sse"}:
            return (batch - restored(network, batch, output)).square().mean()
        with torch.no_grad():
            wanted = _output(network, precision, batch, self._first_weights, self._first_biases)
        return (wanted - output).square().mean()

    def _in_their_places(self) -> tuple[list[Tensor], list[Tensor]]:
        """The weights and biases of all layers; what is tied is trained as the one number that it is."""
        weights, biases = [], []
        for layer, weight, bias in zip(self._network.layers, self.weights, self.biases, strict=True):
            if layer.tied is None:
                weights.append(weight)
                biases.append(bias)
            else:
                weights.append(torch.cat([weight, weight.new_zeros(1)])[torch.from_numpy(layer.tied.weight)])
                biases.append(bias[torch.from_numpy(layer.tied.bias)])
        return weights, biases

    def _embedded(self, batch: Tensor, weights: list[Tensor], biases: list[Tensor]) -> Tensor:
        network, count = self._network, self._network.embedding
        first = replace(network, layers=network.layers[:count])
        return _output(first, self._precision, batch, weights[:count], biases[:count])

    def evaluated(self, rows: Tensor) -> float:
        """The loss as a number."""
        with torch.no_grad():
            return float(self.loss(rows))

    def copy(self) -> list[tuple[Floats, Floats]]:
        """The weights and biases as they are now."""
        pairs = zip(self.weights, self.biases, strict=True)
        return [(w.detach().double().numpy().copy(), b.detach().double().numpy().copy()) for w, b in pairs]

    def restore(self, pairs: list[tuple[Floats, Floats]]) -> None:
        """Take weights and biases back that `copy` gave."""
        with torch.no_grad():
            for weight, bias, (w, b) in zip(self.weights, self.biases, pairs, strict=True):
                weight.copy_(_tensor(w))
                bias.copy_(_tensor(b))


def _tensor(values: Floats) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def _unit(index: int, network: Network) -> float:
    """What the logic divides the weights of a layer by before it rounds them."""
    return network.spiking.threshold if network.spiking and network.layers[index].after == "spike" else 1.0


def _on_grid(weight: Floats, index: int, network: Network, precision: Precision) -> Floats:
    unit: Floats | float = _unit(index, network)
    if index == 0 and network.shift is not None:
        unit = unit * 2.0**-network.shift
    return quantised_weights(weight / unit, precision.weight) * unit


def _rounded(weight: Tensor, index: int, network: Network, precision: Precision) -> Tensor:
    """The rounded weights, with the gradient of the unrounded."""
    grid = _on_grid(weight.detach().numpy().astype(np.float64), index, network, precision)
    return weight + (torch.from_numpy(grid.astype(np.float32)) - weight).detach()


def _output(network: Network, precision: Precision, x: Tensor, weights: list[Tensor], biases: list[Tensor]) -> Tensor:
    linear = torch.nn.functional.linear
    neuron = network.spiking
    if neuron is None:
        for layer, weight, bias in zip(network.layers, weights, biases, strict=True):
            x = linear(x, weight, bias)
            if layer.after != "linear":
                x = torch.nn.functional.leaky_relu(x, 0.3125 if layer.after == "leaky_relu" else 0.0)
        return x
    currents = [linear(x, weights[0], biases[0])] * neuron.steps
    for index, (weight, bias) in enumerate(zip(weights[1:], biases[1:], strict=True)):
        # the first layer is a table and keeps its beta; see `Design`
        beta = neuron.beta if index == 0 else float(to_grid(neuron.beta, precision.leak))
        spikes: list[Tensor] = []
        potential = torch.zeros_like(currents[0])
        for current in currents:
            potential = beta * potential + current
            if spikes:
                potential = potential - neuron.threshold * spikes[-1].detach()
            spikes.append(_spike(potential - neuron.threshold))
        currents = [linear(spike, weight, bias) for spike in spikes]
    output = torch.zeros_like(currents[0])
    for current in currents:
        output = neuron.beta * output + current
    return output


def _spike(excess: Tensor) -> Tensor:
    """1 at or above 0; the derivative is that of arctan(pi x) / pi, as in snntorch."""
    smooth = torch.atan(torch.pi * excess) / torch.pi
    return smooth + ((excess >= 0).to(excess.dtype) - smooth).detach()
