"""The contrastive representation: what it does not depend on, its loss, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.anomaly_clr.network import ContrastiveEmbedding
from hepad.nn.contrastive import clr_loss
from hepad.nn.object_views import physical
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise, Rows

COLUMNS = [f"{o}_{f}" for o in ("met", "muon1", "muon2", "jet1", "jet2", "jet3") for f in ("pt", "eta", "phi")]
SMALL = {"width": 12, "heads": 2, "layers": 2, "feedforward": 12, "output": 12}


def batch(layout: Layout, n: int = 40) -> Batch:
    rng = np.random.default_rng(1)
    there = np.repeat(rng.random((n, 6)) < 0.7, 3, axis=1)
    there[:, :3] = [True, False, True]
    x = rng.uniform(0.5, 3, (n, 18)) * np.tile([30, 1, 1], 6)
    return Batch("l1_vector", layout, np.where(there, x, 0).astype(np.float32), there, np.ones(n))


def test_a_representation_is_of_a_set_and_of_length_one() -> None:
    made = ContrastiveEmbedding(SMALL, Layout.vector(COLUMNS))
    events = batch(made.layout)
    z = made.embed(events)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-5)
    swapped = np.r_[0:3, 6:9, 3:6, 15:18, 9:15]  # muons among themselves, and jets
    other = Batch(events.kind, events.layout, events.x[:, swapped], events.mask[:, swapped], events.weight)
    np.testing.assert_allclose(made.embed(other), z, atol=1e-5)
    filled = Batch(events.kind, events.layout, np.where(events.mask, events.x, 7), events.mask, events.weight)
    np.testing.assert_allclose(made.embed(filled), z, atol=1e-5)
    mixed = np.r_[0:3, 9:12, 6:9, 3:6, 12:18]  # a muon is no jet
    other = Batch(events.kind, events.layout, events.x[:, mixed], events.mask[:, mixed], events.weight)
    assert np.abs(made.embed(other) - z).max() > 1e-3


def test_loss_and_distance() -> None:
    """The loss of views drawn with the same numbers; the score is 1 less the cosine with the mean of what was seen."""
    made = ContrastiveEmbedding({**SMALL, "loss": "clr", "temperature": 0.5}, Layout.vector(COLUMNS))
    events = batch(made.layout)
    rows = Rows(tuple(torch.from_numpy(a.astype(np.float32)) for a in made._arrays(events)), None)
    recipe = made._recipe(made._module.train(), TrainingData(events, events))

    def noise() -> Noise:
        return Noise(torch.Generator().manual_seed(5), torch.device("cpu"))

    got = recipe.phases[0].loss(rows, noise()).item()
    objects = made._events(rows.tensors)
    with torch.no_grad():
        expected = clr_loss(made._module(objects), made._module(physical(objects, noise())), 0.5)
    assert got == pytest.approx(expected.mean().item(), rel=1e-5)
    assert recipe.validate(rows, noise()).mean().item() == pytest.approx(got, rel=1e-5)
    z = made.embed(events)
    mean = z.mean(axis=0)  # of all batches that it has seen, which were the same
    np.testing.assert_allclose(made.scores(events)["distance"], 1 - z @ mean / np.linalg.norm(mean), atol=1e-5)


def test_what_is_refused() -> None:
    for columns, message in (
        (["photon1_pt"], "takes pt, eta and phi of met, electron, muon, jet, not 'photon1_pt'"),
        (["jet1_eta", "jet1_phi"], "needs the pt of jet1"),
        (["jet1_pt", "muon1_pt", "jet2_pt"], "objects of a kind stand together"),
    ):
        with pytest.raises(CardError, match=message):
            ContrastiveEmbedding(SMALL, Layout.vector(columns))
    with pytest.raises(CardError, match="width 12 is no multiple of heads 5"):
        ContrastiveEmbedding({**SMALL, "heads": 5}, Layout.vector(COLUMNS))
