"""The backgrounds of a spectrum as results."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.spectra.backgrounds import FittedBackground
from hepad.spectra.models import BinnedData
from hepad.stats.fits.fit import FitResult

__all__ = ["Background", "FitReport", "correlation"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Background(FittedBackground):
    """A fitted background with the `minos` errors (k, 2) of a function, down and up, NaN where MINOS failed."""

    minos: FloatArray | None = None

    @classmethod
    def of(cls, found: FittedBackground, minos: FloatArray | None = None) -> Background:
        """The background that was found, and its MINOS errors."""
        return cls(**vars(found), minos=minos)

    def to_json(self) -> dict[str, Any]:
        """The background in plain JSON types, without a key for what it does not have."""
        content: dict[str, Any] = {"name": self.name, "kind": self.kind, "goodness": asdict(self.goodness)}
        if self.steps:
            content["order"] = [asdict(step) for step in self.steps]
        if self.fit is not None:
            content |= _parameters(self.fit, self.minos)
        if self.process is not None:
            names = ("amplitude", "length", "at_limit", "n_effective", "log_evidence")
            content["process"] = {name: getattr(self.process, name) for name in names}
            content["process"]["base"] = self.process.base.name
        return content | {"expected": self.expected.tolist(), "expected_errors": self.errors.tolist()}


@dataclass(frozen=True)
class FitReport:
    """The spectrum, its backgrounds in the order asked for, and remarks that a reader of them must know."""

    data: BinnedData
    backgrounds: tuple[Background, ...]
    seed: int
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The report in plain JSON types; masses in GeV."""
        spectrum = self.data.spectrum
        return {
            "spectrum": {
                "name": Path(spectrum.name).name,
                "bins": spectrum.n_bins,
                "range": [float(spectrum.edges[0]), float(spectrum.edges[-1])],
                "weighted": spectrum.is_weighted,
            },
            "fits": [background.to_json() for background in self.backgrounds],
            "seed": self.seed,
            "warnings": list(self.warnings),
        }


def correlation(fit: FitResult) -> FloatArray:
    """The correlation matrix (k, k) of the parameters."""
    return np.asarray(fit.covariance / np.outer(fit.errors, fit.errors), dtype=np.float64)


def _parameters(fit: FitResult, minos: FloatArray | None) -> dict[str, Any]:
    names = fit.function.parameter_names
    found = np.full((len(names), 2), np.nan) if minos is None else minos
    intervals = [None if np.isnan(pair).any() else pair.tolist() for pair in found]
    return {
        "parameters": dict(zip(names, fit.parameters.tolist(), strict=True)),
        "errors": dict(zip(names, fit.errors.tolist(), strict=True)),
        "minos": dict(zip(names, intervals, strict=True)),
        "covariance": fit.covariance.tolist(),
        "correlation": correlation(fit).tolist(),
    }
