"""Tables of particles in HDF5, zero-padded: jets of the top-tagging reference set and of JetNet, LHC Olympics events.

- Top tagging (arXiv:1902.09914): a frame of pandas with the columns `E_0`, `PX_0`, `PY_0`, `PZ_0`, `E_1` and so on in
  GeV. An entry is one jet, the sum of its particles; `is_signal_new` says whether it is of a top quark.
- JetNet (arXiv:2106.11535): `particle_features` (N, n, 4) = eta, phi and pT relative to the jet, mask; `jet_features`
  (N, 4) = pT, eta, mass, number of particles. An entry is one jet; its phi is not stored and is 0 here.
- LHC Olympics (arXiv:2101.08320): a frame of pandas with numbers for names: pT (GeV), eta, phi of particles, and at
  last, in those with truth, 1 for signal. An entry is a whole event, of which nobody has made jets yet.

Particles without a known energy are massless. Nothing has a weight.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, NotStoredError
from hepad.io.detector.columns import Objects
from hepad.io.detector.hdf5 import EventDataset
from hepad.io.detector.pandas_frame import Frame, frames_in
from hepad.io.events import LABEL, Fields, SampleInfo, check_not_negative, record
from hepad.io.jets import polar
from hepad.paths import InputPath

__all__ = ["JetNetFile", "LhcOlympicsFile", "ParticleTable", "Rows", "TopTaggingFile"]
__all__ += ["sums_of_particles", "table_of"]

_ROWS = 4096
"""Most rows of a table in memory: one of 2101 columns takes 17 kB."""
_MOMENTUM = ("pt", "eta", "phi")
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Consecutive entries: all particles, the jets if entries are such, and labels (n,)."""

    particles: Objects
    jets: Objects | None
    labels: dict[str, npt.NDArray[np.bool_]]


class ParticleTable(ABC):
    """An open table of particles; see `hepad.io.events.EventFile`."""

    format: str
    title: str
    has_jets: ClassVar[bool] = True
    labels: tuple[str, ...] = ()
    """What entries may be, for who asks for `label`."""
    entries: int

    def __init__(self, path: InputPath, handle: Any) -> None:
        self.path, self._handle = path, handle

    @abstractmethod
    def cuts(self, fields: Fields) -> list[int]:
        """The edges of the file's chunks; any entry if it has none."""

    @abstractmethod
    def read(self, start: int, stop: int) -> Rows:
        """Entries [start, stop)."""

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this format has."""
        jets = {"fatjets": {*_MOMENTUM, "mass"}} if self.has_jets else {}
        return {"particles": {*_MOMENTUM, "energy"}, **jets}

    def sample(self) -> SampleInfo:
        """Nothing: the format keeps no cross section and no energy."""
        return SampleInfo()

    def iterate(self, fields: Fields, *, step_size: int, stop: int, start: int = 0) -> Iterator[ak.Array]:
        """Events [start, stop) in pieces of at most `step_size`, with the fields asked for."""
        known = {**self.available(), LABEL: set(self.labels)}
        lacking = [f"{n}.{f}" for n, features in fields.items() for f in sorted(features - known.get(n, set()))]
        if lacking := lacking or [name for name in fields if name not in known]:
            raise NotStoredError(f"{self.path}: {self.title} has no {', '.join(lacking)}; use a file of another format")
        step = min(step_size, _ROWS)
        for first in range(start, min(stop, self.entries), step):
            yield self._events(fields, first, min(first + step, stop, self.entries))

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def _events(self, fields: Fields, start: int, stop: int) -> ak.Array:
        rows = self.read(start, stop)
        columns: dict[str, Any] = {}
        for name, objects in (("particles", rows.particles), ("fatjets", rows.jets)):
            if name in fields and objects is not None:
                columns[name] = objects.to_awkward([f for f in objects.columns if f in {"pt", *fields[name]}])
        if LABEL in fields:
            columns[LABEL] = record({name: rows.labels[name] for name in sorted(fields[LABEL])})
        columns["weight"] = np.ones(stop - start)
        columns["index"] = np.arange(start, stop, dtype=np.int64)
        return record(columns)

    def check(self, values: _Floats, what: str, start: int) -> None:
        """Refuse negative numbers of a block (n, particles), by the name of the column."""
        offsets = np.arange(len(values) + 1, dtype=np.int64) * values.shape[1]
        check_not_negative(values.reshape(-1), path=self.path, branch=what, start=start, offsets=offsets)


class TopTaggingFile(ParticleTable):
    """An open file of the top-tagging reference set."""

    format = "top_tagging"
    title = "a file of top tagging"

    def __init__(self, path: InputPath, handle: Any, frame: Frame) -> None:
        super().__init__(path, handle)
        self._frame = frame
        self.entries = frame.entries
        count = sum(name.startswith("E_") for name in frame.names)
        self._columns = {part: frame.places([f"{part}_{i}" for i in range(count)]) for part in ("E", "PX", "PY", "PZ")}
        self._truth = frame.names.index(_SIGNAL) if _SIGNAL in frame.names else None
        self.labels = () if self._truth is None else ("background", "signal")

    def cuts(self, fields: Fields) -> list[int]:  # noqa: ARG002  the same for all
        """The edges of the file's chunks; any entry if it has none."""
        return self._frame.cuts()

    def read(self, start: int, stop: int) -> Rows:
        """Entries [start, stop)."""
        block = self._frame.read(start, stop)
        parts = {part: block[:, places] for part, places in self._columns.items()}
        self.check(parts["E"], "E", start)
        momenta = (parts[name] for name in ("PX", "PY", "PZ", "E"))
        return Rows(*sums_of_particles(*momenta, there=parts["E"] > 0), _labels(block, self._truth))


