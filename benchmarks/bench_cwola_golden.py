"""The p-values of CWoLa hunting (arXiv:1902.02634) as its authors give them, and as they come out here.

    python benchmarks/bench_cwola_golden.py FILE

FILE is a table with the columns `set`, `signal_bin`, `efficiency`, `p0`, `test_statistic` and the counts `n0` to `n14`
of the bins from 2001 to 4350 GeV. Four significances a row: the authors'; by their definition with the covariance of
MINPACK (`scipy.optimize.curve_fit`), whose derivatives are finite differences, as theirs; the same with exact ones
(`count: densities`); and the likelihood of this project (`count: likelihood`). A deficit has 0. `*`: their statistic
is below that of the same fit, so that their likelihood was not at its maximum.
"""

from __future__ import annotations

import argparse
import csv
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit

from hepad.cards.fit import load_fit
from hepad.errors import HepadError
from hepad.stats.bumphunt.window_count import count_in_window, window_edges
from hepad.stats.bumphunt.window_density import DensityCount, count_by_density
from hepad.stats.fits.functions import BackgroundFunction

EDGES = np.array([2001, 2107, 2219, 2337, 2461, 2592, 2730, 2875, 3028, 3189, 3358, 3536, 3724, 3922, 4131, 4350.0])
FUNCTION = BackgroundFunction.from_card(load_fit("dijet3"))


def densities(x: np.ndarray, p1: float, p2: float, p3: float) -> np.ndarray:
    return p1 * (1 - x / 13_000) ** p2 * (x / 13_000) ** -p3


def by_minpack(exact: DensityCount, counts: np.ndarray, low: int, high: int) -> DensityCount:
    """The count with parameters and covariance of MINPACK."""
    x, widths = (EDGES[1:] + EDGES[:-1]) / 2, np.diff(EDGES) / 100
    kept = np.delete(np.arange(len(counts)), range(low, high))
    y, sigma = counts / widths, np.sqrt(counts + 1) / widths
    p, covariance = curve_fit(densities, x[kept], y[kept], sigma=sigma[kept], maxfev=10_000, absolute_sigma=True)
    values = densities(x, *p)
    slopes = np.stack([values / p[0], values * np.log1p(-x / 13_000), -values * np.log(x / 13_000)], axis=1)
    window = (slopes * widths[:, None])[low:high].sum(axis=0)
    expected, errors = exact.expected.copy(), exact.errors.copy()
    expected[exact.place] = (values * widths)[low:high].sum()
    errors[exact.place] = np.sqrt(window @ covariance @ window)
    return replace(exact, expected=expected, errors=errors, reach=8 * np.sqrt(slopes[low] @ covariance @ slopes[low]))


def significances(counts: np.ndarray, centre: int) -> tuple[float, ...]:
    """With MINPACK, exact, and of the likelihood; not a number where a fit fails."""
    low, high = centre - 1, centre + 2
    exact = count_by_density(EDGES, counts, EDGES[low], EDGES[high], FUNCTION)
    try:
        minpack = by_minpack(exact, counts, low, high).z
    except (RuntimeError, OptimizeWarning):
        minpack = np.nan
    edges = window_edges(EDGES, EDGES[low], EDGES[high])
    joined = np.concatenate([counts[:low], [counts[low:high].sum()], counts[high:]])
    try:
        own = count_in_window(edges, joined, EDGES[low], [FUNCTION]).z
    except HepadError:
        own = np.nan
    return tuple(max(z, 0.0) if np.isfinite(z) else np.nan for z in (minpack, exact.z, own))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    warnings.simplefilter("error", OptimizeWarning)
    with parser.parse_args().file.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    print(f"{'':<22} {'authors':>8} {'MINPACK':>8} {'exact':>8} {'own':>8}")
    table = []
    for row in rows:
        counts = np.array([float(row[f"n{i}"]) for i in range(15)])
        statistic = float(row["test_statistic"])
        theirs = np.sqrt(statistic) if row["p0"] != "nan" else np.nan
        found = significances(counts, int(row["signal_bin"]))
        below = "*" if np.sqrt(max(statistic, 0.0)) < found[0] - 0.02 else ""
        name = f"{row['set']} {row['signal_bin']} {row['efficiency']}"
        print(f"{name:<22} {theirs:8.3f} " + " ".join(f"{z:8.3f}" for z in found) + f" {below}")
        table.append((theirs, *found))
    z = np.array(table)
    finite = np.isfinite(z[:, 0])
    for name, column in (("MINPACK", 1), ("exact", 2), ("own", 3)):
        gap = np.abs(z[finite, column] - z[finite, 0])
        shares = ", ".join(f"{np.count_nonzero(gap < bound)} within {bound:g}" for bound in (0.001, 0.01, 0.05, 0.2))
        print(
            f"{name}: of {finite.sum()} finite ones {shares} standard deviations; of 198 "
            f"{np.isfinite(z[:, column]).sum()} are finite here"
        )


if __name__ == "__main__":
    main()
