"""Score files: the tree or RNTuple `Scores` in ROOT, or the same columns in Parquet; one row an input event.

Columns: `file` (int32, place on the command line), `entry` (int64), `selected` (bool), `weight` (float64),
`score` (float32, NaN if not selected), `score_<name>` for each score, `in_<region>` (bool) for each region.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, cast, get_args

import numpy.typing as npt

from hepad.errors import HepadError, InputDataError, UsageError
from hepad.io.root.ntuple import NTuple, open_table
from hepad.io.text import check_regular
from hepad.output.root_file import recreate
from hepad.paths import InputPath
from hepad.threads import Beside

__all__ = ["TREE", "ScoreFile", "ScoreFormat", "ScoreWriter", "check_format"]

TREE = "Scores"
_PROVENANCE = "provenance"

ScoreFormat = Literal["root", "parquet", "rntuple"]
"""A tree in a ROOT file, Parquet, or an RNTuple in a ROOT file."""

Columns = Mapping[str, npt.NDArray[Any]]


class ScoreWriter:
    """Write columns in pieces to a path, at the end what the file says of itself; the caller makes the path atomic.

    A piece is packed on another thread while the caller makes the next: what goes wrong is raised then, or at the end.
    """

    def __init__(self, path: Path, kind: ScoreFormat) -> None:
        self._path = path
        self._kind = kind
        self._stack = ExitStack()
        self._out: Any = None
        self._tree: Any = None
        self._packing: Beside[None] = Beside()

    def __enter__(self) -> ScoreWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._packing.result()
        finally:
            self._packing.close()
            self._stack.__exit__(kind, error, trace)

    def describe(self, info: Mapping[str, Any]) -> None:
        """Write what the file says of itself, after all rows."""
        self._packing.result()
        text = json.dumps(info, allow_nan=False)
        if self._out is None:
            raise ValueError("a score file has rows")
        if self._kind == "parquet":
            self._out.add_key_value_metadata({_PROVENANCE: text})
        else:
            self._out[_PROVENANCE] = text

    def write(self, columns: Columns) -> None:
        """Append rows: arrays of equal length, the same columns each time, that stay as they are."""
        write = self._write_parquet if self._kind == "parquet" else self._write_root
        self._packing.result()
        self._packing.begin(lambda: write(columns))

    def _write_root(self, columns: Columns) -> None:
        if self._out is None:
            self._out = self._stack.enter_context(recreate(self._path))
            make = self._out.mkrntuple if self._kind == "rntuple" else self._out.mktree
            self._tree = make(TREE, {name: array.dtype for name, array in columns.items()})
        self._tree.extend(dict(columns))

    def _write_parquet(self, columns: Columns) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({name: pa.array(array) for name, array in columns.items()})
        if self._out is None:
            writer = pq.ParquetWriter(self._path, table.schema, write_page_checksum=True)
            self._out = self._stack.enter_context(writer)
        self._out.write_table(table)


class ScoreFile:
    """Read a score file; `InputDataError` if it is none."""

    def __init__(self, path: InputPath) -> None:
        self.path = path
        self._root = _is_root(path)
        with self._guarded():
            self._source, self.info = self._open_root() if self._root else self._open_parquet()
            self.entries = int(self._source.num_entries if self._root else self._source.metadata.num_rows)
            names = self._source.keys(recursive=False) if self._root else self._source.schema_arrow.names
        self.regions = tuple(n.removeprefix("in_") for n in names if n.startswith("in_"))
        self.scores = tuple(n.removeprefix("score_") for n in names if n.startswith("score_"))
        missing = {"file", "entry", "selected", "weight", "score"} - set(names)
        if missing:
            raise InputDataError(f"{path}: no column {', '.join(sorted(missing))}; write it again with 'hepad score'")

    def iterate(self, columns: list[str], step_size: int) -> Iterator[dict[str, npt.NDArray[Any]]]:
        """Rows in pieces of at most `step_size`, as numpy columns."""
        with self._guarded():
            if self._root:
                yield from self._source.iterate(columns, step_size=step_size, library="np", how=dict)
                return
            for batch in self._source.iter_batches(step_size, columns=columns):
                yield {name: batch[name].to_numpy(zero_copy_only=False) for name in columns}

    def rows(self, columns: list[str], start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
        """The rows [start, stop) as numpy columns; only what holds them is read."""
        with self._guarded():
            if self._root:
                return dict(self._source.arrays(columns, entry_start=start, entry_stop=stop, library="np", how=dict))
            groups, skipped = self._groups(start, stop)
            table = self._source.read_row_groups(groups, columns=columns).slice(start - skipped, stop - start)
            return {name: table[name].to_numpy() for name in columns}

    def _groups(self, start: int, stop: int) -> tuple[list[int], int]:
        """The row groups of a Parquet file that hold the rows [start, stop), and how many rows are before them."""
        groups, before, skipped = [], 0, 0
        for group in range(self._source.metadata.num_row_groups):
            rows = self._source.metadata.row_group(group).num_rows
            if before + rows <= start:
                skipped = before + rows
            elif before < stop:
                groups.append(group)
            before += rows
        return groups, skipped

    @property
    def format(self) -> ScoreFormat:
        """What the file is, and was asked for when it was written."""
        if not self._root:
            return "parquet"
        return "rntuple" if isinstance(self._source, NTuple) else "root"

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """A damaged file surfaces as many kinds of error: make them one."""
        try:
            yield
        except HepadError:
            raise
        except Exception as error:
            raise InputDataError(
                f"{self.path}: damaged or truncated score file; write it again with 'hepad score'"
            ) from error

    def close(self) -> None:
        """Close the file."""
        (self._source.file if self._root else self._source).close()

    def _open_root(self) -> tuple[Any, dict[str, Any]]:
        from hepad.io.reader import open_root

        file = open_root(self.path)
        if TREE not in file:
            raise InputDataError(f"{self.path}: no tree {TREE!r}; give a file that 'hepad score' wrote")
        return open_table(file, TREE), _parse_info(str(file[_PROVENANCE]) if _PROVENANCE in file else "{}", self.path)

    def _open_parquet(self) -> tuple[Any, dict[str, Any]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            where = self.path if isinstance(self.path, Path) else self.path.open("rb")
            source = pq.ParquetFile(where, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise InputDataError(f"{self.path}: not a score file (neither ROOT nor Parquet)") from error
        stored = (source.metadata.metadata or {}).get(_PROVENANCE.encode(), b"{}")
        return source, _parse_info(stored.decode(errors="replace"), self.path)


def _parse_info(text: str, path: InputPath) -> dict[str, Any]:
    try:
        info = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputDataError(f"{path}: its provenance record is damaged; write it again with 'hepad score'") from error
    return info if isinstance(info, dict) else {}


def _is_root(path: InputPath) -> bool:
    check_regular(path)
    try:
        with path.open("rb") as stream:
            return stream.read(4) == b"root"
    except OSError as error:
        raise InputDataError(f"{path}: cannot be read ({error.strerror})") from error


def check_format(text: str | None, output: Path | None) -> ScoreFormat:
    """The format asked for, else that of the output's ending, else root; `UsageError` if they contradict each other.

    An RNTuple is in a file that ends as those of trees do.
    """
    ending = output.suffix.removeprefix(".") if output else ""
    told = ending if ending in ("root", "parquet") else ""
    kind = text or told or "root"
    if kind not in get_args(ScoreFormat):
        raise UsageError(f"--format {text!r}: choose {', '.join(get_args(ScoreFormat))}")
    if told and (kind == "parquet") != (told == "parquet"):
        raise UsageError(f"--format {kind} contradicts the ending of {output}")
    return cast("ScoreFormat", kind)
