"""The number of parameters of a background function: a test of each one more, by Wilks' theorem or by toys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError, InputDataError
from hepad.stats.counts.toys import OnToys, silent
from hepad.stats.fits.fit import FitResult, Refitter, chi_square_p, fit_background
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.goodness import toy_p

__all__ = ["OrderStep", "choose_order"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OrderStep:
    """One test: does `richer` improve on `simpler`? `fall` is that of the deviance, `p_toys` None without toys.

    `fall` and `p_value` are None where the richer function could not be fitted: then it is not needed.
    """

    simpler: str
    richer: str
    added: int
    fall: float | None
    p_value: float | None
    p_toys: float | None
    kept: bool


def choose_order(
    edges: FloatArray,
    counts: FloatArray,
    candidates: Sequence[BackgroundFunction],
    *,
    level: float = 0.05,
    toys: int = 0,
    seed: int = 0,
    exposure: FloatArray | None = None,
    on_toys: OnToys | None = None,
) -> tuple[FitResult, tuple[OrderStep, ...]]:
    """Fit nested functions, the simplest first, and keep the first that the next does not improve.

    An improvement is a fall in deviance with a probability below `level`: by chi-square (Wilks), or with `toys` the
    share of pseudo-experiments of the simpler function, fitted with both, that fall as far. `InputDataError` if the
    candidates are not of one family, `FitFailedError` if not even the first can be fitted. `on_toys` is told
    how many toys of a test are done.
    """
    if len({candidate.family for candidate in candidates}) != 1:
        raise InputDataError("the number of parameters is chosen within one family of functions")
    ordered = sorted(candidates, key=lambda candidate: candidate.n_parameters)
    chosen = fit_background(edges, counts, ordered[0], exposure=exposure)
    steps: list[OrderStep] = []
    for candidate in ordered[1:]:
        if candidate.n_parameters >= len(counts):
            break
        added = candidate.n_parameters - chosen.function.n_parameters
        names = (chosen.function.name, candidate.name)
        try:
            richer = fit_background(edges, counts, candidate, exposure=exposure)
        except FitFailedError:
            steps.append(OrderStep(*names, added, None, None, None, kept=False))
            break
        fall = max(chosen.deviance - richer.deviance, 0.0)
        p_value = chi_square_p(fall, added)
        p_toys = (
            _by_toys(edges, chosen, richer, fall, toys=toys, seed=seed, exposure=exposure, on_toys=on_toys)
            if toys
            else None
        )
        kept = (p_value if p_toys is None else p_toys) < level
        steps.append(OrderStep(*names, added, fall, p_value, p_toys, kept=kept))
        if not kept:
            break
        chosen = richer
    return chosen, tuple(steps)


def _by_toys(
    edges: FloatArray,
    simpler: FitResult,
    richer: FitResult,
    fall: float,
    *,
    toys: int,
    seed: int,
    exposure: FloatArray | None,
    on_toys: OnToys | None,
) -> float:
    say = on_toys or silent
    say(0, toys)
    counts = np.random.default_rng(seed).poisson(simpler.expected, size=(toys, len(simpler.expected)))
    drawn = counts.astype(np.float64)
    first, second = (Refitter(edges, fit, exposure=exposure).fit(drawn) for fit in (simpler, richer))
    say(toys, toys)
    good = first.converged & second.converged
    if not good.any():
        raise FitFailedError(
            f"no pseudo-experiment could be fitted with {simpler.function.name} and {richer.function.name}; use no toys"
        )
    return toy_p(fall, np.maximum(first.deviance - second.deviance, 0.0)[good])
