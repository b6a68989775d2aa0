"""Rows of the report of a hunt in windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from scipy.special import ndtr

from hepad.methods.base import Window
from hepad.pipeline.hunt.honesty import MassDependence, Spill
from hepad.stats.bumphunt.mass_looks import MassPoint
from hepad.stats.bumphunt.window_count import WindowCount

__all__ = ["BumpRow", "DependenceRow", "ScanPoint", "SignalRow", "SpillRow", "WindowResult", "row_of", "row_to_json"]

Row = TypeVar("Row")


@dataclass(frozen=True)
class WindowResult:
    """What a method selects, by its `fraction`, and the excess in a window: `local_p`, `z`, by the fit's error.

    The fraction is None for a method of cuts.
    `edges` and `counts` are the spectrum of what is selected, `expected` the function, with so many parameters as
    were needed.
    """

    method: str
    set: str
    low: float
    high: float
    fraction: float | None
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
    def of(cls, method: str, set_: str, window: Window, fraction: float | None, count: WindowCount) -> WindowResult:
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


@dataclass(frozen=True, kw_only=True)
class DependenceRow(MassDependence):
    """How a method's score and selection depend on the mass in the sidebands of a window, edges in GeV."""

    method: str
    set: str
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class SpillRow(Spill):
    """The shares of a simulated signal in a window and its sidebands, edges in GeV."""

    signal: str
    set: str
    low: float
    high: float


@dataclass(frozen=True)
class ScanPoint:
    """A resonance of a mass in GeV in the spectrum of the window that is responsible for it.

    `z` is the root of q0, `events` those fitted, 0 for a deficit; `observed` and `expected` (-2 to 2 standard
    deviations) are limits at 95 % CL on events that the method selects, None where they could not be found.
    `few`: fewer than ten events carry the sensitivity, so that the asymptotic formulae are rough.
    """

    method: str
    set: str
    low: float
    high: float
    mass: float
    z: float
    local_p: float
    events: float
    observed: float | None
    expected: tuple[float, ...] | None
    few: bool

    @classmethod
    def of(cls, place: tuple[str, str, float, float], mass: float, point: MassPoint) -> ScanPoint:
        """The row of a point of a method, a set and a window."""
        return cls(*place, mass, point.z, float(ndtr(-point.z)), point.events, *_limits(point), point.few)


@dataclass(frozen=True)
class BumpRow:
    """The largest excess anywhere in a spectrum, `first` to `last` in GeV, of the function fitted to all of it.

    `global_p` is that of this spectrum alone, of pseudo-experiments that are fitted anew.
    """

    method: str
    set: str
    low: float
    high: float
    first: float
    last: float
    z: float
    local_p: float
    global_p: float
    global_p_error: float


@dataclass(frozen=True)
class SignalRow:
    """A simulated signal, its peak at `mass` in GeV, in the spectrum of a window: the `efficiency` of selection and
    method on all events of its files, and `error` of finite simulation.

    Where the window is `responsible` for the mass, `z`, and limits at 95 % CL on events that are produced.
    """

    signal: str
    mass: float
    method: str
    set: str
    low: float
    high: float
    efficiency: float
    error: float
    responsible: bool
    z: float | None = None
    events: float | None = None
    observed: float | None = None
    expected: tuple[float, ...] | None = None
    few: bool = False

    def with_point(self, point: MassPoint) -> SignalRow:
        """The row with what a fit adds."""
        observed, expected = _limits(point)
        z, events = (None if np.isnan(value) else value for value in (point.z, point.events))
        return replace(self, z=z, events=events, observed=observed, expected=expected, few=point.few)


def _limits(point: MassPoint) -> tuple[float | None, tuple[float, ...] | None]:
    """The observed limit and those expected; None for what could not be found."""
    observed, *expected = point.limits
    return None if np.isnan(observed) else observed, None if np.isnan(expected).any() else tuple(expected)


def row_to_json(row: Any, luminosity: float | None = None) -> dict[str, Any]:
    """A row in JSON types; with a luminosity in fb-1 its limits, which it must have, also in fb."""
    content = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(row).items()}
    if luminosity is not None:
        for name in ("observed", "expected"):
            value = content[name]
            fb = [one / luminosity for one in value] if isinstance(value, list) else value and value / luminosity
            content[f"{name}_fb"] = fb
    return content


def row_of(kind: type[Row], content: Mapping[str, Any]) -> Row:
    """What `row_to_json` made."""
    kept = {name: value for name, value in content.items() if not name.endswith("_fb")}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()})
