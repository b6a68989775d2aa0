"""Limits on a resonance: a signal on smooth backgrounds whose parameters are free, in one spectrum or in several.

Profile likelihood with q-tilde (arXiv:1007.1727): mu and the errors of the signal are common to all channels, the
parameters of the backgrounds are each channel's own, and the channels' counts are statistically independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError, UsageError
from hepad.stats.fit import deviance
from hepad.stats.limits import (
    LimitModel,
    LimitResult,
    asymptotic_bands,
    asymptotic_cls,
    fill_scan,
    find_limits,
    limit_result,
    sensitivity,
    toy_cls,
    toy_quantiles,
    toy_warnings,
)
from hepad.stats.resonance_channel import ResonanceChannel, channel_warnings
from hepad.stats.resonance_likelihood import ResonanceLikelihood
from hepad.stats.resonance_stack import split_channels, stack_channels

__all__ = ["ResonanceChannel", "resonance_limits", "resonance_toys"]

FloatArray = npt.NDArray[np.float64]

_BLOCK_NUMBERS = 2_000_000
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
    model = _Model(channels, signal_error, luminosity_error)

    def cls(mu: float) -> tuple[float | None, FloatArray]:
        q_prior = model.prior.q_tilde(mu)
        expected = asymptotic_bands(q_prior)
        if model.data is None:
            return None, expected
        q_asimov = q_prior if model.posterior is model.prior else model.posterior.q_tilde(mu)
        return asymptotic_cls(model.data.q_tilde(mu), q_asimov), expected

    limits, points = find_limits(cls)
    fill_scan(points, cls, limits, 40)
    return limit_result(limits, points, model.scale, toys=0, remarks=model.warnings)


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
    model = _Model(channels, signal_error, luminosity_error)
    source = model.prior if model.data is None else model.data
    failed = 0

    def cls(mu: float) -> tuple[float | None, FloatArray]:
        nonlocal failed
        rng = np.random.default_rng(seed)
        signal, lost = source.sample(mu, mu, toys=toys, rng=rng)
        background, lost_too = source.sample(mu, 0.0, toys=toys, rng=rng)
        failed += lost + lost_too
        expected = np.array([toy_cls(q, signal, background) for q in toy_quantiles(background)])
        if model.data is None:
            return None, expected
        return toy_cls(model.data.q_tilde(mu), signal, background), expected

    limits, points = find_limits(cls, precision=2e-3)  # finer than the toys themselves
    fill_scan(points, cls, limits, 10)
    remarks = tuple(text for text in model.warnings if "use toys" not in text)
    return limit_result(limits, points, model.scale, toys=toys, remarks=remarks + toy_warnings(toys, failed))


class _Model:
    """The stacked channels with a signal of natural size: mu of the fits is in units of `scale`.

    `prior` is the Asimov data set of the expected limits, `posterior` that of the fit to the `data`.
    """

    def __init__(self, channels: Sequence[ResonanceChannel], signal_error: float, luminosity_error: float) -> None:
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
        theta = _DataSet(bare, self._counts, np.zeros_like(plain), plain, self._names).fixed(0.0)
        background = bare.expected(theta[None, :])[0]
        self.scale = sensitivity(LimitModel(terms.signal, background))
        scaled = replace(terms, signal=terms.signal * self.scale, floor=_FLOOR * background)
        self._likelihood = ResonanceLikelihood(scaled)
        self._start = np.concatenate(
            [np.zeros(1 + len(errors) + terms.spurious.shape[1]), theta[1 + len(errors) :]],
        )
        self.prior = self._asimov(self._counts)
        self.posterior, self.data = self.prior, None
        missing = [channel.name for channel in channels if channel.observed is None]
        remarks = _misfits(channels, background)
        if not missing:
            observed = np.concatenate([c.observed for c in channels if c.observed is not None])
            self.data = self._data_set(observed)
            if not np.array_equal(observed, self._counts):
                self.posterior = self._asimov(observed)
        elif len(missing) < len(channels):
            remarks.append(f"no observed limit: {', '.join(missing)} have no observed counts")
        for channel, expected in zip(channels, split_channels(channels, background), strict=True):
            remarks += channel_warnings(channel, expected)
        self.warnings = tuple(remarks)

    def _data_set(self, counts: FloatArray) -> _DataSet:
        return _DataSet(self._likelihood, counts, np.zeros_like(self._start), self._start, self._names)

    def _asimov(self, counts: FloatArray) -> _DataSet:
        """Expected counts and auxiliary measurements at the fit of the background alone to counts (n,)."""
        theta = self._data_set(counts).fixed(0.0)
        return _DataSet(self._likelihood, self._likelihood.expected(theta[None, :])[0], theta, theta, self._names)


class _DataSet:
    """Counts (n,) and auxiliary measurements (P,), and the fits to them; each starts from its nearest neighbour's."""

    def __init__(
        self, likelihood: ResonanceLikelihood, counts: FloatArray, aux: FloatArray, start: FloatArray, names: str
    ) -> None:
        self._likelihood, self._names = likelihood, names
        self._counts, self._aux = counts[None, :], aux[None, :]
        self._start = start
        self._fixed: dict[float, tuple[FloatArray, float]] = {}
        self._free: tuple[FloatArray, float] | None = None

    def fixed(self, mu: float) -> FloatArray:
        """Parameters (P,) of the best fit at this mu."""
        return self._fit_fixed(mu)[0]

    def q_tilde(self, mu: float) -> float:
        """The test statistic q-tilde; `FitFailedError` if a fit does not converge."""
        fixed_theta, fixed = self._fit_fixed(mu)
        if self._free is None:
            at_zero = self._fit_fixed(0.0)
            attempts = [self._fit(theta, 0.0, np.inf) for theta in (at_zero[0], fixed_theta)]
            self._free = self._best(attempts)
        if fixed < self._free[1]:  # a better minimum than the one found without restriction
            self._free = self._best([self._fit(fixed_theta, 0.0, np.inf), (fixed_theta, fixed)])
        theta, free = self._free
        return max(2 * (fixed - free), 0.0) if theta[0] < mu else 0.0

    def sample(self, mu: float, truth: float, *, toys: int, rng: np.random.Generator) -> tuple[FloatArray, int]:
        """q-tilde at `mu` of toys thrown at `truth` around the fit to these data, and how many fits failed."""
        centre = self.fixed(truth)
        means = self._likelihood.expected(centre[None, :])[0]
        block = max(1, _BLOCK_NUMBERS // (len(centre) * len(means)))
        kept, failed = [], 0
        for begin in range(0, toys, block):
            size = min(block, toys - begin)
            counts = rng.poisson(means, size=(size, len(means))).astype(np.float64)
            aux = rng.normal(centre, self._likelihood.penalty, size=(size, len(centre)))
            start = np.tile(centre, (size, 1))
            with np.errstate(all="ignore"):  # of trial steps, which are not taken
                theta, fixed, fixed_ok = self._likelihood.fit(counts, aux, start, low=mu, high=mu)
                _, free, free_ok = self._likelihood.fit(counts, aux, theta, low=0.0, high=mu)
            good = fixed_ok & free_ok
            failed += int(np.count_nonzero(~good))
            kept.append(np.maximum(2 * (fixed - free), 0.0)[good])
        values = np.concatenate(kept)
        if len(values) == 0:
            raise FitFailedError(f"none of the {toys} pseudo-experiments at mu = {truth:g} could be fitted")
        return values, failed

    def _fit_fixed(self, mu: float) -> tuple[FloatArray, float]:
        if mu not in self._fixed:
            starts = [self._start]
            if self._fixed:
                starts.insert(0, self._fixed[min(self._fixed, key=lambda known: abs(known - mu))][0])
            for start in starts:
                result = self._fit(start, mu, mu)
                if result is not None:
                    self._fixed[mu] = result
                    break
            else:
                raise self._failure()
        return self._fixed[mu]

    def _fit(self, start: FloatArray, low: float, high: float) -> tuple[FloatArray, float] | None:
        with np.errstate(all="ignore"):  # of trial steps, which are not taken
            theta, values, converged = self._likelihood.fit(self._counts, self._aux, start[None, :], low=low, high=high)
        return (theta[0], float(values[0])) if converged[0] else None

    def _best(self, attempts: Sequence[tuple[FloatArray, float] | None]) -> tuple[FloatArray, float]:
        good = [attempt for attempt in attempts if attempt is not None]
        if not good:
            raise self._failure()
        return min(good, key=lambda attempt: attempt[1])

    def _failure(self) -> FitFailedError:
        return FitFailedError(
            f"{self._names}: a fit of signal and background did not converge; try fewer parameters or another range"
        )


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
