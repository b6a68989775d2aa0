"""A dense classifier of two classes, the network of weakly supervised methods: the class of an event is `beside` it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from hepad import registry
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.affine import Affine
from hepad.nn.blocks import dense_stack, dropped
from hepad.nn.classifier_card import Activation, DenseCard
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import Scores, TrainingData, check_batch, finite_scores
from hepad.nn.sources import Noise
from hepad.nn.supervised import LABEL
from hepad.nn.tensors import to_array

__all__ = ["Classifier"]

_SLOPE = 0.01
_BLOCK = 512


class Classifier(NetworkScorer[nn.Sequential]):
    """Affine layers with leaky ReLU or ELU between; the loss is the binary cross entropy.

    Score `log_odds`: the logarithm of the ratio of the classes' densities at the event, if their weights are equal.
    """

    name: ClassVar[str] = "classifier"
    input_kinds: ClassVar[tuple[str, ...]] = tuple(registry.INPUTS)  # the method that uses it says which it takes
    score_names: tuple[str, ...] = ("log_odds",)

    def __init__(self, layout: Layout, layers: tuple[int, ...], **settings: Any) -> None:
        self._settings = DenseCard(layers=layers, **settings)
        super().__init__(self._settings, layout)

    def _build(self) -> nn.Sequential:
        widths = (self.layout.size, *self._settings.layers, 1)
        between = iter(self._settings.of_layers())

        def after(_: int) -> nn.Module:
            activation = next(between)[0]
            return nn.LeakyReLU(_SLOPE) if activation == "leaky_relu" else nn.ELU()

        stack = dense_stack(widths, after)
        if self._settings.normalise:
            return nn.Sequential(nn.BatchNorm1d(self.layout.size), *stack)
        return stack

    def _recipe(self, module: nn.Sequential, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        shares = [dropout for _, dropout in self._settings.of_layers()]

        def step(rows: tuple[Tensor, ...], noise: Noise) -> Tensor:
            x, label = rows
            between = iter(shares)
            for layer in module:
                x = layer(x)
                if module.training and isinstance(layer, nn.LeakyReLU | nn.ELU):
                    x = dropped(x, noise, next(between))
            return nn.functional.binary_cross_entropy_with_logits(x[:, 0], label, reduction="none")

        return Recipe.of_rows(module, step)

    def scores(self, batch: Batch) -> Scores:
        """Float32 scores of shape (n,); a row's score does not depend on the other rows, bit for bit.

        In numpy: torch picks another order of sums for the rows at the end of a block if a layer has few inputs.
        """
        check_batch(self, batch)
        layers = [Affine(weight, bias, _BLOCK) for weight, bias in self._affine()]
        between = [activation for activation, _ in self._settings.of_layers()]
        rows = batch.x.reshape(len(batch), self.layout.size)
        found = np.empty(len(rows), dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(rows), _BLOCK):
                block = rows[start : start + _BLOCK]
                values = np.zeros((rows.shape[1], _BLOCK), dtype=np.float32)
                values[:, : len(block)] = block.T
                for place, layer in enumerate(layers):
                    values = layer(values if place == 0 else _active(values, between[place - 1]))
                found[start : start + _BLOCK] = values[0, : len(block)]
        return finite_scores(self.name, {"log_odds": found})

    def _affine(self) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
        """The weights and biases of the layers; a normalisation of the numbers is part of the first."""
        module = self._module
        layers = [layer for layer in module if isinstance(layer, nn.Linear)]
        found = [(to_array(layer.weight), to_array(layer.bias)) for layer in layers]
        norm = module[0]
        if isinstance(norm, nn.BatchNorm1d):
            assert norm.running_mean is not None  # noqa: S101  it tracks them
            assert norm.running_var is not None  # noqa: S101
            arrays = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
            mean, variance, scale, shift = (to_array(array).astype(np.float64) for array in arrays)
            factor = scale / np.sqrt(variance + norm.eps)
            weight, bias = (part.astype(np.float64) for part in found[0])
            first = (weight * factor, bias + weight @ (shift - mean * factor))
            found[0] = (np.ascontiguousarray(first[0], dtype=np.float32), first[1].astype(np.float32))
        return found

    def _score(self, module: nn.Sequential, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (module(rows[0])[:, 0],)

    def _arrays(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        return (batch.x, batch.beside[LABEL]) if LABEL in batch.beside else (batch.x,)


def _active(values: npt.NDArray[np.float32], activation: Activation) -> npt.NDArray[np.float32]:
    if activation == "leaky_relu":
        return np.asarray(np.maximum(values, np.float32(_SLOPE) * values))
    result: npt.NDArray[np.float32] = np.where(values > 0, values, np.expm1(np.minimum(values, 0)))
    return result
