"""Limits on the cross section of a signal in the channels of a search, one by one and combined."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from hepad.cards.search import CountCard
from hepad.errors import FitFailedError, InputDataError
from hepad.pipeline.reinterpret.measure import Measured
from hepad.pipeline.reinterpret.reasons import Cause, NoLimitError, Reason
from hepad.pipeline.reinterpret.rows import LimitRow
from hepad.pipeline.reinterpret.systematics import spurious_events
from hepad.samples.sample import weight_sums
from hepad.search.expectation import (
    Expectation,
    Simulated,
    TooFewError,
    counted_expectation,
    published_expectation,
    simulated_expectation,
)
from hepad.search.search import Category
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.templates import kernel_template
from hepad.stats.limits.calculator import combined_experiment, set_limit
from hepad.stats.limits.cls import Calculator, LimitResult, known, known_list
from hepad.stats.limits.plain_count import PlainCount, best_count
from hepad.stats.limits.resonance import ResonanceChannel
from hepad.stats.limits.template_response import Response, SignalEvents, template_response
from hepad.stats.scores.acceptance import Acceptance, weighted_acceptance

__all__ = [
    "FEWEST_EVENTS",
    "ChannelLimit",
    "Inputs",
    "Masks",
    "Yield",
    "channel_limits",
    "common_limit",
    "count_channel",
    "limit_row",
    "limit_with_response",
    "median",
    "signal_spectrum",
    "with_spurious",
    "within",
]

FloatArray = npt.NDArray[np.float64]
TOYS = 1000
"""Pseudo-experiments per hypothesis and tested mu where few events are expected, unless a number is asked for."""
FEWEST_EVENTS = 9
"""Effective simulated events that the response to a signal rests on at least: with fewer it is not known to a third."""
FEWEST_COUNTED = 10
"""The same for a count from which no background is subtracted: half of them choose the mass, half are what is above."""

Mask = npt.NDArray[np.bool_]
Masks = dict[str, tuple[Category, Mask]]
"""By channel its category, and which of the category's events are in it."""


@dataclass(frozen=True, kw_only=True)
class Yield:
    """What turns fractions into events: luminosity (fb-1), a reference cross section (pb), errors of the signal.

    `calculator` and `toys` (0 for the default) say how limits on them are calculated, see `calculator.set_limit`.
    """

    luminosity_fb: float
    reference_pb: float
    signal_error: float
    luminosity_error: float
    calculator: Calculator = "auto"
    toys: int = 0

    @property
    def events(self) -> float:
        """Events of the reference cross section, before any selection."""
        return 1000 * self.luminosity_fb * self.reference_pb


@dataclass(frozen=True)
class ChannelLimit:
    """A channel in the signal region: the signal that is in it and the limit, None with the `reason` if there is none.

    `signal` (n,) are events at the reference cross section in the bins of the channel; the fit, with `function` for the
    background, finds as much of it as `response` says. `count` is what was counted where that is better. `alternatives`
    are expected limits by what was done otherwise: another function, `jets_down`, `jets_up`. `spurious` are the events
    that the function may fake, see `spurious_events`. `fitted` (n,) is the function fitted to the observed counts,
    where nothing else says what background there is.
    """

    name: str
    acceptance: Acceptance
    signal: FloatArray
    edges: FloatArray
    expectation: Expectation | None
    result: LimitResult | None
    reason: Reason | None = None
    response: Response | None = None
    count: PlainCount | None = None
    function: BackgroundFunction | None = None
    alternatives: Mapping[str, float] = field(default_factory=dict)
    fitted: FloatArray | None = None
    spurious: float = 0.0

    @property
    def background(self) -> FloatArray | None:
        """The background events of the bins that are used; those of a fit where nothing else is published."""
        found = None if self.expectation is None else self.expectation.background
        found = self.fitted if found is None else found
        return None if found is None else found[: self.bins]

    def events(self, yields: Yield) -> float:
        """Signal events expected in the range of the channel."""
        return self.acceptance.value * yields.events

    @property
    def bins(self) -> int:
        """How many bins, from the first, are used: all, or those up to the last simulated background event.

        Beyond it nothing but an extrapolation says how much background there is, and no limit may rest on that. A count
        from which none is subtracted takes all.
        """
        reach = None if self.expectation is None or self.count is not None else self.expectation.reach
        return len(self.signal) if reach is None else int(np.searchsorted(self.edges, reach))

    @property
    def range_gev(self) -> tuple[float, float]:
        """The masses that are used, in GeV."""
        return float(self.edges[0] if self.count is None else self.count.above), float(self.edges[self.bins])

    @property
    def unused(self) -> float:
        """The part of the signal that is beyond the bins that are used."""
        total = float(self.signal.sum())
        return float(self.signal[self.bins :].sum()) / total if total > 0 else 0.0


