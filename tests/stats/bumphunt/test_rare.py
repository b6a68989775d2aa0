"""Global p-values of rare bumps: against exact probabilities, and against plain pseudo-experiments where they reach."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, poisson

from hepad.cards.fit import load_fit
from hepad.stats.bumphunt import FixedNull, Null, ScanOptions, bump_hunt, make_null
from hepad.stats.bumphunt.layout import Layout
from hepad.stats.bumphunt.rare import rare_p
from hepad.stats.fits.fit import fit_background
from hepad.stats.fits.functions import BackgroundFunction

FALLING = np.geomspace(1e5, 30.0, 40)
EDGES = np.linspace(1500.0, 5500.0, 41)


def fixed(events: np.ndarray, **options: object) -> FixedNull:
    chosen = ScanOptions(**options)  # type: ignore[arg-type]
    return FixedNull(np.atleast_2d(events), Layout.line(events.shape[-1], chosen), chosen)


@pytest.mark.parametrize("direction", ["excess", "deficit"])
def test_windows_of_one_bin_have_the_exact_probability(direction: str) -> None:
    """Forty independent windows: the global p-value is 1 less the product of what each leaves."""
    null = fixed(FALLING, width_min=1, width_max=1, direction=direction)
    log_p = float(norm.logsf(5.0))
    counts = np.arange(200_000)
    exact = 1.0
    for b in FALLING:
        tails = poisson.sf(counts - 1, b) if direction == "excess" else poisson.cdf(counts, b)
        exact *= 1 - tails[tails <= np.exp(log_p) * (1 + 1e-9)].max(initial=0.0)
    exact = 1 - exact
    assert exact > 25 * np.exp(log_p)  # what a local p-value alone would miss
    found = [rare_p(null, log_p, seed=seed) for seed in range(4)]
    values, errors = np.array(found, dtype=float).T
    assert np.all(errors < 0.1 * exact)
    assert np.all(np.abs(values - exact) < 3.5 * errors)
    assert values.mean() == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize("width", [2, 5])
def test_a_single_width_has_at_least_the_trials_of_its_disjoint_windows(width: int) -> None:
    log_p = float(norm.logsf(5.5))
    p, error = rare_p(fixed(np.full(40, 3000.0), width_min=width, width_max=width), log_p, seed=1) or (0.0, 0.0)
    disjoint, every = 40 // width, 41 - width
    assert 0.8 * disjoint - 4 * error / np.exp(log_p) < p / np.exp(log_p) < every


def two_channels() -> FixedNull:
    return fixed(np.stack([FALLING, FALLING[::-1] / 20]), width_max=8)


def plane() -> FixedNull:
    options = ScanOptions(1, 3)
    events = np.outer(np.geomspace(30, 1, 7), np.ones(8))
    return FixedNull(events.reshape(1, -1), Layout.plane((7, 8), options), options)


def refitted() -> Null:
    function = BackgroundFunction.from_card(load_fit("dijet3"))
    fit = fit_background(EDGES, np.round(FALLING), function)
    return make_null(EDGES, FALLING[None], fit.expected[None], refits=[fit])


def counted() -> Null:
    return make_null(EDGES, FALLING[None], FALLING[None], variances=FALLING[None] * np.linspace(0.5, 3, 40))


@pytest.mark.parametrize(
    ("null", "z", "toys"),
    [
        (fixed(FALLING / 300, direction="both"), 4.0, 40_000),  # from 333 events to 0.1 in a bin
        (fixed(FALLING, sideband_p=0.05), 4.0, 40_000),
        (two_channels(), 3.7, 20_000),
        (plane(), 4.0, 40_000),
        (refitted(), 3.5, 8000),
        (counted(), 3.6, 12_000),
    ],
    ids=["sparse, both", "sidebands", "channels", "plane", "refitted", "counted"],
)
def test_plain_pseudo_experiments_agree(null: Null, z: float, toys: int) -> None:
    log_p = float(norm.logsf(z))
    drawn = null.draw(toys, 5)
    above = int(np.count_nonzero(drawn >= -log_p))
    assert above > 30
    p, error = rare_p(null, log_p, seed=3) or (0.0, 0.0)
    assert error < 0.15 * p
    assert p == pytest.approx(above / toys, abs=3.5 * np.hypot(error, np.sqrt(above) / toys))


def test_a_bump_that_is_not_rare_or_beyond_numbers_has_none() -> None:
    null = fixed(FALLING)
    assert rare_p(null, float(norm.logsf(2.9)), seed=0) is None
    assert rare_p(null, 0.0, seed=0) is None
    assert rare_p(null, float(norm.logsf(3.05)), seed=0) is None  # more than 2 % of pseudo-experiments have one
    assert rare_p(null, -800.0, seed=0) is None
    p, error = rare_p(null, -600.0, seed=0) or (0.0, 0.0)
    assert 1 < p / np.exp(-600.0) < 1000
    assert 0 < error < 0.3 * p
    # No deficit of so few events can be as significant.
    assert rare_p(fixed(np.full(5, 0.5), direction="deficit"), -30.0, seed=0) is None


def test_the_hunt_carries_the_estimate_and_its_error() -> None:
    counts = np.round(FALLING)
    counts[20:24] += 3 * np.sqrt(FALLING[20:24])
    hunt = bump_hunt(EDGES, np.round(counts), FALLING, options=ScanOptions(2, 8), toys=2000)
    assert hunt.estimated_global_p is not None
    assert hunt.estimated_global_p_error is not None
    assert 10 < hunt.estimated_global_p / hunt.local_p < 300
    assert hunt.estimated_global_p < hunt.global_p  # type: ignore[operator]
    assert 0 < hunt.estimated_global_p_error < 0.15 * hunt.estimated_global_p
    plain = bump_hunt(EDGES, np.round(FALLING), FALLING, toys=100)
    assert plain.estimated_global_p is plain.estimated_global_p_error is None
