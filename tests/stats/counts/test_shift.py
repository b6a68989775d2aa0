"""Shifts of distributions, and many of them at once."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from hepad.stats.counts.shift import adjusted, binned, shift


def test_the_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    """Of up to 64 distinct values exactly, ties or not; of more it is looked for at 64 places."""
    rng = np.random.default_rng(1)
    for one, two in (
        (rng.poisson(3, 200), rng.poisson(4, 150)),
        (rng.normal(size=30), rng.normal(1, 1, 25)),
        (np.zeros(5), np.array([0.0, 1.0])),
    ):
        assert shift(one, two, toys=100, seed=1).distance == pytest.approx(ks_2samp(one, two).statistic, abs=1e-12)
    one, two = rng.normal(size=4000), rng.normal(0.1, 1, 3000)
    exact = ks_2samp(one, two).statistic
    assert exact - 1 / 64 < shift(one, two, toys=100, seed=1).distance <= exact
    assert len(binned(one)) == 64


def test_the_p_value_is_the_share_of_all_relabellings() -> None:
    """Of 3 of 8 events with ties there are 56 choices: all are looked at."""
    values = np.array([0, 0, 1, 1, 1, 2, 3, 3.0])
    run = np.array([5, 6, 7])

    def distance(which: tuple[int, ...]) -> float:
        rest = np.delete(values, which)
        return float(ks_2samp(values[list(which)], rest, method="asymp").statistic)

    all_of_them = np.array([distance(which) for which in combinations(range(8), 3)])
    exact = np.mean(all_of_them >= distance(tuple(run)) - 1e-9)
    found = shift(np.delete(values, run), values[run], toys=20_000, seed=3)
    assert found.p_value == pytest.approx(exact, abs=4 * np.sqrt(exact / 20_000))


@pytest.mark.parametrize("kind", ["continuous", "multiplicity", "rare"])
def test_p_values_are_flat_if_nothing_has_shifted(kind: str) -> None:
    """300 pairs of samples of one distribution; of a few values they come in steps, and may only be too large."""
    rng = np.random.default_rng(4)
    draw = {
        "continuous": lambda n: rng.exponential(size=n),
        "multiplicity": lambda n: rng.poisson(2.5, n),
        "rare": lambda n: rng.random(n) < 0.03,
    }[kind]
    p = np.array([shift(draw(300), draw(120), toys=200, seed=i).p_value for i in range(300)])
    for level in (0.05, 0.1, 0.3, 0.5):
        room = 3.5 * np.sqrt(level * (1 - level) / 300)
        assert np.mean(p <= level) < level + room
        if kind != "rare":
            assert np.mean(p <= level) > level - room - 0.02


def test_what_no_relabelling_reaches_is_told_by_the_asymptotic_formula() -> None:
    rng = np.random.default_rng(5)
    one, two = rng.normal(size=2000), rng.normal(0.4, 1, 1500)
    found = shift(one, two, toys=200, seed=1)
    reference = ks_2samp(one, two, method="asymp")
    assert found.p_value < 1e-20
    assert found.p_value == pytest.approx(
        np.exp(-2 * 2000 * 1500 / 3500 * found.distance**2) * 2, rel=1e-6
    )  # Kolmogorov's series begins so
    assert found.p_value >= reference.pvalue * 0.5
    assert shift(np.ones(5), np.ones(4), toys=100, seed=1).p_value == 1
    with pytest.raises(ValueError, match="events of both"):
        shift([], [1.0], toys=100, seed=1)


def test_holms_p_values() -> None:
    """By hand: 4 x 0.01, 3 x 0.02, 2 x 0.025 raised to the one before, 1 x 0.4."""
    np.testing.assert_allclose(adjusted([0.4, 0.01, 0.025, 0.02]), [0.4, 0.04, 0.06, 0.06])
    assert adjusted([0.7, 0.6]).tolist() == [1.0, 1.0]
