"""Limits from any pyhf workspace: published likelihoods, simultaneous channels, all of HistFactory's modifiers.

pyhf builds the probability model; fits, CLs, brackets and toys are hepad's own. pyhf's `hypotest` makes five fits
at every mu, here two are left: the unrestricted ones do not depend on mu, and that of the Asimov data is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError, InputDataError
from hepad.stats.limits.limits import LimitModel, few_of, sensitivity
from hepad.stats.limits.pseudo import Pool
from hepad.stats.limits.workspace_likelihood import Fit, WorkspaceLikelihood, maximise
from hepad.stats.limits.workspace_model import workspace_model

__all__ = ["PublishedExperiment", "numpy_backend"]

FloatArray = npt.NDArray[np.float64]


@contextmanager
def numpy_backend() -> Iterator[None]:
    """Let pyhf compute with numpy and scipy inside the block, whatever the caller has set; it is set back after."""
    import pyhf

    before, optimizer = pyhf.get_backend()
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer())
    try:
        yield
    finally:
        pyhf.set_backend(before, optimizer)


class _Data:
    """One data set (main and auxiliary) of the model, and the fits to it; each starts from its nearest neighbour's.

    `start` (P,) is where the first fit starts, None for the workspace's own start.
    """

    def __init__(
        self,
        likelihood: WorkspaceLikelihood,
        values: FloatArray,
        *,
        free: Fit | None = None,
        start: FloatArray | None = None,
    ) -> None:
        self._likelihood, self.values, self._start = likelihood, values, start
        self._fixed: dict[float, Fit] = {}
        self._free = free

    def fixed(self, mu: float) -> Fit:
        """The best fit at this mu."""
        if mu not in self._fixed:
            nearest = min(self._fixed, key=lambda known: abs(known - mu), default=None)
            start = self._start if nearest is None else self._fixed[nearest][0]
            self._fixed[mu] = _fit(self._likelihood, self.values, mu, start)
        return self._fixed[mu]

    def free(self) -> Fit:
        """The best fit with mu >= 0."""
        if self._free is None:
            near = [fit[0] for fit in self._fixed.values()][:1]
            starts = near or [self._start] if self._start is not None else [None, *near]
            self._free = min((_fit(self._likelihood, self.values, None, s) for s in starts), key=lambda fit: fit[1])
        for fit in self._fixed.values():
            if fit[1] < self._free[1]:  # a better minimum than the one found without restriction
                again = _fit(self._likelihood, self.values, None, fit[0])
                self._free = min(again, fit, key=lambda one: one[1])
        return self._free

    def q_tilde(self, mu: float) -> float:
        """The test statistic q-tilde."""
        fixed = self.fixed(mu)[1]
        theta, free = self.free()
        return max(fixed - free, 0.0) if theta[self._likelihood.model.config.poi_index] < mu else 0.0

    def q_zero(self) -> float:
        """The test statistic q0 of a discovery."""
        fixed = self.fixed(0.0)[1]
        return max(fixed - self.free()[1], 0.0)


class PublishedExperiment:
    """A pyhf workspace, patched if need be, as a `cls.Experiment`.

    `measurement` names one of the workspace's, None for the first. `InputDataError` for a workspace that pyhf refuses,
    one without a free parameter of interest, or one whose yields without a signal are negative, or zero where events
    were observed and no signal is expected. Use it inside `numpy_backend`.

    `impossible` says which bin has events that background alone cannot give, if there is one: q0 is infinite then.
    """

    scale = 1.0
    has_data = True

    def __init__(self, spec: dict[str, Any], measurement: str | None = None) -> None:
        self.model, values = workspace_model(spec, measurement)
        self.likelihood = WorkspaceLikelihood(self.model)
        self._data = _Data(self.likelihood, values)
        theta = self._data.fixed(0.0)[0]
        negative = self.likelihood.negative(theta)
        if negative is not None:
            raise InputDataError(f"the background of the workspace is {negative}: there is no likelihood; merge bins")
        signal, background = self._signal(theta)
        self.impossible = self._without_background(signal, background, values)
        asimov = np.asarray(self.model.expected_data(theta), dtype=np.float64)
        # Asimov data have their best fit where they were made.
        self._asimov = _Data(self.likelihood, asimov, free=(theta, self.likelihood.twice_nll(theta, asimov)))
        self.few = _low_counts(signal, background, values)
        self.remarks: tuple[str, ...] = ()
        self.signal_events = float(signal.sum())
        self.known_background = False
        self.sums = None

    def data(self, mu: float) -> float:
        """q-tilde of the observed counts."""
        return self._data.q_tilde(mu)

    def posterior(self, mu: float) -> float:
        """q-tilde of the Asimov data of the background-only fit to the observed counts."""
        return self._asimov.q_tilde(mu)

    def prior(self, mu: float) -> float:
        """The same: expected limits follow the data, as HistFactory's convention is."""
        return self.posterior(mu)

    def excess(self) -> tuple[float, float]:
        """q0 of the observed counts and the best mu >= 0."""
        return self._data.q_zero(), float(self._data.free()[0][self.model.config.poi_index])

    @property
    def observed(self) -> FloatArray:
        """The observed counts, and the auxiliary measurements after them."""
        return self._data.values

    def best_fit(self, mu: float | None = None) -> FloatArray:
        """The parameters (P,) of the fit to the observed counts at this mu, None for the best mu >= 0."""
        return (self._data.free() if mu is None else self._data.fixed(mu))[0]

    def throw(self, mu: float, *, toys: int, seed: int) -> Pool:
        """q-tilde of toys around the fits to the data at this mu and at mu = 0, fitted one by one."""
        return self._pool(self._data.fixed(mu)[0], toys, seed, lambda toy: toy.q_tilde(mu))

    def throw_excess(self, *, toys: int, seed: int) -> Pool:
        """q0 of toys around the best fit to the data and the background-only one."""
        return self._pool(self._data.free()[0], toys, seed, lambda toy: toy.q_zero())

    def _pool(self, best: FloatArray, toys: int, seed: int, statistic: Callable[[_Data], float]) -> Pool:
        rng = np.random.default_rng(seed)
        thetas = best, self._data.fixed(0.0)[0]
        samples = []
        for theta in thetas:
            kept, ratios, failed = [], [], 0
            for _ in range(toys):
                toy = _Data(self.likelihood, _throw(self.model, theta, rng), start=theta)
                try:
                    kept.append(statistic(toy))
                except FitFailedError:
                    failed += 1
                    continue
                with_signal, without = (self.likelihood.twice_nll(each, toy.values) for each in thetas)
                ratios.append((without - with_signal) / 2)
            if not kept:
                raise FitFailedError(f"none of the {toys} pseudo-experiments could be fitted")
            samples.append((np.array(kept), np.array(ratios), failed))
        return Pool.of(*samples)

    def _signal(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Yields (bins,) of the signal at mu = 1, and of the background."""
        with_signal = theta.copy()
        with_signal[self.model.config.poi_index] = 1.0
        background = np.asarray(self.model.expected_actualdata(theta), dtype=np.float64)
        signal = np.asarray(self.model.expected_actualdata(with_signal), dtype=np.float64) - background
        if signal.sum() <= 0:
            what = f"sums to {signal.sum():.4g} events" if np.any(signal) else "is zero"
            raise InputDataError(f"the signal of the workspace {what}: there is nothing to set a limit on")
        return signal, background

    def _without_background(self, signal: FloatArray, background: FloatArray, values: FloatArray) -> str | None:
        """Which bin with events has no background, None for none; `InputDataError` if it has no signal either."""
        empty = (background <= 0) & (values[: len(background)] > 0)
        for where, what in ((empty & (signal <= 0), "neither background nor signal"), (empty, "no background")):
            if np.any(where):
                at = int(np.argmax(where))
                found = f"{self.likelihood.name_of(at)} has data ({values[at]:g}) where {what} is expected"
                if signal[at] <= 0:
                    raise InputDataError(f"{found}; merge bins")
                return found
        return None


def _low_counts(signal: FloatArray, background: FloatArray, values: FloatArray) -> str | None:
    """Fewer than ten events where the sensitivity comes from: what to say of them, else None."""
    model = LimitModel(np.maximum(signal, 0.0), np.maximum(background, 0.0))
    return few_of(sensitivity(model) * model.signal, model.background, values[: len(background)])


def _fit(likelihood: WorkspaceLikelihood, values: FloatArray, mu: float | None, start: FloatArray | None) -> Fit:
    """Maximum likelihood, at a fixed mu or with mu >= 0, other parameters within the workspace's bounds."""
    config = likelihood.model.config
    init = np.array(config.suggested_init() if start is None else start, dtype=np.float64)
    low, high = np.array(config.suggested_bounds(), dtype=np.float64).T
    low[likelihood.fixed] = high[likelihood.fixed] = init[likelihood.fixed]
    low[config.poi_index], high[config.poi_index] = (0.0, np.inf) if mu is None else (mu, mu)
    at = "with mu free" if mu is None else f"at mu = {mu:.6g}"
    try:
        fit = maximise(likelihood, values, init, (low, high))
    except FitFailedError as error:
        negative = likelihood.negative(np.clip(init, low, high))
        raise FitFailedError(f"the fit of the workspace {at} failed: {negative or error}") from error
    negative = None if mu == 0 else likelihood.negative(fit[0])
    if negative is not None:
        raise FitFailedError(f"the workspace expects {negative} {at}: it has no likelihood there")
    return fit


def _throw(model: Any, theta: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Main counts and auxiliary measurements of one pseudo-experiment, with a generator of our own.

    pyhf's toys draw from numpy's global one, and its calculator fails with numpy 2.4 (a keyword is gone).
    """
    main = rng.poisson(np.asarray(model.expected_actualdata(theta))).astype(np.float64)
    parts = [main]
    for name in model.config.auxdata_order:
        paramset = model.config.param_set(name)
        centre = theta[model.config.par_slice(name)]
        if paramset.pdf_type == "normal":
            parts.append(rng.normal(centre, np.asarray(paramset.width())))
        else:
            parts.append(rng.poisson(centre * np.asarray(paramset.factors)).astype(np.float64))
    return np.concatenate(parts)
