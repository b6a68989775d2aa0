"""Models that are trained to tell a signal from background: what they ask of a training, and its labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.nn.scorer import Scorer, TrainingData, check_training

__all__ = ["LABEL", "is_supervised", "labelled"]

LABEL = "label"
"""What stands beside the events of such a training: 1 for those of the class that the score is high for, else 0."""


def is_supervised(scorer: Any) -> bool:
    """Whether a model, or one that it is made of, learns from a signal: it has `supervised` true."""
    return bool(getattr(scorer, "supervised", False))


def labelled(scorer: Scorer, data: TrainingData) -> TrainingData:
    """Background and signal together, labels beside them, either with half of the sum of weights.

    Where the classes of a signal's events stand beside them, because the input has `classes`, each has the same part of
    that half. `CardError` if there is no signal, or events do not fit the scorer.
    """
    if data.against is None:
        raise CardError(f"{scorer.name} learns to tell a signal from background: give its events, with --against")
    check_training(scorer, data)
    signal = data.against
    return replace(
        data,
        train=_joined(data.train, signal.train),
        validation=_joined(data.validation, signal.validation),
        against=None,
    )


def _joined(background: Batch, signal: Batch) -> Batch:
    if not len(background) or not len(signal):
        return background.take(slice(0, 0))
    parts = []
    for label, batch in enumerate((background, signal)):
        weight = _shared(batch)
        parts.append(replace(batch, weight=weight, beside={LABEL: np.full(len(batch), label, dtype=np.float32)}))
    return Batch.concatenate(parts)


def _shared(batch: Batch) -> npt.NDArray[np.float64]:
    """The weights (n,) of events, of sum 1, to which each class has the same part, if there are classes beside them."""
    found, place = np.unique(batch.beside.get(LABEL, np.zeros(len(batch))), return_inverse=True)
    total = np.bincount(place, weights=batch.weight)
    share = np.divide(1 / len(found), total, out=np.ones(len(found)), where=total > 0)
    return np.asarray(batch.weight * share[place])
