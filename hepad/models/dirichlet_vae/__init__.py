"""Dirichlet variational autoencoder of detector images: each is a mixture of a few pictures.

References: Dillon, Plehn, Sauer, Sorrenson, "Better latent spaces for better autoencoders", SciPost Phys. 11 (2021) 61,
in the form that Anzalone et al., Mach. Learn.: Sci. Technol. 5 (2024) 035064, compare with, and their published code.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hepad.nn.image_card import ImageCard

__all__ = ["SCORES", "DirichletConfig", "ScoreName"]

ScoreName = Literal["z2", "z1", "z3", "sse", "sae", "dice"]
SCORES: tuple[ScoreName, ...] = ("z2", "z1", "z3", "sse", "sae", "dice")

_Positive = Annotated[float, Field(gt=0, le=1e3)]


class DirichletConfig(ImageCard):
    """`width` of the dense layer, `concentration` of the Dirichlet prior, one a picture, and weight `alpha` of the
    divergence from it in the loss.

    `scores`: which scores to give, the default first.
    """

    width: int = Field(default=512, ge=1, le=65536)
    concentration: tuple[_Positive, _Positive, _Positive] = (1.0, 0.25, 0.1)
    alpha: float = Field(default=0.1, ge=0, le=1e6)
    scores: tuple[ScoreName, ...] = Field(default=SCORES, min_length=1)
