"""Two-dimensional histograms from ROOT files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.reader import open_root
from hepad.io.text import first_line
from hepad.spectra.files import spectrum_path
from hepad.spectra.root_histograms import choose, counted_bins

__all__ = ["Plane", "read_plane"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """Events in rectangular bins: counts (nx, ny), edges (nx+1,) and (ny+1,), titles of the axes.

    `variances` (nx, ny) of the counts where the file stores them.
    `InputDataError` for a NaN, an infinity or a negative number.
    """

    name: str
    edges: tuple[FloatArray, FloatArray]
    counts: FloatArray
    variances: FloatArray | None = None
    titles: tuple[str, str] = ("First variable", "Second variable")

    def __post_init__(self) -> None:
        for edges in self.edges:
            if not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
                raise InputDataError(f"{self.name}: edges must be finite and rise")
        for what, values in (("counts", self.counts), ("variances", self.variances)):
            if values is None:
                continue
            bad = ~np.isfinite(values) | (values < 0)
            if bad.any():
                x, y = (int(i) for i in np.argwhere(bad)[0])
                raise InputDataError(
                    f"{self.name}: {what} of bin ({x}, {y}) are {values[x, y]:g}; they must be finite and not negative"
                )


def read_plane(spec: str) -> Plane:
    """Read `file.root:name`, a TH2; without a name the file must hold just one. Under- and overflow are left out."""
    path, name = spectrum_path(spec)
    if path.suffix != ".root":
        raise InputDataError(f"{spec} is not a plane: give file.root:name, a TH2")
    if not path.is_file():
        raise InputDataError(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
    with open_root(path) as file:
        try:
            return _histogram(path, file, name)
        except InputDataError:
            raise
        except Exception as error:  # a damaged record surfaces as many kinds of error
            raise InputDataError(f"{path}: damaged, {first_line(error)}; copy it again") from error


def _histogram(path: Path, file: Any, name: str | None) -> Plane:
    chosen, histogram = choose(path, file, name, axes=2)
    edges, counts, variances = counted_bins(f"{path}:{chosen}", histogram)
    first, second = (str(histogram.axis(i).member("fTitle")) for i in (0, 1))
    return Plane(
        name=f"{path}:{chosen}",
        edges=(edges[0], edges[1]),
        counts=counts,
        variances=variances,
        titles=(first or "First variable", second or "Second variable"),
    )
