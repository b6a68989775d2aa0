"""The variational autoencoder with a flow: its loss, its scores, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.nf_vae.network import FlowVariationalAutoencoder
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise, Rows

COLUMNS = [f"{owner}_{f}" for owner in ("met", "jet1", "jet2", "jet3") for f in ("pt", "eta", "phi")]
SMALL = {"filters": [4, 3], "kernels": [2, 2], "dense": 12, "latent": 4, "beta": 0.5}


def scorer(kind: str) -> FlowVariationalAutoencoder:
    return FlowVariationalAutoencoder(
        {**SMALL, "flow": {"kind": kind, "vectors": 2, "steps": 2, "width": 12, "kernel": 2}}, Layout.vector(COLUMNS)
    )


@pytest.mark.parametrize("kind", ["none", "planar", "orthogonal", "householder", "triangular", "iaf", "convolutional"])
def test_loss_scores_and_embedding(kind: str) -> None:
    """The loss is the distance and the divergence less the determinant's logarithm, each from its own part."""
    if kind == "iaf":
        pytest.importorskip("zuko")
    made = scorer(kind)
    module = made._module.eval()
    x = np.random.default_rng(1).standard_normal((9, 12)).astype(np.float32)
    batch = Batch("l1_vector", made.layout, x, None, np.ones(9))
    rows, noise = Rows((torch.from_numpy(x),), None), Noise(torch.Generator().manual_seed(4), torch.device("cpu"))
    with torch.no_grad():
        got = made._recipe(module, TrainingData(batch, batch)).validate(rows, noise)
        mean, log_variance, hidden = module.encode(rows.tensors[0])
        drawn = torch.randn(9, 4, generator=torch.Generator().manual_seed(4))
        bent, logarithm = module.flow(mean + drawn * torch.exp(log_variance / 2), hidden)
        divergence = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(dim=1)
        expected = module.distance(rows.tensors[0], bent) + 0.5 * divergence - logarithm
        torch.testing.assert_close(got, expected)
        assert (logarithm.abs().max() == 0) == (kind == "none")
        scores = {name: torch.from_numpy(values) for name, values in made.scores(batch).items()}
        latent = module.flow(mean, hidden)[0]
        torch.testing.assert_close(scores["chamfer"], module.distance(rows.tensors[0], latent))
        torch.testing.assert_close(scores["kl"], divergence / 4)
        torch.testing.assert_close(scores["total"], scores["chamfer"] + 0.5 * divergence)
        torch.testing.assert_close(torch.from_numpy(made.embed(batch)), latent)


def test_what_is_refused() -> None:
    with pytest.raises(CardError, match="4 objects are too few for convolutions of"):
        FlowVariationalAutoencoder({}, Layout.vector(COLUMNS))
    with pytest.raises(CardError, match="met has pt, not pt, eta"):
        FlowVariationalAutoencoder(SMALL, Layout.vector(["jet1_pt", "jet1_eta", "met_pt"]))
    with pytest.raises(CardError, match="object by object"):
        FlowVariationalAutoencoder(SMALL, Layout.vector(["jet1_pt", "jet2_pt", "jet1_eta", "jet2_eta"]))
    with pytest.raises(CardError, match="2 filters and 1 kernels"):
        FlowVariationalAutoencoder({**SMALL, "kernels": [2]}, Layout.vector(COLUMNS))
    with pytest.raises(CardError, match="5 vectors in 4 dimensions"):
        FlowVariationalAutoencoder({**SMALL, "flow": {"kind": "orthogonal"}}, Layout.vector(COLUMNS))