@dataclass(frozen=True)
class Inputs:
    """What limits are set with: a measured signal, its yield, and simulated background or none."""

    measured: Measured
    yields: Yield
    simulated: Simulated | None


def channel_limits(inputs: Inputs) -> tuple[dict[str, ChannelLimit], Masks]:
    """The limit of each spectrum in the signal region, and of each category that counts there; and what is in them."""
    measured = inputs.measured
    region = measured.search.signal_region
    masks: Masks = {}
    limits: dict[str, ChannelLimit] = {}
    for category in measured.search.categories:
        events = measured.events[category.name]
        inside = events.inside(category, region)
        for channel in category.channels:
            masks[channel.name] = category, inside & within(events.masses[channel.name], channel.edges)
            limits[channel.name] = _spectrum_limit(inputs, channel.name, masks[channel.name])
        count = category.card.counts.get(region)
        if count is not None and not category.channels:
            masks[category.name] = category, inside
            limits[category.name] = _count_limit(inputs, count, category, inside)
    return limits, masks


def _spectrum_limit(inputs: Inputs, name: str, where: tuple[Category, Mask]) -> ChannelLimit:
    channel = inputs.measured.search.channel(name)
    edges = channel.edges
    signal, events, acceptance = signal_spectrum(inputs, name, edges, where)
    empty = ChannelLimit(name, acceptance, signal, edges, None, None)
    if signal.sum() <= 0:
        return replace(empty, reason=_not_in(edges))
    try:
        expectation = _expectation(inputs, name)
        fitted = channel.fitted if expectation.background is None else None
        empty = replace(empty, expectation=expectation, fitted=fitted)
        found = _fitted_limit(inputs, empty, events, channel.functions)
    except (FitFailedError, InputDataError) as error:
        found = replace(empty, reason=_reason(error))
        if isinstance(error, TooFewError) and inputs.simulated is not None:
            countable = counted_expectation(
                inputs.simulated, inputs.measured.search, name, inputs.measured.search.signal_region
            )
            empty = replace(empty, expectation=countable)
    counted = _counted_limit(inputs, empty, events)
    if counted is not None and (found.result is None or median(counted) < median(found)):
        return counted
    few = events.within(edges)
    if found.result is None and empty.expectation is not None and few < FEWEST_COUNTED:
        return replace(
            empty, reason=Reason(Cause.FEW_SIGNAL, "too few effective events of signal", few, FEWEST_COUNTED)
        )
    return found


def _fitted_limit(
    inputs: Inputs, limit: ChannelLimit, events: SignalEvents, functions: Sequence[BackgroundFunction]
) -> ChannelLimit:
    """The limit of a fit by the number of parameters with the smallest expected one, the others' beside it."""
    assert limit.expectation is not None  # noqa: S101  it is made with one
    if limit.signal[: limit.bins].sum() <= 0:
        raise NoLimitError(_not_in(limit.edges[: limit.bins + 1]))
    found: list[ChannelLimit] = []
    errors: list[NoLimitError | FitFailedError] = []
    choices: Sequence[BackgroundFunction | None] = limit.expectation.orders or functions[:1] or [None]
    for function in choices:
        try:
            found.append(_fitted_with(inputs, limit, events, function))
        except (NoLimitError, FitFailedError) as error:  # fewer parameters may do
            errors.append(error)
    if not found:
        raise max(errors, key=lambda error: error.reason.reached if isinstance(error, NoLimitError) else 0.0)
    best, *worse = sorted(found, key=median)
    for function in functions[1:]:
        with suppress(NoLimitError, FitFailedError):
            worse.append(_fitted_with(inputs, limit, events, function, faked=False))
    return replace(best, alternatives={one.function.name: median(one) for one in worse if one.function})


