"""The likelihoods of a search for other programs: pyhf workspaces of its background, and patches for the signals."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np

from hepad.cards.search import SearchCard
from hepad.errors import FitFailedError, InputDataError
from hepad.pipeline.reinterpret.answer import Answer
from hepad.pipeline.reinterpret.limits import ChannelLimit, count_channel
from hepad.pipeline.reinterpret.points import Curve
from hepad.search.together import bin_label, fitted_bins
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.limits.resonance_channel import ResonanceChannel
from hepad.stats.limits.resonance_workspace import background_workspace, patch_set, signal_patch
from hepad.stats.limits.simultaneous import without_signal

__all__ = ["Likelihood", "likelihoods"]

_RECORD = re.compile(r"\bins([0-9]{7})\b")
_NO_RECORD = "ins0000000"
"""pyhf's schema asks for a record of HEPData; this one stands for none."""


@dataclass(frozen=True)
class Likelihood:
    """A workspace and the patch set of its signals, both plain JSON, and what they are; `name` is empty if it is one.

    Of channels that share events, or may, there is one of each: to combine them is the reader's risk.
    """

    name: str
    description: str
    workspace: dict[str, Any]
    patches: dict[str, Any]

    @property
    def stem(self) -> str:
        """What the names of its files end with."""
        return f"_{self.name}" if self.name else ""


@dataclass(frozen=True)
class _Signal:
    """A sample: the name of its patch, its values by the labels of the set, and its answer."""

    name: str
    values: tuple[float | str, ...]
    answer: Answer


def likelihoods(answer: Answer, curve: Curve | None) -> list[Likelihood]:
    """All that there are: one of disjoint categories that count, else one a channel; none without a limit.

    Signals that have no limit in a channel are left out.
    """
    if curve is None:
        signals, labels = [_Signal("signal", ("signal",), answer)], ("sample",)
    else:
        signals = [_Signal(f"mass_{_word(p.point.mass_gev)}", (p.point.mass_gev,), p.answer) for p in curve.points]
        labels = ("mass_gev",)
    signals = [signal for signal in signals if signal.answer.limits is not None]
    if not signals:
        return []
    if answer.search.card.simultaneous is not None:
        return _of_bins(signals, labels)
    return list(_found(signals, labels))


def _of_bins(signals: Sequence[_Signal], labels: Sequence[str]) -> list[Likelihood]:
    """The one of all bins that are fitted together."""
    search = signals[0].answer.search
    fitted = fitted_bins(search)
    if fitted is None:
        return []
    background: dict[str, Any] = {}
    patches = []
    for signal in signals:
        found = signal.answer.limits
        assert found is not None  # noqa: S101  signals without limits are left out
        events = {one: float(found.channels[bin_label(one)].signal[0]) for one in fitted.bins}
        if found.combined.result is None:
            continue
        whole = fitted.workspace(fitted.with_signal(tuple(fitted.bins), events), found.inputs.yields.signal_error)
        background, patch = without_signal(whole)
        patches.append((signal.name, signal.values, patch))
    if not patches:
        return []
    description = _description(search.card, "all bins", "The background is simulated.")
    record = _record(search.card)
    patched = patch_set(background, patches, labels=labels, description=description, record=record)
    return [Likelihood("", description, background, patched)]


def _word(mass_gev: float) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", f"{mass_gev:g}")


def _found(signals: Sequence[_Signal], labels: Sequence[str]) -> Iterator[Likelihood]:
    limits = [signal.answer.limits for signal in signals if signal.answer.limits is not None]
    names = list(limits[0].channels)
    methods = {found.combined.method for found in limits}
    together = methods == {"simultaneous fit of disjoint categories"}
    for name, group in [("", names)] if together else [(name, [name]) for name in names]:
        usable = [s for s in signals if all(_channels(s.answer, group))]
        if not usable:
            continue
        try:
            yield _likelihood(name, group, usable, labels)
        except (FitFailedError, InputDataError):  # then the limit itself rests on another fit
            continue


def _likelihood(name: str, group: Sequence[str], usable: Sequence[_Signal], labels: Sequence[str]) -> Likelihood:
    """The one of a group of channels, of the signals whose limits rest on the background function of the first."""
    alike = [_functions(signal.answer, group) == _functions(usable[0].answer, group) for signal in usable]
    signals = list(compress(usable, alike))
    others = [signal.name for signal, same in zip(usable, alike, strict=True) if not same]
    first = [channel for channel in _channels(signals[0].answer, group) if channel is not None]
    workspace = background_workspace(first)
    patches = []
    for signal in signals:
        found = signal.answer.limits
        assert found is not None  # noqa: S101  signals without limits are left out
        yields = found.inputs.yields
        channels = [channel for channel in _channels(signal.answer, group) if channel is not None]
        response = found.channels[group[0]].response if len(group) == 1 else None
        own = yields.signal_error if response is None else response.with_error(yields.signal_error)
        errors = {"signal_error": own, "luminosity_error": yields.luminosity_error}
        patches.append((signal.name, signal.values, signal_patch(channels, **errors)))
    card = signals[0].answer.search.card
    left_out = f" Without {', '.join(others)}, whose limits have another function." if others else ""
    description = _description(card, ", ".join(group), _smooth(first) + left_out)
    patched = patch_set(workspace, patches, labels=labels, description=description, record=_record(card))
    return Likelihood(name, description, workspace, patched)


def _description(card: SearchCard, where: str, background: str) -> str:
    return (
        f"Signals in {where} of {card.title} ({card.reference}), made with hepad; no result of that collaboration. "
        f"mu = 1 is the cross section of each signal. {background}"
    )


def _record(card: SearchCard) -> str:
    """The record of HEPData that a card names: by its key `cite`, else in the text of its reference."""
    found = _RECORD.search((card.cite.hepdata if card.cite is not None else None) or card.reference)
    return found[0] if found else _NO_RECORD


def _smooth(channels: Sequence[ResonanceChannel]) -> str:
    names = [channel.function.name for channel in channels if channel.function is not None]
    if not names:
        return "The background is the published one with its error, of each channel for itself."
    return (
        f"The background is the function {names[0]} fitted to the spectrum, binned: its parameters are free, by modes "
        "of their covariance, to first order in the logarithm of each bin."
    )


def _functions(answer: Answer, group: Sequence[str]) -> list[BackgroundFunction | None]:
    assert answer.limits is not None  # noqa: S101  signals without limits are left out
    return [answer.limits.channels[name].function for name in group]


def _channels(answer: Answer, group: Sequence[str]) -> list[ResonanceChannel | None]:
    assert answer.limits is not None  # noqa: S101  signals without limits are left out
    return [_channel(answer, answer.limits.channels[name]) for name in group]


def _channel(answer: Answer, limit: ChannelLimit) -> ResonanceChannel | None:
    """The channel that a limit is of; None without one, or of a count from which nothing is subtracted."""
    if limit.result is None or limit.expectation is None or limit.count is not None:
        return None
    region = answer.search.signal_region
    for category in answer.search.categories:
        if category.name == limit.name and not category.channels:
            return count_channel(limit, category.card.counts[region])
    n, expectation = limit.bins, limit.expectation
    return ResonanceChannel(
        name=limit.name,
        edges=limit.edges[: n + 1],
        signal=limit.signal[:n] * (1.0 if limit.response is None else limit.response.value),
        signal_variances=np.zeros(n),
        function=limit.function,
        background=None if expectation.background is None else expectation.background[:n],
        observed=None if expectation.observed is None else expectation.observed[:n],
        spurious=limit.spurious,
    )
