"""The logistic regression, in torch where it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hepad.cards.base import parse_card
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import VECTOR, Layout
from hepad.models.logistic import LogisticConfig
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import FitReport, Scores, TrainingData, check_batch, check_training, finite_scores
from hepad.nn.sources import Noise
from hepad.nn.supervised import LABEL, labelled

__all__ = ["LogisticRegression"]


class LogisticRegression(NetworkScorer[nn.Linear]):
    """A weighted sum of the features of an event, of the numbers of the card or trained on signals against background.

    The loss is the binary cross entropy of signal (`hepad train --against`) and background, which weigh the same, as
    do the signals if the input has `classes`. A feature that an event lacks counts as 0.
    Score `log_odds`: the sum, whose logistic function is the probability of signal.
    """

    name: ClassVar[str] = "logistic"
    input_kinds: ClassVar[tuple[str, ...]] = ("jet_features", "event_features")
    score_names: tuple[str, ...] = ("log_odds",)

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(LogisticConfig, dict(config), f"model {self.name}")
        if layout.axes != VECTOR:
            raise CardError(f"{self.name} takes a vector, not an input of axes {', '.join(layout.axes)}")
        given = self._settings.coefficients
        if given is not None and set(given) != set(layout.columns):
            raise CardError(
                f"{self.name}: coefficients are of {', '.join(given)}, the input has {', '.join(layout.columns)}"
            )
        super().__init__(self._settings, layout)

    @property
    def supervised(self) -> bool:
        """Whether it learns from a signal: not with the card's numbers."""
        return self._settings.coefficients is None

    def fit(self, data: TrainingData, **how: Any) -> FitReport:
        """Train as `hepad.nn.network.NetworkScorer.fit`; with the card's numbers there is nothing to learn."""
        if self.supervised:
            return super().fit(labelled(self, data), **how)
        check_training(self, data)
        return FitReport((0.0,), (0.0,), best_epoch=1, stopped_early=False)

    def scores(self, batch: Batch) -> Scores:
        """Float32 scores of shape (n,); a row's score does not depend on the other rows, bit for bit."""
        check_batch(self, batch)
        state = self.state()
        total = np.full(len(batch), state["bias"][0], dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            for column, weight in zip(self._seen(batch).T, state["weight"][0], strict=True):
                total += column.astype(np.float64) * weight
            found = total.astype(np.float32)
        return finite_scores(self.name, {"log_odds": found})

    def _build(self) -> nn.Linear:
        module, given = nn.Linear(len(self.layout.columns), 1), self._settings.coefficients
        if given is not None:
            with torch.no_grad():
                module.weight.copy_(torch.tensor([[given[name] for name in self.layout.columns]]))
                module.bias.fill_(self._settings.intercept)
        return module

    def _seen(self, batch: Batch) -> npt.NDArray[np.float32]:
        return np.where(batch.there, batch.x, np.float32(0))

    def _arrays(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        seen = self._seen(batch)
        return (seen, batch.beside[LABEL]) if LABEL in batch.beside else (seen,)

    def _recipe(self, module: nn.Linear, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        def step(rows: tuple[Tensor, ...], _: Noise) -> Tensor:
            x, is_signal = rows
            return binary_cross_entropy_with_logits(module(x)[:, 0], is_signal, reduction="none")

        return Recipe.of_rows(module, step)

    def _score(self, module: nn.Linear, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (module(rows[0])[:, 0],)
