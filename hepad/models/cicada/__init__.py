"""CICADA, the calorimeter anomaly trigger of CMS's Level-1: a teacher, and a student small enough for the trigger.

References: CMS, "Level-1 Trigger Calorimeter Image Convolutional Anomaly Detection Algorithm", CMS-DP-2023-086, and the
layers of the networks that CMS publishes at github.com/cms-hls4ml/CICADA.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hepad.cards.base import Card

__all__ = ["CicadaConfig"]

Width = Annotated[int, Field(ge=1, le=4096)]


class CicadaConfig(Card):
    """A convolutional autoencoder and the network that learns its score.

    `teacher_filters`: channels of the teacher's two convolutions of 3 x 3 at the full and at half the resolution;
    `latent`: its bottleneck. `filters`: those of the student's convolution of `kernel` x `kernel` pixels in steps of
    `stride`, 0 for none; `hidden`: widths of the dense layers after it. `loss` of the student: mean absolute (`mae`) or
    squared (`mse`) difference from the teacher's score. With `balance` an event of a rare score weighs more: inversely
    as the density of the teacher's score in 100 bins, at most `balance` times the mean.
    """

    teacher_filters: tuple[Width, Width] = (20, 30)
    latent: Width = 80
    filters: int = Field(default=4, ge=0, le=1024)
    kernel: int = Field(default=2, ge=1, le=64)
    stride: int = Field(default=2, ge=1, le=64)
    hidden: tuple[Width, ...] = Field(default=(16,), min_length=1, max_length=8)
    loss: Literal["mae", "mse"] = "mae"
    balance: float | None = Field(default=None, gt=1)