def _counted_limit(inputs: Inputs, limit: ChannelLimit, events: SignalEvents) -> ChannelLimit | None:
    """The limit of a count in the tail of a spectrum, with nothing subtracted; None without a background or signal.

    Of a simulated background there is an event above the mass at least: what is expected is no extrapolation.
    """
    expectation, yields = limit.expectation, inputs.yields
    if expectation is None:
        return None
    first = limit.fitted if expectation.background is None else expectation.background
    backgrounds = [one for one in (first, expectation.alternative) if one is not None]
    if not backgrounds:
        return None
    count = best_count(
        limit.edges,
        backgrounds,
        events,
        observed=expectation.observed,
        error=math.hypot(yields.signal_error, yields.luminosity_error),
        fewest=FEWEST_COUNTED,
        below=math.inf if expectation.reach is None else expectation.reach,
    )
    return None if count is None else replace(limit, result=count.result, count=count)


def _fitted_with(
    inputs: Inputs,
    limit: ChannelLimit,
    events: SignalEvents,
    function: BackgroundFunction | None,
    *,
    faked: bool = True,
) -> ChannelLimit:
    """The limit with this function of the background, and with what it fakes if that is an error."""
    assert limit.expectation is not None  # noqa: S101  it is made with one
    spectrum = _spectrum(limit, limit.expectation, function)
    if faked:
        spectrum = with_spurious(inputs, spectrum, limit.expectation.alternative)
    result, response = limit_with_response([spectrum], [events], inputs.yields)
    return replace(limit, result=result, response=response, function=function, spurious=spectrum.spurious)


def limit_with_response(
    channels: Sequence[ResonanceChannel], events: Sequence[SignalEvents], yields: Yield
) -> tuple[LimitResult, Response]:
    """The limit on what the fit of disjoint channels finds of a signal that is known from these events of each.

    The error of the response is one of the signal. `NoLimitError` if it rests on too few events.
    """
    response = template_response(channels, events)
    if response.effective < FEWEST_EVENTS:
        reason = "the shape of the signal is not known from so few events"
        raise NoLimitError(Reason(Cause.FEW_SIGNAL, reason, response.effective, FEWEST_EVENTS))
    found = [replace(channel, signal=response.value * channel.signal) for channel in channels]
    return common_limit(found, replace(yields, signal_error=response.with_error(yields.signal_error))), response


def with_spurious(inputs: Inputs, channel: ResonanceChannel, alternative: FloatArray | None) -> ResonanceChannel:
    """The channel with the error of its function, by the background (at least n,) that another function expects.

    As it is if the card of the search does not ask for it, or there is no other function.
    """
    if not inputs.measured.search.card.spurious_signal or channel.function is None or alternative is None:
        return channel
    truth = alternative[: len(channel.signal)]
    return replace(channel, spurious=spurious_events(channel.edges, truth, channel.signal, channel.function))


def _not_in(edges: FloatArray) -> Reason:
    where = f"from {edges[0]:.4g} to {edges[-1]:.4g} GeV, where the background is known"
    return Reason(Cause.NOT_IN_RANGE, f"no signal event is {where}")


def _reason(error: FitFailedError | InputDataError) -> Reason:
    """Why there is no limit, of what was raised in place of one."""
    if isinstance(error, NoLimitError):
        return error.reason
    if isinstance(error, TooFewError):
        return Reason(Cause.FEW_BACKGROUND, "too few effective background events", error.effective, error.needed)
    return Reason(Cause.FIT_FAILED, str(error))


def _spectrum(
    limit: ChannelLimit,
    expectation: Expectation,
    function: BackgroundFunction | None,
) -> ResonanceChannel:
    """The bins of a channel that are used, with their background."""
    bins = limit.bins

    def cut(values: FloatArray | None) -> FloatArray | None:
        return None if values is None else values[:bins]

    return ResonanceChannel(
        name=limit.name,
        edges=limit.edges[: bins + 1],
        signal=limit.signal[:bins],
        signal_variances=np.zeros(bins),
        function=function,
        background=cut(expectation.background),
        observed=cut(expectation.observed),
    )


