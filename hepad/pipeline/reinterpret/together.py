"""Limits of a search whose bins are fitted together: of all bins at once, and of each with the control bins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError, InputDataError
from hepad.pipeline.reinterpret.combine import Combined, Limits, few_warnings
from hepad.pipeline.reinterpret.limits import TOYS, ChannelLimit, Inputs
from hepad.pipeline.reinterpret.reasons import Cause, Reason
from hepad.samples.sample import weight_sums
from hepad.search.bins import BELOW, Bin, bin_names, bin_of
from hepad.search.expectation import Expectation
from hepad.search.together import FittedBins, bin_label, fitted_bins
from hepad.stats.limits.calculator import set_limit
from hepad.stats.limits.cls import Calculator, LimitResult
from hepad.stats.limits.published import numpy_backend
from hepad.stats.limits.simultaneous import CountingBin
from hepad.stats.scores.acceptance import weighted_acceptance

__all__ = ["limits_together"]

_EDGES = np.array([0.0, 1.0])
_METHOD = "simultaneous fit of all bins"
_HOW = "simulation, its normalisation fitted"


def limits_together(inputs: Inputs) -> Limits:
    """The limit of all bins in one fit, and that of each discovery bin in a fit with the control bins.

    The latter is of the signal in that bin alone, the former of the signal in all bins, control bins too.
    A bin without simulated background is in no fit: what is in it of the signal is not used.
    """
    fitted = fitted_bins(inputs.measured.search)
    channels = _in_bins(inputs, fitted)
    names = tuple(bin_label(one) for one in (() if fitted is None else fitted.bins))
    overlaps = np.eye(len(channels))
    if fitted is None:
        return Limits(inputs, channels, Combined("none", (), None), overlaps, ())
    signal = {one: float(channels[bin_label(one)].signal[0]) for one in fitted.bins}
    with numpy_backend():
        for one in fitted.bins:
            if one[1] != BELOW and signal[one] > 0:
                # Alone: what the control bins have of the signal would else be most of the limit of a bin with little.
                alone = fitted.with_signal((one, *fitted.control), {one: signal[one]})
                channels[bin_label(one)] = _limited(inputs, channels[bin_label(one)], fitted, alone)
        combined = _combined(inputs, fitted, fitted.with_signal(tuple(fitted.bins), signal), names)
    return Limits(inputs, channels, combined, overlaps, _warnings(inputs, fitted, channels))


def _in_bins(inputs: Inputs, fitted: FittedBins | None) -> dict[str, ChannelLimit]:
    """What is in each bin, without a limit, and why."""
    measured, factor = inputs.measured, inputs.yields.events / inputs.measured.generated.weight
    found = {}
    for category in measured.search.categories:
        events = measured.events[category.name]
        places = bin_of(events, category)
        for place, name in enumerate(bin_names(category.card)):
            weights = events.weight[places == place]
            sums = weight_sums(weights)
            one = (category.name, name)
            signal = np.array([max(sums.weight, 0.0) * factor])
            expectation = None if fitted is None or one not in fitted.bins else _expectation(fitted, one)
            found[bin_label(one)] = ChannelLimit(
                name=bin_label(one),
                acceptance=weighted_acceptance(sums, measured.generated),
                signal=signal,
                edges=_EDGES,
                expectation=expectation,
                result=None,
                reason=_no_limit(name, expectation),
            )
    return found


def _expectation(fitted: FittedBins, one: Bin) -> Expectation:
    part = fitted.bins[one]
    background: npt.NDArray[np.float64] = np.array([part.total])
    variances = np.array([part.error**2])
    observed = None if part.observed is None else np.array([part.observed])
    effective = part.total**2 / part.error**2 if part.error else None
    return Expectation(_EDGES, background, observed, _HOW, background, variances, effective)


def _no_limit(name: str, expectation: Expectation | None) -> Reason:
    if name == BELOW:
        return Reason(Cause.CONTROL, "a control bin, which is fitted with the others")
    if expectation is None:
        return Reason(Cause.NO_BACKGROUND, "no simulated background event is in it")
    return Reason(Cause.NOT_IN_REGION, "no signal event is in it")


def _limited(inputs: Inputs, limit: ChannelLimit, fitted: FittedBins, bins: list[CountingBin]) -> ChannelLimit:
    try:
        return replace(limit, result=_limit(inputs, fitted, bins), reason=None)
    except (FitFailedError, InputDataError) as error:
        return replace(limit, reason=Reason(Cause.FIT_FAILED, str(error)))


def _combined(inputs: Inputs, fitted: FittedBins, bins: list[CountingBin], names: tuple[str, ...]) -> Combined:
    if not any(one.signal > 0 for one in bins):
        return Combined("none", (), None)
    try:
        return Combined(_METHOD, names, _limit(inputs, fitted, bins), on_simulation=not fitted.has_data)
    except (FitFailedError, InputDataError) as error:
        return Combined("none", (), None, f"the simultaneous fit failed ({error})")


def _limit(inputs: Inputs, fitted: FittedBins, bins: list[CountingBin]) -> LimitResult:
    """By asymptotic formulae unless toys are asked for: each takes a fit of all parameters."""
    yields = inputs.yields
    calculator: Calculator = "asymptotic" if yields.calculator == "auto" else yields.calculator
    experiment = fitted.experiment(bins, yields.signal_error)
    found = set_limit(experiment, calculator, toys=yields.toys or TOYS, points=(0, 0))
    return replace(found, reason="asymptotic formulae of the fit") if yields.calculator == "auto" else found


def _warnings(inputs: Inputs, fitted: FittedBins, channels: dict[str, ChannelLimit]) -> tuple[str, ...]:
    found = []
    lost = [limit for limit in channels.values() if limit.expectation is None and limit.signal[0] > 0]
    if lost:
        total = sum(float(limit.signal[0]) for limit in channels.values())
        part = sum(float(limit.signal[0]) for limit in lost) / total
        names = ", ".join(limit.name for limit in lost)
        found.append(f"{part:.1%} of the signal is in {names}, without simulated background, and is not used")
    if seen := {bin_label(one): events for one, events in fitted.unmodelled.items() if events > 0}:
        listed = ", ".join(f"{name} ({events:g})" for name, events in seen.items())
        found.append(f"events were observed in bins without simulated background, and are not used: {listed}")
    found += few_warnings(channels)
    few = [bin_label(one) for one, part in fitted.bins.items() if part.total < 10 and one[1] != BELOW]
    if few and inputs.yields.calculator == "auto":
        found.append(
            f"fewer than 10 background events are expected in {len(few)} bins: asymptotic limits may be off by some "
            "10 % there; --calculator toys takes minutes"
        )
    return tuple(found)
