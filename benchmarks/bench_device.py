"""Training and scoring on an accelerator beside the processor: `python benchmarks/bench_device.py [--device cuda]`.

Prints for each model, as its card has it, the events a second that are trained on and scored on either device, their
ratio, and the largest relative difference of the scores. The events are random: times do not depend on their values.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hepad import registry
from hepad.cards.train import TrainCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.device import resolve_device
from hepad.nn.network import NetworkScorer
from hepad.nn.scorer import TrainingData

L1_VECTOR = Layout.vector([f"{thing}_pt" for thing in ("met", *(f"jet{i}" for i in range(1, 19)))])
IMAGE = Layout.image(("track",), 58, 72)
SET = Layout.set(128, ("pt_rel", "deta", "dphi", "log_pt", "log_energy", "log_pt_rel", "log_energy_rel", "delta_r"))


@dataclass(frozen=True)
class Case:
    """A model, the events that one epoch has on the accelerator and on the processor, and the sizes of batches."""

    model: str
    settings: dict[str, Any]
    layout: Layout
    events: int
    few: int
    batches: tuple[int, ...]


CASES = (
    Case("dnn_ae", {}, L1_VECTOR, 200_000, 50_000, (1000, 20_000)),
    Case("snn_ae", {}, L1_VECTOR, 50_000, 20_000, (1000, 10_000)),
    Case("conv_ae", {}, IMAGE, 4096, 256, (128, 1024)),
    Case("codae", {"filters": [64, 128, 128, 256]}, IMAGE, 1024, 64, (128, 512)),
    Case("clip_vae", {"network": "deepset"}, SET, 8192, 1024, (256, 2048)),
    Case(
        "clip_vae",
        {"network": "transformer", "width": 128, "encoder_layers": 6, "decoder_layers": 6},
        SET,
        2048,
        128,
        (256, 1024),
    ),
)


def events(case: Case, n: int) -> Batch:
    """Random events: images with 3 % of their pixels lit, sets of 44 +- 21 particles."""
    rng = np.random.default_rng(1)
    shape = (n, *case.layout.shape)
    if case.layout is SET:
        counts = np.clip(rng.negative_binomial(4.9, 0.1, n), 1, 128)
        there = np.arange(128) < counts[:, None]
        x = np.where(there[:, :, None], np.abs(rng.normal(0, 0.3, shape)), 0).astype(np.float32)
        ids = np.where(there, rng.integers(0, 9, there.shape), 0)
        return Batch("particle_set", SET, x, there, np.ones(n), {"id": ids})
    x = rng.exponential(1.0, shape).astype(np.float32)
    if case.layout is IMAGE:
        x = (x * (rng.random(shape) < 0.03)).astype(np.float32)
        return Batch("detector_image", IMAGE, np.minimum(x, 1), None, np.ones(n))
    return Batch("l1_vector", L1_VECTOR, x, None, np.ones(n))


def new(case: Case) -> Any:
    return registry.load(registry.SCORERS[case.model])(case.settings, case.layout)


def trained(case: Case, size: int, device: str) -> float:
    """Events a second of an epoch: what two more epochs take."""
    data = events(case, case.few if device == "cpu" else case.events)

    def fit(epochs: int) -> float:
        options = TrainCard(epochs=epochs, batch_size=size)
        parts, start = TrainingData(data, data.take(slice(0, 64))), time.perf_counter()
        new(case).fit(parts, options=options, seed=1, device=device)
        return time.perf_counter() - start

    fit(1)  # warms up
    return 2 * len(data) / (fit(3) - fit(1))


def scored(case: Case, device: str) -> tuple[float, dict[str, Any]]:
    """Events a second, and the scores of some."""
    model, batch = new(case), events(case, case.few if device == "cpu" else case.events)
    model.score_on(device)
    model.scores(batch)
    start = time.perf_counter()
    model.scores(batch)
    return len(batch) / (time.perf_counter() - start), model.scores(events(case, 64))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto")
    device = resolve_device(parser.parse_args().device)
    card = torch.cuda.get_device_name() if device == "cuda" else device
    print(f"torch {torch.__version__}, {card}, {torch.get_num_threads()} threads to score, 1 to train")
    for case in CASES:
        what = f"{case.model} {case.settings.get('network', '')}"
        for size in case.batches:
            here, there = (trained(case, size, where) for where in ("cpu", device))
            print(
                f"{what:20} train by {size:6}: {here:9.0f} and {there:9.0f} a second, {there / here:.1f} times",
                flush=True,
            )
        if not isinstance(new(case), NetworkScorer):
            continue  # scored by numpy or compiled loops, on the processor
        (here, plain), (there, other) = (scored(case, where) for where in ("cpu", device))
        apart = max(float(np.max(np.abs(other[k] - v) / np.maximum(np.abs(v), 1e-6))) for k, v in plain.items())
        print(
            f"{what:20} score: {here:9.0f} and {there:9.0f} a second, {there / here:.1f} times; apart {apart:.1g}",
            flush=True,
        )


if __name__ == "__main__":
    main()
