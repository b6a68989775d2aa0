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
from hepad.pipeline.study.data import BACKGROUND

__all__ = ["PLANE", "Pictures", "pictures", "scores_and_images"]

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


def scores_and_images(scorer: Scorer, batch: Batch) -> tuple[Scores, tuple[Images, Images] | None]:
    """Scores of a sample; of a network of images also what it sees of the first events and makes of it, made once."""
    if not isinstance(scorer, Reconstructs):
        return scorer.scores(batch), None
    scores, images, made = scorer.scores_and_images(batch.take(slice(_MOST)))
    if len(batch) > _MOST:
        rest = scorer.scores(batch.take(slice(_MOST, None)))
        scores = {name: np.concatenate([values, rest[name]]) for name, values in scores.items()}
    return scores, (images, made)


def pictures(
    scorer: Scorer, seen: Mapping[str, Batch], scores: Mapping[str, Scores], background: tuple[Images, Images] | None
) -> Pictures | None:
    """The pictures of scaled samples, of which `background` is what is made of that; None for a model of no images."""
    if background is None or not isinstance(scorer, Reconstructs):
        return None
    images, made = background
    squared = np.square(images.astype(np.float64) - made).sum(axis=(1, 2))
    firsts = {
        name: background if name == BACKGROUND else scorer.reconstruct(batch.take(slice(1)))
        for name, batch in seen.items()
    }
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
