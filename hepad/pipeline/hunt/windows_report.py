"""What a hunt of an analysis found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.objects.cutflow import CutFlow
from hepad.pipeline.hunt.windows_rows import (
    BumpRow,
    DependenceRow,
    ScanPoint,
    SignalRow,
    SpillRow,
    WindowResult,
    row_of,
    row_to_json,
)
from hepad.stats.bumphunt.correlated import WindowTrials

__all__ = [
    "AnalysisReport",
    "BumpRow",
    "ScanPoint",
    "SignalRow",
    "Trials",
    "WindowResult",
    "all_trials",
    "trials_json",
    "trials_of",
]


@dataclass(frozen=True)
class Trials:
    """Global p-values: of each of `methods` over all its looks, and of all methods together, None if there is none."""

    methods: Mapping[str, WindowTrials] = field(default_factory=dict)
    whole: WindowTrials | None = None


@dataclass(frozen=True)
class AnalysisReport:
    """`trials` are the global p-values of the counts in windows, of each method and `whole`; None without toys.

    `scan` and `scan_trials` are of resonances of many masses, `overall` counts both kinds of looks of all methods.
    `left_out` says why windows of methods, or a global p-value, are not there. `masses` (n, results) are those of the
    selected events, NaN where an event is not selected. `luminosity` is in fb-1. `dependence` says how scores and
    selections follow the mass, `spills` how much of simulated signals is in sidebands; there were to be `toys`
    bootstraps.
    """

    analysis: str
    mass: str
    output: Path | None
    cutflow: CutFlow
    results: tuple[WindowResult, ...]
    trials: Mapping[str, WindowTrials]
    whole: WindowTrials | None
    left_out: Mapping[str, str]
    masses: npt.NDArray[np.float64] | None = field(default=None, repr=False)
    skipped: tuple[Any, ...] = ()
    complete_before: bool = False
    scan: tuple[ScanPoint, ...] = ()
    scan_trials: Trials = field(default_factory=Trials)
    overall: WindowTrials | None = None
    bumps: tuple[BumpRow, ...] = ()
    signals: tuple[SignalRow, ...] = ()
    luminosity: float | None = None
    dependence: tuple[DependenceRow, ...] = ()
    spills: tuple[SpillRow, ...] = ()
    toys: int = 0

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {**self.content(), "output": None if self.output is None else str(self.output)}

    def content(self) -> dict[str, Any]:
        """The same wherever it is written to."""
        return {
            "analysis": self.analysis,
            "mass": self.mass,
            "luminosity_per_fb": self.luminosity,
            "cutflow": self.cutflow.to_json(),
            "windows": [row_to_json(row) for row in self.results],
            "global_p": {name: trials_json(found) for name, found in self.trials.items()},
            "global_p_of_all": trials_json(self.whole),
            "scan": [row_to_json(row, self.luminosity) for row in self.scan],
            "global_p_of_scan": {name: trials_json(found) for name, found in self.scan_trials.methods.items()},
            "global_p_of_scan_of_all": trials_json(self.scan_trials.whole),
            "global_p_of_everything": trials_json(self.overall),
            "bumps": [row_to_json(row) for row in self.bumps],
            "signals": [row_to_json(row, self.luminosity) for row in self.signals],
            "mass_dependence": [row_to_json(row) for row in self.dependence],
            "signal_in_sidebands": [row_to_json(row) for row in self.spills],
            "left_out": dict(self.left_out),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], output: Path) -> AnalysisReport:
        """What `content` made, of an output that was complete before."""
        return cls(
            content["analysis"],
            content["mass"],
            output,
            CutFlow.from_json(content["cutflow"]),
            tuple(row_of(WindowResult, row) for row in content["windows"]),
            all_trials(content["global_p"]),
            trials_of(content["global_p_of_all"]),
            content["left_out"],
            complete_before=True,
            scan=tuple(row_of(ScanPoint, row) for row in content["scan"]),
            scan_trials=Trials(all_trials(content["global_p_of_scan"]), trials_of(content["global_p_of_scan_of_all"])),
            overall=trials_of(content["global_p_of_everything"]),
            bumps=tuple(row_of(BumpRow, row) for row in content["bumps"]),
            signals=tuple(row_of(SignalRow, row) for row in content["signals"]),
            luminosity=content["luminosity_per_fb"],
            dependence=tuple(row_of(DependenceRow, row) for row in content["mass_dependence"]),
            spills=tuple(row_of(SpillRow, row) for row in content["signal_in_sidebands"]),
        )


def trials_json(found: WindowTrials | None) -> dict[str, Any] | None:
    """Global p-values in JSON types, what is not finite as None."""
    if found is None:
        return None
    return {**vars(found), "effective": found.effective if np.isfinite(found.effective) else None}


def all_trials(content: Mapping[str, Any]) -> dict[str, WindowTrials]:
    """Those of names that have some."""
    return {name: trials for name, one in content.items() if (trials := trials_of(one)) is not None}


def trials_of(content: Mapping[str, Any] | None) -> WindowTrials | None:
    """What `trials_json` made."""
    if content is None:
        return None
    effective = float("nan") if content["effective"] is None else content["effective"]
    return WindowTrials(**{**content, "effective": effective})
