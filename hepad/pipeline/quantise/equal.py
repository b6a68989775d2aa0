"""What different models take to reach the same AUC: read off between the designs of a scan.

A model's designs (weight widths) that no smaller one of its own beats are its front: AUC against lookup tables, joined
by straight lines, along which latency and operations are read off too. An AUC below the front takes its smallest
design, which is then an upper limit; one above is not reached. AUCs are means over fine-tuning seeds; the band is what
remains when the seeds of each width are drawn again with replacement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.pipeline.quantise.report import EqualCost, QuantisedPoint

__all__ = ["QUANTITIES", "Curve", "common_costs", "cost_curves", "costs_of"]

Floats = npt.NDArray[np.float64]
QUANTITIES = ("lut", "latency_ns", "operations", "mac", "conditional_adds", "neuron_updates")

_DRAWS = 400
_GRID = 61
_BAND = (16.0, 84.0)


@dataclass(frozen=True)
class Curve:
    """What a model takes to reach an AUC, for one signal: `auc` (k,), and by quantity rows low, mean, high (3, k).

    The band is not a number where fewer draws than it holds reach the AUC, or without several seeds.
    """

    model: str
    signal: str
    auc: Floats
    costs: dict[str, Floats]

    def at(self, auc: float) -> dict[str, tuple[float, float, float]]:
        """Low, mean, high of each quantity at an AUC."""
        found = {}
        for name, rows in self.costs.items():
            low, mean, high = (float(np.interp(auc, self.auc, row)) for row in rows)
            found[name] = (low, mean, high)
        return found


def costs_of(design: QuantisedPoint) -> tuple[float, ...]:
    """A design's `QUANTITIES`; `operations` are all kinds together."""
    counts = design.operations
    kinds = tuple(counts[name] for name in QUANTITIES[3:])
    return (float(design.lut or 0), float(design.latency_ns or 0), sum(kinds), *kinds)


def cost_curves(designs: Sequence[QuantisedPoint], signals: Sequence[str], *, seed: int) -> tuple[Curve, ...]:
    """A curve for each model and signal; designs of one width are those of different seeds."""
    widths: dict[str, dict[int, list[QuantisedPoint]]] = {}
    for design in designs:
        widths.setdefault(design.model, {}).setdefault(design.bits or 0, []).append(design)
    found = []
    for signal in signals:
        values = {model: _by_width(own, signal) for model, own in widths.items()}
        fronts = {model: _front(*(np.array([v.mean(axis=0) for v in x]) for x in own)) for model, own in values.items()}
        lowest = min(float(auc[0]) for auc, _ in fronts.values())
        for model, front in fronts.items():
            grid = np.linspace(lowest, front[0][-1], _GRID)
            rows = np.stack([_along(*front, grid)] * 3)
            rows[[0, 2]] = _band_of(*values[model], grid, seed)
            found.append(Curve(model, signal, grid, {name: rows[..., i] for i, name in enumerate(QUANTITIES)}))
    return tuple(found)


def _by_width(widths: Mapping[int, Sequence[QuantisedPoint]], signal: str) -> tuple[list[Floats], list[Floats]]:
    """For each width the AUC (seeds,) and the costs (seeds, quantities)."""
    aucs = [np.array([design.auc[signal] for design in group]) for group in widths.values()]
    return aucs, [np.array([costs_of(design) for design in group]) for group in widths.values()]


def _band_of(aucs: Sequence[Floats], costs: Sequence[Floats], grid: Floats, seed: int) -> Floats:
    """The band (2, k, quantities) when the seeds of each width are drawn again; not a number without several."""
    rng = np.random.default_rng(seed)
    band = np.full((2, len(grid), len(QUANTITIES)), np.nan)
    if min(len(a) for a in aucs) > 1:
        drawn = []
        for _ in range(_DRAWS):
            picks = [rng.integers(len(a), size=len(a)) for a in aucs]
            auc = np.array([a[i].mean() for a, i in zip(aucs, picks, strict=True)])
            cost = np.array([c[i].mean(axis=0) for c, i in zip(costs, picks, strict=True)])
            drawn.append(_along(*_front(auc, cost), grid))
        band = _band(np.stack(drawn))
    return band


def _front(auc: Floats, costs: Floats) -> tuple[Floats, Floats]:
    """AUCs (k,) and costs (k, quantities) of the designs that no smaller one beats, rising."""
    kept: list[int] = []
    for i in np.argsort(costs[:, 0], kind="stable"):
        if not kept or auc[i] > auc[kept[-1]]:
            kept.append(int(i))
    return auc[kept], costs[kept]


def _along(auc: Floats, costs: Floats, grid: Floats) -> Floats:
    """Costs (len(grid), quantities) between the designs of a front; not a number above."""
    return np.stack([np.interp(grid, auc, c, right=np.nan) for c in costs.T], axis=1)


def _band(drawn: Floats) -> Floats:
    """The band (2, k, quantities) of the draws (n, k, quantities) that reach an AUC, if 5 in 6 do."""
    reached = np.isfinite(drawn[..., 0]).mean(axis=0) >= _BAND[1] / 100
    band = np.full((2, *drawn.shape[1:]), np.nan)
    if reached.any():
        band[:, reached] = np.nanpercentile(drawn[:, reached], _BAND, axis=0)
    return band


def common_costs(curves: Sequence[Curve], *, count: int = 3) -> tuple[EqualCost, ...]:
    """What each model takes at `count` AUCs between the lowest and the highest that all of them reach, by signal."""
    found = []
    for signal in dict.fromkeys(curve.signal for curve in curves):
        own = [curve for curve in curves if curve.signal == signal]
        limits = [_limits(curve) for curve in own]
        low, high = max(limit[0] for limit in limits), min(limit[1] for limit in limits)
        if len(own) < 2 or not low < high:
            continue
        for auc in np.linspace(low, high, count):
            for curve in own:
                costs = {
                    name: (None if np.isnan(a) else a, b, None if np.isnan(c) else c)
                    for name, (a, b, c) in curve.at(float(auc)).items()
                }
                found.append(EqualCost(signal, float(auc), curve.model, costs))
    return tuple(found)


def _limits(curve: Curve) -> tuple[float, float]:
    """The range of AUCs with a band, or without seeds the whole range."""
    with_band = np.isfinite(curve.costs["lut"][0])
    reached = curve.auc[with_band] if with_band.any() else curve.auc
    return float(reached[0]), float(reached[-1])
