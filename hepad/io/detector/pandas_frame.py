"""Frames of pandas in HDF5, in its fixed and its table format: the names of their columns, and rows of numbers.

PyTables keeps the names of a table's columns as pickled lists. Nothing is unpickled here: such a list of texts holds
each as a line of its own, and these lines are all that is looked at.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import HepadError, InputDataError, NotStoredError
from hepad.io.detector.hdf5 import EventDataset, check_filters
from hepad.paths import InputPath

__all__ = ["Frame", "frames_in"]

_KINDS = ("frame", "frame_table")
_TEXT = re.compile(rb"^(?:\(lp?\d*)?a?(?:V(.*)|S'(.*)')$")
_TOLD = "a frame of pandas"


def frames_in(handle: Any) -> list[str]:
    """The names of the groups of an open file that hold a frame."""
    import h5py

    groups = [name for name in handle if isinstance(handle.get(name, getlink=True), h5py.HardLink)]
    return [name for name in groups if isinstance(handle[name], h5py.Group) and _kind(handle[name]) in _KINDS]


class Frame:
    """A frame of numbers in an open file; `InputDataError` if it holds anything else or cannot be read.

    `names` are those of its columns in the order in which `read` gives them: texts, or whole numbers as texts.
    """

    def __init__(self, path: InputPath, handle: Any, group: str) -> None:
        self.path, self.name = path, group
        try:
            is_table = _kind(handle[group]) == "frame_table"
            blocks = _of_table(handle, group) if is_table else _fixed(path, handle, group)
        except HepadError:
            raise
        except Exception as error:  # h5py's errors are of many kinds
            raise InputDataError(f"{path}: frame {group!r} cannot be read; write it again with pandas") from error
        self._blocks = [
            EventDataset(path, handle, dataset, (None,) if many else (), _TOLD, field=field, dtype=np.float64)
            for dataset, field, _, many in blocks
        ]
        self.names = tuple(name for _, _, names, _ in blocks for name in names)
        widths = [block.shape[0] if block.shape else 1 for block in self._blocks]
        if widths != [len(names) for _, _, names, _ in blocks] or len({block.entries for block in self._blocks}) != 1:
            raise InputDataError(
                f"{path}: frame {group!r} has columns of {sum(widths)} numbers and {len(self.names)} names; write it "
                "again with pandas"
            )
        self.entries = self._blocks[0].entries

    def cuts(self) -> list[int]:
        """The edges of the chunks of its largest part; none if any entry will do."""
        return max(self._blocks, key=lambda block: block.shape).cuts()

    def read(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        """Rows [start, stop), of shape (rows, columns), which are finite."""
        blocks = [block.read(start, stop).reshape(stop - start, -1) for block in self._blocks]
        return np.concatenate(blocks, axis=1) if len(blocks) > 1 else blocks[0]

    def places(self, names: list[str]) -> list[int]:
        """Where these columns are in a row; `InputDataError` that names the first that is missing."""
        found = {name: place for place, name in enumerate(self.names)}
        if missing := [name for name in names if name not in found]:
            raise NotStoredError(f"{self.path}: frame {self.name!r} has no column {missing[0]!r}")
        return [found[name] for name in names]


_Blocks = list[tuple[str, str, tuple[str, ...], bool]]
"""Dataset, field, names of its columns, and whether they are columns of an array."""


def _kind(group: Any) -> str:
    kind = group.attrs.get("pandas_type", b"")
    return kind.decode(errors="replace") if isinstance(kind, bytes) else ""


def _fixed(path: InputPath, handle: Any, group: str) -> _Blocks:
    blocks: _Blocks = []
    for number in range(int(handle[group].attrs["nblocks"])):
        stored = handle[f"{group}/block{number}_items"]
        check_filters(path, stored)
        items = np.asarray(stored[:])
        names = tuple(item.decode() if isinstance(item, bytes) else str(item) for item in items.tolist())
        blocks.append((f"{group}/block{number}_values", "", names, True))
    return blocks


def _of_table(handle: Any, group: str) -> _Blocks:
    table = handle[f"{group}/table"]
    blocks: _Blocks = []
    for field in table.dtype.names:
        if field == "index":
            continue
        shape = table.dtype[field].shape
        kind = table.attrs.get(f"{field}_kind", b"")
        names = _texts(bytes(kind)) if field.startswith("values_block_") else (field,)
        blocks.append((f"{group}/table", field, names, bool(shape)))
    return blocks


def _texts(pickled: bytes) -> tuple[str, ...]:
    """The texts of a pickled list, in order, without unpickling it."""
    found = (_TEXT.match(line) for line in pickled.split(b"\n"))
    return tuple((match[1] or match[2] or b"").decode() for match in found if match)
