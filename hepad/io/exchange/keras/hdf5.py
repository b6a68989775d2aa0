"""Weights in HDF5, by their places within the file: nothing outside of it, no more than its size allows."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np

from hepad.errors import HepadError, InputDataError
from hepad.io.exchange.keras.layer import weight_names
from hepad.io.exchange.keras.limits import Budget
from hepad.io.exchange.keras.network import Array

__all__ = ["Hdf5", "WeightsByName", "WeightsByPlace", "hdf5", "parsed"]

_MAX_OBJECTS = 20_000
_HEAP = b"GCOL\x01\0\0\0"


@contextmanager
def hdf5(content: bytes) -> Iterator[Hdf5]:
    """The bytes of a file; whatever h5py finds wrong with it is an `InputDataError`."""
    _check_heaps(content)
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            yield Hdf5(file)
    except HepadError:
        raise
    except Exception as error:  # h5py raises whatever its library's state suggests
        raise InputDataError(f"not a complete HDF5 file ({str(error).splitlines()[0][:120]})") from error


def _check_heaps(content: bytes) -> None:
    """Follow the objects of each heap of texts: libhdf5 2.0 stays for ever at one of no length.

    https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, III.E, with sizes of 8 bytes, as h5py writes.
    """
    start, left = content.find(_HEAP), len(content) // 16  # objects, if no heap is in another
    while start >= 0:
        end = start + int.from_bytes(content[start + 8 : start + 16], "little")
        place = start + 16
        while place + 16 <= min(end, len(content)):
            index = int.from_bytes(content[place : place + 2], "little")
            size = int.from_bytes(content[place + 8 : place + 16], "little")
            step = 16 + (size + 7) // 8 * 8 if index else size  # the rest, which is free, counts its own head
            if step < 16 or step > end - place:
                raise InputDataError("not a complete HDF5 file (a heap with an object of no length or beyond its end)")
            place, left = place + step, left - 1
            if left < 0:
                raise InputDataError("not a file of HDF5 as h5py writes it (heaps within heaps)")
        start = content.find(_HEAP, start + 8)


class Hdf5:
    """Arrays and texts of an open file."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._budget = Budget()
        self._datasets: dict[str, list[str]] = {}

    def text(self, name: str) -> str | None:
        """A text that the file as a whole is described with."""
        value = self._file.attrs.get(name)
        value = value.decode(errors="replace") if isinstance(value, bytes) else value
        return value if isinstance(value, str) else None

    def named(self, path: str) -> str | None:
        """What the group at a path says it is the group of."""
        group = self._at(path)
        value = None if group is None else group.attrs.get("name")
        return value if isinstance(value, str) else None

    def has(self, path: str) -> bool:
        """Whether there is something at a path."""
        return self._at(path) is not None

    def array(self, path: str) -> Array | None:
        """Numbers in single precision, None if there are none at the path."""
        found = self._at(path)
        if found is None:
            return None
        if not isinstance(found, h5py.Dataset) or found.dtype.kind != "f":
            raise InputDataError(f"{path} holds no floating-point numbers")
        if found.external or found.is_virtual:
            raise InputDataError(f"{path} is in another file")
        unpacked = max(found.size, math.prod(found.chunks or ()))  # a chunk is unpacked as a whole
        self._budget.take(unpacked * max(found.dtype.itemsize, 4), path)
        with np.errstate(over="ignore"):
            array = np.asarray(found[()], dtype=np.float32)
        if not np.isfinite(array).all():
            raise InputDataError(f"{path} holds numbers that are not finite")
        return array

    def datasets(self, path: str) -> list[str]:
        """The paths of all arrays below a group, relative to it; looked for once."""
        if path not in self._datasets:
            self._datasets[path] = self._found(path)
        return self._datasets[path]

    def _found(self, path: str) -> list[str]:
        found: list[str] = []
        todo, seen = [""], 0
        while todo:
            here = todo.pop()
            group = self._at(f"{path}/{here}".rstrip("/"))
            seen += 1
            if seen > _MAX_OBJECTS or len(here) > 2000:
                raise InputDataError(f"{path} has more groups than a network")
            if isinstance(group, h5py.Dataset):
                found.append(here)
            elif group is not None:
                todo.extend(f"{here}/{name}".lstrip("/") for name in group)
        return sorted(found)

    def _at(self, path: str) -> Any:
        """The group or array at a path, which no link leads out of the file."""
        group = self._file
        for part in filter(None, path.split("/")):
            if not isinstance(group, h5py.Group) or part not in group:
                return None
            if not isinstance(group.get(part, getlink=True), h5py.HardLink):
                raise InputDataError(f"{path} is a link, which is not followed")
            group = group[part]
        return group


