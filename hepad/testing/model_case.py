"""A model to check, and what it is fed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from hepad import registry
from hepad.cards.train import TrainCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import VECTOR, Layout
from hepad.nn.scorer import Checkpoint, FitReport, TrainingData
from hepad.testing.examples import example_batch, example_layout

__all__ = ["Check", "ModelCase"]


@dataclass(frozen=True)
class ModelCase:
    """A model to check: its registered name, a configuration that trains in a second, and what it is fed.

    `precision` is that of its weights, which saving must keep. `unit` multiplies the example events, whose numbers are
    about one, for a model of larger ones. A training has `trained_on` events, and a fifth as many to
    validate on; `scored` are those that it scores. Of a `labelled` training every second event is an anomaly, with its
    class beside it.
    """

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    options: TrainCard = field(default_factory=lambda: TrainCard(epochs=30, batch_size=100, learning_rate=5e-3))
    axes: tuple[str, ...] = VECTOR
    features: tuple[str, ...] = ("pt",)
    precision: str = "float32"
    unit: float = 1.0
    trained_on: int = 1000
    scored: int = 2500
    labelled: bool = False

    @property
    def entry(self) -> registry.Entry:
        """Its entry in the registry."""
        return registry.lookup(registry.SCORERS, self.name, "model")

    @property
    def kind(self) -> str:
        """The input kind that it is fed: the first that it takes."""
        return self.entry.inputs[0]

    @property
    def layout(self) -> Layout:
        """The layout of its example events."""
        return example_layout(self.axes, self.features)

    @cached_property
    def events(self) -> Batch:
        """Background to score."""
        return self._batch(self.scored, 1)

    @cached_property
    def data(self) -> TrainingData:
        """Background to train on, and a signal of anomalies for a model that learns from one; or both, with labels."""
        train, validation = self.trained_on, self.trained_on // 5 + 1
        if self.labelled:
            return TrainingData(self._both_classes(train, 2), self._both_classes(validation, 3))
        signal = TrainingData(self._batch(train // 5, 97, odd=True), self._batch(validation // 5 + 1, 98, odd=True))
        return TrainingData(self._batch(train, 2), self._batch(validation, 3), against=signal)

    @cached_property
    def few(self) -> TrainingData:
        """Of `data` as much as has two batches and a half in an epoch: what is asked of `fit` needs no more."""
        return replace(self.data, train=self.data.train.take(slice(0, 5 * self.options.batch_size // 2)))

    @cached_property
    def odd(self) -> Batch:
        """Anomalies."""
        return self._batch(20, 99, odd=True)

    @cached_property
    def trained(self) -> Any:
        """A trained model, shared by the checks: not to be fitted or loaded again."""
        return self.whole[0]

    @cached_property
    def whole(self) -> tuple[Any, FitReport]:
        """`trained`, and the report of its training."""
        scorer = self.new()
        return scorer, scorer.fit(self.data, options=self.options, seed=1)

    @cached_property
    def brief(self) -> tuple[Any, FitReport, Checkpoint]:
        """A model trained by `fit`, its report and its first checkpoint; as `trained`, shared by the checks."""
        scorer, kept = self.new(), list[Checkpoint]()
        report = self.fit(scorer, on_epoch=lambda end: kept.append(end.checkpoint()))
        return scorer, report, kept[0]

    @property
    def trainable(self) -> bool:
        """Whether it is trained here."""
        return self.entry.trainable

    def new(self, config: Mapping[str, Any] | None = None) -> Any:
        """An untrained model."""
        return registry.load(self.entry)(self.config if config is None else config, self.layout)

    def fit(self, scorer: Any, data: TrainingData | None = None, **changes: Any) -> FitReport:
        """Train two epochs of `few` events: as many as show whether the second goes on from the first."""
        settings = {"options": self.options.model_copy(update={"epochs": 2}), "seed": 1} | changes
        report: FitReport = scorer.fit(data or self.few, **settings)
        return report

    def _batch(self, n: int, seed: int, *, odd: bool = False) -> Batch:
        batch = example_batch(self.kind, n, seed=seed, axes=self.axes, features=self.features, odd=odd)
        return replace(batch, x=batch.x * np.float32(self.unit))

    def _both_classes(self, n: int, seed: int) -> Batch:
        background, odd = self._batch(n, seed), self._batch(n, seed, odd=True)
        label = (np.arange(n) % 2).astype(np.float64)
        one = label.reshape(-1, *[1] * (background.x.ndim - 1)).astype(bool)
        return replace(background, x=np.where(one, odd.x, background.x), beside={"label": label})


Check = Callable[[ModelCase], None]
"""Raises if what it stands for does not hold."""
