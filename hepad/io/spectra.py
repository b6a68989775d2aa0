"""Binned spectra: ROOT histograms, UHI JSON and CSV tables in, ROOT and UHI JSON histograms out."""

from __future__ import annotations

import csv
import json
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.reader import open_root
from hepad.io.root_file import recreate
from hepad.io.text import first_line

if TYPE_CHECKING:
    import hist

__all__ = [
    "FloatArray",
    "Spectrum",
    "read_histograms",
    "read_spectrum",
    "spectrum_path",
    "write_histograms_json",
    "write_histograms_root",
]

FloatArray = npt.NDArray[np.float64]

_SUFFIXES = (".root", ".json", ".csv")
_MAX_TEXT = 256 << 20
"""Most bytes of a CSV or JSON file; published spectra have some kB."""


@dataclass(frozen=True)
class Spectrum:
    """Events in contiguous bins of a mass (or another variable).

    `edges` (n+1,) in GeV unless the file says otherwise, rising; `counts` (n,), not negative;
    `variances` (n,) of the counts where the file stores them; `reference` (n,) the expected background counts.
    `InputDataError` if the arrays do not fit together or hold a NaN, an infinity or a negative number.
    """

    name: str
    edges: FloatArray
    counts: FloatArray
    variances: FloatArray | None = None
    reference: FloatArray | None = None

    def __post_init__(self) -> None:
        _check_edges(self.name, self.edges)
        _check_bins(self.name, "counts", self.counts, self.edges)
        for what in ("variances", "reference"):
            values = getattr(self, what)
            if values is not None:
                _check_bins(self.name, what, values, self.edges)

    @property
    def n_bins(self) -> int:
        """The number of bins."""
        return len(self.counts)

    @property
    def is_weighted(self) -> bool:
        """Whether the stored variances differ from those of plain counts."""
        return self.variances is not None and not np.allclose(self.variances, self.counts, rtol=1e-6, atol=1e-9)

    def restrict(self, low: float, high: float) -> Spectrum:
        """The bins entirely within [low, high], in the units of the edges; `InputDataError` if there are none."""
        slack = 1e-9 * abs(self.edges[-1])
        keep = np.flatnonzero((self.edges[:-1] >= low - slack) & (self.edges[1:] <= high + slack))
        if len(keep) == 0:
            raise InputDataError(
                f"{self.name}: no whole bin lies in {low:g}:{high:g}; "
                f"the spectrum spans {self.edges[0]:g}:{self.edges[-1]:g}"
            )
        bins = slice(int(keep[0]), int(keep[-1]) + 1)
        return Spectrum(
            name=self.name,
            edges=self.edges[bins.start : bins.stop + 1],
            counts=self.counts[bins],
            variances=None if self.variances is None else self.variances[bins],
            reference=None if self.reference is None else self.reference[bins],
        )


def spectrum_path(spec: str) -> tuple[Path, str | None]:
    """Split `file.root:name` into the path and the histogram's name, None where no name is given."""
    for suffix in _SUFFIXES:
        before, found, after = spec.partition(f"{suffix}:")
        if found:
            return Path(before + suffix), after or None
    return Path(spec), None