class WeightsByName:
    """Weights of a model's HDF5 file, in which each layer of the outermost model has a group of its name."""

    def __init__(self, file: Hdf5, group: str = "model_weights", top: str | None = None) -> None:
        self._file, self._group, self._top = file, group, top

    def of(self, kind: str, name: str, settings: Mapping[str, Any]) -> dict[str, Array]:
        """The weights of a layer by their names."""
        wanted = weight_names(kind, settings)
        if not wanted:
            return {}
        where = f"{self._group}/{self._top or name}"
        paths = self._file.datasets(where)
        weights = {}
        for weight in wanted:
            if weight == "count":
                continue
            keras_2 = f"depthwise_{weight}" if (kind[:13], weight) == ("DepthwiseConv", "kernel") else weight
            ends = tuple(f"/{name}/{one}{end}" for one in {weight, keras_2} for end in ("", ":0"))
            found = [path for path in paths if f"/{path}".endswith(ends)]
            if len(found) > 1:
                raise InputDataError(f"{where} has several weights {weight!r} of a layer {name[:60]!r}")
            array = self._file.array(f"{where}/{found[0]}") if found else None
            if array is not None:
                weights[weight] = array
        return weights

    def inner(self, kind: str, name: str) -> WeightsByName:
        """The weights of a model that is a layer of this one."""
        del kind
        return WeightsByName(self._file, self._group, self._top or name)


class WeightsByPlace:
    """Weights of `model.weights.h5`, in which a layer has the name of its class and a number, in the model's order.

    Keras writes them by `keras.src.saving.saving_lib._save_container_state`.
    """

    def __init__(self, file: Hdf5, group: str = "") -> None:
        self._file = file
        older = f"{group}/_layer_checkpoint_dependencies"  # of Keras 2.12 and 2.13
        self._skips = file.has(older)
        self._group = older if self._skips else f"{group}/layers"
        self._used: dict[str, int] = {}

    def of(self, kind: str, name: str, settings: Mapping[str, Any]) -> dict[str, Array]:
        """The weights of the next layer by their names."""
        place = f"{self._next(kind)}/vars"
        said = self._file.named(place)
        if said not in {None, name}:
            raise InputDataError(f"{place} belongs to {said!r:.60}, not to the layer {name[:60]!r}")
        arrays = {
            weight: self._file.array(f"{place}/{index}")
            for index, weight in enumerate(weight_names(kind, settings))
            if weight != "count"
        }
        return {weight: array for weight, array in arrays.items() if array is not None}

    def inner(self, kind: str, name: str) -> WeightsByPlace:
        """The weights of the next layer, which is a model."""
        del name
        return WeightsByPlace(self._file, self._next(kind))

    def _next(self, kind: str) -> str:
        word = re.sub(r"\W+", "", kind)
        word = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", word)
        word = re.sub(r"([a-z])([A-Z])", r"\1_\2", word).lower()
        count = self._used.get(word, -1) + 1
        while self._skips and count and count < _MAX_OBJECTS and not self._file.has(f"{self._group}/{word}_{count}"):
            count += 1  # there a layer with weights counts twice
        self._used[word] = count
        return f"{self._group}/{word}_{count}" if count else f"{self._group}/{word}"


def parsed(text: str | bytes, what: str) -> Any:
    """What a text of JSON says."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputDataError(f"{what} is no JSON ({str(error)[:100]})") from error
