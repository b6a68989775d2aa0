"""What a hunt in a plane found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hepad.execution.run import Skipped
from hepad.pipeline.hunt.windows_report import Trials, all_trials, trials_json, trials_of
from hepad.pipeline.hunt.windows_rows import BumpRow, ScanPoint, SignalRow, row_of, row_to_json
from hepad.pipeline.hunt.windows_scan import SelectedSpectrum
from hepad.pipeline.hunt.windows_selected import SelectedMasses
from hepad.stats.fits.fit import fit_background

__all__ = ["PlaneReport", "RegionRow", "SpectrumRow"]


@dataclass(frozen=True)
class RegionRow:
    """Events of a region: those read, those that the selection keeps, and those of any window."""

    region: str
    events: int
    selected: int
    kept: int


@dataclass(frozen=True)
class SpectrumRow:
    """The spectrum of a window, `low` to `high` in GeV of the unknown mass: counts (n,) and the function without a
    signal (n,), in bins of edges (n+1,) in GeV of the mass of both.
    """

    region: str
    low: float
    high: float
    events: int
    function: str
    edges: tuple[float, ...] = field(repr=False)
    counts: tuple[float, ...] = field(repr=False)
    expected: tuple[float, ...] = field(repr=False)

    @classmethod
    def of(cls, one: SelectedMasses, spectrum: SelectedSpectrum) -> SpectrumRow:
        """The row of what was selected; the function was chosen by a fit that converged."""
        fit = fit_background(spectrum.edges, spectrum.counts, spectrum.function)
        numbers = (tuple(map(float, values)) for values in (spectrum.edges, spectrum.counts, fit.expected))
        counted = int(spectrum.counts.sum())
        return cls(one.method, one.window.low, one.window.high, counted, spectrum.function.name, *numbers)


@dataclass(frozen=True)
class PlaneReport:
    """`scan` has a row a region, window (`low` to `high` in GeV of the unknown mass) and mass: `method` is the region.

    `trials` are the global p-values of each region over all its windows and masses, and of all regions; without toys
    there are none. `signals` are in the window that the peak of their unknown mass is nearest to the middle of.
    `luminosity` is in fb-1.
    """

    analysis: str
    mass: str
    output: Path | None
    regions: tuple[RegionRow, ...]
    spectra: tuple[SpectrumRow, ...]
    scan: tuple[ScanPoint, ...]
    bumps: tuple[BumpRow, ...]
    signals: tuple[SignalRow, ...]
    trials: Trials
    left_out: Mapping[str, str]
    toys: int = 0
    luminosity: float | None = None
    skipped: tuple[Skipped, ...] = ()
    complete_before: bool = False

    def best(self, region: str) -> ScanPoint:
        """The point of the largest significance of a region."""
        return max((point for point in self.scan if point.method == region), key=lambda point: point.z)

    @property
    def searched(self) -> list[str]:
        """The regions that have points."""
        return list(dict.fromkeys(point.method for point in self.scan))

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {**self.content(), "output": None if self.output is None else str(self.output)}

    def content(self) -> dict[str, Any]:
        """The same wherever it is written to."""
        return {
            "analysis": self.analysis,
            "mass": self.mass,
            "luminosity_per_fb": self.luminosity,
            "regions": [row_to_json(row) for row in self.regions],
            "spectra": [row_to_json(row) for row in self.spectra],
            "scan": [row_to_json(row, self.luminosity) for row in self.scan],
            "bumps": [row_to_json(row) for row in self.bumps],
            "signals": [row_to_json(row, self.luminosity) for row in self.signals],
            "global_p": {name: trials_json(found) for name, found in self.trials.methods.items()},
            "global_p_of_all": trials_json(self.trials.whole),
            "toys": self.toys,
            "left_out": dict(self.left_out),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], output: Path) -> PlaneReport:
        """What `content` made, of an output that was complete before."""
        return cls(
            content["analysis"],
            content["mass"],
            output,
            tuple(row_of(RegionRow, row) for row in content["regions"]),
            tuple(row_of(SpectrumRow, row) for row in content["spectra"]),
            tuple(row_of(ScanPoint, row) for row in content["scan"]),
            tuple(row_of(BumpRow, row) for row in content["bumps"]),
            tuple(row_of(SignalRow, row) for row in content["signals"]),
            Trials(all_trials(content["global_p"]), trials_of(content["global_p_of_all"])),
            content["left_out"],
            toys=content["toys"],
            luminosity=content["luminosity_per_fb"],
            complete_before=True,
        )

    def limit(self, point: ScanPoint | SignalRow) -> tuple[float, tuple[float, ...]]:
        """The limit observed and those expected, in fb with a luminosity, else on events; NaN for none."""
        scale = 1 / (self.luminosity or 1.0)
        expected = (np.nan,) * 5 if point.expected is None else point.expected
        observed = np.nan if point.observed is None else point.observed
        return observed * scale, tuple(value * scale for value in expected)
