"""The result of a bump hunt, and its plain form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hepad.spectra.files import Spectrum
from hepad.spectra.reference import Background
from hepad.stats.bumphunt import BumpHunt, Sensitivity, Trials
from hepad.stats.fits.fit import FitResult

__all__ = ["BumpHuntReport", "TrialsReport"]


@dataclass(frozen=True)
class BumpHuntReport:
    """The channels with their backgrounds, the hunt, and remarks that a reader of the result must know."""

    spectra: tuple[Spectrum, ...]
    backgrounds: tuple[Background, ...]
    hunt: BumpHunt
    seed: int
    warnings: tuple[str, ...]
    sensitivity: Sensitivity | None = None

    @property
    def spectrum(self) -> Spectrum:
        """The first channel."""
        return self.spectra[0]

    @property
    def fit(self) -> FitResult | None:
        """The fit of the first channel."""
        return self.backgrounds[0].fit

    def to_json(self) -> dict[str, Any]:
        """The result in plain JSON types; masses in GeV, `local_z` and `global_p` null where they do not exist."""
        hunt = self.hunt
        edges = self.spectrum.edges
        result: dict[str, Any] = {
            "window": list(hunt.window),
            "direction": hunt.direction,
            "local_p": hunt.local_p,
            "log10_local_p": hunt.log_p / float(np.log(10.0)),
            "local_z": hunt.local_z,
            "global_p": hunt.global_p,
            "global_p_error": hunt.global_p_error,
            "global_z": hunt.global_z,
            "estimated_global_p": hunt.estimated_global_p,
            "estimated_global_p_error": hunt.estimated_global_p_error,
            "toys": hunt.toys,
            "failed_toys": hunt.failed_toys,
            "refit": hunt.refit,
            "counted_reference": hunt.counted_reference,
            "statistic": hunt.statistic,
            "windows": hunt.windows,
            "vetoed_windows": int(hunt.tomography.vetoed.sum()),
            "observed": hunt.observed,
            "expected": hunt.expected,
            "fit": _fit_json(self.backgrounds[0]),
            "spectrum": {
                "name": Path(self.spectrum.name).name,
                "bins": self.spectrum.n_bins,
                "range": [float(edges[0]), float(edges[-1])],
                "weighted": self.spectrum.is_weighted,
            },
            "seed": self.seed,
            "warnings": list(self.warnings),
        }
        if len(self.spectra) > 1:
            result["channels"] = [self._channel(i) for i in range(len(self.spectra))]
        if self.sensitivity is not None:
            result["sensitivity"] = _sensitivity_json(self.sensitivity)
        return result

    def _channel(self, i: int) -> dict[str, Any]:
        return {
            "name": Path(self.spectra[i].name).name,
            "observed": float(self.hunt.observed_in[i]),
            "expected": float(self.hunt.expected_in[i]),
            "fit": _fit_json(self.backgrounds[i]),
        }


def _fit_json(background: Background) -> dict[str, Any] | None:
    fit, good = background.fit, background.goodness
    if fit is None:
        return None
    names = fit.function.parameter_names
    return {
        "function": fit.function.name,
        "parameters": dict(zip(names, fit.parameters.tolist(), strict=True)),
        "errors": dict(zip(names, fit.errors.tolist(), strict=True)),
        "deviance": fit.deviance,
        "ndf": fit.ndf,
        "p_value": fit.p_value,
        "p_toys": None if good is None else good.p_toys,
        "converged": fit.converged,
    }


def _sensitivity_json(found: Sensitivity) -> dict[str, Any]:
    return {
        "yields": found.yields.tolist(),
        "global_z": found.z.tolist(),
        "quantiles": [-2, -1, 0, 1, 2],
        "power_3_sigma": found.power.tolist(),
        "needed_3_sigma": found.needed(3.0),
        "needed_5_sigma": found.needed(5.0),
        "ceiling": found.ceiling,
        "toys": found.toys,
    }


_KEPT = (
    "window",
    "direction",
    "local_p",
    "log10_local_p",
    "local_z",
    "statistic",
    "windows",
    "observed",
    "expected",
    "fit",
)
"""What is told of each of several hunts."""


@dataclass(frozen=True)
class TrialsReport:
    """The hunt in each spectrum, without pseudo-experiments of its own, and what they say of all together."""

    hunts: tuple[BumpHuntReport, ...]
    trials: Trials
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The result in plain JSON types; `best` is the number of the spectrum with the smallest p-value, from 0."""
        found = self.trials
        spectra = []
        for hunt, p in zip(self.hunts, found.single_p, strict=True):
            result = hunt.to_json()
            kept = {key: result[key] for key in _KEPT}
            spectra.append({"name": result["spectrum"]["name"], **kept, "global_p": float(p)})
        return {
            "spectra": spectra,
            "best": found.best,
            "global_p": found.global_p,
            "global_p_error": found.global_p_error,
            "effective_spectra": found.effective if math.isfinite(found.effective) else None,
            "toys": found.toys,
            "failed_toys": found.failed_toys,
            "shared_events": found.shared_events,
            "warnings": list(self.warnings),
        }
