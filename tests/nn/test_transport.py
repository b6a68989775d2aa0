"""Optimal transport: by hand, against all permutations, and against the library that the field uses for it."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from hepad.nn.sources import Noise
from hepad.nn.transport import drawn_by_weight, wasserstein


def test_the_distance_is_the_least_of_all_pairings_and_zero_of_a_sample_to_itself() -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 6, 3))
    costs = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    least = min(costs[np.arange(6), list(order)].mean() for order in permutations(range(6)))
    assert wasserstein(torch.from_numpy(x), torch.from_numpy(y)).item() == pytest.approx(least, rel=1e-12)
    assert wasserstein(torch.from_numpy(x), torch.from_numpy(x[::-1].copy())).item() == 0


def test_the_distance_is_that_of_the_library_pot() -> None:
    """`ot.emd2` of POT 0.9.7 with uniform weights and squared Euclidean cost, which the authors of WNAE use."""
    i, j = np.arange(1, 31)[:, None], np.arange(1, 5)[None, :]
    x, y = torch.from_numpy(np.cos(i * j)), torch.from_numpy(1.5 * np.sin(i * j + 0.3) + 0.2)
    assert wasserstein(x, y).item() == pytest.approx(1.4772471108930005, rel=1e-12)


def test_the_gradient_is_that_of_the_best_pairing() -> None:
    """Moved together, two samples of n rows are n pairs: d/dshift of mean |x - y|^2."""
    x = torch.tensor([[0.0], [10.0], [20.0]])
    shift = torch.tensor(1.0, requires_grad=True)
    distance = wasserstein(x, x[[2, 0, 1]] + shift)
    distance.backward()
    assert distance.item() == 1
    assert shift.grad.item() == 2


def test_of_numbers_that_are_not_finite_the_distance_is_not_a_number() -> None:
    x = torch.tensor([[1.0], [torch.inf]])
    assert torch.isnan(wasserstein(x, torch.zeros(2, 1)))


def test_rows_are_drawn_as_often_as_their_weights_say() -> None:
    x, noise = torch.arange(8.0)[:, None], Noise(torch.Generator().manual_seed(1), torch.device("cpu"))
    assert drawn_by_weight(x, None, noise) is x
    assert torch.equal(drawn_by_weight(x, torch.full((8,), 0.7), noise), x)
    weight = torch.tensor([0, 4.0, 0, 1.0, 0, 2.0, 0.5, 0.5])
    counts = np.array([np.bincount(drawn_by_weight(x, weight, noise)[:, 0].long(), minlength=8) for _ in range(400)])
    assert (counts[:, :6] == [0, 4, 0, 1, 0, 2]).all()  # whole shares: no chance is left
    assert (counts.sum(axis=1) == 8).all()
    assert counts[:, 6].mean() == pytest.approx(0.5, abs=5 * 0.5 / 400**0.5)
    assert torch.isfinite(drawn_by_weight(x, torch.zeros(8), noise)).all()