_SIGNAL = "is_signal_new"


class LhcOlympicsFile(ParticleTable):
    """An open file of LHC Olympics events."""

    format = "lhc_olympics"
    title = "a file of LHC Olympics events"
    has_jets = False

    def __init__(self, path: InputPath, handle: Any, frame: Frame) -> None:
        super().__init__(path, handle)
        self._frame = frame
        self.entries = frame.entries
        width = len(frame.names)
        self._count, rest = divmod(width, 3)
        if rest > 1:
            raise InputDataError(
                f"{path}: frame {frame.name!r} has {width} columns; LHC Olympics events have 3 a "
                "particle and one of truth"
            )
        self._columns = frame.places([str(i) for i in range(width)])
        self._truth = width - 1 if rest else None
        self.labels = ("background", "signal") if rest else ()

    def cuts(self, fields: Fields) -> list[int]:  # noqa: ARG002  the same for all
        """The edges of the file's chunks; any entry if it has none."""
        return self._frame.cuts()

    def read(self, start: int, stop: int) -> Rows:
        """Entries [start, stop)."""
        block = self._frame.read(start, stop)[:, self._columns]
        momenta = block[:, : 3 * self._count].reshape(len(block), self._count, 3)
        self.check(momenta[:, :, 0], "pT", start)
        there = momenta[:, :, 0] > 0
        pt, eta, phi = momenta[there].T
        particles = Objects(_offsets(there), {"pt": pt, "eta": eta, "phi": phi, "energy": pt * np.cosh(eta)})
        return Rows(particles, None, _labels(block, self._truth))


