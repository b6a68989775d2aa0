"""Variational autoencoder on the momenta of trigger objects.

Reference: Govorkova et al., "Autoencoders on FPGAs for real-time, unsupervised new physics detection at 40 MHz",
arXiv:2108.03986, and the training code that its authors published; "the authors" below are theirs.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from hepad.cards.base import Card

__all__ = ["SCORES", "ScoreName", "VariationalConfig"]

Positive = Annotated[float, Field(gt=0)]
ScoreName = Literal["mse", "kl", "r", "mu2"]
SCORES: tuple[ScoreName, ...] = ("mse", "kl", "r")


class VariationalConfig(Card):
    """`layers` and `latent`: widths of the encoder, mirrored by the decoder; `beta`: weight of the KL divergence.

    The loss is (1 - beta) * reconstruction + beta * KL; the authors use beta = 0.8.
    `eta_limits`: the largest abs(eta) of each kind of object, which bounds its reconstructed eta.
    `scores`: which scores to give, the default first; the decoder is run for `mse` only.
    """

    layers: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(default=(32, 16), min_length=1, max_length=16)
    latent: int = Field(default=3, ge=1, le=4096)
    beta: float = Field(default=0.8, gt=0, lt=1)
    eta_limits: dict[str, Positive] = Field(default_factory=lambda: {"electron": 3.0, "muon": 2.1, "jet": 4.0})
    scores: tuple[ScoreName, ...] = Field(default=SCORES, min_length=1)

    @field_validator("scores")
    @classmethod
    def _each_once(cls, scores: tuple[ScoreName, ...]) -> tuple[ScoreName, ...]:
        if len(set(scores)) != len(scores):
            raise ValueError("scores must be named each once")
        return scores
