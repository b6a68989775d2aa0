from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from hepad.models.vae.scorer import VariationalAutoencoder
from hepad.nn import score_rules
from hepad.nn.blocks import kl_divergence
from hepad.nn.torch_rules import TORCH_RECONSTRUCTION
from hepad.testing import example_batch


def latent(n: int = 7, width: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, width)), rng.normal(size=(n, width))


def test_the_divergence_is_that_of_two_gaussians() -> None:
    """Against the integral of p ln(p / q) over a fine grid."""
    mean, log_variance = latent(2, 1)
    z, step = np.linspace(-30, 30, 200_001, retstep=True)
    for row in range(2):
        p = stats.norm(mean[row, 0], np.exp(log_variance[row, 0] / 2))
        integral = np.sum(p.pdf(z) * (p.logpdf(z) - stats.norm.logpdf(z))) * step
        assert score_rules.kl(mean, log_variance)[row] == pytest.approx(integral, rel=1e-6)


def test_a_name_means_the_same_in_numpy_and_in_torch() -> None:
    mean, log_variance = latent()
    theirs = kl_divergence(torch.tensor(mean), torch.tensor(log_variance)).numpy()
    np.testing.assert_allclose(score_rules.kl(mean, log_variance), theirs, rtol=1e-12)
    events = example_batch("l1_vector", 50, seed=1)
    scorer = VariationalAutoencoder({"latent": 2, "scores": ["mu2", "r", "kl"]}, events.layout)
    found = scorer.scores(events)
    with torch.no_grad():
        means, logs = (t.numpy() for t in scorer._in_torch()._module.eval().encode(torch.tensor(events.x)))
    for name, values in found.items():
        np.testing.assert_allclose(score_rules.LATENT[name](means, logs), values, rtol=1e-4, err_msg=name)


def test_reconstructions_of_images_are_averaged_over_all_pixels() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(4, 2, 3, 5)), rng.normal(size=(4, 2, 3, 5))
    np.testing.assert_allclose(score_rules.mse(x, y), [np.mean((a - b) ** 2) for a, b in zip(x, y, strict=True)])
    np.testing.assert_allclose(score_rules.mae(x, y), [np.mean(abs(a - b)) for a, b in zip(x, y, strict=True)])
    np.testing.assert_allclose(score_rules.log_mae(x, y), np.log(score_rules.mae(x, y)))
    assert np.isfinite(score_rules.log_mae(x, x)).all()


def test_scores_of_images_are_those_of_numbers_by_hand() -> None:
    """Anzalone et al., Mach. Learn.: Sci. Technol. 5 (2024) 035064, section 4.6, on two lit pixels of four."""
    x = np.array([[[1.0, 0.0], [1.0, 0.0]]], dtype=np.float32)
    y = np.array([[[0.5, 0.0], [0.25, 0.5]]], dtype=np.float32)
    rules = score_rules.RECONSTRUCTION
    assert rules["sse"](x, y).tolist() == [0.25 + 0.5625 + 0.25]
    assert rules["sae"](x, y).tolist() == [0.5 + 0.75 + 0.5]
    assert rules["sae_mask"](x, y).tolist() == [1]
    assert rules["sae_mask"](y, x).tolist() == [1]
    assert rules["dice"](x, y).tolist() == [(2 + 0.25 + 0.0625 + 0.25) / (2 * 0.75)]
    assert rules["pixel_sum"](x, y).tolist() == [1.25]
    assert rules["bce"](x, y)[0] == pytest.approx(np.log(2) + np.log(4) + np.log(2), rel=1e-6)
    assert rules["bce"](x, 1 - x)[0] == pytest.approx(4 * -np.log(1e-7), rel=1e-6)  # a sure fault costs no more
    assert rules["sae_mask"](-x, 0 * x).tolist() == [0]


def test_an_overlap_of_nothing_is_a_number() -> None:
    dark, left, right = (np.array([[v]], dtype=np.float32) for v in ([0, 0], [1, 0], [0, 1]))
    assert score_rules.dice(dark, dark).tolist() == [1]
    assert score_rules.dice(left, left).tolist() == [1]
    assert score_rules.dice(left, right).tolist() == [2e6]
    assert score_rules.dice(dark, left).tolist() == [1e6]


def test_a_score_that_is_part_of_a_graph_is_the_same() -> None:
    rng = np.random.default_rng(4)
    x, y = (rng.random((5, 1, 6, 7)) < 0.3).astype(np.float32), rng.random((5, 1, 6, 7)).astype(np.float32)
    x[0], y[0] = 0, 0
    y[1, 0, :2] = x[1, 0, :2]  # as sure as can be
    assert set(TORCH_RECONSTRUCTION) == set(score_rules.RECONSTRUCTION)
    for name, rule in TORCH_RECONSTRUCTION.items():
        found = rule(torch.from_numpy(x), torch.from_numpy(y)).numpy()
        np.testing.assert_allclose(found, score_rules.RECONSTRUCTION[name](x, y), rtol=1e-5, atol=1e-5, err_msg=name)
