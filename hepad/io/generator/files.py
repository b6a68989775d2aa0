"""What files of generators share: events come as particles, piece by piece, and leave as Events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import ClassVar

import awkward as ak
import numpy as np

from hepad.errors import InputDataError
from hepad.io.events import Fields, SampleInfo
from hepad.io.generator.particle_level import FEATURES, ParticleLevel, build_objects
from hepad.io.generator.particles import Floats, Particles
from hepad.paths import InputPath

__all__ = ["BLOCK", "GeneratorFile"]

BLOCK = 200
"""Events whose particles are in memory at a time: a thousand particles each come to some 30 MB."""


class GeneratorFile(ABC):
    """An open file of generated events; see `hepad.io.events.EventFile`."""

    format: str
    entries: int
    preview: ClassVar[int] = BLOCK  # reading is slow: `hepad inspect` looks at this many events

    def __init__(self, path: InputPath, settings: ParticleLevel | None = None) -> None:
        self.path = path
        self.settings = settings or ParticleLevel()

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that particle-level events have."""
        return {name: set(features) for name, features in FEATURES.items()}

    @abstractmethod
    def sample(self) -> SampleInfo:
        """What the file says of its sample."""

    @abstractmethod
    def blocks(self, stop: int) -> Iterator[tuple[Particles, Floats]]:
        """Particles and weights of the events [0, stop), at most `BLOCK` events at a time."""

    def cuts(self, fields: Fields) -> list[int]:  # noqa: ARG002  the same for all
        """The end only: the shower's random numbers run through the file, so that it is read in one go."""
        return [self.entries]

    def iterate(self, fields: Fields, *, step_size: int, stop: int, start: int = 0) -> Iterator[ak.Array]:
        """Events [start, stop) in pieces of at most `step_size`, with the fields asked for.

        `InputDataError` if the file has none of them, is damaged or truncated; `MissingExtraError` where a package of
        the extra `particles` is missing.
        """
        for name, features in fields.items():
            lacking = sorted(f"{name}.{f}" for f in features - FEATURES.get(name, set()))
            if lacking or name not in FEATURES:
                raise InputDataError(
                    f"{self.path}: particle-level events have no {', '.join(lacking) or name}; "
                    "use a file of another format for it"
                )
        if start:
            raise ValueError(f"{self.format} files are read from their first event on")
        yield from _resize(self._events(fields, min(stop, self.entries)), step_size)

    def close(self) -> None:  # noqa: B027  there is nothing to do
        """Nothing is open between two readings."""

    def _events(self, wanted: Mapping[str, AbstractSet[str]], stop: int) -> Iterator[ak.Array]:
        start = 0
        for particles, weights in self.blocks(stop):
            entries = np.arange(start, start + len(particles), dtype=np.int64)
            record = build_objects(particles, entries, wanted, self.settings)
            yield ak.zip({**record, "weight": weights, "index": entries}, depth_limit=1)
            start += len(particles)


def _resize(pieces: Iterable[ak.Array], size: int) -> Iterator[ak.Array]:
    """The same events in pieces of `size`, the last one perhaps shorter."""
    held: list[ak.Array] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += len(piece)
        while count >= size:
            joined = ak.concatenate(held) if len(held) > 1 else held[0]
            yield joined[:size]
            held, count = [joined[size:]], count - size
    if count:
        yield ak.concatenate(held) if len(held) > 1 else held[0]
