"""Spiking networks here against snntorch's own loop: events scored per second, and time per training epoch.

    python benchmarks/bench_spiking.py [--events 100000] [--repeats 7] [--threads N]

Scoring takes all events in one batch, with the bundled weights; `snntorch` is a chain of `torch.nn.Linear` and
`snntorch.Leaky` run for five steps, as its tutorials write it, with torch's default number of threads; `reference` is
`SpikingStack`, which computes the first layer's current once. Training takes batches of 1000 through the training loop
of hepad, so that indexing and Adam are in both. The runs alternate, so that a machine whose speed drifts does not
favour one; medians are quoted, and the ratio is the median of the ratios.

The events are those of the example background, drawn again at random with each value scaled by a normal factor of
width 5 %, so that no two are equal.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from snntorch import Leaky, SpikingNeuron
from torch import nn

from hepad.bundles.bundle import load_bundle
from hepad.cards.analysis import TrainCard
from hepad.io.reader import read_events
from hepad.nn import lif
from hepad.nn.fused import FusedSpikingStack
from hepad.nn.reconstruction import reconstruction_recipe
from hepad.nn.reproducible import build_seeded
from hepad.nn.sources import ArraySource
from hepad.nn.spiking import SpikingStack
from hepad.nn.training import train
from hepad.objects.selection import apply_selection

DATA = Path(__file__).resolve().parent.parent / "examples" / "data" / "background.h5"
NEURONS = {"steps": 5, "beta": 0.9, "threshold": 1.2}


class Chain(nn.Module):
    """The same network as an snntorch user writes it."""

    def __init__(self, sizes: tuple[int, ...], *, steps: int, beta: float, threshold: float) -> None:
        super().__init__()
        self.steps = steps
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        thresholds = [threshold] * (len(sizes) - 2) + [1e9]
        self.neurons = nn.ModuleList(Leaky(beta=beta, threshold=value) for value in thresholds)
        SpikingNeuron.instances.clear()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        membranes: list[Any] = [torch.zeros(len(x), layer.out_features) for layer in self.layers]
        for _ in range(self.steps):
            signal = x
            for i, (layer, neuron) in enumerate(zip(self.layers, self.neurons, strict=True)):
                signal, membranes[i] = neuron(layer(signal), membranes[i])
        for neuron in self.neurons:
            neuron.mem = None
        return membranes[-1]


def seconds(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def alternate(jobs: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    for job in jobs.values():
        job()
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            times[name].append(seconds(job))
    return times


def table(title: str, times: dict[str, list[float]], events: int, against: tuple[str, ...]) -> None:
    print(f"\n{title}\n{'':<34}{'median s':>10}{'events/s':>12}" + "".join(f"{'x ' + name:>12}" for name in against))
    for name, own in times.items():
        ratios = [statistics.median(a / b for a, b in zip(times[other], own, strict=True)) for other in against]
        median = statistics.median(own)
        print(f"{name:<34}{median:>10.4f}{events / median:>12.0f}" + "".join(f"{ratio:>12.1f}" for ratio in ratios))


def sample(events: int) -> Any:
    bundle = load_bundle("snn_ae")
    (chunk,) = read_events([DATA], bundle.fields(bundle.card.selection))
    selected, *_ = apply_selection(chunk.events, bundle.card.selection)
    batch, rng = bundle.input(selected), np.random.default_rng(1)
    x = batch.x[rng.integers(len(batch), size=events)]
    return bundle, (x * rng.normal(1, 0.05, x.shape)).astype(np.float32)


def scoring(bundle: Any, x: Any, repeats: int) -> None:
    state, sizes = bundle.scorer.state(), (19, 24, 12, 4, 12, 24, 19)
    chain, reference = Chain(sizes, **NEURONS), SpikingStack(sizes, **NEURONS)
    for module in (chain, reference):
        module.load_state_dict({key: torch.from_numpy(array) for key, array in state.items()}, strict=False)
    network, rows = lif.LifNetwork(state, sizes, **NEURONS), torch.from_numpy(x)
    name, few = lif.KERNEL, lif.REMEMBER_FROM

    def plain() -> Any:
        lif.KERNEL, lif.REMEMBER_FROM, network._evaluated = "not loaded", len(x) + 1, 0  # noqa: SLF001
        return network.outputs(x)

    def compiled() -> Any:
        lif.KERNEL, lif.REMEMBER_FROM = name, len(x) + 1
        return network.outputs(x)

    def remembered() -> Any:
        lif.REMEMBER_FROM = few
        return network.outputs(x)

    with torch.inference_mode():
        jobs = {
            "snntorch": lambda: chain(rows),
            "reference": lambda: reference(rows),
            "hepad, numpy (few events)": plain,
            "hepad, compiled": compiled,
            "hepad, trains remembered": remembered,
        }
        times = alternate(jobs, repeats)
        theirs = chain(rows).numpy()
        spikes = reference.spikes(rows)
    table(f"Scoring {len(x)} events in one batch", times, len(x), ("snntorch", "reference"))
    agreement(bundle, x, theirs, {"numpy": plain(), "compiled": compiled(), "remembered": remembered()})
    flipped = sum(int((network.spikes(x, i) != (s.numpy().transpose(1, 0, 2) > 0)).sum()) for i, s in enumerate(spikes))
    print(f"spikes that differ from snntorch's: {flipped} of {sum(s.numel() for s in spikes)}")


def agreement(bundle: Any, x: Any, theirs: Any, results: dict[str, Any]) -> None:
    score = np.square(x - theirs).mean(axis=1)
    threshold = np.quantile(score, 0.99)
    for name, mine in results.items():
        own = np.square(x - mine).mean(axis=1)
        bundled = {
            n: int(((own >= r.threshold) != (score >= r.threshold)).sum()) for n, r in bundle.card.regions.items()
        }
        print(
            f"{name}: largest difference of an output {np.abs(mine - theirs).max():.2g}, of a score "
            f"{np.abs(own - score).max():.2g}; decisions flipped at 1 %: "
            f"{int(((own >= threshold) != (score >= threshold)).sum())}, in the bundle's regions: {bundled}"
        )


def training(x: Any, repeats: int) -> None:
    data, few = (ArraySource.of((rows,), np.ones(len(rows)), "training") for rows in (x, x[:1000]))
    options = TrainCard(epochs=1, batch_size=1000, learning_rate=1e-3)

    def epoch(kind: Any) -> None:
        module = build_seeded(lambda: kind((19, 24, 12, 4, 12, 24, 19), **NEURONS), 1)
        train(reconstruction_recipe(module), data, few, options=options, seed=1)

    kinds = {"snntorch": Chain, "reference": SpikingStack, "hepad, compiled": FusedSpikingStack}
    times = alternate({name: lambda kind=kind: epoch(kind) for name, kind in kinds.items()}, repeats)
    table(f"One epoch of {len(x)} events in batches of 1000", times, len(x), ("snntorch", "reference"))


def start() -> None:
    """How long the compiled loop takes to be loaded, compared with importing torch, in processes of their own."""
    program = "import time, numpy; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    for module in ("torch", "hepad.nn.lif", "hepad.nn.lif_kernel"):
        runs = [
            float(
                subprocess.run([sys.executable, "-c", program.format(module)], capture_output=True, check=True).stdout
            )
            for _ in range(3)
        ]
        print(f"import {module:<22}{statistics.median(runs):.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    bundle, x = sample(options.events)
    scoring(bundle, x, options.repeats)
    training(x, max(3, options.repeats // 2))
    print()
    start()


if __name__ == "__main__":
    main()
