"""How well an image is reconstructed, in numpy: one formula for trainings, scores and studies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError

__all__ = ["SSIM_WINDOW", "ssim"]

SSIM_WINDOW = 11
"""Pixels of the window on either axis: an image of fewer has no structural similarity."""

_SIGMA, _K1, _K2 = 1.5, 0.01, 0.03

_Images = npt.NDArray[Any]


def ssim(x: _Images, y: _Images, data_range: float = 1.0) -> npt.NDArray[np.float64]:
    """Structural similarity of images of shape (n, ..., eta, phi), shape (n,): 1 for equal ones.

    Means, variances and covariance are those of a Gaussian window of 11 x 11 pixels and sigma 1.5 wherever it fits into
    the image; constants are (0.01 L)^2 and (0.03 L)^2 with L the `data_range` (Wang, Bovik, Sheikh, Simoncelli, IEEE
    Trans. Image Process. 13 (2004) 600, equations 13 to 17). `CardError` for images smaller than the window.
    """
    if min(x.shape[-2:]) < SSIM_WINDOW:
        raise CardError(f"an image of {x.shape[-2]} x {x.shape[-1]} is smaller than the window of its similarity")
    a, b = (np.asarray(images, dtype=np.float64) for images in (x, y))
    mean_a, mean_b = _smoothed(a), _smoothed(b)
    spread = _smoothed(a * a) + _smoothed(b * b) - mean_a**2 - mean_b**2
    together = _smoothed(a * b) - mean_a * mean_b
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * together + c2) / (spread + c2)
    found = luminance * structure
    return np.asarray(found.mean(axis=tuple(range(1, found.ndim))))


def _smoothed(images: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Means over the window, of the places where it fits."""
    half = SSIM_WINDOW // 2
    weights = np.array([math.exp(-0.5 * (i / _SIGMA) ** 2) for i in range(-half, half + 1)])
    weights /= weights.sum()
    for axis in (-2, -1):
        count = images.shape[axis] - SSIM_WINDOW + 1
        parts = (
            weight * np.moveaxis(np.moveaxis(images, axis, 0)[i : i + count], 0, axis)
            for i, weight in enumerate(weights)
        )
        total = next(parts)
        for part in parts:
            total += part
        images = total
    return images
