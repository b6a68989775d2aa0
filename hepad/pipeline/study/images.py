"""What networks of images make of the samples of a study: the quality of reconstructions, pictures, a latent plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.inputs.batch import Batch
from hepad.nn.image_quality import ssim
from hepad.nn.image_scorer import Reconstructs
from hepad.nn.scorer import Scorer, Scores

__all__ = ["PLANE", "Pictures", "pictures"]

PLANE = ("z1", "z2")
"""The scores that are the axes of a latent plane."""

_MOST = 1000
"""Events of a sample whose images are reconstructed, and that a plane shows."""

Images = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pictures:
    """Of one training: mean and standard deviation, over background events, of two qualities of reconstructions.

    `squared_error` is summed over the pixels of an image, `similarity` is SSIM. `shown` has the first event of each
    sample, input and reconstruction of shape (eta, phi); `plane` the latent numbers of its first events, shape (n, 2).
    """

    squared_error: tuple[float, float]
    similarity: tuple[float, float]
    shown: Mapping[str, tuple[Images, Images]]
    plane: Mapping[str, Images]

    def to_json(self) -> dict[str, Any]:
        """The qualities; images and points are in the figures."""
        return {"squared_error": list(self.squared_error), "similarity": list(self.similarity)}


def pictures(
    scorer: Scorer, seen: Mapping[str, Batch], scores: Mapping[str, Scores], background: str
) -> Pictures | None:
    """The pictures of scaled samples; None for a model that reconstructs no images."""
    if not isinstance(scorer, Reconstructs):
        return None
    images, made = scorer.reconstruct(seen[background].take(slice(_MOST)))
    squared = np.square(images.astype(np.float64) - made).sum(axis=(1, 2))
    firsts = {name: scorer.reconstruct(batch.take(slice(1))) for name, batch in seen.items()}
    planes = {
        name: np.stack([values[axis][:_MOST] for axis in PLANE], axis=1)
        for name, values in scores.items()
        if set(PLANE) <= values.keys()
    }
    return Pictures(
        _moments(squared),
        _moments(ssim(images[:, None], made[:, None])),
        {name: (x[0], y[0]) for name, (x, y) in firsts.items() if len(x)},
        planes,
    )


def _moments(values: Sequence[float] | npt.NDArray[np.float64]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values))
