"""Counts in windows: of falling spectra whose truth is known, with and without a signal, alone and together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm

from hepad.cards.fit import load_fit
from hepad.errors import InputDataError
from hepad.stats.bumphunt.correlated import global_p
from hepad.stats.bumphunt.window_count import count_in_window, window_edges
from hepad.stats.fits.functions import BackgroundFunction

EDGES = np.arange(2000.0, 6001.0, 200.0)
FUNCTION = BackgroundFunction.from_card(load_fit("dijet3"))
TRUTH = FUNCTION.expected(EDGES, np.array([1e-3, 8.0, 4.0]))
TRUTH *= 20_000 / TRUTH.sum()
LOW, HIGH = 3000.0, 3600.0


def spectrum(rng: np.random.Generator, signal: int = 0) -> np.ndarray:
    counts = rng.poisson(TRUTH)
    background = np.concatenate([rng.uniform(a, a + 200, n) for a, n in zip(EDGES[:-1], counts, strict=True)])
    return np.append(background, rng.normal(3300, 60, signal))


def counted(masses: np.ndarray, low: float = LOW, high: float = HIGH):
    edges = window_edges(EDGES, low, high)
    return count_in_window(edges, np.histogram(masses, edges)[0].astype(float), low, [FUNCTION])


def test_a_window_is_one_bin_and_slivers_join_their_neighbours() -> None:
    assert window_edges(EDGES, 3050, 3590)[4:9].tolist() == [2800, 3050, 3590, 3800, 4000]
    assert window_edges(EDGES, LOW, HIGH)[4:7].tolist() == [2800, 3000, 3600]
    for low, high in ((1500, 2500), (5500, 6500), (2000, 2500)):
        with pytest.raises(InputDataError, match="leaves no bins on both sides"):
            window_edges(EDGES, low, high)


def test_p_values_of_background_are_uniform() -> None:
    rng = np.random.default_rng(1)
    found = [counted(spectrum(rng)).z for _ in range(60)]
    assert kstest(norm.sf(found), "uniform").pvalue > 0.05


def test_a_signal_in_the_window_is_no_part_of_the_fit() -> None:
    rng = np.random.default_rng(2)
    masses = spectrum(rng)
    with_signal = np.append(masses, rng.normal(3300, 60, 300))
    plain, more = counted(masses), counted(with_signal)
    np.testing.assert_allclose(more.expected, plain.expected, rtol=1e-6)
    assert more.observed - plain.observed == pytest.approx(300, abs=1)
    inside = plain.place
    error = np.hypot(np.sqrt(plain.expected[inside]), plain.errors[inside])
    assert more.z == pytest.approx((more.observed - plain.expected[inside]) / error, rel=0.1)
    with pytest.raises(InputDataError, match="bins outside of the window have events"):
        counted(np.array([3300.0] * 50 + [2100.0]))


def test_a_spectrum_that_is_there_twice_counts_once() -> None:
    """And windows that share nothing count as many: 1 - (1 - p)^k for independent ones."""
    rng = np.random.default_rng(3)
    first, second = spectrum(rng, 100), spectrum(rng)
    one, other = counted(first), counted(second)
    n, m = len(first), len(second)
    alone = global_p([one], first[:, None], toys=100, draws=20_000)
    local = norm.sf(one.z)
    assert alone.global_p == pytest.approx(local, rel=0.3, abs=2e-4)
    twice = global_p([one, one], np.stack([first, first], axis=1), toys=100, draws=20_000)
    assert twice.global_p == pytest.approx(alone.global_p, rel=0.3, abs=2e-4)
    assert twice.shared_events == np.isfinite(first).sum()
    apart = np.full((n + m, 2), np.nan)
    apart[:n, 0], apart[n:, 1] = first, second
    both = global_p([one, other], apart, toys=200, draws=50_000)
    assert both.global_p == pytest.approx(1 - (1 - norm.sf(max(one.z, other.z))) ** 2, rel=0.15)
    assert both.effective == pytest.approx(2, rel=0.2)
    assert both.shared_events == 0