def read_spectrum(spec: str) -> Spectrum:
    """Read one spectrum from `file.root[:name]`, `file.json[:name]` (UHI) or `file.csv`.

    Without a name the file must hold a single one-dimensional histogram. Under- and overflow are left out.
    A CSV has the columns low edge, high edge, counts and optionally the expected background; a header is optional.
    `InputDataError` names the file and the value at fault.
    """
    path, name = spectrum_path(spec)
    if path.suffix not in _SUFFIXES:
        raise InputDataError(f"{spec} is not a spectrum: give file.root:name, file.json:name or file.csv")
    if not path.is_file():
        raise InputDataError(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
    if path.suffix != ".root" and path.stat().st_size > _MAX_TEXT:
        raise InputDataError(f"{path} has more than {_MAX_TEXT >> 20} MiB")
    try:
        if path.suffix == ".root":
            return _read_root(path, name)
        if path.suffix == ".json":
            return _read_json(path, name)
        return _read_csv(path, name)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputDataError(f"cannot read {path}: {first_line(error)}") from error


def write_histograms_root(
    path: Path, histograms: Mapping[str, hist.Hist[Any]], record: Mapping[str, Any] | None = None
) -> None:
    """Write one-dimensional histograms as TH1 under their names, and the provenance record as a string beside them."""
    with recreate(path) as file:
        for name, histogram in histograms.items():
            file[name] = histogram
        file["provenance"] = json.dumps(record or {})


def write_histograms_json(
    path: Path, histograms: Mapping[str, hist.Hist[Any]], record: Mapping[str, Any] | None = None
) -> None:
    """Write histograms as UHI JSON, a mapping of names to histograms; the provenance is in each one's metadata."""
    import uhi.io.json

    content = {}
    for name, histogram in histograms.items():
        plain = json.loads(json.dumps(histogram, default=uhi.io.json.default))
        content[name] = {**plain, "metadata": {**plain.get("metadata", {}), "provenance": dict(record or {})}}
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def read_histograms(path: Path) -> tuple[dict[str, FloatArray], dict[str, Any]]:
    """What `write_histograms_root` or `write_histograms_json` wrote: numbers by name, and the provenance record.

    The numbers are counts and variances with under- and overflow, of shape (bins + 2, 2). `InputDataError` or
    `ValueError`, `KeyError`, `TypeError` for a file that is something else.
    """
    if path.suffix == ".json":
        content = json.loads(path.read_text(encoding="utf-8"))
        record = next(iter(content.values()))["metadata"]["provenance"]
        stored = {name: (h["storage"]["values"], h["storage"]["variances"]) for name, h in content.items()}
        return {name: np.array(numbers, dtype=np.float64).T for name, numbers in stored.items()}, record
    with open_root(path) as file:
        record = json.loads(str(file["provenance"]))
        names = file.keys(cycle=False, filter_classname="TH1*")
        pairs = {name: (file[name].values(flow=True), file[name].variances(flow=True)) for name in names}
    return {name: np.array(pair, dtype=np.float64).T for name, pair in pairs.items()}, record


def _read_root(path: Path, name: str | None) -> Spectrum:
    with open_root(path) as file:
        try:
            names = file.keys(cycle=False, filter_classname=lambda kind: str(kind).startswith("TH1"))
            chosen = _choose(path, list(dict.fromkeys(names)), name)
            histogram = file[chosen]
            return Spectrum(
                name=f"{path}:{chosen}",
                edges=np.asarray(histogram.axis().edges(), dtype=np.float64),
                counts=np.asarray(histogram.values(), dtype=np.float64),
                variances=np.asarray(histogram.variances(), dtype=np.float64),
            )
        except InputDataError:
            raise
        except Exception as error:  # a damaged record surfaces as many kinds of error
            raise InputDataError(f"{path}: damaged, {first_line(error)}; copy it again") from error


def _read_json(path: Path, name: str | None) -> Spectrum:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputDataError(f"{path} is not valid JSON at line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # a number of a thousand digits, brackets a thousand deep
        raise InputDataError(f"{path} is not valid JSON: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise InputDataError(f"{path} is not a UHI histogram, nor a mapping of names to UHI histograms")
    if "axes" in content and "storage" in content:
        if name is not None:
            raise InputDataError(f"{path} holds a single histogram without a name; leave out ':{name}'")
        return _from_uhi(str(path), content)
    names = [key for key, value in content.items() if isinstance(value, dict) and "axes" in value]
    chosen = _choose(path, names, name)
    return _from_uhi(f"{path}:{chosen}", content[chosen])


def _from_uhi(origin: str, content: dict[str, Any]) -> Spectrum:
    """Interpret the UHI serialisation directly, so that no version of a histogram library matters."""
    try:
        axes, storage = content["axes"], content["storage"]
        values = np.asarray(storage["values"], dtype=np.float64)
        if len(axes) != 1:
            raise InputDataError(f"{origin} has {len(axes)} axes; a spectrum has one")
        axis = axes[0]
        if axis["type"] == "regular":
            if not 0 < int(axis["bins"]) <= len(values) or int(axis["bins"]) != axis["bins"]:
                raise InputDataError(f"{origin} has {axis['bins']} bins for {len(values)} values")
            edges = np.linspace(_finite(axis["lower"]), _finite(axis["upper"]), int(axis["bins"]) + 1)
        elif axis["type"] == "variable":
            edges = np.asarray(axis["edges"], dtype=np.float64)
        else:
            raise InputDataError(f"{origin} has an axis of type {axis['type']!r}; a spectrum has numerical edges")
        inner = slice(1 if axis.get("underflow") else 0, -1 if axis.get("overflow") else None)
        counts = values[inner]
        stored = storage.get("variances")
        variances = None if stored is None else np.asarray(stored, dtype=np.float64)[inner]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputDataError(f"{origin} is not a UHI histogram that can be read: {reprlib.repr(error)}") from error
    return Spectrum(name=origin, edges=edges, counts=counts, variances=variances)


def _finite(value: Any) -> float:
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(f"an edge is {number}")
    return number


def _read_csv(path: Path, name: str | None) -> Spectrum:
    if name is not None:
        raise InputDataError(f"{path} is a table and holds one spectrum; leave out ':{name}'")
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = [(number, row) for number, row in enumerate(csv.reader(stream), start=1) if _has_content(row)]
    if rows and not _is_number(rows[0][1][0]):
        rows = rows[1:]  # a header, whatever its names
    if not rows:
        raise InputDataError(f"{path} holds no bins")
    width = len(rows[0][1])
    if width not in (3, 4):
        raise InputDataError(f"{path} has {width} columns; expected low edge, high edge, counts[, reference]")
    table = np.array([_csv_numbers(path, number, row, width) for number, row in rows])
    low, high = table[:, 0], table[:, 1]
    gaps = np.flatnonzero(low[1:] != high[:-1])
    if len(gaps):
        at = int(gaps[0])
        raise InputDataError(
            f"{path} line {rows[at + 1][0]}: bins are not contiguous, {low[at + 1]:g} follows {high[at]:g}"
        )
    return Spectrum(
        name=str(path),
        edges=np.append(low, high[-1]),
        counts=table[:, 2],
        reference=table[:, 3] if width == 4 else None,
    )


def _csv_numbers(path: Path, line: int, row: list[str], width: int) -> list[float]:
    if len(row) != width:
        raise InputDataError(f"{path} line {line}: found {len(row)} columns, expected {width}")
    for cell in row:
        if not _is_number(cell):
            raise InputDataError(f"{path} line {line}: {reprlib.repr(cell.strip())} is not a number")
    return [float(cell) for cell in row]


def _has_content(row: list[str]) -> bool:
    return any(cell.strip() for cell in row) and not row[0].lstrip().startswith("#")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _choose(path: Path, names: list[str], name: str | None) -> str:
    listed = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    if not names:
        raise InputDataError(f"{path} holds no one-dimensional histogram")
    if name is None:
        if len(names) > 1:
            raise InputDataError(f"{path} holds {len(names)} histograms; choose one as {path}:NAME of {listed}")
        return names[0]
    if name not in names:
        raise InputDataError(f"{path} holds no one-dimensional histogram {name!r}; it holds {listed}")
    return name


def _check_edges(name: str, edges: FloatArray) -> None:
    if edges.ndim != 1 or len(edges) < 2:
        raise InputDataError(f"{name} holds no bins")
    if not np.all(np.isfinite(edges)):
        raise InputDataError(f"{name}: edge {int(np.flatnonzero(~np.isfinite(edges))[0])} is not finite")
    falling = np.flatnonzero(np.diff(edges) <= 0)
    if len(falling):
        at = int(falling[0])
        raise InputDataError(f"{name}: edges must rise, but {edges[at + 1]:g} follows {edges[at]:g}")


def _check_bins(name: str, what: str, values: FloatArray, edges: FloatArray) -> None:
    if values.shape != (len(edges) - 1,):
        raise InputDataError(f"{name}: {what} have shape {values.shape}, expected ({len(edges) - 1},)")
    bad = np.flatnonzero(~np.isfinite(values) | (values < 0))
    if len(bad):
        at = int(bad[0])
        raise InputDataError(
            f"{name}: {what} in bin {edges[at]:g}-{edges[at + 1]:g} are {values[at]:g}; "
            "they must be finite and not negative"
        )
