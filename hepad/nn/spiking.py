"""A dense stack of leaky integrate-and-fire neurons, trained through surrogate gradients.

Reference: Dillon, Harkin, Javed, "Anomaly detection with spiking neural networks for LHC physics", section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from snntorch import Leaky, SpikingNeuron
from torch import Tensor, nn

__all__ = ["SpikingStack"]


class SpikingStack(nn.Module):
    """Affine layers joined by spikes; the same input drives the first layer at each step.

    A hidden neuron with input current I, decay `beta` and threshold U follows, per step t,

        u[t] = beta u[t-1] + I[t] - U [u[t-1] > U],    spike[t] = [u[t] > U],    u[0] = 0.

    This is what snntorch computes and so what the paper's results were made with; the paper's equation 3 scales the
    reset by beta as well. Output neurons never spike: they accumulate u[t] = beta u[t-1] + I[t], and the last u is the
    output. The spike's derivative is that of an arctangent (snntorch's default).
    """

    def __init__(self, sizes: Sequence[int], *, steps: int, beta: float, threshold: float) -> None:
        super().__init__()
        self.sizes, self.steps = tuple(sizes), steps
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Tensor) -> Tensor:
        """Output membranes after the last step, shape (n, last size), for input of shape (n, first size)."""
        return self._run(x, lambda _: None)

    def spikes(self, x: Tensor) -> list[Tensor]:
        """The spikes (0 or 1) of each hidden layer, each of shape (steps, n, width)."""
        steps: list[list[Tensor]] = []
        self._run(x, steps.append)
        return [torch.stack(layer) for layer in zip(*steps, strict=True)]

    def _run(self, x: Tensor, record: Callable[[list[Tensor]], None]) -> Tensor:
        # A neuron has nothing to train, and membranes are passed explicitly, so one object serves all layers. It is
        # made anew for each pass because snntorch keeps the membrane in the neuron while it works on it: two threads
        # that score with one network would overwrite each other's.
        neuron = _leaky(self.beta, self.threshold)
        *hidden, last = self.layers
        drive = self.layers[0](x)  # the input is the same at each step, and so is its current
        *membranes, output = (x.new_zeros(len(x), size) for size in self.sizes[1:])
        for _ in range(self.steps):
            spikes: list[Tensor] = []
            for index, layer in enumerate(hidden):
                current = layer(spikes[-1]) if index else drive
                spike, membranes[index] = neuron(current, membranes[index])
                spikes.append(spike)
            output = neuron.beta * output + last(spikes[-1])
            record(spikes)
        neuron.mem = None  # a neuron refers to itself, so what it holds, here the whole graph, would wait for the gc
        return output


def _leaky(beta: float, threshold: float) -> Leaky:
    neuron = Leaky(beta=beta, threshold=threshold, init_hidden=False, reset_mechanism="subtract")
    # snntorch appends each neuron ever made to a class-level list, for resetting hidden states that we do not use.
    # Left there, it would live as long as the process.
    SpikingNeuron.instances.remove(neuron)
    return neuron
