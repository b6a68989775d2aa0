"""A dense classifier of two classes, the network of weakly supervised methods: the class of an event is `beside` it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from torch import Tensor, nn

from hepad import registry
from hepad.cards.base import Card
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.affine import Affine
from hepad.nn.blocks import dense_stack
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import Scores, TrainingData, check_batch, finite_scores
from hepad.nn.sources import Noise
from hepad.nn.supervised import LABEL

__all__ = ["Classifier"]

_SLOPE = 0.01
_BLOCK = 512


class ClassifierCard(Card):
    """`layers`: widths of the hidden layers."""

    layers: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(min_length=1, max_length=16)


class Classifier(NetworkScorer[nn.Sequential]):
    """Affine layers with leaky ReLU between; the loss is the binary cross entropy.

    Score `log_odds`: the logarithm of the ratio of the classes' densities at the event, if their weights are equal.
    """

    name: ClassVar[str] = "classifier"
    input_kinds: ClassVar[tuple[str, ...]] = tuple(registry.INPUTS)  # the method that uses it says which it takes
    score_names: tuple[str, ...] = ("log_odds",)

    def __init__(self, layout: Layout, layers: tuple[int, ...]) -> None:
        self._settings = ClassifierCard(layers=layers)
        super().__init__(self._settings, layout)

    def _build(self) -> nn.Sequential:
        sizes = (self.layout.size, *self._settings.layers, 1)
        return dense_stack(sizes, lambda _: nn.LeakyReLU(_SLOPE))

    def _recipe(self, module: nn.Sequential, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        def step(rows: tuple[Tensor, ...], _: Noise) -> Tensor:
            x, label = rows
            return nn.functional.binary_cross_entropy_with_logits(module(x)[:, 0], label, reduction="none")

        return Recipe.of_rows(module, step)

    def scores(self, batch: Batch) -> Scores:
        """Float32 scores of shape (n,); a row's score does not depend on the other rows, bit for bit.

        In numpy: torch picks another order of sums for the rows at the end of a block if a layer has few inputs.
        """
        check_batch(self, batch)
        state = self.state()
        names = [name.removesuffix(".weight") for name in state if name.endswith(".weight")]
        layers = [Affine(state[f"{name}.weight"], state[f"{name}.bias"], _BLOCK) for name in names]
        rows = batch.x.reshape(len(batch), self.layout.size)
        found = np.empty(len(rows), dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(rows), _BLOCK):
                block = rows[start : start + _BLOCK]
                values = np.zeros((rows.shape[1], _BLOCK), dtype=np.float32)
                values[:, : len(block)] = block.T
                for place, layer in enumerate(layers):
                    values = layer(values if place == 0 else np.maximum(values, np.float32(_SLOPE) * values))
                found[start : start + _BLOCK] = values[0, : len(block)]
        return finite_scores(self.name, {"log_odds": found})

    def _score(self, module: nn.Sequential, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (module(rows[0])[:, 0],)

    def _arrays(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        return (batch.x, batch.beside[LABEL]) if LABEL in batch.beside else (batch.x,)
