"""How often a true signal is excluded at 95 % CL, with the calculator that is chosen: at most 5 % is promised.

    python benchmarks/bench_coverage.py [--experiments N] [--toys T]

Counting is summed over counts, with an uncertain background over its auxiliary measurement, too; no random number is
drawn. The spectrum of 45 bins has about half an event under the signal, and a background of three free parameters:
experiments are drawn, and pseudo-experiments thrown for each, as `auto` does.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.special import ndtri
from scipy.stats import norm, poisson

from hepad.cards.fit import load_fit
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.limits.cls import ALPHA, asymptotic_cls, least_cls
from hepad.stats.limits.limits import CountingExperiment, LimitModel, exact_limits
from hepad.stats.limits.resonance import ResonanceChannel, ResonanceModel

PLACES = 31
"""Auxiliary measurements, all as probable, that stand for a Gaussian."""


def counting_cls(signal: float, background: float, error: float, n: int) -> float:
    """Exact CLs of a signal in n events."""
    model = LimitModel(np.ones(1), np.array([background]), np.array([float(n)]), background_error=error)
    experiment = CountingExperiment(model)
    mu = signal / experiment.scale
    assert experiment.sums is not None
    with_signal, without = experiment.sums.q_tilde(mu)
    q = experiment.data(mu)
    return max(math.exp(with_signal.log_tail(q) - without.log_tail(q)), least_cls(experiment, mu))


def counting(signal: float, background: float, error: float) -> float:
    """The probability that a signal is excluded, for a true background and its relative error."""
    measured = ndtri((np.arange(PLACES) + 0.5) / PLACES) if error else np.zeros(1)
    excluded = 0.0
    for value in background * np.exp(np.log1p(error) * measured):
        # More events exclude less: the first count that does not ends it.
        n = 0
        while counting_cls(signal, float(value), error, n) < ALPHA:
            n += 1
        excluded += float(poisson.cdf(n - 1, signal + background)) / len(measured)
    return excluded


def known(background: float) -> tuple[float, float]:
    """The most probable false exclusion of any signal on a known background, and that signal."""
    worst = (0.0, 0.0)
    for n in range(int(poisson.ppf(0.999, background)) + 1):
        limit = exact_limits(LimitModel(np.ones(1), np.array([background]), np.array([float(n)]))).observed
        signal = float(limit or 0.0) * (1 + 1e-3)
        worst = max(worst, (float(poisson.cdf(n, signal + background)), signal))
    return worst


def spectrum(mass: float, signal: float, experiments: int, toys: int) -> tuple[float, int, int, int]:
    """Events under the signal, and how many of the experiments exclude it: by toys, and by asymptotic formulae."""
    function = BackgroundFunction.from_card(load_fit("dijet3"))
    edges = np.geomspace(1500, 9000, 46)
    fine = np.linspace(edges[:-1], edges[1:], 41)
    x = fine / 13000
    truth = np.trapezoid((1 - x) ** 10 * x**-4.5, fine, axis=0)
    truth *= 30_000 / truth.sum()
    shape = np.diff(norm.cdf((edges - mass) / (0.05 * mass)))
    rng = np.random.default_rng(5)
    by_toys = by_formula = done = 0
    for seed in range(experiments):
        counts = rng.poisson(truth + signal * shape).astype(float)
        model = ResonanceModel([ResonanceChannel("spectrum", edges, shape, 0 * shape, function, observed=counts)])
        mu = signal / model.scale
        cls = model.throw(mu, toys=toys, seed=seed).cls(model.data(mu))
        by_toys += np.maximum(cls, least_cls(model, mu)) < ALPHA  # what no toy reaches (NaN) excludes nothing
        by_formula += asymptotic_cls(model.data(mu), model.posterior(mu)) < ALPHA
        done += 1
    under = truth[(edges[:-1] > 0.9 * mass) & (edges[1:] < 1.1 * mass)].sum()
    return float(under), by_toys, by_formula, done


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=500)
    parser.add_argument("--toys", type=int, default=400)
    arguments = parser.parse_args()
    table = Table(title="False exclusion at 95 % CL")
    for name in ("experiment", "background", "signal", "calculator", "excluded", "by formulae", "s"):
        table.add_column(name)
    for background in (0.1, 0.5, 1.0, 3.0, 5.0, 10.0, 20.0):
        begin = time.process_time()
        worst, signal = known(background)
        spent = time.process_time() - begin
        row = (
            "counting, worst signal",
            f"{background:g}",
            f"{signal:.2f}",
            "exact",
            f"{worst:.4f}",
            "",
            f"{spent:.0f}",
        )
        table.add_row(*row)
    for background, error, signal in ((0.5, 0.4, 3.5), (3.0, 0.2, 5.0), (20.0, 0.1, 11.0)):
        begin = time.process_time()
        share = counting(signal, background, error)
        spent = time.process_time() - begin
        about = f"{background:g} +- {background * error:g}"
        table.add_row("counting", about, f"{signal:g}", "exact", f"{share:.4f}", "", f"{spent:.0f}")
    for mass, signal in ((6600.0, 2.5), (6600.0, 3.5), (6600.0, 6.0)):
        begin = time.process_time()
        under, toys, formula, done = spectrum(mass, signal, arguments.experiments, arguments.toys)
        spent = time.process_time() - begin
        share, error = toys / done, math.sqrt(0.05 * 0.95 / done)
        row = ("spectrum", f"{under:.2g}", f"{signal:g}", f"{arguments.toys} toys", f"{share:.3f} +- {error:.3f}")
        table.add_row(*row, f"{formula / done:.3f}", f"{spent:.0f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
