"""Compact convolutional transformer of detector images: a supervised classifier, what a search could reach at best.

References: Hassani et al., "Escaping the big data paradigm with compact transformers", arXiv:2104.05704, in the form
that Anzalone et al., Mach. Learn.: Sci. Technol. 5 (2024) 035064, compare with, and their published code.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hepad.nn.image_card import Filters, ImageCard

__all__ = ["TransformerConfig"]

_Width = Annotated[int, Field(ge=1, le=4096)]
_Share = Annotated[float, Field(ge=0, lt=1)]


class TransformerConfig(ImageCard):
    """`filters`: channels after the convolutions that make tokens, each of which halves the image; `layers` and `heads`
    of the transformer, whose heads have `head_width` numbers each, and `dense`: widths of the layers after each
    attention, of which the last must be that of a token. `classes`: how many there are, of which 0 is background.

    `dropout` after dense layers and `attention_dropout` of attention, `depth_dropout` of whole parts of the last layer,
    growing linearly from 0 in the first; `smoothing` of the labels.
    """

    filters: Filters = (64, 128)
    layers: int = Field(default=2, ge=1, le=64)
    heads: int = Field(default=2, ge=1, le=64)
    head_width: _Width = 128
    dense: Annotated[tuple[_Width, ...], Field(min_length=1, max_length=8)] = (128, 128)
    classes: int = Field(default=3, ge=2, le=100)
    dropout: _Share = 0.2
    attention_dropout: _Share = 0.1
    depth_dropout: _Share = 0.2
    smoothing: _Share = 0.1
