"""The three terms of VICReg, by hand and by numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hepad.nn.vicreg import vicreg_terms


def test_the_terms_by_hand() -> None:
    one = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    two = torch.tensor([[0.0, 0.0], [0.0, 0.0]])
    terms = vicreg_terms(one, two)
    assert float(terms.similarity) == pytest.approx((1 + 4) / 4)
    # variances 1/2 and 2 of the first view, none of the second; 1e-4 is added
    below = (1 - np.sqrt(0.5001)) / 2, 1 - 0.01
    assert float(terms.deviation) == pytest.approx(sum(below) / 2)
    # its covariance is 1, twice, over two numbers
    assert float(terms.covariance) == pytest.approx(1.0)


def test_the_terms_are_those_of_the_sample_covariance() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.normal(size=(2, 50, 4)) @ rng.normal(size=(4, 4)) / 3
    terms = vicreg_terms(torch.from_numpy(one), torch.from_numpy(two))
    covariances = [np.cov(view, rowvar=False) for view in (one, two)]
    assert float(terms.similarity) == pytest.approx(np.mean((one - two) ** 2))
    below = [np.maximum(1 - np.sqrt(np.diag(c) + 1e-4), 0).mean() for c in covariances]
    assert float(terms.deviation) == pytest.approx(np.mean(below))
    assert float(terms.covariance) == pytest.approx(
        sum((c**2).sum() - (np.diag(c) ** 2).sum() for c in covariances) / 4
    )


def test_weights_count_events() -> None:
    rng = np.random.default_rng(2)
    one, two = (torch.from_numpy(rng.normal(size=(6, 3))) for _ in range(2))
    equal = vicreg_terms(one, two, torch.full((6,), 2.0, dtype=torch.float64))
    for left, right in zip(equal, vicreg_terms(one, two), strict=True):
        torch.testing.assert_close(left, right)
    weight = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    similarity = vicreg_terms(one, two, weight).similarity
    torch.testing.assert_close(similarity, vicreg_terms(one[:2], two[:2]).similarity)
