"""The limit of all channels of a search together, with the events that they share taken care of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError, HepadError, InputDataError
from hepad.pipeline.reinterpret.limits import (
    ChannelLimit,
    Inputs,
    Masks,
    channel_limits,
    common_limit,
    count_channel,
    limit_with_response,
    median,
    signal_spectrum,
    with_spurious,
    within,
)
from hepad.pipeline.reinterpret.measure import Measured
from hepad.pipeline.reinterpret.reasons import NoLimitError
from hepad.search.expectation import Simulated, simulated_expectation
from hepad.stats.fits.templates import overlap_matrix
from hepad.stats.limits.limits import LimitResult
from hepad.stats.limits.resonance import ResonanceChannel
from hepad.stats.limits.template_response import SignalEvents

__all__ = ["Combined", "Limits", "few_warnings", "set_limits"]

FloatArray = npt.NDArray[np.float64]

_FEW = 10
"""Simulated events of a signal in a count from which on their error is small."""
_UNUSED = 0.1
"""Part of a signal beyond the simulated background that is worth a warning."""


@dataclass(frozen=True)
class Combined:
    """The limit of all channels: how it was made, of which channels, and the result or the reason why there is none.

    `on_simulation` says that the background is simulated events, not what the search has published. `alternatives` are
    expected limits by what was done otherwise, as in `ChannelLimit`.
    """

    method: str
    channels: tuple[str, ...]
    result: LimitResult | None
    reason: str | None = None
    on_simulation: bool = False
    alternatives: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """The limits of a signal; `overlaps` (c, c) is the part of the row channel's events that the column channel has."""

    inputs: Inputs
    channels: Mapping[str, ChannelLimit]
    combined: Combined
    overlaps: FloatArray
    warnings: tuple[str, ...]

    def beside(self, others: Mapping[str, Limits]) -> Limits:
        """The same with the expected limits of others, by name, among the alternatives."""

        def added(own: Mapping[str, float], results: Mapping[str, LimitResult | None]) -> dict[str, float]:
            return {**own, **{name: float(one.expected[2]) for name, one in results.items() if one is not None}}

        channels = {}
        for name, limit in self.channels.items():
            results = {what: other.channels[name].result for what, other in others.items()}
            channels[name] = replace(limit, alternatives=added(limit.alternatives, results))
        together = added(self.combined.alternatives, {what: other.combined.result for what, other in others.items()})
        return replace(self, channels=channels, combined=replace(self.combined, alternatives=together))


def set_limits(inputs: Inputs) -> Limits:
    """The limit of each channel in the signal region, and the combined one."""
    channels, masks = channel_limits(inputs)
    overlaps = _overlaps(inputs.measured, masks)
    combined = _combine(inputs, channels, masks, overlaps)
    warnings = [text for limit in channels.values() if limit.result for text in limit.result.warnings]
    warnings += [_unused(limit) for limit in channels.values() if limit.unused > _UNUSED]
    warnings += few_warnings(channels)
    if combined.result and len(combined.channels) > 1:
        warnings += [f"combined: {text}" for text in combined.result.warnings]
    return Limits(inputs, channels, combined, overlaps, tuple(dict.fromkeys(warnings)))


def _overlaps(measured: Measured, masks: Masks) -> FloatArray:
    """Of the weighted signal events of each channel (row), the fraction that each channel (column) has too."""
    if not masks:
        return np.zeros((0, 0))
    rows = [measured.events[c.name].row for c in measured.search.categories]
    weights = [measured.events[c.name].weight for c in measured.search.categories]
    every, first = np.unique(np.concatenate(rows), return_index=True)
    held = np.stack([np.isin(every, measured.events[c.name].row[mask]) for c, mask in masks.values()])
    return overlap_matrix(held, np.concatenate(weights)[first])


def _combine(inputs: Inputs, channels: Mapping[str, ChannelLimit], masks: Masks, overlaps: FloatArray) -> Combined:
    """The limit of all channels that have one.

    The events of a channel are also in others, so that their limits are not independent. With simulated background
    each event, of signal and background, is given to the best (by expected limit) of the channels it is in: then they
    are disjoint and are fitted together, unless the best one alone is expected to be better. Published spectra cannot
    be parted so: then the best expected channel stands for all. Categories that only count are fitted together if no
    signal event is in two of them.
    """
    usable = {name: limit for name, limit in channels.items() if limit.result is not None}
    order = sorted(usable, key=lambda name: median(usable[name]))
    if not order:
        return Combined("none", (), None)
    simulated = _is_simulated(usable[order[0]])
    first = usable[order[0]]
    best = Combined("best expected channel", (order[0],), first.result, None, simulated, first.alternatives)
    if len(order) == 1:
        return best
    counting = all(not masks[name][0].channels for name in order)
    places = [list(channels).index(name) for name in order]
    shared = overlaps[np.ix_(places, places)] - np.eye(len(order))
    try:
        if counting and not np.any(shared > 0):
            region = inputs.measured.search.signal_region
            parts = [count_channel(usable[name], masks[name][0].card.counts[region]) for name in order]
            return Combined("simultaneous fit of disjoint categories", tuple(order), common_limit(parts, inputs.yields))
        fitted = {name: usable[name] for name in order if usable[name].count is None}
        if counting or len(fitted) < 2 or inputs.simulated is None or not all(map(_is_simulated, fitted.values())):
            return best
        together = _simultaneous(inputs, inputs.simulated, fitted, masks)
    except HepadError as error:
        return replace(best, reason=f"the simultaneous fit failed ({error})")
    return together if _better(together, first) else best


