"""Optimal transport between two samples of equal size, exactly."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch import Tensor

from hepad.nn.sources import Noise

__all__ = ["drawn_by_weight", "wasserstein"]


def wasserstein(x: Tensor, y: Tensor) -> Tensor:
    """The least mean squared distance between rows of two samples of shape (n, d) that are paired one to one, a scalar.

    That is the squared 2-Wasserstein distance of their empirical distributions: between uniform weights of equal number
    the best transport is a permutation (Birkhoff). The gradient is that of the best pairing.
    It takes n^3 steps at worst. Of samples that are not finite it is NaN.
    """
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        return (x - y).sum() * torch.nan
    ours, theirs = (part.detach().cpu().numpy().astype(np.float64) for part in (x, y))
    _, partner = linear_sum_assignment(cdist(ours, theirs, "sqeuclidean"))
    return (x - y[torch.from_numpy(partner).to(y.device)]).square().sum(dim=1).mean()


def drawn_by_weight(x: Tensor, weight: Tensor | None, noise: Noise) -> Tensor:
    """As many rows as there are, each as often as its share of the weight says, but for less than one.

    Systematic resampling (Kitagawa, J. Comput. Graph. Stat. 5 (1996) 1); without weights the rows as they are.
    """
    if weight is None:
        return x
    edges = torch.cumsum(weight.double(), dim=0)
    points = (torch.arange(len(x), device=x.device) + noise.uniform(1).double()) / len(x) * edges[-1]
    return x[torch.searchsorted(edges, points, right=True).clamp_max(len(x) - 1)]
