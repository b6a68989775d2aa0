"""A scorer as a plain list of layers with its score: what quantisation, logic and exports are made from.

A model that can be written so says so by itself; who uses the layers knows their types, and no model. Batch
normalisation is folded into the affine layers beside it. Everything is float64: this is the reference that quantised
versions are compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError
from hepad.nn.scorer import Scorer, State

__all__ = [
    "After",
    "Floats",
    "HasLayers",
    "Layer",
    "Network",
    "Score",
    "Spiking",
    "Tied",
    "convolved",
    "folded_normalisation",
    "has_layers",
    "identity_normalisation",
    "layers_of",
]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Score = Literal["mse", "sse", "mu2", "kl", "r", "output"]
After = Literal["linear", "relu", "leaky_relu", "spike"]


@dataclass(frozen=True)
class Tied:
    """Which numbers of a layer are the same one, as those of a convolution at all of its positions.

    `weight` (outputs, inputs) and `bias` (outputs,) count them from 0; -1 is a weight that is 0 and stays so.
    """

    weight: Integers
    bias: Integers

    def spread(self, weight: npt.NDArray[Any], bias: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The numbers (k,) of weights and of biases in all of their places."""
        return np.append(weight, 0)[self.weight], bias[self.bias]

    def gathered(self, weight: npt.NDArray[Any], bias: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The inverse of `spread`."""
        places = [np.unique(numbers, return_index=True) for numbers in (self.weight, self.bias)]
        (numbers, first), (_, biases) = places
        return weight.ravel()[first[numbers >= 0]], bias[biases]


@dataclass(frozen=True)
class Layer:
    """`weight` (outputs, inputs) and `bias` (outputs,) and what follows them; `tied` if some are the same number."""

    weight: Floats
    bias: Floats
    after: After
    tied: Tied | None = None

    @property
    def groups(self) -> list[tuple[Integers, Integers]]:
        """Outputs that look at the same inputs, and those inputs: of a convolution, those of each position."""
        if self.tied is None:
            return [(np.arange(len(self.weight)), np.arange(self.weight.shape[1]))]
        looked, which = np.unique(self.tied.weight >= 0, axis=0, return_inverse=True)
        return [(np.flatnonzero(which.ravel() == i), np.flatnonzero(row)) for i, row in enumerate(looked)]

    @property
    def products(self) -> int:
        """The weights that an input is multiplied by."""
        return self.weight.size if self.tied is None else int(np.count_nonzero(self.tied.weight >= 0))


@dataclass(frozen=True)
class Spiking:
    """Leaky integrate-and-fire neurons: see `hepad.nn.spiking.SpikingStack`."""

    steps: int
    beta: float
    threshold: float


@dataclass(frozen=True)
class Network:
    """Layers, and the score that is made of their output.

    `mse`: mean squared difference of input and output; `sse`: the sum of the squared differences of the last output and
    that of the first `embedding` layers, of which 0 is the input. `mu2`, `kl` and `r`: see `hepad.nn.score_rules`; the
    encoder is all there is then, and its output the means, for `kl` and `r` followed by the log variances. `output`:
    the last output itself, at least 0 and at most what `score_bits`, before and after the point, hold.
    `spiking` is None for a dense network. Images are rows as `hepad.nn.exact.hardware_rows` makes them.
    `slope` is that of leaky_relu. Inputs that are integers have a `shift` (inputs,): 2^-shift of one is of the order of
    1, and weights are the smaller for it. `model` is the name of the model, for people.

    A reconstruction may have `limits` (outputs,): an output is that times its hyperbolic tangent, or as it comes where
    the limit is infinite. `owners` (outputs,) then says which columns are of one object, by a number from 0: an object
    of which all inputs are 0 is not there, and its outputs are 0, as are those of owner -1.
    """

    model: str
    layers: tuple[Layer, ...]
    score: Score
    spiking: Spiking | None = None
    slope: float = 0.0
    shift: Floats | None = None
    embedding: int = 0
    limits: Floats | None = None
    owners: Integers | None = None
    score_bits: tuple[int, int] = (0, 0)

    @property
    def highest(self) -> float:
        """The highest score `output`."""
        return float(2.0 ** self.score_bits[0] - 2.0 ** -self.score_bits[1])

    @property
    def together(self) -> npt.NDArray[np.bool_]:
        """Which outputs (rows) are there if an input (columns) is not 0, shape (outputs, outputs); see `owners`."""
        owners = np.zeros(self.sizes[-1], dtype=np.int64) if self.owners is None else self.owners
        return np.asarray((owners[:, np.newaxis] == owners) & (owners >= 0))

    @property
    def encoder(self) -> tuple[Layer, ...]:
        """The layers up to the latent ones, of an autoencoder."""
        return self.layers[: (self.embedding + len(self.layers)) // 2]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The widths, inputs first."""
        return (self.layers[0].weight.shape[1], *(len(layer.bias) for layer in self.layers))


@runtime_checkable
class HasLayers(Scorer, Protocol):
    """A scorer that is a list of layers, for some of its scores."""

    def layers(self, score: str) -> Network:
        """The layers that give one of `layered_scores`."""
        ...

    def state_of(self, network: Network) -> State:
        """The scorer's state with the weights of the network in their places; the rest stays as it is."""
        ...

    @property
    def layered_scores(self) -> tuple[str, ...]:
        """The scores that `layers` has."""
        ...


def has_layers(scorer: Scorer) -> HasLayers:
    """The scorer as one with layers; `CardError` if it has none, with its own words (`no_layers`) why."""
    if not isinstance(scorer, HasLayers) or not scorer.layered_scores:
        raise CardError(f"model {scorer.name!r} has no logic yet{getattr(scorer, 'no_layers', '')}")
    return scorer


def layers_of(scorer: Scorer, score: str) -> Network:
    """The layers of a trained scorer; `CardError` that names a model or score which has no logic."""
    layered = has_layers(scorer)
    if score not in layered.layered_scores:
        known, why = ", ".join(layered.layered_scores), getattr(scorer, "no_layers", "")
        raise CardError(f"score {score!r} of {scorer.name} has no logic: there is some for {known}{why}")
    return layered.layers(score)


def convolved(weight: Floats, bias: Floats, size: tuple[int, int], stride: int, after: After) -> Layer:
    """A convolution of images (channels, *size) without padding, as the matrix that it is.

    `weight` (filters, channels, rows, columns) and `bias` (filters,). Inputs and outputs are flat, columns counted
    first, then rows, then channels or filters.
    """
    filters, channels, *kernel = weight.shape
    inputs = np.arange(channels * size[0] * size[1]).reshape(channels, *size)
    windows = np.lib.stride_tricks.sliding_window_view(inputs, kernel, axis=(1, 2))[:, ::stride, ::stride]
    patches = np.moveaxis(windows, 0, 2).reshape(-1, channels * kernel[0] * kernel[1])
    numbers = np.full((filters, len(patches), inputs.size), -1)
    numbers[:, np.arange(len(patches))[:, np.newaxis], patches] = np.arange(weight.size).reshape(filters, 1, -1)
    tied = Tied(numbers.reshape(-1, inputs.size), np.repeat(np.arange(filters), len(patches)))
    return Layer(*tied.spread(weight.ravel(), bias), after, tied)


def folded_normalisation(weights: Mapping[str, npt.NDArray[Any]], name: str, epsilon: float) -> tuple[Floats, Floats]:
    """Batch normalisation in evaluation: x * gain + offset."""
    mean, variance, gain, offset = (
        weights[f"{name}.{part}"].astype(np.float64) for part in ("running_mean", "running_var", "weight", "bias")
    )
    gain = gain / np.sqrt(variance + epsilon)
    return gain, offset - mean * gain


def identity_normalisation(name: str, width: int, epsilon: float) -> dict[str, npt.NDArray[np.float32]]:
    """Batch normalisation that does nothing."""
    one, zero = np.ones(width, dtype=np.float32), np.zeros(width, dtype=np.float32)
    variance = np.full(width, 1 - epsilon, dtype=np.float32)
    return {
        f"{name}.weight": one,
        f"{name}.bias": zero,
        f"{name}.running_mean": zero,
        f"{name}.running_var": variance,
    }
