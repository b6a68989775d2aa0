"""Spectra of memory as hepad's: histograms of hist, boost-histogram and uproot, pairs of arrays, specs of files."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hepad.errors import HepadError, InputDataError, UsageError
from hepad.spectra.files import Spectrum, read_spectrum
from hepad.spectra.root_histograms import counted_bins
from hepad.spectra.uhi_file import uhi_bins

__all__ = ["SpectrumLike", "YieldLike", "channels_of", "numbers", "spectrum_of", "yields_of"]

FloatArray = npt.NDArray[np.float64]

SpectrumLike: TypeAlias = Any
"""A histogram of hist, boost-histogram or uproot or any other of the UHI protocol; `(values, edges)` or `(values,
edges, variances)`, numpy's order; a `Spectrum`; or the spec of a file: `file.root:name`, `file.json:name`, `file.csv`.
"""
YieldLike: TypeAlias = Any
"""A number of events, an array of such (n,), or what a spectrum may be."""


def spectrum_of(given: SpectrumLike, name: str = "spectrum") -> Spectrum:
    """The spectrum that is given: edges (n+1,), counts (n,), and variances (n,) where its storage keeps them.

    Under- and overflow are left out. Variances mean the same as in a file: those of a weighted storage; a histogram of
    plain counts has none of its own. `InputDataError` for what is no spectrum, or holds a NaN or a negative count.
    """
    if isinstance(given, Spectrum):
        return given
    if isinstance(given, str | os.PathLike):
        return read_spectrum(os.fspath(given))
    if isinstance(given, tuple):
        if len(given) not in {2, 3}:
            raise InputDataError(f"{name}: a tuple is (values, edges) or (values, edges, variances), not {len(given)}")
        values, edges, *variances = (numbers(part, name) for part in given)
        return Spectrum(name, edges, values, variances[0] if variances else None)
    return _of_histogram(given, name)


def _of_histogram(given: Any, name: str) -> Spectrum:
    from uhi.typing.plottable import PlottableHistogram

    if not isinstance(given, PlottableHistogram):
        raise InputDataError(
            f"{name}: {type(given).__name__} is no spectrum; give a histogram, (values, edges) or the name of a file"
        )
    if len(given.axes) != 1:
        raise InputDataError(f"{name} has {len(given.axes)} axes; a spectrum has one")
    named = str(getattr(given, "name", None) or name)
    try:
        if hasattr(given, "member"):  # uproot's, with all that ROOT stores
            edges, counts, variances = counted_bins(named, given)
            return Spectrum(named, edges[0], counts, variances)
        if hasattr(given, "_to_uhi_"):  # as its file would be read
            import uhi.io.json

            content = json.loads(json.dumps(given, default=uhi.io.json.default))
            return Spectrum(named, *uhi_bins(named, content))
        return _of_protocol(given, named)
    except HepadError:
        raise
    except Exception as error:  # whatever the object of somebody else raises
        raise InputDataError(f"{named} cannot be read as a histogram ({type(error).__name__}: {error})") from error


def _of_protocol(given: Any, name: str) -> Spectrum:
    """By nothing but the protocol; variances equal to the counts are those that it makes up for plain counts."""
    if str(given.kind) != "COUNT":
        raise InputDataError(f"{name} is of kind {given.kind}: its values are means, not counts")
    bins = [(float(low), float(high)) for low, high in given.axes[0]]
    if any(high != low for (_, high), (low, _) in pairwise(bins)):
        raise InputDataError(f"{name}: its bins do not touch one another")
    counts, stored = np.asarray(given.values(), dtype=np.float64), given.variances()
    variances = None if stored is None else np.asarray(stored, dtype=np.float64)
    if variances is not None and np.array_equal(variances, counts):
        variances = None
    return Spectrum(name, np.array([bins[0][0], *(high for _, high in bins)]), counts, variances)


def yields_of(**given: YieldLike) -> dict[str, float | Spectrum | None]:
    """Numbers as they are, all else as spectra; an array (n,) takes the edges of the first that has some."""
    arrays = {name: value for name, value in given.items() if _is_array(value)}
    found: dict[str, float | Spectrum | None] = {}
    for name, value in given.items():
        if value is None or name in arrays:
            found[name] = None
        elif isinstance(value, int | float | np.number) and not isinstance(value, bool):
            found[name] = _finite(float(value), name)
        else:
            found[name] = spectrum_of(value, name)
    edges = next((value.edges for value in found.values() if isinstance(value, Spectrum)), None)
    for name, value in arrays.items():
        counts = numbers(value, name)
        if counts.ndim != 1:
            raise InputDataError(f"{name} has shape {counts.shape}: give a number, or an array of one axis")
        edges = np.arange(len(counts) + 1.0) if edges is None else edges
        found[name] = Spectrum(name, edges, counts)
    return found


def _is_array(value: Any) -> bool:
    """Counts without edges: an array, or a list of numbers."""
    return isinstance(value, np.ndarray | list) and np.ndim(value) > 0


def _finite(value: float, name: str) -> float:
    if not (np.isfinite(value) and value >= 0):
        raise InputDataError(f"{name} must be finite and not negative, found {value:g}")
    return value


def numbers(value: Any, name: str) -> FloatArray:
    """An array of floating-point numbers; `InputDataError` if it is none."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"{name} does not hold numbers ({error})") from error


def channels_of(given: SpectrumLike | Sequence[SpectrumLike], name: str = "spectrum") -> list[Spectrum]:
    """One spectrum, or those of a list."""
    if isinstance(given, list):
        if not given:
            raise UsageError("give at least one spectrum")
        return [spectrum_of(one, f"{name} {i}") for i, one in enumerate(given, 1)]
    return [spectrum_of(given, name)]
