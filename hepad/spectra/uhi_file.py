"""One histogram of UHI's JSON serialisation (uhi.readthedocs.io), read directly: no library's version matters.

The storage says what its `values` are: counts, sums of weights, or the means of a profile, which are no spectrum.
"""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError

__all__ = ["uhi_bins"]

FloatArray = npt.NDArray[np.float64]

_SCHEMA = 1
_FIELDS = {"int": ("values",), "double": ("values",), "weighted": ("values", "variances")}
_PROFILES = ("mean", "weighted_mean")
_CATEGORIES = ("category_str", "category_int", "boolean")
_MAX_BINS = 1 << 22


def uhi_bins(origin: str, content: dict[str, Any]) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """Edges (n+1,), values (n,) and variances (n,) or None of a one-dimensional histogram, dense or sparse.

    Under- and overflow are left out. `InputDataError`, with `origin` in it, for anything that is no such histogram.
    """
    try:
        axes, storage = content["axes"], content["storage"]
        if content.get("uhi_schema", _SCHEMA) != _SCHEMA:
            raise InputDataError(f"{origin} follows UHI schema {content['uhi_schema']!r}; hepad reads {_SCHEMA}")
        _check_storage(origin, storage["type"])
        if len(axes) != 1:
            raise InputDataError(f"{origin} has {len(axes)} axes; a spectrum has one")
        edges = _edges(origin, axes[0])
        under, over = (int(bool(axes[0].get(flow))) for flow in ("underflow", "overflow"))
        inner = slice(under, under + len(edges) - 1)
        fields = [_dense(origin, storage, name, under + len(edges) - 1 + over) for name in _FIELDS[storage["type"]]]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, IndexError) as error:
        raise InputDataError(f"{origin} is not a UHI histogram that can be read: {reprlib.repr(error)}") from error
    return edges, fields[0][inner], fields[1][inner] if len(fields) > 1 else None


def _check_storage(origin: str, kind: Any) -> None:
    if kind in _PROFILES:
        raise InputDataError(f"{origin} is a profile (its storage is {kind!r}): its values are means, not counts")
    if kind not in _FIELDS:
        raise InputDataError(f"{origin} has a storage of type {kind!r}; hepad reads {', '.join(_FIELDS)}")


def _edges(origin: str, axis: dict[str, Any]) -> FloatArray:
    kind = axis["type"]
    if kind == "variable":
        return np.asarray(axis["edges"], dtype=np.float64)
    if kind != "regular":
        what = "categories" if kind in _CATEGORIES else f"an axis of type {kind!r}"
        raise InputDataError(f"{origin} has {what} ({kind}); a spectrum has numerical edges")
    if int(axis["bins"]) != axis["bins"] or not 0 < axis["bins"] <= _MAX_BINS:
        raise InputDataError(f"{origin} has {axis['bins']} bins")
    return np.linspace(_finite(axis["lower"]), _finite(axis["upper"]), int(axis["bins"]) + 1)


def _dense(origin: str, storage: dict[str, Any], name: str, size: int) -> FloatArray:
    """One field (size,) of the storage, with the bins that a sparse one leaves out at 0."""
    if name not in storage and set(storage) == {"type"}:
        return np.zeros(size)  # the schema's empty storage
    values = np.asarray(storage[name], dtype=np.float64)
    if "index" not in storage:
        if values.shape != (size,):
            raise InputDataError(f"{origin}: {name} of shape {values.shape}, its axis has {size} bins with overflow")
        return values
    index = np.asarray(storage["index"])
    if index.ndim != 2 or len(index) != 1 or index.shape[1:] != values.shape:
        raise InputDataError(f"{origin}: an index of shape {index.shape} for {name} of shape {values.shape}")
    places = index[0].astype(np.int64)
    bad = (places != index[0]) | (places < 0) | (places >= size)
    if np.any(bad) or len(np.unique(places)) < len(places):
        where = f"place {index[0][bad][0]}" if np.any(bad) else "a place given twice"
        raise InputDataError(f"{origin}: its index has {where}; there are {size} bins with under- and overflow")
    dense = np.zeros(size)
    dense[places] = values
    return dense


def _finite(value: Any) -> float:
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(f"an edge is {number}")
    return number
