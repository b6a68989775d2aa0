"""Logistic regression: the score that supervised searches make of a few quantities of a jet or an event.

With published numbers it is the baseline of Liu, Gandrakota, Ngadiuba, Spiropulu, Vlimant, "Fast Particle-based Anomaly
Detection Algorithm with Variational Autoencoder", arXiv:2311.17162, section 4.1.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from hepad.cards.base import Card

__all__ = ["LogisticConfig"]


class LogisticConfig(Card):
    """`coefficients` and `intercept` of a regression that was made elsewhere; without them it is trained.

    `coefficients` map the features of the input, all of them, to numbers, in the units of the scaled input.
    """

    coefficients: dict[str, float] | None = Field(default=None, min_length=1)
    intercept: float = 0.0

    @model_validator(mode="after")
    def _intercept_is_of_coefficients(self) -> LogisticConfig:
        if self.coefficients is None and self.intercept:
            raise ValueError("an intercept goes with coefficients; without them both are trained")
        return self
