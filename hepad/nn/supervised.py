"""Models that are trained to tell a signal from background: what they ask of a training, and its labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

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

    `CardError` if there is no signal, or events do not fit the scorer.
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
        total = batch.weight.sum()
        weight = batch.weight / total if total > 0 else batch.weight
        parts.append(replace(batch, weight=weight, beside={LABEL: np.full(len(batch), label, dtype=np.float32)}))
    return Batch.concatenate(parts)
