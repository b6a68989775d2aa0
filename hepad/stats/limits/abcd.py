"""The ABCD method as one likelihood: A = B C / D up to non-closure, with signal in all four regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, UsageError
from hepad.stats.limits.limits import FEW_EVENTS
from hepad.stats.limits.profile import DataSet
from hepad.stats.limits.pseudo import Pool
from hepad.stats.limits.resonance_likelihood import ResonanceLikelihood, Terms
from hepad.stats.limits.workspace import normsys

__all__ = ["AbcdExperiment", "AbcdModel", "abcd_workspace"]

FloatArray = npt.NDArray[np.float64]

_REGIONS = "ABCD"


@dataclass(frozen=True)
class AbcdModel:
    """Counts of the regions A, B, C, D (4,), the signal at mu = 1 in them (4,), the relative non-closure.

    A is the signal region and D the one opposite: the background expects A = B C / D times (1 + non-closure) to the
    power of a unit Gaussian. A count of A that is NaN is blinded: limits are expected ones of B C / D.
    """

    counts: FloatArray
    signal: FloatArray
    nonclosure: float = 0.0

    def __post_init__(self) -> None:
        for what, values in (("counts", self.counts[1:]), ("signal", self.signal)):
            if not np.all(np.isfinite(values)) or np.any(values < 0):
                raise InputDataError(f"{what} of the regions must be finite and not negative, found {values.min():g}")
        if self.counts.shape != (4,) or self.signal.shape != (4,):
            raise UsageError("counts and signal are four numbers each: A,B,C,D")
        if self.counts[0] < 0 or np.isinf(self.counts[0]):
            raise InputDataError(f"the count of A must be finite and not negative, found {self.counts[0]:g}")
        if not 0 <= self.nonclosure < np.inf:
            raise UsageError(f"the non-closure is relative and not negative, found {self.nonclosure:g}")
        if self.signal[0] <= 0:
            raise InputDataError("there is no signal in A: there is nothing to set a limit on")
        empty = [name for name, count in zip(_REGIONS[1:], self.counts[1:], strict=True) if count <= 0]
        if empty:
            which = f"region {empty[0]} is" if len(empty) == 1 else f"regions {' and '.join(empty)} are"
            raise InputDataError(f"{which} empty: B C / D says nothing; loosen the cuts")

    @property
    def has_data(self) -> bool:
        """Whether A is not blinded."""
        return bool(np.isfinite(self.counts[0]))

    @property
    def predicted(self) -> tuple[float, float]:
        """B C / D without regard to A or signal, and its error: of the counts and non-closure, to first order."""
        _, b, c, d = self.counts
        estimate = float(b * c / d)
        return estimate, estimate * float(np.sqrt(1 / b + 1 / c + 1 / d + np.log1p(self.nonclosure) ** 2))


class AbcdExperiment:
    """An `AbcdModel` as a `cls.Experiment`: the background of each region is an exponential of ln B, ln C, ln D."""

    def __init__(self, model: AbcdModel) -> None:
        _, b, c, d = model.counts
        estimate, error = model.predicted
        self.has_data = model.has_data
        # Natural units: about two standard deviations of the estimate.
        self.scale = float(2 + 2 * np.hypot(np.sqrt(estimate), error)) / float(model.signal[0])
        closure = np.log1p(model.nonclosure)
        rows = [[1.0, 1.0, -1.0, closure], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
        features = np.array(rows, dtype=np.float64)[:, None, : 4 if closure > 0 else 3]
        k = features.shape[2]
        self._likelihood = ResonanceLikelihood(
            Terms(
                signal=model.signal * self.scale,
                signal_logs=np.zeros(0),
                spurious=np.zeros((4, 0)),
                floor=np.zeros(4),
                features=features,
                weights=np.ones((4, 1)),
                constrained=np.arange(k) == 3,
            )
        )
        self._start = np.zeros(1 + k)
        self._start[1:4] = np.log([b, c, d])
        counts = np.append(model.counts[0] if self.has_data else estimate, model.counts[1:])
        self._data = DataSet(self._likelihood, counts, np.zeros(1 + k), self._start, "ABCD")
        theta = self._data.fixed(0.0)
        expected = self._likelihood.expected(theta[None, :])[0]
        self._asimov = self._data.asimov()
        self.few: str | None = None
        for what, value in (("background events are expected", expected[0]), ("events are observed", counts[0])):
            if value < FEW_EVENTS and self.few is None:
                self.few = f"only {value:.3g} {what} in A"
        self.remarks: tuple[str, ...] = ()
        self.signal_events = self.scale * float(model.signal.sum())
        self.known_background = False
        self.sums = None

    def data(self, mu: float) -> float:
        """q-tilde of the observed counts."""
        return self._data.q_tilde(mu)

    def posterior(self, mu: float) -> float:
        """q-tilde of the Asimov data of the background-only fit to all four regions."""
        return self._asimov.q_tilde(mu)

    def prior(self, mu: float) -> float:
        """The same."""
        return self._asimov.q_tilde(mu)

    def throw(self, mu: float, *, toys: int, seed: int) -> Pool:
        """q-tilde of toys of all four regions around the fits to the data at this mu and at mu = 0."""
        return self._data.pool(mu, toys=toys, rng=np.random.default_rng(seed))

    def excess(self) -> tuple[float, float]:
        """q0 of the observed counts and the best mu >= 0."""
        q, theta = self._data.q_zero()
        return q, float(theta[0])

    def throw_excess(self, *, toys: int, seed: int) -> Pool:
        """q0 of toys around the best fit and the background-only one."""
        return self._data.pool_zero(toys=toys, rng=np.random.default_rng(seed))

    def background(self, mu: float | None = 0.0) -> FloatArray:
        """Fitted background (4,) at this mu, or of the fit with mu >= 0 if None."""
        theta = (self._data.fixed(mu) if mu is not None else self._data.q_zero()[1]).copy()
        theta[0] = 0.0
        return np.asarray(self._likelihood.expected(theta[None, :])[0], dtype=np.float64)


def abcd_workspace(model: AbcdModel) -> dict[str, Any]:
    """The same model as a pyhf workspace of four channels; backgrounds are products of free factors.

    D is its own scale, B and C are that times a ratio each, A is that times both.
    """
    a, b, c, d = model.counts
    estimate = model.predicted[0]
    factors = {"A": "scale ratio_b ratio_c", "B": "scale ratio_b", "C": "scale ratio_c", "D": "scale"}
    nominal = {"A": estimate, "B": b, "C": c, "D": d}
    observed = {"A": a if model.has_data else estimate, "B": b, "C": c, "D": d}
    channels = []
    for name, signal in zip(_REGIONS, model.signal.tolist(), strict=True):
        modifiers = [{"name": factor, "type": "normfactor", "data": None} for factor in factors[name].split()]
        if name == "A" and model.nonclosure > 0:
            modifiers.append(normsys("nonclosure", model.nonclosure))
        samples = [{"name": "background", "data": [float(nominal[name])], "modifiers": modifiers}]
        if signal > 0:
            mu = {"name": "mu", "type": "normfactor", "data": None}
            samples.append({"name": "signal", "data": [signal], "modifiers": [mu]})
        channels.append({"name": name, "samples": samples})
    top = 20 * float(2 + 2 * np.hypot(np.sqrt(estimate), model.predicted[1])) / float(model.signal[0])
    parameters = [
        {"name": "mu", "inits": [top / 20], "bounds": [[0.0, top]]},
        *({"name": name, "inits": [1.0], "bounds": [[1e-6, 100.0]]} for name in ("scale", "ratio_b", "ratio_c")),
    ]
    return {
        "channels": channels,
        "observations": [{"name": name, "data": [float(observed[name])]} for name in _REGIONS],
        "measurements": [{"name": "abcd", "config": {"poi": "mu", "parameters": parameters}}],
        "version": "1.0.0",
    }
