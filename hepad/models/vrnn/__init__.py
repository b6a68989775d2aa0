"""Variational recurrent neural network of the particles of a jet, one after the other.

References: Kahn, Gonski, Ochoa, Williams, Brooijmans, "Anomalous jet identification via sequence modeling", JINST 16
(2021) P08012, arXiv:2105.09274, and the code that its authors published; ATLAS, arXiv:2306.03637, where it finds the X
of Y -> XH.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from hepad.cards.base import Card

__all__ = ["VrnnConfig"]

_Width = Annotated[int, Field(ge=1, le=1024)]


class VrnnConfig(Card):
    """`hidden`: width of the recurrent state (GRU) and of all layers; `latent`: of the Gaussian at each step.

    Particles come by falling `momentum`, a feature of the input (`order: pt`), or the hardest first and then always the
    one of largest `momentum` times distance in `angles` from the last (`order: kt`). The loss of a jet is the mean over
    its particles of the squared error of their features and of `beta` times the divergence K from what the state
    expected, each weighted with the mean momentum at this step of all jets of as many particles.

    Scores, the default first: with R = 1 - exp(-mean of weighted K) and its mean r over the training, `high_kl` is
    R / 2r and `low_kl` is 1 - R / 2r, so that background has 0.5 on average; a jet without particles has 0.5.
    """

    hidden: _Width = 16
    latent: _Width = 2
    beta: float = Field(default=0.1, ge=0)
    order: Literal["pt", "kt"] = "pt"
    momentum: str = "pt_rel"
    angles: tuple[str, str] = ("eta", "phi")
    scores: tuple[Literal["low_kl", "high_kl"], ...] = Field(default=("low_kl", "high_kl"), min_length=1)

    @field_validator("scores")
    @classmethod
    def _each_once(cls, scores: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(scores)) != len(scores):
            raise ValueError("scores must be named each once")
        return scores
