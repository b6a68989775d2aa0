"""The Level-1 set that CMS published in 2025 (DOI 10.5281/zenodo.21787779): folders of Parquet files, one per object.

The files of one ntuple hold the same events, row by row (`hepad.io.object_folder`). Objects are lists in hardware
integers (`jetIEt`, `jetIEta`, `jetIPhi`), sums (`Et`, `phi`) and bits (`seeds`) lists of one number; all are of bunch
crossing 0. A column is called `jets.jetIEt`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import awkward as ak
import numpy as np

from hepad.errors import InputDataError
from hepad.io.detector.columns import Columns
from hepad.io.detector.friends import check_lengths
from hepad.io.detector.level1 import Level1File
from hepad.io.detector.trigger_bits import read_bits
from hepad.io.object_folder import ObjectFiles
from hepad.io.text import first_line

__all__ = ["L1ParquetFile"]

_PREFIXES = {"jets": "jetI", "egammas": "egI", "muons": "muonI", "taus": "tauI"}
_SUMS = {"met": "MET", "scalar_ht": "HT"}
_SEEDS = "seeds"
_ROWS = 1 << 16


class L1ParquetFile(Level1File):
    """The open files of one ntuple."""

    format = "l1_parquet"
    title = "Level-1 Parquet"
    sources: ClassVar = {
        "jets": ("jets",),
        "electrons": ("egammas",),
        "muons": ("muons",),
        "taus": ("taus",),
        "met": ("MET",),
    }

    def __init__(self, path: ObjectFiles) -> None:
        super().__init__(path, {path.name: _Rows(path)}, path.name)

    @property
    def triggers(self) -> tuple[str, ...]:
        """The names of the seeds."""
        return tuple(key.partition(".")[2] for key in self.keys if key.startswith(f"{_SEEDS}."))

    def integers(self, name: str, source: str) -> dict[str, str]:
        """The columns of a collection's integers; muons are at the vertex."""
        if name in _SUMS:
            return {"hw_pt": f"{_SUMS[name]}.Et", "hw_phi": f"{_SUMS[name]}.phi"}
        prefix, at = f"{source}.{_PREFIXES[source]}", "AtVtx" if name == "muons" else ""
        return {"hw_pt": f"{prefix}Et", "hw_eta": f"{prefix}Eta{at}", "hw_phi": f"{prefix}Phi{at}"}

    def bit_branches(self, names: AbstractSet[str]) -> set[str]:
        """The columns of seeds."""
        return {f"{_SEEDS}.{name}" for name in names}

    def bits(self, names: AbstractSet[str], columns: Columns) -> ak.Array:
        """The record of seeds."""
        return read_bits(columns, {name: f"{_SEEDS}.{name}" for name in names})

    def damage(self, error: Exception, keys: Mapping[str, Any], start: int, stop: int) -> InputDataError:
        """What to raise when rows [start, stop) cannot be read: says which of the files is damaged."""
        kinds = sorted({key.partition(".")[0] for key in keys})
        bad = next((kind for kind in kinds if not self.tree.can_read(kind, keys)), ", ".join(kinds))
        return InputDataError(
            f"{self.path}: cannot read its rows {start} to {stop - 1} of {bad}, damaged ({first_line(error)}); "
            "copy that file again"
        )


class _Column(NamedTuple):
    """What is known of a column before it is read; `entry_offsets` are the edges of its file's row groups."""

    num_entries: int
    entry_offsets: list[int]


