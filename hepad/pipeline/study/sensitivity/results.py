"""What the points of a study of sensitivity amount to: curves, limits, cross sections of discovery, improvements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.sensitivity import SensitivityCard
from hepad.pipeline.study.sensitivity.points import Counted, Point
from hepad.stats.limits.sensitivity import FIVE_SIGMA, Crossing, crossing, improvement

__all__ = ["Band", "Curve", "Found", "SensitivityResults", "gathered"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """A quantity over injected events (k,): median, least and largest of the seeds, NaN where nothing was counted."""

    events: FloatArray
    median: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class Found:
    """A number of signal events: where the median over seeds crosses, and the least and largest of single seeds."""

    value: Crossing
    low: Crossing
    high: Crossing


@dataclass(frozen=True)
class Curve:
    """What a method counted of a signal: by seed, at each of the injected `events`, None where it failed."""

    events: tuple[float, ...]
    counted: Mapping[int, Sequence[Counted | None]]

    def band(self, of: Callable[[Counted], float]) -> Band:
        """A quantity over the injected events."""
        values = self._table(lambda one, _: of(one))
        there = ~np.isnan(values).all(axis=0)
        median, low, high = (np.full(values.shape[1], np.nan) for _ in range(3))
        median[there] = np.nanmedian(values[:, there], axis=0)
        low[there], high[there] = np.nanmin(values[:, there], axis=0), np.nanmax(values[:, there], axis=0)
        return Band(np.array(self.events), median, low, high)

    def limit(self) -> Found:
        """The events that are excluded at 95 %: from where on they are more than the limit at their own efficiency."""
        return self._found(self._table(Counted.excluded), 1.0, logarithmic=True)

    def discovery(self) -> Found:
        """The events that are found with 5 standard deviations in the mock data; unknown if none are needed for it."""
        found = self._found(self._table(lambda one, _: one.z), FIVE_SIGMA, logarithmic=False)
        return found if found.value.value > 0 else replace(found, value=Crossing(float("nan")))

    def expected_discovery(self) -> Found:
        """The same without the luck of the background in the window, or what is made up there; see `expected_z`."""
        return self._found(self._table(Counted.typical_z), FIVE_SIGMA, logarithmic=False)

    @property
    def free_z(self) -> float:
        """The median significance without a signal, NaN if it is not known."""
        band = self.band(lambda one: one.z)
        return float(band.median[0]) if self.events[0] == 0 else float("nan")

    def at(self, of: Callable[[Counted], float], events: float) -> float:
        """The median of a quantity at a number of events, straight in their logarithm; NaN if unknown."""
        band = self.band(of)
        known = (band.events > 0) & ~np.isnan(band.median)
        if not known.any() or np.isnan(events):
            return float("nan")
        return float(np.interp(np.log(events), np.log(band.events[known]), band.median[known]))

    def _table(self, of: Callable[[Counted, float], float]) -> FloatArray:
        """A quantity by seed and events."""
        rows = [
            [np.nan if one is None else of(one, events) for one, events in zip(row, self.events, strict=True)]
            for row in self.counted.values()
        ]
        return np.array(rows, dtype=np.float64)

    def _found(self, values: FloatArray, level: float, *, logarithmic: bool) -> Found:
        injected = (np.array(self.events) > 0) | (not logarithmic)
        places, rows = np.array(self.events)[injected].tolist(), values[:, injected]
        there = ~np.isnan(rows).all(axis=0)
        median = np.full(rows.shape[1], np.nan)
        median[there] = np.nanmedian(rows[:, there], axis=0)
        single = [crossing(places, row.tolist(), level, logarithmic=logarithmic) for row in rows]
        ordered = sorted((one for one in single if not np.isnan(one.value)), key=_size)
        none = Crossing(float("nan"))
        least, most = (ordered[0], ordered[-1]) if ordered else (none, none)
        return Found(crossing(places, median.tolist(), level, logarithmic=logarithmic), least, most)


def _size(found: Crossing) -> tuple[int, float]:
    """What sorts crossings: bounds from above last."""
    return {"<": 0, "": 1, ">": 2}[found.bound], found.value


@dataclass(frozen=True)
class SensitivityResults:
    """The curves by signal and method, the luminosity of mock data in 1/fb, and why points failed, by name."""

    card: SensitivityCard
    curves: Mapping[str, Mapping[str, Curve]]
    luminosity: float
    failed: Mapping[str, str] = field(default_factory=dict)

    def best_classical(self, signal: str, of: Callable[[Curve], Found]) -> tuple[str, Crossing]:
        """The classical method that needs the fewest events of a signal, and how many."""
        every = [(name, of(self.curves[signal][name]).value) for name in self.card.classical]
        known = [(name, found) for name, found in every if not np.isnan(found.value)]
        return min(known, key=lambda pair: _size(pair[1])) if known else ("", Crossing(float("nan")))

    def improvements(self, of: Callable[[Curve], Found]) -> dict[str, dict[str, Crossing]]:
        """By signal and method that is not classical, how many times fewer events suffice than for the best that is."""
        found: dict[str, dict[str, Crossing]] = {}
        for signal, curves in self.curves.items():
            classical = self.best_classical(signal, of)[1]
            others = {name: curve for name, curve in curves.items() if name not in self.card.classical}
            found[signal] = {name: improvement(classical, of(curve).value) for name, curve in others.items()}
        return found

    def summary(self) -> list[dict[str, Any]]:
        """A row a signal and method, in JSON types: limits and discoveries in events and in fb, and what is behind."""
        ways = {"limit": Curve.limit, "discovery": Curve.discovery, "expected_discovery": Curve.expected_discovery}
        gains = {what: self.improvements(of) for what, of in ways.items()}
        rows = []
        for signal, curves in self.curves.items():
            for method, curve in curves.items():
                row: dict[str, Any] = {"signal": signal, "method": method}
                for what, of in ways.items():
                    found = of(curve)
                    row |= {
                        f"{what}_events": _number(found.value.value),
                        f"{what}_fb": _number(found.value.value / self.luminosity),
                        f"{what}_bound": found.value.bound,
                        f"{what}_low_fb": _number(found.low.value / self.luminosity),
                        f"{what}_high_fb": _number(found.high.value / self.luminosity),
                    }
                    gain = gains[what][signal].get(method, Crossing(float("nan")))
                    row |= {f"{what}_improvement": _number(gain.value), f"{what}_improvement_bound": gain.bound}
                at = curve.limit().value.value
                row["z_without_signal"] = _number(curve.free_z)
                row["efficiency_at_limit"] = _number(curve.at(lambda one: one.efficiency, at))
                row["significance_improvement_at_limit"] = _number(curve.at(lambda one: one.gain, at))
                rows.append(row)
        return rows

    def points(self) -> list[dict[str, Any]]:
        """A row a point, in JSON types."""
        rows = []
        for signal, curves in self.curves.items():
            for method, curve in curves.items():
                for seed, row in curve.counted.items():
                    for events, one in zip(curve.events, row, strict=True):
                        place = {"signal": signal, "method": method, "seed": seed, "events": events}
                        place["cross_section_fb"] = events / self.luminosity
                        if one is not None:
                            derived = {"p": float(np.exp(one.log_p)), "efficiency": one.efficiency}
                            derived["significance_improvement"] = one.gain
                            place |= {name: _number(value) for name, value in {**derived, **asdict(one)}.items()}
                        rows.append(place)
        return rows


def gathered(
    card: SensitivityCard, points: Mapping[str, Point], found: Mapping[str, Counted | str], luminosity: float
) -> SensitivityResults:
    """The curves of all points by name; those that failed are texts."""
    known = {point: found[name] for name, point in points.items()}
    curves: dict[str, dict[str, Curve]] = {}
    for signal in card.signals:
        curves[signal] = {}
        for method in card.methods:
            events = card.injected(method)
            rows = {}
            for seed in card.seeds:
                each = [known[Point(method, signal, n, seed)] for n in events]
                rows[seed] = [one if isinstance(one, Counted) else None for one in each]
            curves[signal][method] = Curve(events, rows)
    failed = {name: one for name, one in found.items() if isinstance(one, str)}
    return SensitivityResults(card, curves, luminosity, failed)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
