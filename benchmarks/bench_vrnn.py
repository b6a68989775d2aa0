# ruff: noqa: SLF001  what is compared is inside
"""The recurrent network of jets, many at a time beside one after the other: `pytest -s benchmarks/bench_vrnn.py`.

Jets of 500 to 1000 GeV: 44 +- 21 particles, about their axis as in such jets. Times are the shortest of some.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from hepad.inputs.batch import Batch
from hepad.inputs.common_frame import CommonFrame, Particles, to_common_frame
from hepad.inputs.layout import Layout
from hepad.models.vrnn.network import Vrnn
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise, Rows

LAYOUT = Layout.set(20, ("pt_rel", "eta", "phi"))
JETS = 2048


def particles(n: int) -> Particles:
    """Of `n` random jets."""
    rng = np.random.default_rng(1)
    rows = np.repeat(np.arange(n), np.clip(rng.negative_binomial(4.9, 0.1, n), 2, 128))
    pt = rng.pareto(1.3, len(rows)) + 1
    eta, phi = rng.normal(0, 0.3 / np.sqrt(pt), (2, len(rows)))
    return Particles.of(rows, pt, eta, phi)


def batch(n: int) -> Batch:
    """These jets in their common frame."""
    found = to_common_frame(particles(n), CommonFrame(), 20)
    x, mask = np.zeros((n, *LAYOUT.shape), dtype=np.float32), np.zeros((n, 20), dtype=bool)
    x[found.rows, found.rank()] = np.stack([found.pt / CommonFrame().momentum, found.eta, found.phi], axis=1)
    mask[found.rows, found.rank()] = True
    return Batch("particle_set", LAYOUT, x, mask, np.ones(n))


def shortest(function: Callable[[], Any], rounds: int = 5) -> float:
    """Seconds of one thread, without those in which it waits for a processor; the first round warms up."""
    torch.set_num_threads(1)
    times = []
    for _ in range(rounds + 1):
        start = time.thread_time()
        function()
        times.append(time.thread_time() - start)
    return min(times[1:])


def test_frame_score_and_step() -> None:
    model, jets, loose = Vrnn({}, LAYOUT), batch(JETS), particles(JETS)
    frame = shortest(lambda: to_common_frame(loose, CommonFrame(), 20)) / JETS
    score = shortest(lambda: model.scores(jets)) / JETS
    x, there = (torch.from_numpy(np.asarray(array, dtype=np.float32)) for array in model._arrays(jets))
    module, recipe = model._module, model._recipe(model._module, TrainingData(jets, jets))
    noise = Noise(torch.Generator().manual_seed(1), torch.device("cpu"))

    def step(rows: slice) -> None:
        module.zero_grad()
        recipe.phases[0].loss(Rows((x[rows], there[rows]), None), noise).backward()

    def alone(function: Callable[[slice], Any]) -> float:
        """One jet at a time."""

        def each() -> None:
            for i in range(64):
                function(slice(i, i + 1))

        return shortest(each, 3) / 64

    together, single = shortest(lambda: step(slice(0, 256))) / 256, alone(step)
    with torch.no_grad():
        one = alone(lambda rows: module.surprise(x[rows], there[rows]))
    print(f"\nframe {1e6 * frame:.0f} us a jet; scores {1e6 * score:.0f} us a jet, one at a time {1e6 * one:.0f} us")
    print(f"training {1e6 * together:.0f} us a jet, one at a time {1e6 * single:.0f} us, {single / together:.0f} times")
    assert together < single
    assert score < one
