"""Limits against the mass: how to set them, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.pipeline.limit.result import result_json
from hepad.spectra.backgrounds import FittedBackground
from hepad.spectra.files import Spectrum
from hepad.stats.fits.fit import FitResult
from hepad.stats.limits.cls import LimitResult, known, known_list
from hepad.stats.limits.discovery import Excess
from hepad.stats.limits.mass_scan import GlobalExcess

__all__ = ["MassLimitOptions", "MassLimitReport", "MassPoint"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MassLimitOptions:
    """How to set limits on a resonance in a spectrum.

    `function` is a fit card or "auto". `masses` are LOW:HIGH:STEP or M1,M2,... in GeV, None for the shape's own.
    `luminosity` in fb-1 turns events into pb, divided by the `acceptance` (times efficiency). `spurious` is the
    standard deviation, in events, of a signal that the function may fake. `global_toys` are for the global p-value,
    0 for the local one alone; `calculator` and `toys` as in `LimitOptions`, at each mass.
    """

    function: str = "auto"
    masses: str | None = None
    mass_range: tuple[float, float] | None = None
    luminosity: float | None = None
    acceptance: float = 1.0
    signal_error: float = 0.0
    luminosity_error: float = 0.0
    spurious: float = 0.0
    calculator: str = "auto"
    toys: int = 0
    global_toys: int = 200
    seed: int = 0
    output: Path | None = None

    @property
    def pb_per_event(self) -> float | None:
        """The cross section, in pb, of one signal event; None without a luminosity."""
        return None if self.luminosity is None else 1 / (1000 * self.luminosity * self.acceptance)


@dataclass(frozen=True)
class MassPoint:
    """One mass in GeV: limit on the number of signal events, and the local excess there."""

    mass: float
    width: float
    limit: LimitResult
    excess: Excess


@dataclass(frozen=True)
class MassLimitReport:
    """The points in rising mass, the background-only fit, and the global p-value, None if it was not asked for."""

    points: tuple[MassPoint, ...]
    background: FittedBackground
    spectrum: Spectrum
    overall: GlobalExcess | None
    pb_per_event: float | None
    seed: int
    warnings: tuple[str, ...]

    @property
    def shown_in(self) -> tuple[float, str]:
        """What limits are multiplied by for people, and the unit: events, pb, or fb if all medians are below 0.1 pb."""
        if self.pb_per_event is None:
            return 1.0, "events"
        largest = max(float(point.limit.expected[2]) for point in self.points) * self.pb_per_event
        return (1000 * self.pb_per_event, "fb") if largest < 0.1 else (self.pb_per_event, "pb")

    @property
    def fit(self) -> FitResult:
        """The fit of the background alone, to effective counts."""
        assert self.background.fit is not None  # noqa: S101  of a function
        return self.background.fit

    @property
    def largest(self) -> MassPoint:
        """The point with the most significant excess."""
        return min(self.points, key=lambda point: point.excess.log_p)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; limits in events of signal, and in pb if there is a luminosity."""
        top = self.largest
        return {
            "spectrum": {
                "name": Path(self.spectrum.name).name,
                "bins": self.spectrum.n_bins,
                "range": self._range(),
                "weighted": self.spectrum.is_weighted,
            },
            "function": self.fit.function.name,
            "deviance": self.fit.deviance,
            "ndf": self.fit.ndf,
            "fit_p_value": self.fit.p_value,
            "fit_p_toys": self.background.goodness.p_toys,
            "points": [self._point(point) for point in self.points],
            "largest_excess": {"mass": top.mass, **top.excess.to_json()},
            "global": None if self.overall is None else self.overall.to_json(),
            "seed": self.seed,
            "warnings": list(self.warnings),
        }

    def _range(self) -> list[float]:
        return [float(self.spectrum.edges[0]), float(self.spectrum.edges[-1])]

    def _point(self, point: MassPoint) -> dict[str, Any]:
        content = {"mass": point.mass, "relative_width": point.width, **result_json(point.limit, self.seed)}
        for scan in ("poi_name", "poi", "cls", "seed"):
            del content[scan]
        if self.pb_per_event is not None:
            observed = point.limit.observed
            content["observed_pb"] = None if observed is None else known(observed * self.pb_per_event)
            content["expected_pb"] = known_list(point.limit.expected * self.pb_per_event)
        return {**content, **point.excess.to_json()}
