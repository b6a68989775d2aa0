"""Limits from any pyhf workspace: published likelihoods, simultaneous channels, all of HistFactory's modifiers.

pyhf builds the probability model and fits it; CLs, brackets and toys are hepad's own. pyhf's `hypotest` makes five fits
at every mu, here two are left: the unrestricted ones do not depend on mu, and that of the Asimov data is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError, InputDataError
from hepad.io.pyhf_quiet import pyhf_quiet
from hepad.stats.cls import Samples

__all__ = ["PublishedExperiment", "numpy_backend"]

FloatArray = npt.NDArray[np.float64]
Fit = tuple[FloatArray, float]
"""Parameters (P,) and -2 ln L."""

_FEW = 10.0
_NEAR_BOUND = 0.999


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
    """One data set (main and auxiliary) of the model, and the fits to it; each starts from its nearest neighbour's."""

    def __init__(self, model: Any, values: FloatArray, *, free: Fit | None = None) -> None:
        self._model, self.values = model, values
        self._fixed: dict[float, Fit] = {}
        self._free = free

    def fixed(self, mu: float) -> Fit:
        """The best fit at this mu."""
        if mu not in self._fixed:
            nearest = min(self._fixed, key=lambda known: abs(known - mu), default=None)
            start = None if nearest is None else self._fixed[nearest][0]
            self._fixed[mu] = _fit(self._model, self.values, mu, start)
        return self._fixed[mu]

    def free(self) -> Fit:
        """The best fit with mu >= 0."""
        if self._free is None:
            starts = [None, *(fit[0] for fit in self._fixed.values())][:2]
            self._free = min((_fit(self._model, self.values, None, s) for s in starts), key=lambda fit: fit[1])
        for fit in self._fixed.values():
            if fit[1] < self._free[1]:  # a better minimum than the one found without restriction
                again = _fit(self._model, self.values, None, fit[0])
                self._free = min(again, fit, key=lambda one: one[1])
        return self._free

    def q_tilde(self, mu: float) -> float:
        """The test statistic q-tilde."""
        fixed = self.fixed(mu)[1]
        theta, free = self.free()
        return max(fixed - free, 0.0) if theta[self._model.config.poi_index] < mu else 0.0

    def q_zero(self) -> float:
        """The test statistic q0 of a discovery."""
        fixed = self.fixed(0.0)[1]
        return max(fixed - self.free()[1], 0.0)


