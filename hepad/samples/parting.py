"""Which background trains a model, validates it, is held out of it or set aside: two rules, of which a card names one.

By `entries/1`, the rule of all trainings now, an event knows its part by itself: it follows from the content of its
file, its entry there and the seed, whatever files are given in whatever order, and however many events are read. By
`rows/1`, that of bundles without the key `split`, the selected events of all files were shuffled as they came: the
parts are only found again from all of the files in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hepad.cards.bundle import SetAside, Training
from hepad.cards.train import TrainCard
from hepad.errors import InputDataError
from hepad.samples.split import EventIds

__all__ = ["SPLIT", "Split", "is_aside", "split_events", "split_rows", "unseen"]

SPLIT: Literal["entries/1"] = "entries/1"
"""The rule by which events are parted today, in the words of `Training.split`."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Row numbers of disjoint parts of the background: of all of it, but for training events beyond `train_events`."""

    train: Rows
    validation: Rows
    holdout: Rows
    aside: Rows

    def checked(self) -> Split:
        """The same; `InputDataError` if a part that a training needs is empty."""
        sizes = [len(self.train), len(self.validation), len(self.holdout)]
        if min(sizes) < 1:
            raise InputDataError(
                f"{sum(sizes)} background events are too few to part into training, validation and held-out events: "
                f"that gives {', '.join(map(str, sizes))}; give more background, or other fractions"
            )
        return self


def is_aside(ids: EventIds, card: SetAside | None) -> npt.NDArray[np.bool_]:
    """Which of n events, shape (n,), are set aside: each with the probability of the card; none without one."""
    if card is None:
        return np.zeros(len(ids), dtype=np.bool_)
    return np.asarray(ids.part(seed=card.seed, fractions=(card.fraction,), draw="aside") == 0)


def split_events(ids: EventIds, options: TrainCard, seed: int, aside: SetAside | None = None) -> Split:
    """Part n events by who they are; the fractions are probabilities.

    The rows of each part are in an order that follows from the events alone: so `options.train_events` keeps the same
    ones of a training part, whatever the order in which files are given. The other parts do not depend on it.
    """
    order = np.argsort(ids.uniform(seed=seed, draw="order"), kind="stable")
    part = ids.part(seed=seed, fractions=(options.holdout_fraction, options.validation_fraction), draw="split")
    part[is_aside(ids, aside)] = -1
    holdout, validation, training, kept_away = (order[part[order] == number] for number in (0, 1, 2, -1))
    return Split(training[: options.train_events], validation, holdout, kept_away)


def split_rows(n: int, options: TrainCard, seed: int, aside: SetAside | None = None) -> Split:
    """Shuffle n events by the seed and part them: the rule `rows/1` of older bundles, to find their parts again."""
    kept_away, rest = np.empty(0, dtype=np.int64), np.arange(n)
    if aside is not None:
        order = np.random.default_rng(aside.seed).permutation(n)
        count = round(n * aside.fraction)
        kept_away, rest = np.sort(order[:count]), np.sort(order[count:])
    order = rest[np.random.default_rng(seed).permutation(len(rest))]
    holdout, validation = (round(len(rest) * f) for f in (options.holdout_fraction, options.validation_fraction))
    training = order[holdout + validation :][: options.train_events]
    return Split(training, order[holdout : holdout + validation], order[:holdout], kept_away)


def unseen(ids: EventIds, training: Training, name: str) -> npt.NDArray[np.bool_]:
    """Mask (n,) of events that a training held out, or that were set aside from it; `name` is the bundle's.

    By the rule `rows/1` the events must be all that it selected, in their order: `InputDataError` if their number is
    not that of the card.
    """
    if training.split == SPLIT:
        split = split_events(ids, training.options, training.seed, training.set_aside)
    else:
        split = split_rows(len(ids), training.options, training.seed, training.set_aside)
        if (len(split.train), len(split.holdout)) != (training.events, training.holdout_events):
            raise InputDataError(
                f"bundle {name} held out {training.holdout_events} of its events, these files give "
                f"{len(split.holdout)}: was it trained with --max-events, or by another version of hepad?"
            )
    mask = np.zeros(len(ids), dtype=np.bool_)
    mask[split.holdout] = True
    mask[split.aside] = True
    return mask
