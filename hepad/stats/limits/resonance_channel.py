"""One mass spectrum of a search for a resonance, and what to warn of before its limit is believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, UsageError
from hepad.stats.fits.functions import BackgroundFunction

__all__ = ["ResonanceChannel", "channel_warnings"]

FloatArray = npt.NDArray[np.float64]

_FEW_EVENTS = 10.0


@dataclass(frozen=True)
class ResonanceChannel:
    """One mass spectrum: signal on a smooth background whose parameters are free.

    `edges` (n+1,) in GeV; `signal` (n,) events at mu = 1 with their `signal_variances` (n,) from finite simulation.
    `background` (n,) are the events expected, of which the Asimov data are made; without them they are made of the fit
    of `function` to the `observed` counts (n,). Without a function the background is known: up to its relative
    `background_error`, log-normal and common to the channel's bins. `spurious` is the standard deviation, in events,
    of a signal that the function may fake or hide; it has the shape of the signal. Of a weighted spectrum all events
    are effective ones, and `exposure` (n,) is how many of them an event of the spectrum is.

    `InputDataError` for arrays that do not fit together or are negative or not finite, `UsageError` for fields that do
    not go together.
    """

    name: str
    edges: FloatArray
    signal: FloatArray
    signal_variances: FloatArray
    function: BackgroundFunction | None
    background: FloatArray | None = None
    observed: FloatArray | None = None
    spurious: float = 0.0
    background_error: float = 0.0
    exposure: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.edges.ndim != 1 or len(self.edges) < 2 or not np.all(np.diff(self.edges) > 0):
            raise InputDataError(f"{self.name}: the edges must be finite and rise")
        bins = len(self.edges) - 1
        for what in ("signal", "signal_variances", "background", "observed", "exposure"):
            values = getattr(self, what)
            if values is None:
                continue
            if values.shape != (bins,):
                raise InputDataError(f"{self.name}: {what} has {values.size} bins, the edges have {bins}")
            if not np.all(np.isfinite(values)) or np.any(values < 0):
                raise InputDataError(f"{self.name}: {what} must be finite and not negative, found {values.min():g}")
        for what in ("spurious", "background_error"):
            value = getattr(self, what)
            if not np.isfinite(value) or value < 0:
                raise UsageError(f"{self.name}: {what} must not be negative, found {value:g}")
        self._check_background()

    def _check_background(self) -> None:
        if self.function is not None:
            if self.background is None and self.observed is None:
                raise UsageError(f"{self.name}: give a background or observed counts to fit {self.function.name} to")
            if self.background_error > 0:
                raise UsageError(f"{self.name}: a background error is for channels without a function")
            self._check_filled(self.function)
            return
        if self.background is None:
            raise UsageError(f"{self.name}: without a function the background must be given")
        single = len(self.signal) == 1
        if not single and self.observed is not None and np.any((self.background <= 0) & (self.observed > 0)):
            raise InputDataError(f"{self.name}: the background is zero in a bin with observed events; merge bins")

    def _check_filled(self, function: BackgroundFunction) -> None:
        filled = function.n_parameters if self.observed is None else int(np.count_nonzero(self.observed))
        if filled < function.n_parameters:
            raise InputDataError(
                f"{self.name}: only {filled} bins hold events, fewer than the {function.n_parameters} parameters of "
                f"{function.name}; take a function with fewer, or none and a background with its error"
            )

    @property
    def prior_counts(self) -> FloatArray:
        """Counts (n,) to which the background without signal is fitted for the expected limits.

        A known background is constrained by the data where there are any, as HistFactory's convention is.
        """
        chosen = self.background if self.function is not None else self.observed
        fallback = self.observed if self.function is not None else self.background
        found = chosen if chosen is not None else fallback
        assert found is not None  # noqa: S101  by the checks above
        return found


def channel_warnings(channel: ResonanceChannel, expected: FloatArray) -> tuple[str, ...]:
    """Why the limit of a channel may not be trusted, given its expected background events (n,) without signal."""
    remarks = []
    total = float(channel.signal.sum())
    if total > 0:
        squares = float(channel.signal_variances.sum())
        if squares > 0 and total**2 / squares < _FEW_EVENTS:
            effective = total**2 / squares
            remarks.append(f"{channel.name}: the signal rests on {effective:.1f} effective events; simulate more")
    bulk = expected[_central(expected, 0.05)]
    sparse = int(np.count_nonzero(bulk < 1))
    if channel.function is not None and sparse:
        remarks.append(
            f"{channel.name}: fewer than one event is expected in {sparse} of the {len(bulk)} bins that hold 90 % of "
            "the background; use wider bins"
        )
    return tuple(remarks)


def _central(values: FloatArray, tail: float) -> slice:
    """The bins between the quantiles `tail` and 1 - `tail` of a spectrum (n,)."""
    total = values.sum()
    if total <= 0:
        return slice(0, len(values))
    cumulative = np.cumsum(values) / total
    first = int(np.searchsorted(cumulative, tail, side="right"))
    last = int(np.searchsorted(cumulative, 1 - tail, side="left"))
    return slice(min(first, len(values) - 1), min(last, len(values) - 1) + 1)
