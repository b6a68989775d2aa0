"""A layer as its file describes it: class, settings and weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hepad.errors import InputDataError
from hepad.io.exchange.keras.network import Array, Value

__all__ = ["Layer", "Settings", "check_of_keras", "weight_names"]

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Layer:
    """A layer's class, name and settings, the major version of its Keras, and its weights by their names in Keras."""

    kind: str
    name: str
    settings: Settings
    keras: int
    weights: Mapping[str, Array]

    def weight(self, name: str) -> Array:
        """A weight; `InputDataError` if it is missing."""
        if name not in self.weights:
            raise InputDataError(f"its weights {name!r} are missing")
        return self.weights[name]

    def number(self, key: str, default: float) -> float:
        """A setting that is a finite number."""
        value = self.settings.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InputDataError(f"its {key} must be a number, not {str(value)[:40]}")
        return float(value)

    def sizes(self, key: str, count: int, default: Any = 1) -> tuple[int, ...]:
        """A setting that is one number or one for each axis."""
        value = self.settings.get(key, default)
        value = default if value is None else value
        values = [value] * count if isinstance(value, int) else value
        if not isinstance(values, list | tuple) or len(values) != count:
            raise InputDataError(f"its {key} must be {count} numbers, not {str(value)[:40]}")
        if any(isinstance(one, bool) or not isinstance(one, int) or not 0 < one <= 4096 for one in values):
            raise InputDataError(f"its {key} must be whole numbers from 1 to 4096, not {str(value)[:40]}")
        return tuple(values)

    def axes(self, value: Value) -> list[int]:
        """Its `axis`, one or several, counted from the front."""
        axes = self.settings.get("axis", -1)
        axes = [axes] if isinstance(axes, int) else axes
        rank = len(value.shape)
        if not isinstance(axes, list) or any(not isinstance(a, int) or not -rank <= a < rank for a in axes):
            raise InputDataError(f"its axis {str(axes)[:40]} is not one of {rank}")
        return sorted(axis % rank for axis in axes)


def weight_names(kind: str, settings: Settings) -> list[str]:
    """The weights of a layer in the order in which Keras keeps them."""
    bias = ["bias"] if settings.get("use_bias", True) else []
    scaled = [name for name, key in (("gamma", "scale"), ("beta", "center")) if settings.get(key, True)]
    dense = ("Dense", *(f"{word}{n}D{end}" for n in (1, 2) for word, end in _KERNELS))
    names = {
        **{name: ["kernel", *bias] for name in dense},
        **{f"SeparableConv{n}D": ["depthwise_kernel", "pointwise_kernel", *bias] for n in (1, 2)},
        "BatchNormalization": [*scaled, "moving_mean", "moving_variance"],
        "LayerNormalization": scaled,
        "Normalization": ["mean", "variance", "count"] if settings.get("mean") is None else [],
        "PReLU": ["alpha"],
    }
    return names.get(kind, [])


def check_of_keras(described: Mapping[str, Any]) -> None:
    """`InputDataError` if a description says that its class or function is not Keras's own, whatever its name."""
    module, registered = described.get("module"), described.get("registered_name")
    package, mark, _ = str(registered or "").partition(">")
    foreign = module is not None and not f"{module}.".startswith(_MODULES)
    if foreign or (mark and package.lower() not in _PACKAGES):
        name = described.get("config") if described.get("class_name") == "function" else described.get("class_name")
        where = registered if mark else module
        raise InputDataError(
            f"{str(name)[:60]!r} is not Keras's but of {str(where)[:80]!r}: Python code, which the file does not hold; "
            "save the network as a SavedModel, which holds what it computes"
        )


_MODULES = ("builtins.", "keras.", "keras_core.", "tf_keras.", "tensorflow.keras.", "tensorflow.python.keras.")
_PACKAGES = {"keras", "tf_keras"}
_KERNELS = (("Conv", ""), ("Conv", "Transpose"), ("DepthwiseConv", ""))
