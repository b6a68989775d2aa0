"""The total transverse energy of an image: a classical score of dark showers.

Reference: Anzalone, Chhibra, Maier, Chernyavskaya, Pierini, Mach. Learn.: Sci. Technol. 5 (2024) 035064, equation 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.cards.base import Card, parse_card
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import IMAGE, Layout
from hepad.nn.explain import Attribution
from hepad.nn.scorer import check_batch
from hepad.nn.untrained import Untrained

__all__ = ["TotalEnergy", "TotalEnergyConfig"]


class TotalEnergyConfig(Card):
    """It has no settings. The input wants `scale: none`: a sum of logarithms is no energy."""


class TotalEnergy(Untrained):
    """A score for each channel, by its name: the sum over its pixels, in the input's units."""

    name: ClassVar[str] = "total_energy"
    input_kinds: ClassVar[tuple[str, ...]] = ("detector_image", "calo_image")
    score_names: tuple[str, ...] = ("track", "ecal", "hcal")

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        super().__init__(parse_card(TotalEnergyConfig, dict(config), f"model {self.name}"), layout)
        if layout.axes != IMAGE:
            raise CardError(f"{self.name} takes an image, not an input of axes {', '.join(layout.axes)}")
        self.score_names = layout.features

    def attribution(self, batch: Batch, score: str) -> Attribution:
        """See `hepad.nn.explain.Attributes`: each pixel adds what is in it."""
        check_batch(self, batch)
        parts = np.zeros((len(batch), *self.layout.shape))
        place = self.score_names.index(score)
        parts[:, place] = np.asarray(batch.x)[:, place]
        return Attribution(parts, parts.sum(axis=(1, 2, 3)), np.zeros(len(batch)), "exact")

    def _values(self, batch: Batch) -> dict[str, npt.NDArray[np.float64]]:
        channels, *size = self.layout.shape
        sums = batch.x.reshape(len(batch), channels, prod(size)).sum(axis=2, dtype=np.float64)
        return {name: sums[:, place] for place, name in enumerate(self.score_names)}
