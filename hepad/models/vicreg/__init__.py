"""Embedding of trigger objects in hardware units by VICReg: the first half of CMS's trigger AXOL1TL v5.

References: Bardes, Ponce, LeCun, arXiv:2105.04906; the sizes in CMS's public C++ library of version 5, and the
collaboration's public training code.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hepad.cards.base import Card

__all__ = ["VicregConfig"]

Width = Annotated[int, Field(ge=1, le=4096)]
Share = Annotated[float, Field(ge=0, le=1)]


class VicregConfig(Card):
    """`layers`: widths up to the embedding's; `projector`: widths of the dense layers that only the training has.

    The loss is the sum of three terms with the weights `similarity`, `deviation` and `covariance`. A view of an event
    is turned in phi with probability `rotation`; it is blurred with probability `blur`: a share `blur_strength` of the
    scaled numbers is mixed with a share `blur_magnitude` of a uniform one; and each object is taken away with
    probability `mask`.
    """

    layers: tuple[Width, ...] = Field(default=(29, 10), min_length=1, max_length=16)
    projector: tuple[Width, ...] = Field(default=(40, 40, 40), min_length=1, max_length=16)
    similarity: float = Field(default=50.0, gt=0)
    deviation: float = Field(default=50.0, gt=0)
    covariance: float = Field(default=1.0, gt=0)
    rotation: Share = 0.5
    blur: Share = 0.9
    blur_strength: Share = 0.5
    blur_magnitude: Share = 0.3
    mask: Share = 0.571
