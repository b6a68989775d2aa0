"""Are global p-values, and those of a fit's goodness, uniform where there is no signal? Slow: minutes of a core.

    python benchmarks/bench_uniformity.py [KIND ...] [--spectra 300] [--toys 200]

A p-value is right if it is below x in a share x of spectra of background alone. Each row has the mean (1/2), the shares
below 0.01, 0.05, 0.1 and 0.32, and the probability of a Kolmogorov-Smirnov distance as large. `own` rows of weighted
references keep each bin's own variance, which the bump hunt does not: see docs/statistics.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
from scipy.stats import kstest

from hepad.cards.fit import load_fit
from hepad.stats.bumphunt import (
    CountedNull,
    FixedNull,
    Null,
    RefittedNull,
    ScanOptions,
    global_p_of_many,
    make_cells,
    make_null,
)
from hepad.stats.bumphunt.hunt import look, tail
from hepad.stats.bumphunt.layout import Layout
from hepad.stats.bumphunt.scan import Expectation
from hepad.stats.fits.fit import Refitter, fit_background
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.goodness import goodness

Array = np.ndarray
P = dict[str, list[float]]
DIJET3 = BackgroundFunction.from_card(load_fit("dijet3"))


def falling(bins: int, events: float) -> tuple[Array, Array]:
    """Edges and expected events of a dijet spectrum from 1.5 to 6.5 TeV."""
    edges = np.linspace(1500.0, 6500.0, bins + 1)
    x = (edges[:-1, None] + np.diff(edges)[:, None] * np.linspace(0, 1, 51)) / 13_000
    shape = np.mean((1 - x) ** 10 * x**-4.5, axis=1)
    return edges, events * shape / shape.sum()


def global_p(null: Null, counts: Array, expected: Expectation, toys: int, seed: int) -> float:
    statistic = float(-look(counts[None], expected, null.layout, null.options).counting.min())
    drawn = null.draw(toys, seed)
    return float(tail(drawn[np.isfinite(drawn)], statistic)[1])  # type: ignore[arg-type]


def weighted(draw: Callable[[np.random.Generator, Array], tuple[Array, Array]], bins: int, events: float) -> Callable:
    """Spectra against references that `draw` throws: events and variances of expected events."""

    def study(rng: np.random.Generator, toys: int, seed: int) -> dict[str, float]:
        edges, truth = falling(bins, events)
        counts = rng.poisson(truth).astype(float)
        b, v = draw(rng, truth)
        null = make_null(edges, counts[None], b[None], variances=v[None])
        assert isinstance(null, CountedNull)
        some = b > 0
        own = Expectation(b[None], v[None], float(v[some].sum() / b[some].sum()))
        plain = CountedNull(counts[None], own, null.layout, null.options)
        return {
            "": global_p(null, counts, null.reference, toys, seed),
            "own": global_p(plain, counts, own, toys, seed),
        }

    return study


def equal(rng: np.random.Generator, truth: Array) -> tuple[Array, Array]:
    n = rng.poisson(truth).astype(float)
    return n, n


def exponential(rng: np.random.Generator, truth: Array) -> tuple[Array, Array]:
    bins = np.repeat(np.arange(len(truth)), rng.poisson(truth))
    w = rng.exponential(1.0, len(bins))
    return np.bincount(bins, w, len(truth)), np.bincount(bins, w * w, len(truth))


def slices(rng: np.random.Generator, truth: Array) -> tuple[Array, Array]:
    light, heavy = rng.poisson(truth * 9.5), rng.poisson(truth * 0.005)
    return 0.1 * light + 10.0 * heavy, 0.01 * light + 100.0 * heavy


def signed(rng: np.random.Generator, truth: Array) -> tuple[Array, Array]:
    more, less = rng.poisson(truth * 0.8 / 0.6), rng.poisson(truth * 0.2 / 0.6)
    return np.maximum(more - less, 0).astype(float), (more + less).astype(float)


def refitted(events: float) -> Callable:
    def study(rng: np.random.Generator, toys: int, seed: int) -> dict[str, float]:
        edges, truth = falling(50, events)
        counts = rng.poisson(truth).astype(float)
        fit = fit_background(edges, counts, DIJET3)
        null = make_null(edges, counts[None], fit.expected[None], refits=[fit])
        return {"": global_p(null, counts, Expectation(fit.expected[None]), toys, seed)}

    return study


def trials(events: float, *, refit: bool) -> Callable:
    """A spectrum, another mass of 70 % of its events, and 30 % of its events with the same mass."""
    edges, truth = falling(25, events)
    options, shares = ScanOptions(), (1.0, 0.7, 0.3)
    layout = Layout.line(25, options)

    def study(rng: np.random.Generator, toys: int, seed: int) -> dict[str, float]:
        n = rng.poisson(events)
        masses = [rng.choice(edges[:-1] + 1, n, p=truth / events) for _ in range(2)]
        table = np.stack([masses[0], masses[1], masses[0]], axis=1)
        for i, share in enumerate(shares):
            table[rng.random(n) >= share, i] = np.nan
        counts = [np.histogram(column, edges)[0].astype(float) for column in table.T]
        if refit:
            fits = [fit_background(edges, c, DIJET3) for c in counts]
            nulls: list = [RefittedNull(edges, (fit,), layout, options) for fit in fits]
            expected = [fit.expected for fit in fits]
        else:
            expected = [share * truth for share in shares]
            nulls = [FixedNull(b[None], layout, options) for b in expected]
        t = [
            float(-look(c[None], Expectation(b[None]), layout, options).counting.min())
            for c, b in zip(counts, expected, strict=True)
        ]
        found = global_p_of_many(t, nulls, make_cells(table, [edges] * 3, expected), toys=toys, seed=seed)
        return {"": found.global_p, "best alone": float(found.single_p.min())}

    return study


def goodness_of(events: float) -> Callable:
    def study(rng: np.random.Generator, toys: int, seed: int) -> dict[str, float]:
        edges, truth = falling(50, events)
        counts = rng.poisson(truth).astype(float)
        fit = fit_background(edges, counts, DIJET3)
        found = goodness(counts, fit.expected, ndf=fit.ndf, refit=Refitter(edges, fit).fit, toys=toys, seed=seed)
        return {"toys": float(found.p_toys or 0), "chi-square": float(found.p_value or 0)}

    return study


KINDS: dict[str, Callable] = {
    "equal": weighted(equal, 50, 5e4),
    "exponential": weighted(exponential, 50, 5e4),
    "exponential-500": weighted(exponential, 50, 500),
    "slices": weighted(slices, 30, 2e4),
    "signed": weighted(signed, 30, 2e4),
    "refit": refitted(3000),
    "trials-400": trials(400, refit=False),
    "trials-3000": trials(3000, refit=False),
    "trials-refit": trials(3000, refit=True),
    "goodness-1000": goodness_of(1000),
    "goodness-1e6": goodness_of(1e6),
}


def rows(kind: str, spectra: int, toys: int) -> Iterator[str]:
    rng, found = np.random.default_rng(20261126), {}
    for i in range(spectra):
        for name, p in KINDS[kind](rng, toys, 1000 + i).items():
            found.setdefault(name, []).append(p)
    for name, values in found.items():
        p = np.array(values)
        shares = " ".join(f"{np.mean(p <= x):6.3f}" for x in (0.0101, 0.05, 0.1, 0.32))
        yield f"{kind + ' ' + name:<28} {len(p):5d} {p.mean():6.3f} {shares} {kstest(p, 'uniform').pvalue:9.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], default=[], help="all by default")
    parser.add_argument("--spectra", type=int, default=300)
    parser.add_argument("--toys", type=int, default=200)
    options = parser.parse_args()
    print(f"{'':<28} {'n':>5} {'mean':>6} {'<0.01':>6} {'<0.05':>6} {'<0.1':>6} {'<0.32':>6} {'KS':>9}")
    for kind in options.kinds or KINDS:
        start = time.perf_counter()
        for row in rows(kind, options.spectra, options.toys):
            print(row, flush=True)
        print(f"{'':<28} {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
