"""Events scored per second and time per training epoch: `pytest benchmarks/bench_models.py`.

The inputs are random: the time does not depend on their values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hepad import registry
from hepad.cards.analysis import TrainCard
from hepad.inputs.batch import Batch
from hepad.nn import inference

OBJECTS = [f"jet{i}" for i in range(1, 11)] + [f"{lepton}{i}" for lepton in ("muon", "electron") for i in range(1, 5)]
_TRAINABLE = sorted(n for n, entry in registry.SCORERS.items() if entry.trainable and "l1_vector" in entry.inputs)


def batch(name: str, n: int) -> Batch:
    features = ("pt", "eta", "phi") if name == "vae" else ("pt",)
    columns = tuple(f"{thing}_{feature}" for thing in [*OBJECTS, "met"] for feature in features)
    columns = tuple(column for column in columns if column != "met_eta")
    x = np.random.default_rng(1).random((n, len(columns)), dtype=np.float32)
    return Batch("l1_vector", columns, x, np.ones(x.shape, dtype=bool), np.ones(n))


def scorer(name: str) -> Any:
    return registry.load(registry.SCORERS[name])({}, batch(name, 0).columns)


@pytest.mark.parametrize("name", _TRAINABLE)
@pytest.mark.parametrize("events", [1, 1000, 100_000])
def test_scores(benchmark: Any, name: str, events: int) -> None:
    model, data = scorer(name), batch(name, events)
    benchmark.pedantic(model.scores, (data,), rounds=3, warmup_rounds=1)
    benchmark.extra_info["events_per_second"] = events / benchmark.stats["mean"]


@pytest.mark.parametrize("block", [64, 256, 1024, 4096, 16384])
@pytest.mark.parametrize("events", [1, 100_000])
def test_block_size(benchmark: Any, monkeypatch: pytest.MonkeyPatch, block: int, events: int) -> None:
    monkeypatch.setattr(inference, "BLOCK", block)
    model, data = scorer("snn_ae"), batch("snn_ae", events)
    benchmark.pedantic(model.scores, (data,), rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("name", _TRAINABLE)
def test_one_epoch_of_100_batches(benchmark: Any, name: str) -> None:
    model, training, validation = scorer(name), batch(name, 100_000), batch(name, 1000)
    options = TrainCard(epochs=1, batch_size=1000)
    benchmark.pedantic(model.fit, (training, validation), {"options": options, "seed": 1}, rounds=1)
