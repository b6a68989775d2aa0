"""Weights of a network that hepad can train too, from a .npz: by their names in hepad, or in the order of Keras."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.bundle import Compared
from hepad.errors import CardError, InputDataError
from hepad.inputs.batch import Batch
from hepad.io.tables.vectors import read_arrays
from hepad.nn.scorer import Scorer
from hepad.pipeline.import_model.parity import check_compared, compared, rows

__all__ = ["is_weights", "load_weights", "score_parity"]

_Arrays = Mapping[str, npt.NDArray[Any]]


def is_weights(path: Path) -> bool:
    """Whether a file is one of weights, by its ending."""
    return path.suffix == ".npz"


def load_weights(scorer: Scorer, path: Path) -> None:
    """Give a scorer the arrays of a .npz.

    Arrays that do not have the scorer's names are taken for Keras's: kernels, transposed, and biases, in the order of
    the numbers in their names, which is that in which the layers were made. What is no number is left out.
    `CardError` names the first that does not fit.
    """
    arrays = {name: array for name, array in read_arrays(path).items() if array.dtype.kind == "f"}
    wanted = scorer.state()
    state = dict(arrays) if arrays.keys() == wanted.keys() else _in_order(arrays, wanted, path)
    try:
        scorer.load_state({name: np.asarray(array, dtype=np.float32) for name, array in state.items()})
    except CardError as error:
        raise CardError(f"{path}: {error}") from error


def score_parity(scorer: Scorer, kind: str, path: Path, tolerance: float) -> tuple[Compared, ...]:
    """Hold the scores of a network against its author's: a .npz of `x` (n, d) and scores (n,) by their names.

    `CheckFailedError` with the largest relative difference if it exceeds the tolerance.
    """
    arrays = read_arrays(path)
    names = [name for name in scorer.score_names if name in arrays]
    if not names:
        raise InputDataError(f"{path}: beside x it needs scores of the model: {', '.join(scorer.score_names)}")
    x = rows(arrays, "x", path).astype(np.float32)
    if x.shape[1:] != scorer.layout.shape:
        raise InputDataError(f"{path}: x has {x.shape[1]} columns, the network takes {scorer.layout.summary}")
    got = scorer.scores(Batch(kind, scorer.layout, x, None, np.ones(len(x))))
    expected = {name: rows(arrays, name, path)[:, 0] for name in names}
    found = [compared(name, got[name], value, np.abs(value), tolerance) for name, value in expected.items()]
    check_compared(found, path, tolerance)
    return tuple(found)


def _in_order(arrays: _Arrays, wanted: _Arrays, path: Path) -> dict[str, npt.NDArray[Any]]:
    ordered = sorted(arrays, key=_keras_order)
    if len(ordered) != len(wanted):
        raise CardError(f"{path}: has {len(ordered)} arrays of numbers, the model of the card {len(wanted)}")
    state = {}
    for name, (target, there) in zip(ordered, wanted.items(), strict=True):
        array = arrays[name].T
        if array.shape != there.shape:
            raise CardError(f"{path}: {name} has shape {arrays[name].shape}, for {target} it must be {there.T.shape}")
        state[target] = array
    return state


def _keras_order(name: str) -> tuple[int, bool, str]:
    """The number of the layer (`dense_10/kernel:0` is of 10, `dense` of 0), then its kernel before its bias."""
    number = re.search(r"_(\d+)", name)
    return int(number[1]) if number else 0, "kernel" not in name, name
