"""Events scored per second and time per training epoch: `pytest benchmarks/bench_models.py`.

The inputs are random: the time does not depend on their values.
"""

from __future__ import annotations

from typing import Any

import pytest

from hepad import registry
from hepad.cards.analysis import TrainCard
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.nn.network import NetworkScorer
from hepad.nn.scorer import TrainingData
from hepad.testing.examples import example_batch


def batch(name: str, n: int, seed: int = 1) -> Batch:
    return example_batch("l1_vector", n, seed=seed, features=("pt", "eta", "phi") if name == "vae" else ("pt",))


def scorer(name: str) -> Any:
    return registry.load(registry.SCORERS[name])({}, batch(name, 1).layout)


def _needs_no_settings(name: str) -> bool:
    try:
        scorer(name)
    except CardError:
        return False
    return True


_TRAINABLE = sorted(
    name
    for name, entry in registry.SCORERS.items()
    if entry.trainable and "l1_vector" in entry.inputs and _needs_no_settings(name)
)


@pytest.mark.parametrize("name", _TRAINABLE)
@pytest.mark.parametrize("events", [1, 1000, 100_000])
def test_scores(benchmark: Any, name: str, events: int) -> None:
    model, data = scorer(name), batch(name, events)
    benchmark.pedantic(model.scores, (data,), rounds=3, warmup_rounds=1)
    benchmark.extra_info["events_per_second"] = events / benchmark.stats["mean"]


@pytest.mark.parametrize("block", [64, 256, 1024, 4096, 16384])
@pytest.mark.parametrize("events", [1, 100_000])
def test_block_size(benchmark: Any, monkeypatch: pytest.MonkeyPatch, block: int, events: int) -> None:
    model, data = scorer("vae"), batch("vae", events)
    assert isinstance(model, NetworkScorer)
    monkeypatch.setattr(type(model), "block", block)
    benchmark.pedantic(model.scores, (data,), rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("name", _TRAINABLE)
def test_one_epoch_of_100_batches(benchmark: Any, name: str) -> None:
    model, data = scorer(name), TrainingData(batch(name, 100_000), batch(name, 1000, seed=2))
    options = TrainCard(epochs=1, batch_size=1000)
    benchmark.pedantic(model.fit, (data,), {"options": options, "seed": 1}, rounds=1)
