"""Detector images in numpy's .npz, as the authors of CoDAE publish them.

Reference: Anzalone, Chhibra, Maier, Chernyavskaya, Pierini, Mach. Learn.: Sci. Technol. 5 (2024) 035064.

`images` (N, 72, 58, 3): transverse momenta of tracks, and transverse energies in the electromagnetic and the hadronic
calorimeter, summed over cells of 5 degrees in phi and 0.087 in eta, in GeV. `n_tracks` (N,) or (N, 1): how many tracks
were reconstructed. `labels` and `masses` say what was simulated: an event's `label`. There are no weights.

An event's cells that are not zero become `tracks` and `towers` at their centres, a record each. Where phi begins is not
said: the first row is taken to begin at 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, NotStoredError
from hepad.io.detector.columns import Objects
from hepad.io.detector.npz import NpzFile
from hepad.io.events import LABEL, Fields, SampleInfo, check_finite, check_not_negative, record
from hepad.paths import InputPath

__all__ = ["KINDS", "ImageFile"]

_SHAPE = (72, 58, 3)
_IMAGES, _COUNT, _KIND = "images", "n_tracks", "labels"
KINDS = ("qcd", "suep", "svj")
"""What the numbers in `labels` stand for: 0, 1 and 2."""
_STEP = 0.087
_ETA = ((np.arange(_SHAPE[1]) - (_SHAPE[1] - 1) / 2) * _STEP).astype(np.float32)
_TURN = (np.arange(_SHAPE[0]) + 0.5) * (2 * np.pi / _SHAPE[0])
_PHI = ((_TURN + np.pi) % (2 * np.pi) - np.pi).astype(np.float32)
_BLOCK = 512
"""Images at a time: 26 MB of them. An array in a zip is unpacked from its beginning on, whatever is wanted of it."""

_FEATURES = {
    "tracks": {"pt", "eta", "phi"},
    "towers": {"pt", "eta", "phi", "eem", "ehad"},
    "track_count": {"number"},
}


class ImageFile:
    """An open file of detector images; see `hepad.io.events.EventFile`."""

    format = "detector_images"
    preview = _BLOCK

    def __init__(self, path: InputPath, archive: NpzFile) -> None:
        self.path, self._archive = path, archive
        archive.told = "detector images"
        if _IMAGES not in archive.names:
            raise InputDataError(
                f"{path}: no array {_IMAGES!r} (arrays in it: {', '.join(archive.names) or 'none'}); "
                "is it a file of detector images?"
            )
        shape, dtype = archive.header(_IMAGES, {_SHAPE})
        self.entries = shape[0]
        self._images = archive.rows(_IMAGES, shape, dtype)

    @property
    def labels(self) -> tuple[str, ...]:
        """What its events may have been simulated as."""
        return KINDS if _KIND in self._archive.names else ()

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this file can give."""
        return {
            name: set(has) for name, has in _FEATURES.items() if name != "track_count" or _COUNT in self._archive.names
        }

    def sample(self) -> SampleInfo:
        """Nothing: the format keeps no cross section and no energy."""
        return SampleInfo()

    def cuts(self, fields: Fields) -> list[int]:  # noqa: ARG002  the same for all
        """The end only: it is unpacked in one go."""
        return [self.entries]

    def iterate(self, fields: Fields, *, step_size: int, stop: int, start: int = 0) -> Iterator[ak.Array]:
        """Events [start, stop) in pieces of at most `step_size`, with the fields asked for.

        `InputDataError` names an array that is missing, of another shape, damaged, or holds what is no energy.
        """
        available = {**self.available(), LABEL: set(self.labels)}
        for name, features in fields.items():
            lacking = set(features) - available.get(name, set())
            if lacking or name not in available:
                missing = ", ".join(sorted(f"{name}.{f}" for f in lacking)) or name
                raise NotStoredError(
                    f"{self.path}: a file of detector images has no {missing}; use a file of another format for it"
                )
        stop, size = min(stop, self.entries), min(step_size, _BLOCK)
        counts = self.numbers(_COUNT) if "track_count" in fields else None
        kinds = self.numbers(_KIND) if LABEL in fields else None
        wants_cells = bool({"tracks", "towers"} & fields.keys())
        for first in range(start, stop, size):
            last = min(first + size, stop)
            columns: dict[str, Any] = {}
            if wants_cells:
                images = self._images.read(first, last).astype(np.float32, copy=False)
                columns |= self._cells(images, fields, first)
            if counts is not None:
                columns["track_count"] = counts[first:last]
            if kinds is not None:
                columns[LABEL] = record({name: kinds[first:last] == KINDS.index(name) for name in fields[LABEL]})
            columns["weight"] = np.ones(last - first)
            columns["index"] = np.arange(first, last, dtype=np.int64)
            yield record(columns)

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """An array of one number an event, (N,): `labels`, `masses` or `n_tracks`."""
        shape, dtype = self._archive.header(name, {(), (1,)})
        if shape[0] != self.entries:
            raise InputDataError(f"{self.path}: array {name!r} has {shape[0]} rows, {_IMAGES!r} {self.entries}")
        values = self._archive.rows(name, shape, dtype).read(0, self.entries).reshape(-1)
        check_finite(values, path=self.path, branch=name, start=0)
        check_not_negative(values, path=self.path, branch=name, start=0)
        return values.astype(np.float64)

    def close(self) -> None:
        """Close the file."""
        self._images.close()
        self._archive.close()

    def _cells(self, images: npt.NDArray[np.float32], fields: Fields, start: int) -> dict[str, ak.Array]:
        """The cells of images that are not zero."""
        flat = images.reshape(-1)
        place = np.flatnonzero(flat)
        energy = flat[place]
        pixel, channel = np.divmod(place, _SHAPE[2])
        event, cell = np.divmod(pixel, _SHAPE[0] * _SHAPE[1])
        offsets = np.searchsorted(event, np.arange(len(images) + 1))
        for check in (check_finite, check_not_negative):
            check(energy, path=self.path, branch=_IMAGES, start=start, offsets=offsets)
        row, column = np.divmod(cell, _SHAPE[1])
        all_of_them = Objects(offsets, {"pt": energy, "eta": _ETA[column], "phi": _PHI[row], "channel": channel})
        found: dict[str, ak.Array] = {}
        for name in fields.keys() & {"tracks", "towers"}:
            cells = all_of_them.take((channel == 0) == (name == "tracks"))
            if name == "towers":
                _add_energies(cells.columns)
            found[name] = cells.to_awkward([f for f in cells.columns if f in {"pt", *fields[name]}])
        return found


def _add_energies(towers: dict[str, Any]) -> None:
    """The energies of cells in either calorimeter, in double precision, so that E_T is the same in single precision."""
    energy = towers["pt"] * np.cosh(towers["eta"].astype(np.float64))
    channel = towers.pop("channel")
    towers["eem"], towers["ehad"] = np.where(channel == 1, energy, 0.0), np.where(channel == 2, energy, 0.0)
