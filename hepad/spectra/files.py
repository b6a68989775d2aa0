"""Binned spectra: ROOT histograms, UHI JSON and CSV tables in, ROOT and UHI JSON histograms out."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hepad.cards.document import each_key_once
from hepad.errors import InputDataError
from hepad.io.text import first_line
from hepad.output.root_file import recreate
from hepad.spectra.csv_file import EDGE_ROUNDING, csv_bins
from hepad.spectra.root_histograms import choose, counted_bins, named
from hepad.spectra.uhi_file import uhi_bins

if TYPE_CHECKING:
    import hist

__all__ = [
    "EDGE_ROUNDING",
    "FloatArray",
    "Spectrum",
    "counting_variances",
    "read_histograms",
    "read_spectrum",
    "same_edges",
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

    def __str__(self) -> str:
        return self.name

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
        slack = EDGE_ROUNDING * np.diff(self.edges)
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


def same_edges(first: FloatArray, second: FloatArray) -> bool:
    """Whether two arrays of edges are those of the same bins, up to single precision or printed digits."""
    if first.shape != second.shape:
        return False
    width = np.diff(first)
    slack = EDGE_ROUNDING * np.minimum(np.append(width, np.inf), np.append(np.inf, width))
    return bool(np.all(np.abs(first - second) <= slack))


def counting_variances(counts: FloatArray, variances: FloatArray | None) -> FloatArray | None:
    """The variances that a file stores; without them those of plain counts where all are whole, else None."""
    if variances is None and np.all(counts == np.rint(counts)):
        return counts
    return None if variances is None or not np.any(variances > 0) else variances


def spectrum_path(spec: str) -> tuple[Path, str | None]:
    """Split `file.root:name` into the path and the histogram's name, None where no name is given."""
    for suffix in _SUFFIXES:
        before, found, after = spec.partition(f"{suffix}:")
        if found:
            return Path(before + suffix), after or None
    return Path(spec), None


def read_spectrum(spec: str | Spectrum) -> Spectrum:
    """Read one spectrum from `file.root[:name]`, `file.json[:name]` (UHI) or `file.csv`; one in memory is itself.

    Without a name the file must hold a single one-dimensional histogram. Under- and overflow are left out.
    A CSV has the columns low edge, high edge, counts and optionally the expected background; a header is optional.
    HEPData's own tables are known by their columns `... LOW` and `... HIGH`; `file.csv:NAME` chooses one of several.
    Variances are those that the file stores, never made up. `InputDataError` names the file and the value at fault,
    and what the object is where it is no spectrum: a profile, categories, averages, a cross section.
    """
    if isinstance(spec, Spectrum):
        return spec
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
        return Spectrum(str(path) if name is None else f"{path}:{name}", *csv_bins(path, name))
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
    from hepad.io.reader import open_root  # which loads awkward, of which CSV and JSON have no need

    with open_root(path) as file:
        record = json.loads(str(file["provenance"]))
        names = file.keys(cycle=False, filter_classname="TH1*")
        pairs = {name: (file[name].values(flow=True), file[name].variances(flow=True)) for name in names}
    return {name: np.array(pair, dtype=np.float64).T for name, pair in pairs.items()}, record


def _read_root(path: Path, name: str | None) -> Spectrum:
    from hepad.io.reader import open_root

    with open_root(path) as file:
        try:
            chosen, histogram = choose(path, file, name, axes=1)
            edges, counts, variances = counted_bins(f"{path}:{chosen}", histogram)
            return Spectrum(f"{path}:{chosen}", edges[0], counts, variances)
        except InputDataError:
            raise
        except Exception as error:  # a damaged record surfaces as many kinds of error
            raise InputDataError(f"{path}: damaged, {first_line(error)}; copy it again") from error


def _read_json(path: Path, name: str | None) -> Spectrum:
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=each_key_once)
    except json.JSONDecodeError as error:
        raise InputDataError(f"{path} is not valid JSON at line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # a number of a thousand digits, brackets a thousand deep
        raise InputDataError(f"{path} is not valid JSON: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise InputDataError(f"{path} is not a UHI histogram, nor a mapping of names to UHI histograms")
    if "axes" in content and "storage" in content:
        if name is not None:
            raise InputDataError(f"{path} holds a single histogram without a name; leave out ':{name}'")
        return Spectrum(str(path), *uhi_bins(str(path), content))
    names = [key for key, value in content.items() if isinstance(value, dict) and "axes" in value]
    chosen = named(path, names, name, "one-dimensional histogram")
    return Spectrum(f"{path}:{chosen}", *uhi_bins(f"{path}:{chosen}", content[chosen]))


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
