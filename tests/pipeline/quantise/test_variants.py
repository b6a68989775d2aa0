"""Quantised variants that ship: their weights are what the logic takes, and nothing in them was altered."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from hepad.bundles.bundle import load_bundle
from hepad.cards.resolver import bundled_names, resolve
from hepad.cli.main import app
from hepad.errors import CardError
from hepad.samples.trigger import trigger_events, trigger_model
from hepad.trigger.design import quantised_weights
from hepad.trigger.logic import compile_logic

VARIANTS = [name for name in bundled_names("bundles") if "@" in name]


def test_the_chosen_points_are_there():
    assert VARIANTS == ["dnn_ae@w6", "snn_ae@w4", "snn_ae@w6"]
    result = CliRunner().invoke(app, ["list", "models", "--json"])
    assert set(VARIANTS) <= {row["name"] for row in json.loads(result.stdout)}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_says_what_it_was_made_of(name):
    base, _, width = name.partition("@w")
    card, origin = load_bundle(name).card, load_bundle(base)
    assert card.provenance["cards"] == {base: origin.sha256}  # the model that ships, not an earlier one
    assert card.provenance["inputs"] == origin.card.provenance["inputs"]  # trained on the same events, tested on others
    assert card.bits is not None
    assert card.bits["weight"] == int(width)
    assert card.model == origin.card.model
    assert set(card.regions) == set(origin.card.regions)
    assert f"seed {card.provenance['seed']} of" in card.fidelity_note


@pytest.mark.parametrize("name", VARIANTS)
def test_the_logic_of_a_variant_rounds_as_its_weights_do(name, examples):
    pytest.importorskip("da4ml")
    made = trigger_model(name, bits={})
    width, neuron = made.design.precision.weight, made.network.spiking
    for layer in made.network.layers:
        unit = neuron.threshold if neuron and layer.after == "spike" else 1.0
        np.testing.assert_allclose(quantised_weights(layer.weight / unit, width), layer.weight / unit, atol=1e-7)
    events = trigger_events(made, [str(examples / "background.h5")], max_events=1000)
    rows = made.design.quantised(events.x)
    np.testing.assert_array_equal(compile_logic(made.design).interpreted(rows), made.design(rows))


def test_a_variant_scores_events(examples, tmp_path):
    out = tmp_path / "scores.parquet"
    arguments = ["score", str(examples / "background.h5"), "--model", "snn_ae@w4", "-o", str(out), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    region = json.loads(result.stdout)["regions"]["loose"]
    assert 0.005 < region["fraction"] < 0.015  # set at 1 % on other events


def test_an_altered_variant_is_refused(tmp_path):
    copy = shutil.copytree(resolve("bundles", "snn_ae@w4"), tmp_path / "copy")
    data = bytearray((copy / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (copy / "model.safetensors").write_bytes(bytes(data))
    with pytest.raises(CardError, match="does not match the sha256"):
        load_bundle(str(copy))
