"""Dense stacks and scales of a state as layers, and layers back in their places; no torch in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.nn.layers import After, Layer, Network
from hepad.nn.scorer import State

__all__ = [
    "dense_layers",
    "folded_scale",
    "identity_scale",
    "normalisation_shapes",
    "scale_shapes",
    "scaled_network",
    "stack_shapes",
    "with_layers",
]


def stack_shapes(prefix: str, sizes: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The names and shapes of a dense stack of these widths, as `hepad.nn.blocks.dense_stack` has them."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (inputs, outputs) in enumerate(pairwise(sizes)):
        shapes |= {f"{prefix}.{2 * i}.weight": (outputs, inputs), f"{prefix}.{2 * i}.bias": (outputs,)}
    return shapes


def scale_shapes(name: str, width: int) -> dict[str, tuple[int, ...]]:
    """The names and shapes of a `hepad.nn.hardware_scale.HardwareScale` of so many numbers."""
    return {f"{name}.{part}": (width,) for part in ("offset", "shift")}


def normalisation_shapes(name: str, width: int) -> dict[str, tuple[int, ...]]:
    """The names and shapes of a batch normalisation of so many numbers."""
    return {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}


def dense_layers(
    state: Mapping[str, npt.NDArray[Any]], prefix: str, count: int, kept: int | None = None, last: After = "linear"
) -> tuple[Layer, ...]:
    """The first `count` affine layers of a stack with ReLU between them, in float64; `kept` outputs of the last.

    `last` is what follows the last one.
    """
    layers = []
    for i in range(count):
        weight, bias = (state[f"{prefix}.{2 * i}.{part}"].astype(np.float64) for part in ("weight", "bias"))
        rows = slice(kept) if i == count - 1 else slice(None)
        layers.append(Layer(weight[rows], bias[rows], last if i == count - 1 else "relu"))
    return tuple(layers)


def with_layers(state: State, prefix: str, layers: Sequence[Layer]) -> State:
    """The state with these layers in their places; outputs that the last one lacks stay as they are."""
    state = dict(state)
    for i, layer in enumerate(layers):
        for part, values in (("weight", layer.weight), ("bias", layer.bias)):
            name = f"{prefix}.{2 * i}.{part}"
            state[name] = np.concatenate([values.astype(np.float32), state[name][len(values) :]])
    return state


def folded_scale(layer: Layer, state: Mapping[str, npt.NDArray[Any]], name: str) -> Layer:
    """The layer that does to the integers what `layer` does to the scaled numbers."""
    offset, shift = (state[f"{name}.{part}"].astype(np.float64) for part in ("offset", "shift"))
    weight = layer.weight * 2.0**-shift
    return replace(layer, weight=weight, bias=layer.bias - weight @ offset)


def scaled_network(model: str, state: Mapping[str, npt.NDArray[Any]], layers: Sequence[Layer]) -> Network:
    """A model that scores by the squares of what layers give after its `scale`, which is folded into the first."""
    first, *others = layers
    shift = state["scale.shift"].astype(np.float64)
    return Network(model, (folded_scale(first, state, "scale"), *others), "mu2", shift=shift)


def identity_scale(name: str, width: int) -> dict[str, npt.NDArray[np.float32]]:
    """A scale that does nothing."""
    return {f"{name}.{part}": np.zeros(width, dtype=np.float32) for part in ("offset", "shift")}