def _better(together: Combined, alone: ChannelLimit) -> bool:
    return together.result is not None and float(together.result.expected[2]) < median(alone)


def _simultaneous(inputs: Inputs, simulated: Simulated, channels: Mapping[str, ChannelLimit], masks: Masks) -> Combined:
    """The common fit of channels, best first."""
    parts, events = _exclusive(inputs, simulated, channels, masks)
    result, others = _by_functions(inputs, parts, events)
    method = "simultaneous fit, each event in its best channel only"
    return Combined(method, tuple(part.name for part in parts), result, on_simulation=True, alternatives=others)


def _by_functions(
    inputs: Inputs, parts: Sequence[ResonanceChannel], events: Sequence[SignalEvents]
) -> tuple[LimitResult, dict[str, float]]:
    """The limit of disjoint channels by the function that each has, and the expected ones by the card's next."""
    result, _ = limit_with_response(parts, events, inputs.yields)
    functions = {part.name: inputs.measured.search.channel(part.name).functions for part in parts}
    medians = {}
    for place in range(1, min(map(len, functions.values()))):
        others = [replace(part, function=functions[part.name][place], spurious=0.0) for part in parts]
        names = dict.fromkeys(other.function.name for other in others if other.function)
        with suppress(NoLimitError):
            medians["+".join(names)] = float(limit_with_response(others, events, inputs.yields)[0].expected[2])
    return result, medians


def _exclusive(
    inputs: Inputs, simulated: Simulated, channels: Mapping[str, ChannelLimit], masks: Masks
) -> tuple[list[ResonanceChannel], list[SignalEvents]]:
    """The channels, best first, each with the events that no better one has; and their simulated signal.

    What is left of a channel may say too little of its background. Then it is left out, and its events are those of
    the next one that they are in.
    """
    measured, search = inputs.measured, inputs.measured.search
    taken_signal, taken_background = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    parts, samples = [], []
    for name, limit in channels.items():
        category, mask = masks[name]
        events, background = measured.events[category.name], simulated.events[category.name]
        edges = limit.edges[: limit.bins + 1]
        keep = ~np.isin(background.row, taken_background)
        mine = mask & ~np.isin(events.row, taken_signal)
        # The template is made of all masses and cut then: without those beyond the edge it would fall towards it.
        signal, sample, _ = signal_spectrum(inputs, name, limit.edges, (category, mine))
        signal = signal[: limit.bins]
        if signal.sum() <= 0:
            continue
        try:
            expectation = simulated_expectation(simulated, search, name, search.signal_region, keep)
            assert expectation.background is not None  # noqa: S101  simulated ones have it
            smooth = expectation.background[: len(signal)]
            part = ResonanceChannel(name, edges, signal, np.zeros_like(signal), limit.function, smooth)
            part = with_spurious(inputs, part, expectation.alternative)
        except (FitFailedError, InputDataError):
            continue
        taken_signal = np.union1d(taken_signal, events.row[mask & within(events.masses[name], edges)])
        taken_background = np.union1d(taken_background, background.row[within(background.masses[name], edges)])
        parts.append(part)
        samples.append(sample)
    return parts, samples


def few_warnings(channels: Mapping[str, ChannelLimit]) -> list[str]:
    """A line for each channel with a limit whose signal rests on few simulated events."""
    return [_few(limit) for limit in channels.values() if limit.result and _is_few(limit)]


def _is_few(limit: ChannelLimit) -> bool:
    """Whether a count rests on so few events of signal that their error is large: in its limit it has no part."""
    return len(limit.signal) == 1 and limit.acceptance.events < _FEW


def _few(limit: ChannelLimit) -> str:
    found = limit.acceptance
    return (
        f"{limit.name}: the signal rests on {found.events} simulated events, and the error of the acceptance, "
        f"{found.error / found.value:.0%}, is not in the limit: simulate more, or give it with --signal-error"
    )


def _unused(limit: ChannelLimit) -> str:
    return (
        f"{limit.name}: {limit.unused:.0%} of the signal is above {limit.edges[limit.bins]:.4g} GeV, where there is no "
        "simulated background event, and is not used: more simulated background would make the limit stronger"
    )


def _is_simulated(limit: ChannelLimit) -> bool:
    return limit.expectation is not None and limit.expectation.how.startswith("simulation")