def _count_limit(inputs: Inputs, count: CountCard, category: Category, inside: Mask) -> ChannelLimit:
    sums = weight_sums(inputs.measured.events[category.name].weight[inside])
    factor = inputs.yields.events / inputs.measured.generated.weight
    signal, edges = np.array([max(sums.weight, 0.0) * factor]), np.array([0.0, 1.0])
    observed = None if count.observed is None else np.array([float(count.observed)])
    expectation = Expectation(edges, np.array([count.background]), observed, f"published counts, {count.source}")
    acceptance = weighted_acceptance(sums, inputs.measured.generated)
    empty = ChannelLimit(category.name, acceptance, signal, edges, expectation, None)
    if signal.sum() <= 0:
        return replace(empty, reason=Reason(Cause.NOT_IN_RANGE, "no signal event is in it"))
    try:
        return replace(empty, result=common_limit([count_channel(empty, count)], inputs.yields))
    except (FitFailedError, InputDataError) as error:
        return replace(empty, reason=_reason(error))


def count_channel(limit: ChannelLimit, count: CountCard) -> ResonanceChannel:
    """The single bin of a category that counts."""
    assert limit.expectation is not None  # noqa: S101  it is made with one
    return ResonanceChannel(
        name=limit.name,
        edges=limit.edges,
        signal=limit.signal,
        signal_variances=np.zeros_like(limit.signal),
        function=None,
        background=limit.expectation.background,
        observed=limit.expectation.observed,
        background_error=count.background_error / count.background if count.background else 0.0,
    )


def within(masses: FloatArray, edges: FloatArray) -> Mask:
    """Mask (n,) of the masses in the range of the bins; NaN, for a mass that an event has not, is in none."""
    return np.asarray((masses >= edges[0]) & (masses < edges[-1]), dtype=np.bool_)


def _expectation(inputs: Inputs, name: str) -> Expectation:
    search = inputs.measured.search
    published = published_expectation(search, name) if search.as_published else None
    if published is not None:
        return published
    if inputs.simulated is None:
        raise NoLimitError(Reason(Cause.NO_BACKGROUND, "neither a published spectrum nor simulated background"))
    return simulated_expectation(inputs.simulated, search, name, search.signal_region)


def signal_spectrum(
    inputs: Inputs, name: str, edges: FloatArray, where: tuple[Category, Mask]
) -> tuple[FloatArray, SignalEvents, Acceptance]:
    """Signal events (n,) at the reference cross section, the simulated ones of it, and the acceptance of the channel.

    The spectrum is smoothed as far as few events need it (`kernel_template`). Bins that negative weights have taken
    below zero are set to zero and the others scaled to keep the sum.
    """
    category, mask = where
    own = inputs.measured.events[category.name]
    factor = inputs.yields.events / inputs.measured.generated.weight
    events = SignalEvents(own.masses[name][mask], own.weight[mask] * factor)
    counts = kernel_template(edges, events.masses, events.weights)
    total, positive = max(float(counts.sum()), 0.0), np.clip(counts, 0.0, None)
    if np.any(counts < 0) and positive.sum() > 0:
        counts = positive * (total / positive.sum())
    acceptance = weighted_acceptance(weight_sums(own.weight[mask]), inputs.measured.generated)
    return np.clip(counts, 0.0, None), events, acceptance


def common_limit(channels: Sequence[ResonanceChannel], yields: Yield) -> LimitResult:
    """The limit on the common signal strength of independent channels, with the errors of the signal."""
    experiment = combined_experiment(channels, yields.signal_error, yields.luminosity_error)
    return set_limit(experiment, yields.calculator, toys=yields.toys or TOYS, points=(0, 0))


def median(limit: ChannelLimit) -> float:
    """The median expected limit of a channel that has one."""
    assert limit.result is not None  # noqa: S101  asked of channels with a limit only
    return float(limit.result.expected[2])


def limit_row(result: LimitResult | None, reference_pb: float) -> LimitRow:
    """The limits in pb and how they were calculated, None where there are none or, of errors, no toys."""
    if result is None:
        return LimitRow()
    errors = result.expected_errors
    observed, observed_error = (
        None if value is None else known(value * reference_pb) for value in (result.observed, result.observed_error)
    )
    return LimitRow(
        expected=known(float(result.expected[2]) * reference_pb),
        expected_band=tuple(known_list(result.expected * reference_pb)),
        observed=observed,
        expected_error=None if errors is None else known(float(errors[2]) * reference_pb),
        observed_error=observed_error,
        calculator=result.calculator,
        calculator_reason=result.reason or f"{result.calculator}, as asked for",
        toys=result.toys,
    )
