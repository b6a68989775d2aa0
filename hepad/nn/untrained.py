"""Scores that are computed and not learned: the classical quantities that networks have to beat."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.cards.base import Card
from hepad.errors import FitFailedError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.arrays import check_arrays
from hepad.nn.scorer import FitReport, Scores, State, TrainingData, check_batch, check_training, finite_scores

__all__ = ["Untrained"]


class Untrained(ABC):
    """A `Trainable` scorer without weights: `hepad train` sets its regions, and compares it as any other model."""

    name: ClassVar[str]
    input_kinds: ClassVar[tuple[str, ...]]
    score_names: tuple[str, ...]

    def __init__(self, config: Card, layout: Layout) -> None:
        self.layout = layout
        self._config = config

    @property
    def config(self) -> dict[str, Any]:
        """The complete configuration, defaults included, in JSON types."""
        return self._config.model_dump(mode="json")

    def fit(self, data: TrainingData, **_: Any) -> FitReport:
        """Learn nothing: one epoch, whose loss is 0.

        `CardError` for a batch that does not fit, `FitFailedError` without events.
        """
        check_training(self, data)
        for what, batch in (("training", data.train), ("validation", data.validation)):
            if len(batch) == 0:
                raise FitFailedError(f"there are no {what} events")
        return FitReport((0.0,), (0.0,), best_epoch=1, stopped_early=False)

    def scores(self, batch: Batch) -> Scores:
        """Float32 scores of shape (n,) by name, the default first; see `hepad.nn.scorer.Scorer.scores`."""
        check_batch(self, batch)
        with np.errstate(over="ignore"):
            values = {name: values.astype(np.float32) for name, values in self._values(batch).items()}
        return finite_scores(self.name, values)

    def state(self) -> State:
        """Nothing."""
        return {}

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take nothing; `CardError` that names a tensor."""
        check_arrays({}, state, f"weights of {self.name}")

    @abstractmethod
    def _values(self, batch: Batch) -> dict[str, npt.NDArray[np.float64]]:
        """The scores of shape (n,) by name, NaN where an event has none."""
