"""How long a processor takes for one event and for a batch: warmed up, on one thread, pinned to one core."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hepad.trigger.network import Network

__all__ = ["Timing", "peak_memory_mb", "pinned", "time_calls", "torch_scores"]

Rows = npt.NDArray[np.float32]

WARM_UP_SECONDS = 0.3
LEAST_CALLS = 200


@dataclass(frozen=True)
class Timing:
    """The time of a call in ns: median, 99th percentile, and jitter, the spread between 1st and 99th percentile.

    `events_per_second` is that of all calls together.
    """

    backend: str
    batch: int
    calls: int
    p50_ns: float
    p99_ns: float
    jitter_ns: float
    events_per_second: float

    def to_json(self) -> dict[str, Any]:
        """The numbers by name."""
        return asdict(self)


@contextmanager
def pinned() -> Iterator[None]:
    """Keep this process on one core, the last that it may use, and torch on one thread, inside the block."""
    threads = torch.get_num_threads()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    try:
        torch.set_num_threads(1)
        if cores:
            os.sched_setaffinity(0, {max(cores)})
        yield
    finally:
        torch.set_num_threads(threads)
        if cores:
            os.sched_setaffinity(0, cores)


def time_calls(backend: str, function: Callable[[Rows], Any], x: Rows, batch: int, seconds: float) -> Timing:
    """Call `function` with batches of rows of x, round and round, for about so many seconds after a warm-up.

    The batches differ, so that no call finds the numbers of the one before. At least `LEAST_CALLS` calls for a single
    event, 20 for a batch.
    """
    parts = _batches(x, batch)
    end = time.perf_counter() + min(WARM_UP_SECONDS, seconds)
    while True:
        for part in parts[:16]:
            function(part)
        if time.perf_counter() > end:
            break
    taken: list[int] = []
    least, total = LEAST_CALLS if batch == 1 else 20, 0
    while total < seconds * 1e9 or len(taken) < least:
        part = parts[len(taken) % len(parts)]
        start = time.perf_counter_ns()
        function(part)
        taken.append(time.perf_counter_ns() - start)
        total += taken[-1]
    low, middle, high = np.percentile(taken, [1, 50, 99])
    rate = batch * len(taken) / (total * 1e-9)
    return Timing(backend, batch, len(taken), float(middle), float(high), float(high - low), rate)


def peak_memory_mb() -> float:
    """The peak memory of this process in MB, imports and events included: what a job must be given."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


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
        return (x - output).square().mean(dim=1)
    if network.score == "mu2":
        return output.square().sum(dim=1)
    mean, log_variance = output.chunk(2, dim=1)
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).mean(dim=1)


def _torch_dense(network: Network, x: Tensor, weights: list[tuple[Tensor, Tensor]]) -> Tensor:
    for layer, (weight, bias) in zip(network.layers, weights, strict=True):
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


def _batches(x: Rows, batch: int) -> list[Rows]:
    if len(x) < batch:
        x = np.tile(x, (-(-batch // len(x)), 1))
    count = min(len(x) // batch, 1000)
    return [np.ascontiguousarray(x[i * batch : (i + 1) * batch]) for i in range(count)]
