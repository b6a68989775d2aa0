"""Whether a network of others gives its author's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.bundle import Compared
from hepad.errors import CheckFailedError, InputDataError
from hepad.inputs.layout import IMAGE
from hepad.io.tables.vectors import read_arrays
from hepad.models.onnx import OnnxScorer

__all__ = ["PARITY_TOLERANCE", "check_compared", "compared", "parity", "rows"]

PARITY_TOLERANCE = 1e-5
"""Largest relative difference from the author's numbers: ten times what single precision loses in a few layers."""


def parity(scorer: OnnxScorer, path: Path, tolerance: float) -> tuple[Compared, ...]:
    """Hold a network against its author's numbers: `x` of shape (n, d), and `y` of shape (n, k), `score` (n,) or both.

    Images may have four axes, the channels last. Differences of outputs are relative to the largest number that the
    author has for that event; differences of scores are relative to the score, but for log_mae, a logarithm, absolute.
    With `y` the score made of it is compared too. `CheckFailedError` with the largest difference if it exceeds the
    tolerance.
    """
    arrays = read_arrays(path)
    if scorer.layout.axes == IMAGE:
        arrays = {name: _channels_first(array, scorer.layout.shape) for name, array in arrays.items()}
    x = rows(arrays, "x", path)
    if x.shape[1] != scorer.layout.size:
        raise InputDataError(f"{path}: x has {x.shape[1]} columns, the network takes {scorer.layout.size}")
    if "columns" in arrays and tuple(map(str, arrays["columns"])) != scorer.layout.columns:
        raise InputDataError(f"{path}: its columns are not those of the card's input")
    if not {"y", "score"} & arrays.keys():
        raise InputDataError(f"{path}: beside x it needs y, the network's output, or score")
    x = x.astype(np.float32)  # what an input gives to a network
    got = scorer.outputs(x)
    scores = scorer.score_of(x, *got)
    found = []
    if "y" in arrays:
        y = rows(arrays, "y", path)
        if y.shape != got[0].shape:
            raise InputDataError(f"{path}: y has shape {y.shape}, the network gives {got[0].shape}")
        scale = np.abs(y).max(axis=1, keepdims=True)
        found.append(compared("output", got[0], y, scale, tolerance))
        if len(got) == 1:
            found.append(_compare_scores(scorer, "score of output", scores, scorer.score_of(x, y), tolerance))
    if "score" in arrays:
        expected = rows(arrays, "score", path)
        if expected.shape[1] != 1:
            raise InputDataError(f"{path}: score must hold one number an event")
        expected = expected[:, 0]
        found.append(_compare_scores(scorer, "score", scores, expected, tolerance))
    check_compared(found, path, tolerance)
    return tuple(found)


def _channels_first(array: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Images (n, rows, columns, channels), as Keras has them, as rows with the channels first; others as they are."""
    turned = array.transpose(0, 3, 1, 2) if array.ndim == 4 and array.shape[1:] == (*shape[1:], shape[0]) else array
    return turned.reshape(len(turned), -1) if turned.ndim == 4 else turned


def check_compared(found: Sequence[Compared], path: Path, tolerance: float) -> None:
    """`CheckFailedError` that names what differs by more than its tolerance."""
    wrong = [c for c in found if not c.largest_difference <= c.tolerance]
    if wrong:
        what = ", ".join(f"{c.quantity} differs by {c.largest_difference:.3g}" for c in wrong)
        raise CheckFailedError(
            f"the network does not give the numbers in {path}: {what}, tolerance {tolerance:g}; "
            "are x the inputs as the network sees them, and the card's score the one meant? Nothing was written"
        )


def _compare_scores(
    scorer: OnnxScorer, what: str, got: npt.NDArray[Any], expected: npt.NDArray[Any], tolerance: float
) -> Compared:
    logarithm = scorer.score_names[0] == "log_mae"
    return compared(what, got, expected, np.ones(1) if logarithm else np.abs(expected), tolerance)


def compared(
    what: str, got: npt.NDArray[Any], expected: npt.NDArray[Any], scale: npt.NDArray[Any], tolerance: float
) -> Compared:
    """The largest difference in units of `scale`; `InputDataError` for numbers of another shape."""
    if got.shape != expected.shape:
        raise InputDataError(f"{what}: {expected.shape} expected numbers, {got.shape} from the network")
    difference = np.abs(got - expected) / np.maximum(scale, np.finfo(np.float32).tiny)
    largest = float(difference.max()) if np.isfinite(difference).all() else float(np.finfo(np.float64).max)
    return Compared(quantity=what, compared=got.size, largest_difference=largest, tolerance=tolerance)


def rows(arrays: Mapping[str, npt.NDArray[Any]], name: str, path: Path) -> npt.NDArray[np.float64]:
    """An array of numbers by rows, of shape (n, k)."""
    if name not in arrays:
        raise InputDataError(f"{path}: array {name!r} is missing")
    array = arrays[name]
    shapes = {2} if name == "x" else {1, 2}
    if array.ndim not in shapes or array.dtype.kind not in "fiu" or array.size == 0:
        raise InputDataError(f"{path}: {name} must hold numbers, one row an event; it is {array.dtype} {array.shape}")
    if not np.isfinite(array).all():
        raise InputDataError(f"{path}: {name} holds numbers that are not finite")
    if len(array) != len(arrays["x"]):
        raise InputDataError(f"{path}: {name} has {len(array)} rows, x {len(arrays['x'])}")
    return array.reshape(len(array), -1).astype(np.float64)
