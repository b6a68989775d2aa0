"""Spectra in CSV tables: low edge, high edge, counts[, reference], or as HEPData exports its tables.

HEPData writes a block for each dependent variable: `#:` lines, then a header of the variable, its ends (`... LOW`,
`... HIGH`), the value and its errors (`... +`, `... -`).
"""

from __future__ import annotations

import csv
import re
import reprlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.printable import is_number

__all__ = ["EDGE_ROUNDING", "csv_bins"]

FloatArray = npt.NDArray[np.float64]
Row = tuple[int, list[str]]
"""The line of the file, and its cells."""

EDGE_ROUNDING = 1e-5
"""Of a bin's width: what single precision makes of an edge of 5 TeV in bins of 50 GeV."""
_COUNTS = ("", "events", "entries", "counts", "number", "1")
_TO_GEV = {"tev": 1e3, "gev": 1.0, "mev": 1e-3}
_UNITS = re.compile(r"\[([^\[\]]*)\]\s*$")


@dataclass(frozen=True)
class _Block:
    header: list[str]
    rows: list[Row]


def csv_bins(path: Path, name: str | None) -> tuple[FloatArray, FloatArray, FloatArray | None, FloatArray | None]:
    """Edges (n+1,), counts (n,), variances (n,) and reference (n,) or None; `name` a column of a HEPData table.

    `InputDataError` names the file, the line and the value at fault.
    """
    blocks = _blocks(path)
    if any(cell.endswith((" LOW", " HIGH")) for block in blocks for cell in block.header):
        return _hepdata(path, name, blocks)
    if name is not None:
        raise InputDataError(f"{path} is a table and holds one spectrum; leave out ':{name}'")
    if len(blocks) > 1:
        raise InputDataError(f"{path} holds {len(blocks)} tables; keep the one that is meant")
    rows = blocks[0].rows if blocks else []
    if not rows:
        raise InputDataError(f"{path} holds no bins")
    width = len(rows[0][1])
    if width not in (3, 4):
        raise InputDataError(f"{path} has {width} columns; expected low edge, high edge, counts[, reference]")
    table = _numbers(path, rows, width)
    edges = _joined(path, rows, table[:, 0], table[:, 1])
    return edges, table[:, 2], None, table[:, 3] if width == 4 else None


def _blocks(path: Path) -> list[_Block]:
    """The tables of a file, each with its header; only the first may lack one."""
    with path.open(newline="", encoding="utf-8-sig") as stream:
        lines = [(number, line) for number, line in enumerate(stream, start=1) if not line.lstrip().startswith("#")]
    blocks: list[_Block] = []
    gap = True
    for number, line in lines:
        cells = [cell.strip() for cell in next(csv.reader([line]), [])]
        if not any(cells):
            gap = True
            continue
        is_header = gap and not is_number(cells[0])
        if is_header or not blocks:
            blocks.append(_Block(cells if is_header else [], []))
        if not is_header:
            blocks[-1].rows.append((number, cells))
        gap = False
    return blocks


def _hepdata(
    path: Path, name: str | None, blocks: list[_Block]
) -> tuple[FloatArray, FloatArray, FloatArray | None, None]:
    titles = [block.header[3] if len(block.header) > 3 else "" for block in blocks]
    chosen = titles[0] if name is None and len(set(titles)) == 1 else name
    if chosen not in titles:
        listed = ", ".join(map(repr, titles))
        raise InputDataError(f"{path} is a HEPData table; choose a column as {path.name}:NAME of {listed}")
    if titles.count(chosen) > 1:
        raise InputDataError(f"{path} has more than one column {chosen!r}; keep the one that is meant")
    block = blocks[titles.index(chosen)]
    _check_header(path, block.header)
    if not block.rows:
        raise InputDataError(f"{path} holds no bins of {chosen!r}")
    header = block.header
    table = _numbers(path, block.rows, len(header))
    units = _UNITS.search(header[0])
    scale = _TO_GEV.get(units.group(1).strip().lower(), 1.0) if units else 1.0
    edges = _joined(path, block.rows, table[:, 1] * scale, table[:, 2] * scale)
    counts = table[:, 3]
    # Errors of whole numbers are those of counts, however the paper made them; others are weighted.
    whole = bool(np.all(counts == np.round(counts)))
    return edges, counts, None if whole else _variances(header, table), None


def _check_header(path: Path, header: list[str]) -> None:
    """`InputDataError` where the values are no counts, or depend on more than one variable."""
    ends = [i for i, cell in enumerate(header) if cell.endswith((" LOW", " HIGH"))]
    if ends != [1, 2] or len(header) < 4:
        raise InputDataError(
            f"{path} is a HEPData table of {len(ends) / 2:g} binned variables; a spectrum has one: "
            "the columns X, X LOW, X HIGH, counts"
        )
    title = header[3]
    units = _UNITS.search(title)
    if units and units.group(1).strip().lower() not in _COUNTS:
        raise InputDataError(
            f"{path}: {title!r} is in {units.group(1)}, not in events; make counts of it: low edge, high edge, counts"
        )


def _variances(header: list[str], table: FloatArray) -> FloatArray | None:
    """The squares of statistical errors, the mean of up and down; None without them."""
    ups = [i for i, cell in enumerate(header) if i > 3 and cell.endswith(" +") and i + 1 < len(header)]
    stat = [i for i in ups if "stat" in header[i].lower()]
    if not stat and len(ups) == 1 and "sys" not in header[ups[0]].lower():
        stat = ups
    if not stat:
        return None
    return np.asarray(((np.abs(table[:, stat[0]]) + np.abs(table[:, stat[0] + 1])) / 2) ** 2, dtype=np.float64)


def _numbers(path: Path, rows: list[Row], width: int) -> FloatArray:
    for line, row in rows:
        if len(row) != width:
            raise InputDataError(f"{path} line {line}: found {len(row)} columns, expected {width}")
        for cell in row:
            if not is_number(cell):
                raise InputDataError(f"{path} line {line}: {reprlib.repr(cell)} is not a number")
    return np.array([[float(cell) for cell in row] for _, row in rows])


def _joined(path: Path, rows: list[Row], low: FloatArray, high: FloatArray) -> FloatArray:
    """Edges (n+1,) of bins that follow one another, up to how their edges were rounded."""
    width = np.minimum(high[1:] - low[1:], high[:-1] - low[:-1])
    gaps = np.flatnonzero(~(np.abs(low[1:] - high[:-1]) <= EDGE_ROUNDING * np.abs(width)))
    if len(gaps):
        at = int(gaps[0])
        raise InputDataError(
            f"{path} line {rows[at + 1][0]}: bins are not contiguous, {low[at + 1]:.10g} follows {high[at]:.10g}"
        )
    return np.append(low, high[-1])
