"""Calorimeter regions of CMS's Level-1 trigger in HDF5, as CICADA's training sets have them.

`CaloRegions` (N, 18, 14): transverse energies in 18 regions of phi, 20 degrees each from phi = 0 on, and 14 of eta,
the most negative first, with the edges of the regional calorimeter trigger. Integers of 0.5 GeV, unless the dataset's
attribute `unit_GeV` says otherwise. An event's regions are its `towers`: one a region that is not empty, at a place
well inside it, whatever the edges of the towers of which it is the sum. There are no weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, NotStoredError
from hepad.io.detector.columns import Objects
from hepad.io.detector.hdf5 import EventDataset
from hepad.io.events import Fields, SampleInfo, check_not_negative, record
from hepad.paths import InputPath

__all__ = ["DATASET", "RegionFile"]

DATASET = "CaloRegions"

_PHI, _ETA = 18, 14
_UNIT = "unit_GeV"
_HALF = np.array([0.0, 0.348, 0.695, 1.044, 1.392, 1.740, 2.172, 3.000])
"""Edges of the regional calorimeter trigger in |eta|: four towers each (CMS, JINST 3 (2008) S08004, section 5)."""
_MIDDLES = np.concatenate([-(_HALF[:-1] + _HALF[1:])[::-1], _HALF[:-1] + _HALF[1:]]) / 2
_TURN = np.radians(20 * np.arange(_PHI) + 12.5)
"""The middle of a region's third tower in phi: no edge of a region or tower, wherever regions begin."""
_PLACES = {"eta": np.tile(_MIDDLES, _PHI), "phi": np.repeat((_TURN + np.pi) % (2 * np.pi) - np.pi, _ETA)}


class RegionFile:
    """An open file of regions; see `hepad.io.events.EventFile`."""

    format = "calo_regions"

    def __init__(self, path: InputPath, handle: Any) -> None:
        self.path = path
        self._handle = handle
        self._data = EventDataset(path, handle, DATASET, (_PHI, _ETA), "a file of calorimeter regions")
        self.entries = self._data.entries
        self._unit = _unit(path, self._data.attributes)

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this format has."""
        return {"towers": {"pt", *_PLACES}}

    def sample(self) -> SampleInfo:
        """Nothing: the format keeps no cross section and no energy."""
        return SampleInfo()

    def cuts(self, fields: Fields) -> list[int]:  # noqa: ARG002  the same for all
        """The edges of the file's chunks; any entry if it has none."""
        return self._data.cuts()

    def iterate(self, fields: Fields, *, step_size: int, stop: int, start: int = 0) -> Iterator[ak.Array]:
        """Events [start, stop) in pieces of at most `step_size`, with the fields asked for."""
        lacking = sorted({f"{name}.{f}" for name, features in fields.items() for f in features} - self._names)
        if lacking:
            raise NotStoredError(
                f"{self.path}: a file of calorimeter regions has no {', '.join(lacking)}; use a file of another format "
                "for it"
            )
        for first in range(start, min(stop, self.entries), step_size):
            yield self._events(fields, first, min(first + step_size, stop, self.entries))

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    @property
    def _names(self) -> set[str]:
        return {f"{name}.{feature}" for name, features in self.available().items() for feature in features}

    def _events(self, fields: Fields, start: int, stop: int) -> ak.Array:
        energies = self._data.read(start, stop).reshape(stop - start, _PHI * _ETA)
        offsets = np.arange(len(energies) + 1, dtype=np.int64) * (_PHI * _ETA)
        check_not_negative(energies.reshape(-1), path=self.path, branch=DATASET, start=start, offsets=offsets)
        columns: dict[str, Any] = {}
        if "towers" in fields:
            columns["towers"] = self._towers(energies, [f for f in ("pt", *_PLACES) if f in {"pt", *fields["towers"]}])
        columns["weight"] = np.ones(len(energies))
        columns["index"] = np.arange(start, stop, dtype=np.int64)
        return record(columns)

    def _towers(self, energies: npt.NDArray[np.float32], wanted: list[str]) -> ak.Array:
        event, place = np.nonzero(energies)
        offsets = np.searchsorted(event, np.arange(len(energies) + 1))
        columns = {name: values[place].astype(np.float32) for name, values in _PLACES.items()}
        return Objects(offsets, {"pt": energies[event, place] * self._unit, **columns}).to_awkward(wanted)


def _unit(path: InputPath, attributes: Any) -> np.float32:
    """The step of the energies in GeV."""
    try:
        unit: np.float32 = np.float32(attributes.get(_UNIT, 0.5))
    except Exception as error:  # text, arrays, damage
        raise InputDataError(f"{path}: the attribute {_UNIT!r} of {DATASET!r} is no number; repair it") from error
    if not (np.isfinite(unit) and unit > 0):
        raise InputDataError(f"{path}: the attribute {_UNIT!r} of {DATASET!r} is {unit}, not a positive number")
    return unit
