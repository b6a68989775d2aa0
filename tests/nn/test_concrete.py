"""Relaxed categoricals against torch's own, and divergences against integrals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import RelaxedOneHotCategorical

from hepad.nn.concrete import drawn_log, gumbel, log_density, log_mixture


def test_the_density_is_torch_s() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    temperature = torch.tensor([[0.3], [0.7], [1.0], [2.0], [5.0]], dtype=torch.float64)
    log_z = torch.log_softmax(torch.randn(5, 4, generator=generator, dtype=torch.float64), dim=-1)
    ours = log_density(log_z, logits, temperature)
    for row in range(5):
        theirs = RelaxedOneHotCategorical(temperature[row, 0], logits=logits[row]).log_prob(log_z[row].exp())
        assert float(ours[row]) == pytest.approx(float(theirs), rel=1e-10)
    shifted = log_density(log_z, logits + 3, temperature)
    torch.testing.assert_close(shifted, ours)  # logits need no norm


def test_the_density_of_two_classes_has_the_integral_one() -> None:
    z = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    log_z = torch.stack([z, 1 - z], dim=-1).log()
    for temperature in (0.6, 1.5):
        density = log_density(log_z, torch.tensor([0.4, -0.3]).double(), torch.full((20_000, 1), temperature).double())
        assert float(density.exp().mean()) == pytest.approx(1, rel=5e-3)
    temperatures = torch.tensor([0.6, 1.5], dtype=torch.float64)
    parts = [
        log_density(log_z, torch.zeros(2).double(), torch.full((20_000, 1), float(t)).double()) for t in temperatures
    ]
    torch.testing.assert_close(
        log_mixture(log_z, temperatures).exp(), (parts[0].exp() + parts[1].exp()) / 2, rtol=1e-5, atol=0
    )


def test_draws_have_the_probabilities_of_their_logits() -> None:
    """The largest of relaxed numbers is a draw of the categorical, at any temperature (arXiv:1611.00712, section 3)."""
    uniform = torch.rand(40_000, 3, generator=torch.Generator().manual_seed(2))
    logits = torch.tensor([0.0, math.log(2), math.log(5)])
    log_z = drawn_log(logits, torch.tensor([0.5]), gumbel(uniform))
    torch.testing.assert_close(log_z.exp().sum(dim=-1), torch.ones(40_000))
    shares = np.bincount(log_z.argmax(dim=-1).numpy(), minlength=3) / 40_000
    assert shares.tolist() == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.01)
    assert torch.isfinite(gumbel(torch.tensor([0.0, 1.0]))).all()