class _Rows:
    """The files of an ntuple with the look of a tree of uproot."""

    def __init__(self, path: ObjectFiles) -> None:
        self.name, self._path, self.file = path.name, path, self
        self._files = {kind: _opened(file) for kind, file in path.files.items()}
        rows = {f"{kind}/{path.name}": file.metadata.num_rows for kind, file in self._files.items()}
        check_lengths(path, rows)
        self.num_entries = next(iter(rows.values()))
        self._edges = {kind: _edges(file) for kind, file in self._files.items()}

    def keys(self, recursive: bool = True) -> list[str]:  # noqa: ARG002  as that of a tree
        return [f"{kind}.{name}" for kind, file in self._files.items() for name in file.schema_arrow.names]

    def __getitem__(self, key: str) -> _Column:
        edges = self._edges[key.partition(".")[0]]
        return _Column(edges[-1], edges)

    def iterate(
        self, keys: Mapping[str, Any], *, step_size: int, entry_start: int, entry_stop: int, **_: Any
    ) -> Iterator[dict[str, ak.Array]]:
        """Rows [entry_start, entry_stop) of the columns, in pieces."""
        stop = min(entry_stop, self.num_entries)
        columns: dict[str, list[str]] = {}
        for key in keys:
            columns.setdefault(key.partition(".")[0], []).append(key.partition(".")[2])
        pieces = [self._tables(kind, names, step_size, entry_start, stop) for kind, names in columns.items()]
        for tables in zip(*pieces, strict=True):
            parts = dict(zip(columns, tables, strict=True))
            yield {key: self._array(key, parts[key.partition(".")[0]]) for key in keys}

    def can_read(self, kind: str, keys: Mapping[str, Any]) -> bool:
        """Whether these columns of one file can be read at all."""
        names = [key.partition(".")[2] for key in keys if key.startswith(f"{kind}.")]
        try:
            for _ in self._tables(kind, names, _ROWS, 0, self.num_entries):
                pass
        except Exception:  # noqa: BLE001  damage surfaces as many kinds of error
            return False
        return True

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def _tables(self, kind: str, names: list[str], step: int, start: int, stop: int) -> Iterator[Any]:
        """Tables of `step` rows of one file, the last of fewer; a row group is read batch by batch."""
        import pyarrow as pa

        edges, held, rows = self._edges[kind], [], 0
        groups = [n for n in range(len(edges) - 1) if edges[n] < stop and edges[n + 1] > start]
        place = edges[groups[0]] if groups else stop
        size = min(step, _ROWS)
        for batch in self._files[kind].iter_batches(batch_size=size, row_groups=groups, columns=names):
            rest = batch.slice(max(start - place, 0), max(stop - max(start, place), 0))
            place += batch.num_rows
            while rest.num_rows:
                held.append(rest.slice(0, step - rows))
                rest, rows = rest.slice(step - rows), rows + held[-1].num_rows
                if rows == step:
                    yield pa.Table.from_batches(held)
                    held, rows = [], 0
        if rows:
            yield pa.Table.from_batches(held)

    def _array(self, key: str, table: Any) -> ak.Array:
        """A column as an awkward array; `InputDataError` if it holds no numbers or lacks some."""
        column = table.column(key.partition(".")[2]).combine_chunks()
        is_list = hasattr(column, "offsets")
        values = column.flatten() if is_list else column
        if column.null_count or values.null_count:
            raise InputDataError(f"{self._path}: column {key!r} lacks values; hepad takes none for them")
        numbers = (
            values.to_numpy(zero_copy_only=False) if len(values) else np.empty(0)
        )  # of no type where all are empty
        if numbers.dtype.kind not in "biuf":
            raise InputDataError(f"{self._path}: column {key!r} must hold numbers or lists of them, not {column.type}")
        if not is_list:
            return ak.Array(numbers)
        offsets = column.offsets.to_numpy().astype(np.int64)
        return ak.Array(
            ak.contents.ListOffsetArray(ak.index.Index64(offsets - offsets[0]), ak.contents.NumpyArray(numbers))
        )


def _opened(file: Path) -> Any:
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except Exception as error:  # of many kinds
        raise InputDataError(
            f"{file}: damaged or truncated Parquet file ({first_line(error)}); copy it again"
        ) from error


def _edges(file: Any) -> list[int]:
    groups = (file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups))
    return list(accumulate(groups, initial=0))
