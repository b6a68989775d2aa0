"""Histograms of counts out of ROOT files: what class they are, and which variances they store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError

__all__ = ["choose", "counted_bins", "named"]

FloatArray = npt.NDArray[np.float64]

_KINDS = {1: "one-dimensional", 2: "two-dimensional"}
_BASES = ("TH1", "TH2", "TH3", "TProfile", "TEfficiency", "TGraph")
_LETTERS = "CSILFD"
"""TH1K and TH2Poly have other bins, TProfile and TProfile2D means."""
_IS_AVERAGE = 1 << 18
"""TH1::kIsAverage, a bit of TObject."""


def choose(path: Path, file: Any, name: str | None, *, axes: int) -> tuple[str, Any]:
    """The name and the object of a histogram of counts, None for the only one; `InputDataError` says what it is."""
    classes = dict(file.classnames(recursive=True, cycle=False))
    wanted = {f"TH{axes}{letter}" for letter in _LETTERS}
    names = [key for key, kind in classes.items() if kind in wanted]
    other = classes.get(name or "")
    if other is not None and other not in wanted and other.startswith(_BASES):
        raise InputDataError(f"{path}:{name} is a {other}; hepad takes {_KINDS[axes]} histograms of counts (TH{axes}D)")
    chosen = named(path, names, name, f"{_KINDS[axes]} histogram")
    return chosen, file[chosen]


def named(path: Path, names: list[str], name: str | None, what: str) -> str:
    """The name if it is among the names, the only one for None; else `InputDataError` lists them."""
    listed = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    if not names:
        raise InputDataError(f"{path} holds no {what}")
    if name is None:
        if len(names) > 1:
            raise InputDataError(f"{path} holds {len(names)} histograms; choose one as {path}:NAME of {listed}")
        return names[0]
    if name not in names:
        raise InputDataError(f"{path} holds no {what} {name!r}; it holds {listed}")
    return name


def counted_bins(origin: str, histogram: Any) -> tuple[list[FloatArray], FloatArray, FloatArray | None]:
    """Edges of each axis, counts, and variances or None if the file stores none; under- and overflow are left out.

    Without Sumw2 uproot's variances are its own, equal to the counts. `InputDataError` for averages and categories.
    """
    if int(histogram.member("@fBits")) & _IS_AVERAGE:
        raise InputDataError(f"{origin} holds averages (kIsAverage), not counts")
    for axis in histogram.axes:
        labels = axis.labels()
        if labels:
            shown = ", ".join(map(str, labels[:3]))
            raise InputDataError(f"{origin} has bins with labels ({shown}, ...): categories, where edges are expected")
    edges = [np.asarray(axis.edges(), dtype=np.float64) for axis in histogram.axes]
    stored = len(histogram.member("fSumw2")) > 0
    variances = np.asarray(histogram.variances(), dtype=np.float64) if stored else None
    return edges, np.asarray(histogram.values(), dtype=np.float64), variances
