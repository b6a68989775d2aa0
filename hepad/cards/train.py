"""How to train: the part of a card that every trainable model shares."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hepad.cards.base import Card

__all__ = ["OptimizerCard", "ScheduleCard", "TrainCard"]

_Beta = Annotated[float, Field(ge=0, lt=1)]


class OptimizerCard(Card):
    """`weight_decay` is decoupled from the gradient for `adamw`, part of it otherwise; `momentum` is of `sgd`."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    weight_decay: float = Field(default=0.0, ge=0)
    betas: tuple[_Beta, _Beta] = (0.9, 0.999)
    amsgrad: bool = False
    momentum: _Beta = 0.0


class ScheduleCard(Card):
    """The learning rate over the epochs, as a factor on the card's.

    `cosine` falls to `floor` at the last epoch; `plateau` is multiplied by `factor` each time that `patience` epochs
    went by without a lower validation loss, down to `floor`. Either begins with a linear rise over `warmup_epochs`.
    """

    name: Literal["constant", "cosine", "plateau"] = "constant"
    warmup_epochs: float = Field(default=0.0, ge=0)
    floor: float = Field(default=0.0, ge=0, le=1)
    factor: float = Field(default=0.5, gt=0, lt=1)
    patience: int = Field(default=10, ge=1)


class TrainCard(Card):
    """How to train. `patience` None means fixed epochs; fractions are probabilities of an event.

    With `weighted` the loss is a mean by the events' weights; without, all events count alike in it, those of each
    slice of a steeply falling spectrum as often as they are there: regions are set by the weights all the same.
    `train_events` bounds the events of the training part, None takes them all. `keep` says whether the weights of the
    `last` epoch are kept or those of the `best`, by validation loss; None keeps the best with `patience` and the last
    without. `clip_norm` bounds the norm of the gradient of a batch,
    `clip_each` that of each tensor of weights by itself. With `rows_at_once` a processor adds up the gradient of a
    batch from so many events at a time: the update of the batch, but for rounding and for noise that is drawn by part,
    in the memory that so many take, of images that of two at least. Only a loss that is a mean over events can be
    added up.
    """

    epochs: int = Field(default=100, ge=1)
    batch_size: int = Field(default=1000, ge=1)
    rows_at_once: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    patience: int | None = Field(default=None, ge=1)
    validation_fraction: float = Field(default=0.1, gt=0, lt=1)
    holdout_fraction: float = Field(default=0.2, gt=0, lt=1)
    train_events: int | None = Field(default=None, ge=1)
    weighted: bool = True
    seeds: tuple[int, ...] = (1,)
    optimizer: OptimizerCard = Field(default_factory=OptimizerCard)
    schedule: ScheduleCard = Field(default_factory=ScheduleCard)
    clip_norm: float | None = Field(default=None, gt=0)
    clip_each: float | None = Field(default=None, gt=0)
    keep: Literal["last", "best"] | None = None
    keep_epochs: int = Field(default=1, ge=1, le=100)

    @model_validator(mode="after")
    def _is_possible(self) -> TrainCard:
        if self.validation_fraction + self.holdout_fraction >= 1:
            raise ValueError("validation_fraction + holdout_fraction must leave events to train on")
        if self.keep_epochs > 1 and not self.keeps_best:
            raise ValueError("keep_epochs above 1 goes with keep: best")
        return self

    @property
    def keeps_best(self) -> bool:
        """Whether the weights of the best epoch are kept, not those of the last."""
        return self.keep == "best" or (self.keep is None and self.patience is not None)
