"""Spiking networks in double precision, against which numbers in single precision are held on any processor.

Matrix libraries sum in orders of their own, which differ between processors and shapes, and now and then a potential
comes so near to the threshold that the last digit decides. A bound of the rounding errors of any order of summation
tells which events these are; in all others every spike must be the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hepad.nn.spiking import SpikingStack

__all__ = ["Truth", "of_torch", "truth"]

EPSILON = 2.0**-23
"""Twice float32's rounding error, which makes up for what is of second order."""


@dataclass(frozen=True)
class Truth:
    """A network in double precision: `outputs` (n, last size), `spikes` (n, steps, width) a hidden layer.

    `sure`, shape (n,), says which events have those spikes in any order of float32 sums; for these, `error` is the
    bound of the outputs' rounding.
    """

    outputs: Any
    spikes: list[Any]
    sure: Any
    error: Any

    def hold(self, outputs: Any, spikes: list[Any]) -> None:
        for mine, expected in zip(spikes, self.spikes, strict=True):
            np.testing.assert_array_equal(mine[self.sure], expected[self.sure])
        off = np.abs(outputs - self.outputs)
        assert (off <= self.error)[self.sure].all()


def truth(network: SpikingStack, x: Any) -> Truth:
    beta, threshold = np.float64(np.float32(network.beta)), np.float64(np.float32(network.threshold))
    layers = [[p.detach().double().numpy() for p in (layer.weight, layer.bias)] for layer in network.layers]
    sure, signals, hidden = np.ones(len(x), dtype=bool), [x.astype(float)] * network.steps, []
    for layer, (weight, bias) in enumerate(layers):
        u, error, steps = np.zeros((len(x), len(weight))), np.zeros((len(x), len(weight))), []
        reset = 0 if layer == len(layers) - 1 else threshold
        for signal in signals:
            current = signal @ weight.T + bias
            # A sum of k rounded terms in any order errs by at most k roundings of the sum of magnitudes.
            rounding = (len(weight.T) + 1) * EPSILON * (np.abs(signal) @ np.abs(weight.T) + np.abs(bias))
            fired = u > threshold
            error = beta * error + rounding + 3 * EPSILON * (beta * np.abs(u) + np.abs(current) + threshold)
            u = beta * u + current - reset * fired
            steps.append(u > threshold)
            if reset:
                sure &= ~(np.abs(u - threshold) <= error).any(axis=1)  # NaN is surely not above
        signals = [step.astype(float) for step in steps]
        hidden.append(np.stack(steps, axis=1))
    return Truth(u, hidden[:-1], sure, error)


def of_torch(stack: SpikingStack, x: Any) -> tuple[Any, list[Any]]:
    with torch.no_grad():
        rows = torch.from_numpy(x)
        return stack(rows).numpy(), [spikes.numpy().transpose(1, 0, 2) > 0 for spikes in stack.spikes(rows)]
