from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from hepad.models.vae.network import VariationalAutoencoder
from hepad.nn import score_rules
from hepad.nn.blocks import kl_divergence
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
        means, logs = (t.numpy() for t in scorer._module.encode(torch.tensor(events.x)))
    for name, values in found.items():
        np.testing.assert_allclose(score_rules.LATENT[name](means, logs), values, rtol=1e-4, err_msg=name)


def test_reconstructions_of_images_are_averaged_over_all_pixels() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(4, 2, 3, 5)), rng.normal(size=(4, 2, 3, 5))
    np.testing.assert_allclose(score_rules.mse(x, y), [np.mean((a - b) ** 2) for a, b in zip(x, y, strict=True)])
    np.testing.assert_allclose(score_rules.mae(x, y), [np.mean(abs(a - b)) for a, b in zip(x, y, strict=True)])
    np.testing.assert_allclose(score_rules.log_mae(x, y), np.log(score_rules.mae(x, y)))
    assert np.isfinite(score_rules.log_mae(x, x)).all()
