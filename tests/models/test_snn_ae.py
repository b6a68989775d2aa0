from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from hepad.errors import CardError
from hepad.models.snn_ae import SpikingAutoencoder
from hepad.testing.examples import example_batch, example_layout


def test_the_configuration_is_complete() -> None:
    scorer = SpikingAutoencoder({"steps": 10}, example_layout())
    assert scorer.config == {"layers": [24, 12, 4], "steps": 10, "beta": 0.9, "threshold": 1.2}


@pytest.mark.parametrize(
    ("key", "value"), [("steps", 0), ("beta", 1.1), ("beta", -0.1), ("threshold", 0), ("layers", [])]
)
def test_an_impossible_value_is_refused_by_its_key(key: str, value: Any) -> None:
    with pytest.raises(CardError, match=f"model snn_ae: key '{key}'"):
        SpikingAutoencoder({key: value}, example_layout())


def test_latent_spikes_have_steps_and_neurons_and_differ_between_events() -> None:
    events = example_batch("l1_vector", 1500, seed=7)
    scorer = SpikingAutoencoder({"layers": [12, 4], "steps": 6, "threshold": 0.2}, events.layout)
    spikes = scorer.latent_spikes(events)
    assert spikes.shape == (1500, 6, 4)
    assert spikes.dtype == np.bool_
    assert 0 < spikes.mean() < 1
    np.testing.assert_array_equal(spikes[1111:], scorer.latent_spikes(events.take(slice(1111, None))))


def test_bundles_score_without_what_takes_long_to_load() -> None:
    program = """
import sys, numpy as np
of_numpy = {"numpy.random"} & sys.modules.keys()  # numpy 1 has it from the start
from hepad.inputs.batch import Batch
from hepad.bundles.bundle import load_bundle
for name in ("snn_ae", "dnn_ae", "vae", "axol1tl_v3", "axol1tl_v4", "axol1tl_v5", "gelato_l1", "gelato_hlt", "wnae_l1"):
    bundle = load_bundle(name)
    layout = bundle.input.layout
    bundle.scorer.scores(Batch(bundle.input.kind, layout, np.zeros((5, *layout.shape), np.float32), None, np.ones(5)))
    assert not ({"torch", "snntorch", "numba", "numpy.random", "yaml"} - of_numpy) & sys.modules.keys(), name
"""
    subprocess.run([sys.executable, "-c", program], check=True)
