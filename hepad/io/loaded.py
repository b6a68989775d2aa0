"""Events in memory with the look of a file, for all that reads files: nothing is written to be read again."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import cached_property
from typing import IO, Literal, NamedTuple

import awkward as ak
import numpy as np

from hepad.errors import InputDataError
from hepad.io.events import COLLECTION_FEATURES, SQRT_S, Fields, SampleInfo, record
from hepad.paths import InputPath
from hepad.provenance import sha256_bytes

__all__ = ["LoadedEvents", "LoadedFile"]

_EVERY = ("weight", "index")


class _Status(NamedTuple):
    st_size: int
    st_mtime_ns: int = 0


class LoadedEvents:
    """hepad's Events as an input path: `InputPath` says what that is. Two of the same content are the same file."""

    suffix = ""

    def __init__(self, events: ak.Array, name: str = "events in memory") -> None:
        self.events, self.name = events, name

    @property
    def stem(self) -> str:
        """The name: it has no ending."""
        return self.name

    def __str__(self) -> str:
        return self.name

    @cached_property
    def _bytes(self) -> bytes:
        """Type and numbers; the same for the same events, however they came to be."""
        form, length, buffers = ak.to_buffers(ak.to_packed(self.events))
        head = json.dumps([form.to_dict(), length])
        return b"".join([head.encode(), *(np.ascontiguousarray(buffers[key]).tobytes() for key in sorted(buffers))])

    def resolve(self) -> str:
        """The sha256 of the content."""
        return sha256_bytes(self._bytes)

    def stat(self) -> _Status:
        """Bytes of the content; it never changes."""
        return _Status(len(self._bytes))

    def open(self, mode: Literal["rb"], /) -> IO[bytes]:  # noqa: ARG002
        """The content, for who hashes it."""
        return io.BytesIO(self._bytes)


class LoadedFile:
    """These events as an open `EventFile`."""

    format = "events"

    def __init__(self, path: LoadedEvents) -> None:
        self.path: InputPath = path
        self._events = path.events
        self.entries = len(path.events)

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that are there."""
        known = [name for name in COLLECTION_FEATURES if name in self._events.fields]
        return {name: set(self._events[name].fields) or set(COLLECTION_FEATURES[name]) for name in known}

    def sample(self) -> SampleInfo:
        """The collision energy, if all events have the same."""
        if SQRT_S not in self._events.fields:
            return SampleInfo()
        found = np.unique(ak.to_numpy(self._events[SQRT_S]))
        if len(found) > 1:
            raise InputDataError(f"{self.path}: of several collision energies, {found[0]:g} and {found[1]:g} GeV, say")
        return SampleInfo(sqrt_s_gev=float(found[0]) if len(found) and np.isfinite(found[0]) else None)

    def cuts(self, fields: Fields) -> list[int]:  # noqa: ARG002
        """Any entry will do."""
        return []

    def iterate(self, fields: Fields, *, step_size: int, stop: int, start: int = 0) -> Iterator[ak.Array]:
        """Events [start, stop) with the collections asked for; who uses them looks whether all is there."""
        names = [name for name in (*fields, *_EVERY) if name in self._events.fields]
        for first in range(start, stop, step_size):
            last = min(first + step_size, stop)
            yield record({name: self._events[name][first:last] for name in names})

    def close(self) -> None:
        """There is nothing to close."""
