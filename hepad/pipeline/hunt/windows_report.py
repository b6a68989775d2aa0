"""What a hunt of an analysis found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.methods.base import Window
from hepad.objects.cutflow import CutFlow
from hepad.stats.bumphunt.correlated import WindowTrials
from hepad.stats.bumphunt.window_count import WindowCount

__all__ = ["AnalysisReport", "WindowResult"]


@dataclass(frozen=True)
class WindowResult:
    """What a method selects, by its `fraction`, and the excess in a window: `local_p`, `z`, by the fit's error.

    `edges` and `counts` are the spectrum of what is selected, `expected` the function, with so many parameters as
    were needed.
    """

    method: str
    set: str
    low: float
    high: float
    fraction: float
    selected: int
    observed: float
    expected_in_window: float
    error: float
    local_p: float
    z: float
    function: str
    edges: tuple[float, ...] = field(repr=False)
    counts: tuple[float, ...] = field(repr=False)
    expected: tuple[float, ...] = field(repr=False)

    @classmethod
    def of(cls, method: str, set_: str, window: Window, fraction: float, count: WindowCount) -> WindowResult:
        """The result of a count."""
        return cls(
            method,
            set_,
            window.low,
            window.high,
            fraction,
            int(count.counts.sum()),
            count.observed,
            float(count.expected[count.place]),
            float(count.errors[count.place]),
            float(np.exp(count.log_p)),
            count.z,
            count.fit.function.name,
            tuple(map(float, count.edges)),
            tuple(map(float, count.counts)),
            tuple(map(float, count.expected)),
        )


@dataclass(frozen=True)
class AnalysisReport:
    """`trials` are the global p-values of each method over its windows, `whole` that over all; None without toys.

    `left_out` says why windows of methods, or a global p-value, are not there. `masses` (n, results) are those of the
    selected events, NaN where an event is not selected.
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

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {**self.content(), "output": None if self.output is None else str(self.output)}

    def content(self) -> dict[str, Any]:
        """The same wherever it is written to."""
        return {
            "analysis": self.analysis,
            "mass": self.mass,
            "cutflow": self.cutflow.to_json(),
            "windows": [_listed(vars(result)) for result in self.results],
            "global_p": {name: _trials(found) for name, found in self.trials.items()},
            "global_p_of_all": None if self.whole is None else _trials(self.whole),
            "left_out": dict(self.left_out),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], output: Path) -> AnalysisReport:
        """What `content` made, of an output that was complete before."""
        tuples = ("edges", "counts", "expected")
        results = [{**row, **{name: tuple(row[name]) for name in tuples}} for row in content["windows"]]
        whole = content["global_p_of_all"]
        return cls(
            content["analysis"],
            content["mass"],
            output,
            CutFlow.from_json(content["cutflow"]),
            tuple(WindowResult(**row) for row in results),
            {name: _of_trials(found) for name, found in content["global_p"].items()},
            None if whole is None else _of_trials(whole),
            content["left_out"],
            complete_before=True,
        )


def _listed(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in content.items()}


def _trials(found: WindowTrials) -> dict[str, Any]:
    return {**vars(found), "effective": _number(found.effective)}


def _of_trials(content: Mapping[str, Any]) -> WindowTrials:
    effective = float("nan") if content["effective"] is None else content["effective"]
    return WindowTrials(**{**content, "effective": effective})


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
