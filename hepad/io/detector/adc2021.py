"""The ADC2021 HDF5 format (arXiv:2107.02157): `Particles` (N, 19, 4) = pT, eta, phi, class.

Rows: MET, 4 electrons, 4 muons, 10 jets; an empty slot is zero with class 0. There are no masses and no weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.detector.columns import Objects
from hepad.io.events import Fields, SampleInfo, check_finite, check_not_negative, missing_momentum
from hepad.io.text import first_line
from hepad.paths import InputPath

__all__ = ["DATASET", "Adc2021File"]

DATASET = "Particles"

_MAX_CHUNK = 256 << 20
"""Most bytes of one chunk, which HDF5 unpacks as a whole; h5py's own choice is below 1 MiB."""
_ROWS = {"electrons": slice(1, 5), "muons": slice(5, 9), "jets": slice(9, 19)}
_FEATURES = {"pt": 0, "eta": 1, "phi": 2}


class Adc2021File:
    """An open ADC2021 file; see `hepad.io.events.EventFile`."""

    format = "adc2021"

    def __init__(self, path: InputPath, handle: Any) -> None:
        self.path = path
        self._handle = handle
        self._data = _dataset(path, handle)
        if self._data.ndim != 3 or self._data.shape[1:] != (19, 4):
            raise InputDataError(
                f"{path}: dataset {DATASET!r} has shape {self._data.shape}; the ADC2021 format has (N, 19, 4)"
            )
        _check_storage(path, self._data)
        self.entries = int(self._data.shape[0])

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this format has."""
        return {**{name: set(_FEATURES) for name in _ROWS}, "met": {"pt", "phi"}}

    def sample(self) -> SampleInfo:
        """Nothing: the format keeps no cross section and no energy."""
        return SampleInfo()

    def cuts(self, fields: Fields) -> list[int]:  # noqa: ARG002  the same for all
        """The edges of the file's chunks; any entry if it has none."""
        rows = self._data.chunks[0] if self._data.chunks else self.entries
        return list(range(rows, self.entries, rows)) if rows else []

    def iterate(self, fields: Fields, *, step_size: int, stop: int, start: int = 0) -> Iterator[ak.Array]:
        """Events [start, stop) in pieces of at most `step_size`, with the fields asked for."""
        available = self.available()
        for name, features in fields.items():
            lacking = set(features) - available.get(name, set())
            if lacking or name not in available:
                missing = ", ".join(sorted(f"{name}.{f}" for f in lacking)) or name
                raise InputDataError(
                    f"{self.path}: the ADC2021 format has no {missing}; use a file of another format for it"
                )
        for first in range(start, min(stop, self.entries), step_size):
            yield self._events(self._read(first, min(first + step_size, stop, self.entries)), fields, first)

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def _read(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        try:
            for corner in self._chunks(start, stop):
                _check_chunk(self._data.id.get_chunk_info_by_coord(corner))
            block = np.asarray(self._data[start:stop], dtype=np.float32)
        except Exception as error:  # h5py's errors are of many kinds
            raise InputDataError(
                f"{self.path}: cannot read dataset {DATASET!r}, damaged or truncated: {self._place(start, stop)} "
                f"({first_line(error)}); copy it again"
            ) from error
        self._check_filled(block, start)
        events = np.arange(len(block) + 1, dtype=np.int64)
        check_finite(block.reshape(-1), path=self.path, branch=DATASET, start=start, offsets=events * (19 * 4))
        momenta = np.ascontiguousarray(block[:, :, 0]).reshape(-1)
        check_not_negative(momenta, path=self.path, branch=DATASET, start=start, offsets=events * 19)
        return block

    def _check_filled(self, block: npt.NDArray[np.float32], start: int) -> None:
        """Refuse a whole chunk of zeros: HDF5 gives it for one it does not find, and no event is all zeros."""
        chunks = self._data.chunks
        if chunks is None or chunks[1:] != (19, 4):
            return
        edges = np.unique(np.maximum(np.arange(start // chunks[0] * chunks[0], start + len(block), chunks[0]), start))
        empty = np.flatnonzero(~np.logical_or.reduceat(block.any(axis=(1, 2)), edges - start))
        if len(empty):
            first = int(edges[empty[0]])
            raise InputDataError(
                f"{self.path}: the chunk of dataset {DATASET!r} with entry {first} holds only zeros; "
                "it was never filled or is damaged, copy the file again"
            )

    def _chunks(self, start: int, stop: int) -> Iterator[tuple[int, ...]]:
        """The first indices of the chunks that hold these entries; none if the numbers lie in one piece."""
        chunks = self._data.chunks
        if chunks is None:
            return
        for first in range(start // chunks[0] * chunks[0], stop, chunks[0]):
            for row in range(0, 19, chunks[1]):
                for column in range(0, 4, chunks[2]):
                    yield first, row, column

    def _place(self, start: int, stop: int) -> str:
        """The first chunk of these entries that cannot be read, and where it begins in the file."""
        for corner in self._chunks(start, stop):
            place = ""
            try:
                info = self._data.id.get_chunk_info_by_coord(corner)
                place = f" at byte {info.byte_offset}" if info.byte_offset else ""
                _check_chunk(info)
                self._data[tuple(slice(a, a + n) for a, n in zip(corner, self._data.chunks, strict=True))]
            except Exception:  # noqa: BLE001  h5py's errors are of many kinds
                last = min(corner[0] + self._data.chunks[0], self.entries) - 1
                return f"chunk{place}, entries {corner[0]} to {last}"
        return f"entries {start} to {stop - 1}"

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


def _dataset(path: InputPath, handle: Any) -> Any:
    """The dataset, if it is one and its numbers are in this very file."""
    import h5py

    try:
        if DATASET not in handle and {"events", "particles", "procInfo"} <= set(handle):
            raise InputDataError(
                f"{path}: Les Houches events in HDF5 (LHEH5), which hepad reads as text alone; convert them, "
                "for instance with pylhe: LHEFile.fromfile(name).tofile('events.lhe')"
            )
        if DATASET not in handle:
            found = ", ".join(handle) or "none"
            raise InputDataError(f"{path}: no dataset {DATASET!r} (datasets in it: {found}); is it an ADC2021 file?")
        link = handle.get(DATASET, getlink=True)
        data = handle[DATASET] if isinstance(link, h5py.HardLink) else None
        if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual or data.dtype.kind not in "fiu":
            raise InputDataError(
                f"{path}: {DATASET!r} must be a dataset of numbers in the file itself, no link, text or virtual dataset"
            )
    except InputDataError:
        raise
    except Exception as error:  # h5py's errors are of many kinds
        raise InputDataError(f"{path}: damaged HDF5 file ({first_line(error)}); copy it again") from error
    return data


def _check_storage(path: InputPath, data: Any) -> None:
    """Raise `InputDataError` if numbers are not stored: HDF5 would read them as zeros without a word."""
    try:
        chunks = data.chunks
        size = int(np.prod(chunks or (1,))) * data.dtype.itemsize
        expected = int(np.prod([-(-n // c) for n, c in zip(data.shape, chunks, strict=True)])) if chunks else 0
        stored = data.id.get_num_chunks() if chunks else data.id.get_storage_size()
        needed = expected if chunks else data.size * data.dtype.itemsize
    except Exception as error:
        raise InputDataError(f"{path}: damaged HDF5 file ({first_line(error)}); copy it again") from error
    if size > _MAX_CHUNK:
        raise InputDataError(f"{path}: dataset {DATASET!r} has chunks of {size} bytes, more than {_MAX_CHUNK}")
    if stored != needed:
        raise InputDataError(
            f"{path}: dataset {DATASET!r} of {data.shape[0]} events has {stored} of {needed} "
            f"{'chunks' if chunks else 'bytes'}; copy it again"
        )


def _check_chunk(info: Any) -> None:
    """Raise `ValueError` for a chunk that HDF5 does not find, which it would read as zeros, or would not unpack."""
    if not info.byte_offset or info.filter_mask:
        raise ValueError("the index of the chunks is damaged")
