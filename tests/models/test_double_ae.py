"""The double autoencoder: its loss by hand, and the authors' weights against plain numpy."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.double_ae.network import DoubleAutoencoder
from hepad.nn.blocks import distance_correlation
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise, Rows
from hepad.pipeline.import_model.weights import load_weights


def by_pairs(x: np.ndarray, y: np.ndarray) -> float:
    """The definition of Szekely, Rizzo and Bakirov, in double precision: of n equal events."""
    a, b = (np.abs(np.subtract.outer(v, v)) for v in (x, y))
    a, b = (d - d.mean(axis=0) - d.mean(axis=1)[:, None] + d.mean() for d in (a, b))
    return float((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean()))


def correlation(x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> float:
    tensors = [None if v is None else torch.from_numpy(v.astype(np.float64)) for v in (x, y, weight)]
    return float(distance_correlation(*tensors))


def test_distance_correlation_is_its_definition() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.exponential(size=(2, 40))
    y += 0.5 * x**2
    assert correlation(x, y) == pytest.approx(by_pairs(x, y), rel=1e-12)
    assert correlation(x, 3 - 2 * x) == pytest.approx(1, rel=1e-12)
    counts = rng.integers(0, 4, 40)
    repeated = by_pairs(np.repeat(x, counts), np.repeat(y, counts))
    assert correlation(x, y, counts) == pytest.approx(repeated, rel=1e-12)
    assert correlation(x, y, 7.0 * counts) == pytest.approx(repeated, rel=1e-12)


def test_distance_correlation_of_a_grid_is_zero_and_of_no_spread_has_a_gradient() -> None:
    x, y = (v.ravel() for v in np.meshgrid([0.0, 1.0, 5.0], [2.0, 3.0, 3.5, 9.0]))
    assert correlation(x, y) == pytest.approx(0, abs=1e-15)
    same = torch.ones(5, requires_grad=True)
    value = distance_correlation(same, torch.arange(5.0))
    assert value.item() == 0
    value.backward()
    assert torch.isfinite(same.grad).all()


def test_the_loss_of_a_batch() -> None:
    """Errors of both and the weighted correlation; mean over the rows by their weights."""
    layout = Layout.vector(["jet1_pt", "jet2_pt", "met_pt"])
    scorer = DoubleAutoencoder({"layers": [4, 2], "decorrelation": 3.0}, layout)
    x = np.random.default_rng(2).random((50, 3), dtype=np.float32)
    batch = Batch("l1_vector", layout, x, None, np.ones(50))
    scores = {name: values.astype(np.float64) for name, values in scorer.scores(batch).items()}
    weight = np.repeat([0.5, 1.5], 25)
    recipe = scorer._recipe(scorer._module, TrainingData(batch, batch))
    rows = Rows((torch.from_numpy(x),), torch.from_numpy(weight.astype(np.float32)))
    noise = Noise(torch.Generator(), torch.device("cpu"))
    got = recipe.phases[0].loss(rows, noise).item()
    dcor = correlation(scores["mse1"], scores["mse2"], weight)
    expected = np.average(scores["mse1"] + scores["mse2"], weights=weight) + 3 * dcor
    assert dcor > 0.01
    assert got == pytest.approx(expected, rel=1e-5)
    assert rows.mean(recipe.validate(rows, noise)).item() == pytest.approx(got, rel=1e-6)


@pytest.mark.skipif("HEPAD_TEST_DATA" not in os.environ, reason="needs the authors' weights")
def test_the_authors_weights_give_the_losses_of_plain_numpy() -> None:
    path = Path(os.environ["HEPAD_TEST_DATA"]) / "double_ae" / "saved-model-doubleAE.npz"
    columns = [f"met_{f}" for f in ("pt", "eta", "phi")]
    for name, count in (("electron", 4), ("muon", 4), ("jet", 10)):
        columns += [f"{name}{i + 1}_{f}" for i in range(count) for f in ("pt", "eta", "phi")]
    scorer = DoubleAutoencoder({}, Layout.vector(columns))
    load_weights(scorer, path)
    x = np.random.default_rng(3).random((300, 57), dtype=np.float32)
    scores = scorer.scores(Batch("l1_vector", scorer.layout, x, None, np.ones(300)))
    kernels = np.load(path)
    for first, score in ((6, "mse1"), (16, "mse2")):
        y = x.astype(np.float64)
        for layer in range(10):
            number = first + layer
            y = y @ kernels[f"dense_{number}|dense_{number}|kernel:0"]
            y = y if layer in {4, 9} else np.maximum(y, 0)
        np.testing.assert_allclose(scores[score], np.square(x - y).mean(axis=1), rtol=2e-5)
