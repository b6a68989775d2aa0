from __future__ import annotations

import subprocess
import sys
from typing import Any, ClassVar

import numpy as np
import pytest

from hepad.cards.analysis import TrainCard
from hepad.errors import CardError
from hepad.models.snn_ae import SpikingAutoencoder

from .contract import ScorerContract, columns, synthetic


class TestSpikingAutoencoder(ScorerContract):
    name = "snn_ae"
    # Few steps to be fast, and a threshold low enough for spikes after a short training.
    config: ClassVar[dict[str, Any]] = {"layers": [12, 4], "steps": 3, "threshold": 0.5}
    options = TrainCard(epochs=30, batch_size=100, learning_rate=1e-2)


def test_the_configuration_is_complete() -> None:
    scorer = SpikingAutoencoder({"steps": 10}, columns(("pt",)))
    assert scorer.config == {"layers": [24, 12, 4], "steps": 10, "beta": 0.9, "threshold": 1.2}


@pytest.mark.parametrize(
    ("key", "value"), [("steps", 0), ("beta", 1.1), ("beta", -0.1), ("threshold", 0), ("layers", [])]
)
def test_an_impossible_value_is_refused_by_its_key(key: str, value: Any) -> None:
    with pytest.raises(CardError, match=f"model snn_ae: key '{key}'"):
        SpikingAutoencoder({key: value}, columns(("pt",)))


def test_latent_spikes_have_steps_and_neurons_and_differ_between_events() -> None:
    events = synthetic(1500, ("pt",), seed=7)
    scorer = SpikingAutoencoder({"layers": [12, 4], "steps": 6, "threshold": 0.2}, events.columns)
    spikes = scorer.latent_spikes(events)
    assert spikes.shape == (1500, 6, 4)
    assert spikes.dtype == np.bool_
    assert 0 < spikes.mean() < 1
    np.testing.assert_array_equal(spikes[1111:], scorer.latent_spikes(events.take(slice(1111, None))))


@pytest.mark.parametrize("name", ["snn_ae", "dnn_ae"])
def test_a_bundle_scores_without_torch(name: str) -> None:
    program = f"""
import sys, numpy as np
from hepad.inputs.batch import Batch
from hepad.pipeline.bundle import load_bundle
bundle = load_bundle("{name}")
x = np.zeros((5, len(bundle.card.columns)), np.float32)
bundle.scorer.scores(Batch("l1_vector", tuple(bundle.card.columns), x, x == x, np.ones(5)))
assert not {{"torch", "snntorch", "numba"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program], check=True)