class JetNetFile(ParticleTable):
    """An open file of JetNet."""

    format = "jetnet"
    title = "a file of JetNet"

    def __init__(self, path: InputPath, handle: Any) -> None:
        super().__init__(path, handle)
        told = "JetNet's"
        self._particles = EventDataset(path, handle, "particle_features", (None, 4), told, dtype=np.float64)
        self._jets = EventDataset(path, handle, "jet_features", (None,), told, dtype=np.float64)
        self.entries = self._particles.entries
        if self._jets.shape[0] < 4 or self._jets.entries != self.entries:
            raise InputDataError(
                f"{path}: 'jet_features' has {self._jets.entries} rows of {self._jets.shape[0]} numbers, for "
                f"{self.entries} jets; JetNet has four of each: pT, eta, mass and how many particles"
            )

    def cuts(self, fields: Fields) -> list[int]:  # noqa: ARG002  the same for all
        """The edges of the file's chunks; any entry if it has none."""
        return self._particles.cuts()

    def read(self, start: int, stop: int) -> Rows:
        """Entries [start, stop)."""
        block, jets = self._particles.read(start, stop), self._jets.read(start, stop)
        self.check(jets[:, :1], "jet_features", start)
        there = block[:, :, 3] > 0
        self.check(np.where(there, block[:, :, 2], 0.0), "particle_features", start)
        rows = np.nonzero(there)[0]
        eta, phi, fraction, _ = block[there].T
        flat = {"pt": fraction * jets[rows, 0], "eta": eta + jets[rows, 1], "phi": phi}
        particles = Objects(_offsets(there), {**flat, "energy": flat["pt"] * np.cosh(flat["eta"])})
        own = {"pt": jets[:, 0], "eta": jets[:, 1], "phi": np.zeros(len(jets)), "mass": jets[:, 2]}
        return Rows(particles, Objects(np.arange(len(jets) + 1), own), {})


def table_of(path: InputPath, handle: Any, found: list[str]) -> ParticleTable | None:
    """The reader of an open file with these names at its top; None if it is no table of particles.

    `InputDataError` for a frame of pandas with other columns.
    """
    if {"particle_features", "jet_features"} <= set(found):
        return JetNetFile(path, handle)
    frames = frames_in(handle)
    if not frames:
        return None
    frame = Frame(path, handle, frames[0])
    if "E_0" in frame.names:
        return TopTaggingFile(path, handle, frame)
    if all(name.isdecimal() for name in frame.names):
        return LhcOlympicsFile(path, handle, frame)
    raise InputDataError(
        f"{path}: frame {frame.name!r} has columns {', '.join(frame.names[:4])} ...; hepad reads those of top tagging "
        "(E_0, PX_0, PY_0, PZ_0, ...) and of LHC Olympics events (0, 1, 2, ...)"
    )


def _offsets(there: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64)


def _labels(block: _Floats, place: int | None) -> dict[str, npt.NDArray[np.bool_]]:
    if place is None:
        return {}
    signal = block[:, place] != 0
    return {"background": ~signal, "signal": signal}


def sums_of_particles(
    px: _Floats, py: _Floats, pz: _Floats, energy: _Floats, *, there: npt.NDArray[np.bool_]
) -> tuple[Objects, Objects]:
    """Particles, of arrays (n, particles) those that are `there`, and the jets that are the sums of all of an entry."""
    flat = {name: values[there] for name, values in zip(("x", "y", "z", "e"), (px, py, pz, energy), strict=True)}
    particles = Objects(_offsets(there), {**polar(flat["x"], flat["y"], flat["z"]), "energy": flat["e"]})
    sums = {part: particles.sum_by_event(values) for part, values in flat.items()}
    return particles, _jets_of(sums, np.asarray(there.any(axis=1)))


def _jets_of(sums: dict[str, _Floats], filled: npt.NDArray[np.bool_]) -> Objects:
    """The jet that is the sum of all particles of an entry; none where there are no particles."""
    squared = sums["e"] ** 2 - sums["x"] ** 2 - sums["y"] ** 2 - sums["z"] ** 2
    jets = {**polar(sums["x"], sums["y"], sums["z"]), "mass": np.sqrt(np.maximum(squared, 0.0))}
    return Objects(_offsets(filled[:, None]), {name: values[filled] for name, values in jets.items()})
