"""The variables of a SavedModel or checkpoint: a table of names, shapes and places, and files of raw numbers.

Format: tensorflow/core/protobuf/tensor_bundle.proto and trackable_object_graph.proto.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.exchange.keras.checksum import crc32c, unmasked
from hepad.io.exchange.keras.limits import Budget, read_bounded
from hepad.io.exchange.keras.table import read_table
from hepad.io.exchange.keras.wire import Message, varint

__all__ = ["TYPES", "Variables", "shape_of"]

TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 6: "i1", 9: "<i8", 10: "?", 19: "<f2"}
"""Numpy's types by TensorFlow's numbers (tensorflow/core/framework/types.proto)."""
_STRING = 7
_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


@dataclass(frozen=True)
class _Entry:
    """Where a variable is: in which of the files, at which byte."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int


class Variables:
    """The variables of a folder `variables`, read one by one; their sizes count against `budget`."""

    def __init__(self, folder: Path, budget: Budget) -> None:
        self._folder, self._budget = folder, budget
        self._entries: dict[str, _Entry] = {}
        index = folder / "variables.index"
        try:
            table = read_table(read_bounded(index))
            header = Message(table.pop(b"", b""))
            if header.integer(2):
                raise InputDataError("numbers of big-endian machines are not read")
            self._shards = header.integer(1)
            for key, value in table.items():
                self._entries[key.decode(errors="replace")] = _entry(Message(value), key)
        except InputDataError as error:
            raise InputDataError(f"{index}: {error}") from error

    def files(self) -> tuple[Path, ...]:
        """The files that hold them, in order; what else is in the folder is not looked at."""
        shards = {self._shard(entry) for entry in self._entries.values()}
        return tuple(sorted({self._folder / "variables.index", *shards}))

    def objects(self) -> Message:
        """The graph of the objects that own the variables."""
        entry = self._entries.get(_GRAPH)
        if entry is None or entry.dtype != _STRING or entry.shape:
            raise InputDataError(f"{self._folder}: nothing tells which variable belongs where ({_GRAPH} is missing)")
        data = self._data(_GRAPH, entry)  # the length of the text, a checksum of that, the text
        length, place = varint(data, 0)
        text = data[place + 4 :]
        if length != len(text):
            raise InputDataError(f"{self._folder}: {_GRAPH} is damaged")
        return Message(text)

    def read(self, name: str) -> npt.NDArray[Any]:
        """The numbers of a variable, in their own type."""
        entry = self._entries.get(name)
        if entry is None:
            raise InputDataError(f"{self._folder}: variable {name!r} is missing")
        dtype = TYPES.get(entry.dtype)
        if dtype is None:
            raise InputDataError(f"{self._folder}: variable {name!r} has type {entry.dtype}, which hepad does not read")
        if math.prod(entry.shape) * np.dtype(dtype).itemsize != entry.size:
            raise InputDataError(
                f"{self._folder}: variable {name!r} has {entry.size} bytes, which is not its shape {entry.shape}"
            )
        return np.frombuffer(self._data(name, entry), dtype=dtype).reshape(entry.shape)

    def _shard(self, entry: _Entry) -> Path:
        return self._folder / f"variables.data-{entry.shard:05d}-of-{self._shards:05d}"

    def _data(self, name: str, entry: _Entry) -> bytes:
        self._budget.take(entry.size, name)
        path = self._shard(entry)
        if path.exists() and not path.is_file():
            raise InputDataError(f"{path} is not a file")
        try:
            with path.open("rb") as file:
                file.seek(entry.offset)
                data = file.read(entry.size)
        except OSError as error:
            raise InputDataError(f"{path}: cannot be read ({error.strerror})") from error
        if len(data) != entry.size:
            raise InputDataError(f"{path}: variable {name!r} is not complete: the file is cut off")
        # The checksum of texts is not that of their bytes: it is of the lengths first.
        if entry.dtype != _STRING and crc32c(data) != entry.checksum:
            raise InputDataError(f"{path}: the checksum of variable {name!r} is wrong: the file is damaged")
        return data


def shape_of(message: Message) -> tuple[int, ...]:
    """The sizes of a TensorShapeProto, -1 for those that are open; `InputDataError` if not even the rank is known."""
    if message.integer(3):
        raise InputDataError("a shape of unknown rank")
    return tuple(dimension.integer(1) for dimension in message.messages(2))


def _entry(message: Message, key: bytes) -> _Entry:
    shape = shape_of(message.message(2))
    numbers = (message.integer(3), message.integer(4), message.integer(5))
    if min(*numbers, *shape, 0) < 0:
        raise InputDataError(f"{key!r} has a negative size or place")
    if 7 in message:
        raise InputDataError(f"{key!r} is in slices, which hepad does not read; save the model on one machine")
    checksum = int.from_bytes(message.raw(6), "little")
    return _Entry(message.integer(1), shape, *numbers, unmasked(checksum))
