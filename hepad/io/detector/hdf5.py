"""Events of a fixed shape in a dataset of an HDF5 file, and what can be wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, MissingExtraError
from hepad.io.events import check_finite
from hepad.io.text import first_line
from hepad.paths import InputPath

__all__ = ["EventDataset", "check_filters"]

_MAX_CHUNK = 256 << 20
"""Most bytes of one chunk, which HDF5 unpacks as a whole; h5py's own choice is below 1 MiB."""


class EventDataset:
    """A dataset of shape (N, *shape) of numbers in an open file; `told` says what has that shape, for people.

    None in `shape` is any extent. `field` takes the numbers of one field of a dataset of records. `InputDataError` if
    it is not there, of another shape, not of numbers in this very file, or not complete; `MissingExtraError` if it is
    packed in a way for which HDF5 needs a plugin.
    """

    def __init__(
        self,
        path: InputPath,
        handle: Any,
        name: str,
        shape: tuple[int | None, ...],
        told: str,
        *,
        field: str = "",
        dtype: type[np.floating] = np.float32,
    ) -> None:
        self.path, self.name, self._field, self._dtype = path, name, field, dtype
        self._data = _dataset(path, handle, name, field)
        found = self._data.shape + (self._data.dtype[field].shape if field else ())
        self._shape: tuple[int, ...] = found[1:]
        fits = [wanted is None or wanted == extent for wanted, extent in zip(shape, self._shape, strict=False)]
        if len(found) != 1 + len(shape) or not all(fits):
            wanted = ", ".join("..." if extent is None else str(extent) for extent in ("N", *shape))
            raise InputDataError(f"{path}: dataset {name!r} has shape {found}; {told} has ({wanted})")
        check_filters(path, self._data)
        self._check_storage()
        self.entries = int(self._data.shape[0])

    @property
    def attributes(self) -> Any:
        """Its attributes, by name."""
        return self._data.attrs

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one event."""
        return self._shape

    def cuts(self) -> list[int]:
        """The edges of the chunks; none if any entry will do."""
        rows = self._data.chunks[0] if self._data.chunks else self.entries
        return list(range(rows, self.entries, rows)) if rows else []

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Entries [start, stop), which are finite."""
        try:
            for corner in self._chunks(start, stop):
                _check_chunk(self._data.id.get_chunk_info_by_coord(corner))
            data = self._data.fields(self._field) if self._field else self._data
            block = np.asarray(data[start:stop], dtype=self._dtype)
        except Exception as error:  # h5py's errors are of many kinds
            raise InputDataError(
                f"{self.path}: cannot read dataset {self.name!r}, damaged or truncated: {self._place(start, stop)} "
                f"({first_line(error)}); copy it again"
            ) from error
        offsets = np.arange(len(block) + 1, dtype=np.int64) * int(np.prod(self._shape))
        check_finite(block.reshape(-1), path=self.path, branch=self.name, start=start, offsets=offsets)
        return block

    def check_filled(self, block: npt.NDArray[np.float32], start: int) -> None:
        """Refuse a whole chunk of zeros, where no event is all zeros: HDF5 gives it for one it does not find."""
        chunks = self._data.chunks
        if chunks is None or chunks[1:] != self._shape:
            return
        edges = np.unique(np.maximum(np.arange(start // chunks[0] * chunks[0], start + len(block), chunks[0]), start))
        some = block.reshape(len(block), -1).any(axis=1)
        empty = np.flatnonzero(~np.logical_or.reduceat(some, edges - start))
        if len(empty):
            first = int(edges[empty[0]])
            raise InputDataError(
                f"{self.path}: the chunk of dataset {self.name!r} with entry {first} holds only zeros; "
                "it was never filled or is damaged, copy the file again"
            )

    def _chunks(self, start: int, stop: int) -> Iterator[tuple[int, ...]]:
        """The first indices of the chunks that hold these entries; none if the numbers lie in one piece."""
        chunks = self._data.chunks
        if chunks is None:
            return
        inner = (range(0, extent, step) for extent, step in zip(self._data.shape[1:], chunks[1:], strict=True))
        yield from product(range(start // chunks[0] * chunks[0], stop, chunks[0]), *inner)

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

    def _check_storage(self) -> None:
        """Raise `InputDataError` if numbers are not stored: HDF5 would read them as zeros without a word."""
        data = self._data
        try:
            chunks = data.chunks
            size = int(np.prod(chunks or (1,))) * data.dtype.itemsize
            expected = int(np.prod([-(-n // c) for n, c in zip(data.shape, chunks, strict=True)])) if chunks else 0
            stored = data.id.get_num_chunks() if chunks else data.id.get_storage_size()
            needed = expected if chunks else data.size * data.dtype.itemsize
        except Exception as error:
            raise InputDataError(f"{self.path}: damaged HDF5 file ({first_line(error)}); copy it again") from error
        where = f"{self.path}: dataset {self.name!r}"
        if size > _MAX_CHUNK:
            raise InputDataError(f"{where} has chunks of {size} bytes, more than {_MAX_CHUNK}")
        if stored != needed:
            raise InputDataError(
                f"{where} of {data.shape[0]} events has {stored} of {needed} "
                f"{'chunks' if chunks else 'bytes'}; copy it again"
            )


def _dataset(path: InputPath, handle: Any, name: str, field: str) -> Any:
    """The dataset, if it is one and its numbers, or those of a field of its records, are in this very file."""
    import h5py

    try:
        link = handle.get(name, getlink=True)
        data: Any = handle[name] if isinstance(link, h5py.HardLink) else None
        if not _is_here(data) or (data.dtype[field].base if field else data.dtype).kind not in "fiu":
            raise InputDataError(
                f"{path}: {name!r} must be a dataset of numbers in the file itself, no link, text or virtual dataset"
            )
    except InputDataError:
        raise
    except Exception as error:  # h5py's errors are of many kinds
        raise InputDataError(f"{path}: damaged HDF5 file ({first_line(error)}); copy it again") from error
    return data


def _is_here(data: Any) -> bool:
    """Whether an object of a file is a dataset that is stored in it."""
    import h5py

    return isinstance(data, h5py.Dataset) and not (data.external or data.is_virtual)


def check_filters(path: InputPath, data: Any) -> None:
    """Raise `MissingExtraError` if a dataset is packed by a filter that is not there."""
    import h5py

    plist = data.id.get_create_plist()
    codes = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    missing = [code for code in codes if not h5py.h5z.filter_avail(code)]
    if not missing:
        return
    where = f"{path}: {data.name!r} is packed by HDF5's filter {missing[0]}"
    try:
        import hdf5plugin  # noqa: F401  to import it registers the filters
    except ImportError as error:
        raise MissingExtraError.of(error, f"{where}; to read it needs", "hdf5plugin", "jets") from error
    if not all(map(h5py.h5z.filter_avail, missing)):
        raise InputDataError(f"{where}, which nothing here can unpack; repack the file")


def _check_chunk(info: Any) -> None:
    """Raise `ValueError` for a chunk that HDF5 does not find, which it would read as zeros, or would not unpack."""
    if not info.byte_offset or info.filter_mask:
        raise ValueError("the index of the chunks is damaged")
