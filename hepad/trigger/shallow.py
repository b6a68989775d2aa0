"""Fewer adders in a row, for more of them: what `hepad.trigger.design.Design` does to be shallow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hepad.nn.layers import Layer
from hepad.trigger.fixed import Floats, Format, Numbers, floor_to, lookup

__all__ = ["difference_layer", "joined", "merged", "squares"]


def merged(layers: Sequence[Layer]) -> list[Layer]:
    """Layers with those that nothing follows multiplied into the next: two matrices in a row are one."""
    found: list[Layer] = []
    for layer in layers:
        if found and found[-1].after == "linear":
            last = found[-1]
            found[-1] = Layer(layer.weight @ last.weight, layer.weight @ last.bias + layer.bias, layer.after)
        else:
            found.append(layer)
    return found


def difference_layer(weight: Floats) -> Floats:
    """The matrix that gives the input less a layer's output, from both (inputs, then what the layer is given)."""
    return np.concatenate([np.eye(len(weight)), -weight], axis=1)


def joined(x: Numbers, y: Numbers) -> Numbers:
    """The numbers of both, in one row."""
    return np.concatenate([x, y], axis=-1)


def squares(values: Numbers, form: Format) -> Numbers:
    """Squares of numbers rounded down to the steps of `form`, of those within its range, with a sign, from a table.

    Beyond the range it is the largest that there is. The table is asked meanwhile, so that no number waits for its
    magnitude.
    """
    square = Format(False, 2 * form.integer, 2 * form.fraction)
    middle = 2.0**form.integer
    moved = floor_to(values + middle, form.fraction)
    if isinstance(moved, np.ndarray):
        outside = (moved < 0) | (moved >= 2 * middle)
        return np.where(outside, square.high, lookup(moved % (2 * middle) - middle, np.square, square))
    inside = moved.quantize(0, form.integer + 1, form.fraction, "WRAP", "TRN")
    found = lookup(inside, lambda u: np.square(u - middle), square)
    signed, integer, _ = moved.kif
    place = form.integer + 1  # the first bit, or that of the sign, that tells of what is beyond
    over = moved.quantize(signed, np.maximum(integer, place), np.full_like(integer, -place), "WRAP", "TRN")
    # Instead of a single bit da4ml 0.6 asks the number that it was cut from, whose highest bit may be another by then;
    # what `&` gives was cut from nothing.
    alone = (over.kif.sum(axis=0) == 1) & (signed == 0)
    parts = [over[i : i + 1] & over[i : i + 1] if one else over[i : i + 1] for i, one in enumerate(alone)]
    beyond: Numbers = np.concatenate(parts)
    return np.where(beyond.to_bool("any"), square.high, found)
