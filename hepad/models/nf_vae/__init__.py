"""Convolutional variational autoencoder of objects with a normalising flow on its latent space.

Reference: Jawahar et al., "Improving variational autoencoders for new physics detection at the LHC with normalizing
flows", arXiv:2110.08508, and the code that its authors published; "the authors" below are theirs.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hepad.cards.base import Card

__all__ = ["FlowCard", "FlowVaeConfig"]

Width = Annotated[int, Field(ge=1, le=4096)]


class FlowCard(Card):
    """The flow: `steps` of a `kind`. The authors take 6 of `planar` and 4 of the others.

    `vectors`: columns of `orthogonal`, reflections of `householder`; `width`: of the masked network of `iaf`, which
    needs the extra `methods`; `kernel`: of `convolutional`.
    """

    kind: Literal["none", "planar", "orthogonal", "householder", "triangular", "iaf", "convolutional"] = "none"
    steps: int = Field(default=4, ge=1, le=64)
    vectors: int = Field(default=5, ge=1, le=64)
    width: Width = 330
    kernel: int = Field(default=7, ge=1, le=64)


class FlowVaeConfig(Card):
    """`filters` and `kernels`: of the convolutions, the first of which sees all features of `kernels[0]` objects.

    `dense`: the layer before the `latent` space; the decoder mirrors the encoder. `beta`: weight of the divergence,
    summed over the latent axes, beside the reconstruction.
    """

    filters: tuple[Width, ...] = Field(default=(32, 16, 8), min_length=1, max_length=8)
    kernels: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(default=(3, 5, 7), min_length=1, max_length=8)
    dense: Width = 20
    latent: int = Field(default=15, ge=1, le=256)
    beta: float = Field(default=1.0, gt=0)
    flow: FlowCard = Field(default_factory=FlowCard)

    @model_validator(mode="after")
    def _fits_together(self) -> FlowVaeConfig:
        if len(self.filters) != len(self.kernels):
            raise ValueError(f"{len(self.filters)} filters and {len(self.kernels)} kernels: one of each a layer")
        if self.flow.kind == "orthogonal" and self.flow.vectors > self.latent:
            raise ValueError(f"{self.flow.vectors} vectors in {self.latent} dimensions cannot be orthogonal")
        return self
