"""The ADC2021 HDF5 format (arXiv:2107.02157): `Particles` (N, 19, 4) = pT, eta, phi, class.

Rows: MET, 4 electrons, 4 muons, 10 jets; an empty slot is zero with class 0. There are no masses and no weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import NotStoredError
from hepad.io.detector.columns import Objects
from hepad.io.detector.hdf5 import EventDataset
from hepad.io.events import Fields, SampleInfo, check_not_negative, missing_momentum
from hepad.paths import InputPath

__all__ = ["DATASET", "Adc2021File"]

DATASET = "Particles"

_ROWS = {"electrons": slice(1, 5), "muons": slice(5, 9), "jets": slice(9, 19)}
_FEATURES = {"pt": 0, "eta": 1, "phi": 2}


class Adc2021File:
    """An open ADC2021 file; see `hepad.io.events.EventFile`."""

    format = "adc2021"

    def __init__(self, path: InputPath, handle: Any) -> None:
        self.path = path
        self._handle = handle
        self._data = EventDataset(path, handle, DATASET, (19, 4), "the ADC2021 format")
        self.entries = self._data.entries

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this format has."""
        return {**{name: set(_FEATURES) for name in _ROWS}, "met": {"pt", "phi"}}

    def sample(self) -> SampleInfo:
        """Nothing: the format keeps no cross section and no energy."""
        return SampleInfo()

    def cuts(self, fields: Fields) -> list[int]:  # noqa: ARG002  the same for all
        """The edges of the file's chunks; any entry if it has none."""
        return self._data.cuts()

    def iterate(self, fields: Fields, *, step_size: int, stop: int, start: int = 0) -> Iterator[ak.Array]:
        """Events [start, stop) in pieces of at most `step_size`, with the fields asked for."""
        available = self.available()
        for name, features in fields.items():
            lacking = set(features) - available.get(name, set())
            if lacking or name not in available:
                missing = ", ".join(sorted(f"{name}.{f}" for f in lacking)) or name
                raise NotStoredError(
                    f"{self.path}: the ADC2021 format has no {missing}; use a file of another format for it"
                )
        for first in range(start, min(stop, self.entries), step_size):
            yield self._events(self._read(first, min(first + step_size, stop, self.entries)), fields, first)

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def _read(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        block = self._data.read(start, stop)
        self._data.check_filled(block, start)
        events = np.arange(len(block) + 1, dtype=np.int64)
        momenta = np.ascontiguousarray(block[:, :, 0]).reshape(-1)
        check_not_negative(momenta, path=self.path, branch=DATASET, start=start, offsets=events * 19)
        return block

    @staticmethod
    def _events(block: npt.NDArray[np.float32], fields: Fields, start: int) -> ak.Array:
        record: dict[str, Any] = {}
        for name, features in fields.items():
            if name == "met":
                values = {f: block[:, 0, _FEATURES[f]].astype(np.float64) for f in sorted(features)}
                record["met"] = missing_momentum(values)
                continue
            rows = block[:, _ROWS[name]]
            # Selected copies of the data set zero the momentum of objects they drop but may keep the class.
            present = (rows[:, :, 3] > 0) & (rows[:, :, 0] > 0)
            offsets = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int64)
            wanted = [f for f in _FEATURES if f in features or f == "pt"]
            record[name] = Objects(offsets, {f: rows[:, :, _FEATURES[f]][present] for f in wanted}).to_awkward(wanted)
        record["weight"] = np.ones(len(block))
        record["index"] = np.arange(start, start + len(block), dtype=np.int64)
        return ak.zip(record, depth_limit=1)
