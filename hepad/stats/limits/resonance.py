"""Limits on a resonance: a signal on smooth backgrounds whose parameters are free, in one spectrum or in several.

Profile likelihood with q-tilde (arXiv:1007.1727): mu and the errors of the signal are common to all channels, the
parameters of the backgrounds are each channel's own, and the channels' counts are statistically independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from hepad.errors import UsageError
from hepad.stats.fits.fit import deviance
from hepad.stats.limits.cls import LimitResult, asymptotic_result
from hepad.stats.limits.limits import LimitModel, few_of, sensitivity
from hepad.stats.limits.profile import DataSet
from hepad.stats.limits.pseudo import Pool, toy_result
from hepad.stats.limits.resonance_channel import ResonanceChannel, channel_warnings
from hepad.stats.limits.resonance_likelihood import ResonanceLikelihood
from hepad.stats.limits.resonance_stack import split_channels, stack_channels

__all__ = ["ResonanceChannel", "ResonanceModel", "resonance_limits", "resonance_toys"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_FLOOR = 0.01
"""A negative spurious signal cannot take a bin below this share of its background."""
_MISFIT = 1.0
"""A deviance of the expected background from its function above this, one standard deviation, is worth a warning."""


def resonance_limits(
    channels: Sequence[ResonanceChannel], *, signal_error: float = 0.0, luminosity_error: float = 0.0
) -> LimitResult:
    """Asymptotic CLs upper limits on the common signal strength of one or several independent channels.

    `signal_error` and `luminosity_error` are relative, log-normal and common to all channels. There is an observed
    limit if every channel has observed counts. The expected ones are of the background given, else of the fit to data.
    `FitFailedError` if a fit fails, `InputDataError` if there is no signal.
    """
    return asymptotic_result(ResonanceModel(channels, signal_error, luminosity_error))


def resonance_toys(
    channels: Sequence[ResonanceChannel],
    *,
    toys: int,
    seed: int = 0,
    signal_error: float = 0.0,
    luminosity_error: float = 0.0,
) -> LimitResult:
    """The same limits from `toys` pseudo-experiments per hypothesis and tested mu, in place of asymptotic formulae.

    Counts and auxiliary measurements fluctuate around the fit at the tested mu and at mu = 0 to the data, or to the
    Asimov data where there are none. The same seed serves at every mu, so that CLs changes smoothly with it.
    """
    return toy_result(ResonanceModel(channels, signal_error, luminosity_error), toys=toys, seed=seed)


class ResonanceModel:
    """The stacked channels as a `cls.Experiment`, with a signal of natural size: mu is in units of `scale`."""

    def __init__(
        self, channels: Sequence[ResonanceChannel], signal_error: float = 0.0, luminosity_error: float = 0.0
    ) -> None:
        if not channels:
            raise UsageError("there is no channel to set a limit with")
        for what, value in (("signal error", signal_error), ("luminosity error", luminosity_error)):
            if not np.isfinite(value) or value < 0:
                raise UsageError(f"the {what} is relative and not negative, found {value:g}")
        errors = np.array([error for error in (signal_error, luminosity_error) if error > 0])
        self._names = ", ".join(channel.name for channel in channels)
        self._counts = np.concatenate([channel.prior_counts for channel in channels])
        terms, start = stack_channels(channels, np.log1p(errors))
        bare = ResonanceLikelihood(replace(terms, spurious=terms.spurious[:, :0], floor=0 * terms.floor))
        plain = np.concatenate([np.zeros(1 + len(errors)), start])
        theta = DataSet(bare, self._counts, np.zeros_like(plain), plain, self._names).fixed(0.0)
        background = bare.expected(theta[None, :])[0]
        self.scale = sensitivity(LimitModel(terms.signal, background))
        scaled = replace(terms, signal=terms.signal * self.scale, floor=_FLOOR * background)
        self._likelihood = ResonanceLikelihood(scaled)
        self._start = np.concatenate(
            [np.zeros(1 + len(errors) + terms.spurious.shape[1]), theta[1 + len(errors) :]],
        )
        source = self._data_set(self._counts)
        self._prior = source.asimov()
        self._posterior, self._data = self._prior, None
        missing = [channel.name for channel in channels if channel.observed is None]
        remarks = _misfits(channels, background)
        if not missing:
            observed = np.concatenate([c.observed for c in channels if c.observed is not None])
            self._data = source
            if not np.array_equal(observed, self._counts):
                self._data = self._data_set(observed)
                self._posterior = self._data.asimov()
        elif len(missing) < len(channels):
            remarks.append(f"no observed limit: {', '.join(missing)} have no observed counts")
        for channel, expected in zip(channels, split_channels(channels, background), strict=True):
            remarks += channel_warnings(channel, expected)
        self.remarks = tuple(remarks)
        seen = None if self._data is None else observed
        self.few = few_of(scaled.signal, background, seen)
        self.signal_events = float(scaled.signal.sum())
        self.known_background = all(c.function is None and c.background_error == 0 for c in channels)
        self.sums = None

    @property
    def has_data(self) -> bool:
        """Whether every channel has observed counts."""
        return self._data is not None

    def prepare(self, mus: FloatArray) -> None:
        """Fit at these signal strengths (m,) at once, which takes little longer than at one."""
        sets = (self._data, self._posterior, self._prior)
        for one in {id(one): one for one in sets if one is not None}.values():
            one.prepare(mus)

    def data(self, mu: float) -> float:
        """q-tilde of the observed counts."""
        return self._observed().q_tilde(mu)

    def posterior(self, mu: float) -> float:
        """q-tilde of the Asimov data of the background-only fit to the observed counts."""
        return self._posterior.q_tilde(mu)

    def prior(self, mu: float) -> float:
        """q-tilde of the Asimov data of the background that was given, else of the fit to the observed counts."""
        return self._prior.q_tilde(mu)

    def throw(self, mu: float, *, toys: int, seed: int) -> Pool:
        """q-tilde of toys around the fits at this mu and at mu = 0 to the data, or to the Asimov data without any."""
        source = self._prior if self._data is None else self._data
        return source.pool(mu, toys=toys, rng=np.random.default_rng(seed))

    def excess(self) -> tuple[float, float]:
        """q0 of the observed counts and the best mu >= 0."""
        q, theta = self._observed().q_zero()
        return q, float(theta[0])

    def throw_excess(self, *, toys: int, seed: int) -> Pool:
        """q0 of toys around the best fit to the data and the background-only one."""
        return self._observed().pool_zero(toys=toys, rng=np.random.default_rng(seed))

    def throw_background(self, toys: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Counts (toys, n) and auxiliary measurements (toys, P) around the background-only fit to the data."""
        return (self._prior if self._data is None else self._data).throw(0.0, toys=toys, rng=rng)

    def q_zero_of(
        self, counts: FloatArray, aux: FloatArray, start: FloatArray | None
    ) -> tuple[FloatArray, BoolArray, FloatArray]:
        """q0 (T,) of counts (T, n), which fits converged (T,), and the background-only fits (T, P).

        The latter are the best `start` for another signal on the same background.
        """
        first = np.tile(self._start, (len(counts), 1)) if start is None else start
        with np.errstate(all="ignore"):  # of trial steps, which are not taken
            theta, fixed, fixed_ok = self._likelihood.fit(counts, aux, first, low=0.0, high=0.0)
            _, free, free_ok = self._likelihood.fit(counts, aux, theta, low=0.0, high=np.inf)
        return np.maximum(2 * (fixed - free), 0.0), fixed_ok & free_ok, theta

    def _observed(self) -> DataSet:
        if self._data is None:
            raise UsageError("there are no observed counts")
        return self._data

    def _data_set(self, counts: FloatArray) -> DataSet:
        return DataSet(self._likelihood, counts, np.zeros_like(self._start), self._start, self._names)


def _misfits(channels: Sequence[ResonanceChannel], background: FloatArray) -> list[str]:
    """Warnings of expected backgrounds that their function does not describe."""
    remarks = []
    for channel, fitted in zip(channels, split_channels(channels, background), strict=True):
        if channel.function is None or channel.background is None:
            continue
        distance = float(deviance(channel.background, fitted))
        if distance > _MISFIT:
            remarks.append(
                f"{channel.name}: {channel.function.name} does not describe the expected background (deviance "
                f"{distance:.1f}, 0 if it did); the expected limit is that of its fit"
            )
    return remarks
