"""Detector images in numpy's .npz, as the authors of CoDAE publish them.

Reference: Anzalone, Chhibra, Maier, Chernyavskaya, Pierini, Mach. Learn.: Sci. Technol. 5 (2024) 035064.

`images` (N, 72, 58, 3): transverse momenta of tracks, and transverse energies in the electromagnetic and the hadronic
calorimeter, summed over cells of 5 degrees in phi and 0.087 in eta, in GeV. `n_tracks` (N,) or (N, 1): how many tracks
were reconstructed. `labels` and `masses` say what was simulated: an event's `label`. There are no weights.

An event's cells that are not zero become `tracks` and `towers` at their centres, a record each. Where phi begins is not
said: the first row is taken to begin at 0.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from math import prod
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.detector.columns import Objects
from hepad.io.events import LABEL, Fields, SampleInfo, check_finite, check_not_negative, record
from hepad.io.text import first_line
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

    def __init__(self, path: InputPath) -> None:
        self.path = path
        self._stream = path.open("rb")
        try:
            self._archive, self._members = self._directory()
            self.entries, _ = self._header(_IMAGES, {_SHAPE})
        except InputDataError:
            self._stream.close()
            raise

    @property
    def labels(self) -> tuple[str, ...]:
        """What its events may have been simulated as."""
        return KINDS if _KIND in self._members else ()

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this file can give."""
        return {name: set(has) for name, has in _FEATURES.items() if name != "track_count" or _COUNT in self._members}

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
                raise InputDataError(
                    f"{self.path}: a file of detector images has no {missing}; use a file of another format for it"
                )
        stop, size = min(stop, self.entries), min(step_size, _BLOCK)
        counts = self.numbers(_COUNT) if "track_count" in fields else None
        kinds = self.numbers(_KIND) if LABEL in fields else None
        images = self._blocks(start, stop, size) if {"tracks", "towers"} & fields.keys() else None
        for first in range(start, stop, size):
            last = min(first + size, stop)
            columns: dict[str, Any] = {}
            if images is not None:
                columns |= self._cells(next(images), fields, first)
            if counts is not None:
                columns["track_count"] = counts[first:last]
            if kinds is not None:
                columns[LABEL] = record({name: kinds[first:last] == KINDS.index(name) for name in fields[LABEL]})
            columns["weight"] = np.ones(last - first)
            columns["index"] = np.arange(first, last, dtype=np.int64)
            yield record(columns)

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """An array of one number an event, (N,): `labels`, `masses` or `n_tracks`."""
        if name not in self._members:
            raise InputDataError(f"{self.path}: no array {name!r} (arrays in it: {', '.join(self._members)})")
        rows, dtype = self._header(name, {(), (1,)})
        if rows != self.entries:
            raise InputDataError(f"{self.path}: array {name!r} has {rows} rows, {_IMAGES!r} {self.entries}")
        try:
            with self._opened(name) as stream:
                values = _read(stream, dtype, (rows,))
        except Exception as error:
            raise _damaged(self.path, error, name) from error
        check_finite(values, path=self.path, branch=name, start=0)
        check_not_negative(values, path=self.path, branch=name, start=0)
        return values.astype(np.float64)

    def close(self) -> None:
        """Close the file."""
        self._archive.close()
        self._stream.close()

    def _directory(self) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
        """The archive, and its arrays by name."""
        try:
            archive = zipfile.ZipFile(self._stream)
        except Exception as error:  # a damaged directory surfaces as many kinds of error
            raise _damaged(self.path, error) from error
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if _IMAGES not in members:
            raise InputDataError(
                f"{self.path}: no array {_IMAGES!r} (arrays in it: {', '.join(members) or 'none'}); "
                "is it a file of detector images?"
            )
        return archive, members

    def _opened(self, name: str) -> Any:
        """The bytes of an array, from behind its header on."""
        stream = self._archive.open(self._members[name])
        _read_header(stream)
        return stream

    def _header(self, name: str, tails: set[tuple[int, ...]]) -> tuple[int, np.dtype[Any]]:
        """How many rows an array has, and its type; `InputDataError` unless its rows have one of the shapes `tails`."""
        try:
            with self._archive.open(self._members[name]) as stream:
                shape, fortran, dtype = _read_header(stream)
                size = stream.tell() + prod(shape) * dtype.itemsize
        except Exception as error:  # the bytes may be anything
            raise _damaged(self.path, error, name) from error
        if not shape or tuple(shape[1:]) not in tails or fortran or dtype.kind != "f":
            wanted = " or ".join("(" + ", ".join(map(str, ("N", *tail))) + ")" for tail in sorted(tails))
            order = " in Fortran's order" if fortran else ""
            raise InputDataError(
                f"{self.path}: array {name!r} is {dtype} {shape}{order}; detector images have floating-point {wanted}"
            )
        if self._members[name].file_size != size:
            stored = self._members[name].file_size
            raise InputDataError(f"{self.path}: array {name!r} has {stored} of {size} bytes; copy the file again")
        return int(shape[0]), dtype

    def _blocks(self, start: int, stop: int, size: int) -> Iterator[npt.NDArray[np.float32]]:
        """The images [start, stop), `size` at a time."""
        _, dtype = self._header(_IMAGES, {_SHAPE})
        row = prod(_SHAPE) * dtype.itemsize
        try:
            with self._opened(_IMAGES) as stream:
                for first in range(0, start, _BLOCK):
                    _skip(stream, row * min(_BLOCK, start - first))
                for first in range(start, stop, size):
                    yield _read(stream, dtype, (min(size, stop - first), *_SHAPE)).astype(np.float32, copy=False)
        except Exception as error:
            raise _damaged(self.path, error, _IMAGES) from error

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


def _read_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether Fortran's order, and type of an array whose bytes follow."""
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read:
        raise ValueError(f"version {version} of numpy's format")
    shape, fortran, dtype = read[version](stream)
    return shape, fortran, dtype


def _read(stream: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The next numbers."""
    wanted = prod(shape) * dtype.itemsize
    data = stream.read(wanted)
    if len(data) != wanted:
        raise EOFError(f"{len(data)} of {wanted} bytes are there")
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def _skip(stream: Any, size: int) -> None:
    if len(stream.read(size)) != size:
        raise EOFError("the data end too early")


def _damaged(path: InputPath, error: Exception, name: str = "") -> InputDataError:
    of_it = f"array {name!r} cannot be read, " if name else ""
    return InputDataError(f"{path}: {of_it}damaged or truncated .npz ({first_line(error)}); copy it again")