class PublishedExperiment:
    """A pyhf workspace, patched if need be, as a `cls.Experiment`.

    `measurement` names one of the workspace's, None for the first. `InputDataError` for a workspace that pyhf refuses
    or one without a parameter of interest. Use it inside `numpy_backend`.
    """

    scale = 1.0
    has_data = True

    def __init__(self, spec: dict[str, Any], measurement: str | None = None) -> None:
        import pyhf

        try:
            with pyhf_quiet():
                workspace = pyhf.Workspace(spec)
                # The interpolations that published likelihoods are made with, and pyhf's command line uses.
                settings = {"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}
                self.model = workspace.model(measurement_name=measurement, modifier_settings=settings)
                values = np.asarray(workspace.data(self.model), dtype=np.float64)
        except (pyhf.exceptions.InvalidSpecification, pyhf.exceptions.InvalidMeasurement) as error:
            raise InputDataError(f"the workspace is not valid: {_line(error)}") from error
        except pyhf.exceptions.InvalidModel as error:
            raise InputDataError(f"{_line(error)} A background needs a signal from a patch") from error
        except (pyhf.exceptions.InvalidModifier, KeyError, ValueError) as error:
            raise InputDataError(f"the workspace makes no model: {_line(error)}") from error
        if self.model.config.poi_index is None:
            raise InputDataError("the measurement of the workspace names no parameter of interest")
        self._data = _Data(self.model, values)
        theta = self._data.fixed(0.0)[0]
        asimov = np.asarray(self.model.expected_data(theta), dtype=np.float64)
        # Asimov data have their best fit where they were made.
        self._asimov = _Data(self.model, asimov, free=(theta, _twice_nll(self.model, theta, asimov)))
        self.few = self._low_counts(theta, values)
        self.remarks = () if self.few is None else (f"{self.few}: asymptotic limits are unreliable below 10, use toys",)

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

    def throw(self, mu: float, *, toys: int, seed: int) -> Samples:
        """q-tilde of toys around the fits to the data at this mu and at mu = 0, fitted one by one."""
        rng = np.random.default_rng(seed)
        signal, lost = self._toys(mu, toys, rng, lambda toy: toy.q_tilde(mu))
        background, lost_too = self._toys(0.0, toys, rng, lambda toy: toy.q_tilde(mu))
        return Samples(signal, background, lost + lost_too)

    def throw_excess(self, *, toys: int, seed: int) -> tuple[FloatArray, int]:
        """q0 of toys around the background-only fit to the data."""
        return self._toys(0.0, toys, np.random.default_rng(seed), lambda toy: toy.q_zero())

    def _toys(self, truth: float, toys: int, rng: np.random.Generator, statistic: Any) -> tuple[FloatArray, int]:
        theta = self._data.fixed(truth)[0]
        kept, failed = [], 0
        for _ in range(toys):
            toy = _Data(self.model, _throw(self.model, theta, rng))
            try:
                kept.append(statistic(toy))
            except FitFailedError:
                failed += 1
        if not kept:
            raise FitFailedError(f"none of the {toys} pseudo-experiments at mu = {truth:g} could be fitted")
        return np.array(kept), failed

    def _low_counts(self, theta: FloatArray, values: FloatArray) -> str | None:
        """Fewer than ten events in the bins that hold 90 % of the signal: what to say of them, else None."""
        config = self.model.config
        with_signal = theta.copy()
        with_signal[config.poi_index] = 1.0
        background = np.asarray(self.model.expected_actualdata(theta))
        signal = np.asarray(self.model.expected_actualdata(with_signal)) - background
        if signal.sum() <= 0:
            raise InputDataError("the signal of the workspace is zero: there is nothing to set a limit on")
        order = np.argsort(-signal, kind="stable")
        bins = order[: int(np.searchsorted(np.cumsum(signal[order]) / signal.sum(), 0.9)) + 1]
        for what, events in (("background events are expected", background), ("events are observed", values)):
            if events[bins].sum() < _FEW:
                return f"only {events[bins].sum():.3g} {what} under the signal"
        return None


def _fit(model: Any, values: FloatArray, mu: float | None, start: FloatArray | None) -> Fit:
    """Maximum likelihood, at a fixed mu or with mu >= 0; Minuit has a try where scipy fails."""
    import pyhf

    config = model.config
    bounds = [tuple(pair) for pair in config.suggested_bounds()]
    init = np.asarray(config.suggested_init() if start is None else start, dtype=np.float64).copy()
    top = max(bounds[config.poi_index][1], 2 * (mu or 0.0), 2 * float(init[config.poi_index]))
    arguments = {"return_fitted_val": True}
    for optimizer in (pyhf.optimize.scipy_optimizer(), pyhf.optimize.minuit_optimizer()):
        pyhf.set_backend(pyhf.tensorlib, optimizer)
        try:
            for _ in range(60):
                bounds[config.poi_index] = (0.0, top)
                if mu is None:
                    theta, value = pyhf.infer.mle.fit(
                        values, model, init_pars=init.tolist(), par_bounds=bounds, **arguments
                    )
                else:
                    theta, value = pyhf.infer.mle.fixed_poi_fit(
                        mu, values, model, init_pars=init.tolist(), par_bounds=bounds, **arguments
                    )
                if mu is not None or theta[config.poi_index] < _NEAR_BOUND * top:
                    break
                top *= 4
            if np.all(np.isfinite(theta)) and np.isfinite(value):
                return np.asarray(theta, dtype=np.float64), float(np.ravel(value)[0])
        except (pyhf.exceptions.FailedMinimization, ValueError, ArithmeticError):
            continue
        finally:
            pyhf.set_backend(pyhf.tensorlib, pyhf.optimize.scipy_optimizer())
    at = "with mu free" if mu is None else f"at mu = {mu:g}"
    raise FitFailedError(f"the fit of the workspace {at} converged neither with scipy nor with Minuit")


def _twice_nll(model: Any, theta: FloatArray, values: FloatArray) -> float:
    return float(-2 * np.ravel(model.logpdf(theta, values))[0])


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


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
