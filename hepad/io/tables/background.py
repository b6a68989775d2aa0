"""Simulated background of a search, event by event: a folder with Parquet columns, spectra and a record.

`events.parquet` has one row an event: `category` (int8, place in the record's list), `event` (int64, the
same number in two categories is the same event), `weight_pb` (float64),
`score_<name>` (float32) and `m_<channel>` (float32, GeV, NaN where the event lacks the objects). `spectra.json` (UHI)
has the spectra in pb, `<channel>_<region>`. `background.json` is the record: what was selected, scored and kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError

__all__ = ["EVENTS", "RECORD", "SCHEMA", "SPECTRA", "read_background", "write_background_events"]

EVENTS, SPECTRA, RECORD = "events.parquet", "spectra.json", "background.json"
SCHEMA = "background/1"

Columns = dict[str, npt.NDArray[Any]]


def write_background_events(path: Path, columns: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write the columns (n,) of all kept events."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(
        pa.table({name: pa.array(values) for name, values in columns.items()}),
        path,
        compression="zstd",
        write_page_checksum=True,
    )


def read_background(folder: Path) -> tuple[Columns, dict[str, Any]]:
    """The columns (n,) of the events and the record; `InputDataError` for a folder that is damaged or another."""
    import pyarrow.parquet as pq

    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        schema = record["schema"]
        table = pq.read_table(folder / EVENTS, page_checksum_verification=True)  # type: ignore[no-untyped-call,unused-ignore]
        columns = {name: table.column(name).to_numpy() for name in table.column_names}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:  # pyarrow's errors are ValueErrors
        raise InputDataError(
            f"{folder} is no background made by 'hepad analysis background', or is damaged ({error})"
        ) from error
    if schema != SCHEMA:
        raise InputDataError(f"{folder}: its {RECORD} is {schema!r}, expected {SCHEMA!r}; make it again")
    bad = [name for name, values in columns.items() if values.dtype.kind not in "fi"]
    if bad or not {"category", "event", "weight_pb"} <= set(columns) or not np.isfinite(columns["weight_pb"]).all():
        raise InputDataError(
            f"{folder}: {EVENTS} is damaged ({', '.join(bad) or 'category or weight_pb'}); make it again"
        )
    return columns, record
