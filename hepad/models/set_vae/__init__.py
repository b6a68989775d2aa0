"""Variational autoencoders of sets of particles: Set-VAE and CLIP-VAE.

Reference: Liu, Gandrakota, Ngadiuba, Spiropulu, Vlimant, "Fast Particle-based Anomaly Detection Algorithm with
Variational Autoencoder", arXiv:2311.17162, and the code that its authors published.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from hepad.cards.base import Card

__all__ = ["ClipVaeConfig", "SetVaeConfig"]

_Width = Annotated[int, Field(ge=1, le=4096)]
_Depth = Annotated[int, Field(ge=1, le=64)]
_Score = Literal["chamfer", "kl"]


class SetVaeConfig(Card):
    """`network`: `deepset`, or `transformer` with `heads` and `pooling_layers`; `width`, `feedforward`, `latent` and
    the numbers of layers are those of both. With `ids` the network sees which of the input's `id_kinds` an object is
    (codes from 1; 0 is none of them), and compares objects of the same kind only.

    `momentum` and `angles` are the features that are given back, the momentum, `momentum_scale` times that of the
    input, as a positive number. An angular difference of `angular_scale` counts like a difference of the momentum by
    its own size. `beta`: weight of the KL divergence; the noise of the latent space grows to its full size over
    `noise_steps` batches. `scores`: which scores to give, the default first; the decoder is run for `chamfer` only.
    """

    network: Literal["deepset", "transformer"] = "deepset"
    width: _Width = 64
    feedforward: _Width = 128
    latent: _Width = 16
    encoder_layers: _Depth = 4
    decoder_layers: _Depth = 4
    heads: int = Field(default=4, ge=1, le=64)
    pooling_layers: _Depth = 2
    ids: bool = True
    id_kinds: int = Field(default=8, ge=1, le=1000)
    momentum: str = "pt_rel"
    momentum_scale: float = Field(default=10.0, gt=0)
    angles: tuple[str, str] = ("deta", "dphi")
    angular_scale: float = Field(default=0.15, gt=0)
    beta: float = Field(default=0.001, ge=0)
    noise_steps: int = Field(default=10000, ge=0)
    scores: tuple[_Score, ...] = Field(default=("chamfer",), min_length=1)

    @field_validator("scores")
    @classmethod
    def _each_once(cls, scores: tuple[_Score, ...]) -> tuple[_Score, ...]:
        if len(set(scores)) != len(scores):
            raise ValueError("scores must be named each once")
        return scores

    @model_validator(mode="after")
    def _widths_can_be_shared(self) -> SetVaeConfig:
        if self.width % 2:
            raise ValueError(f"width {self.width} is odd: sines and cosines share it")
        if self.network == "transformer" and self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        return self


class ClipVaeConfig(SetVaeConfig):
    """The keys of `set_vae`, and `fraction`: the KL divergence is that of this part of a batch, the best given back."""

    angular_scale: float = Field(default=0.1, gt=0)
    beta: float = Field(default=0.08, ge=0)
    fraction: float = Field(default=0.75, gt=0, le=1)
    scores: tuple[_Score, ...] = Field(default=("kl",), min_length=1)
