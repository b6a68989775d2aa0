"""Variance-invariance-covariance regularisation: two views of the same event shall be alike, and no two numbers.

Reference: Bardes, Ponce, LeCun, "VICReg", arXiv:2105.04906, equations 1 to 6.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["VicregTerms", "vicreg_terms"]

EPSILON = 1e-4
"""Added to variances, as in the reference."""


class VicregTerms(NamedTuple):
    """The three terms, scalars of a batch."""

    similarity: Tensor
    deviation: Tensor
    covariance: Tensor


def vicreg_terms(one: Tensor, two: Tensor, weight: Tensor | None = None) -> VicregTerms:
    """The terms of two views, each of shape (n, d), of events of weights (n,), of which None are equal ones.

    `similarity`: mean squared difference. `deviation`: how far the standard deviations are below 1, the mean over the
    numbers and the two views. `covariance`: the sum of its squares off the diagonal divided by d, of both views.
    """
    shares = one.new_full((len(one),), 1 / len(one)) if weight is None else weight / weight.sum()
    similarity = shares @ (one - two).square().mean(dim=1)
    deviation = covariance = one.new_zeros(())
    for view in (one, two):
        centred = view - shares @ view
        moments = (centred * shares[:, None]).T @ centred * (len(view) / max(len(view) - 1, 1))
        variance = moments.diagonal()
        deviation = deviation + torch.relu(1 - torch.sqrt(variance + EPSILON)).mean() / 2
        covariance = covariance + (moments.square().sum() - variance.square().sum()) / view.shape[1]
    return VicregTerms(similarity, deviation, covariance)
