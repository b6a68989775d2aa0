"""Backgrounds of slices whose weights differ by orders of magnitude: what their spectra and fits rest on."""

from __future__ import annotations

from itertools import pairwise
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pytest

from hepad.search.events import CategoryEvents
from hepad.search.expectation import TooFewError, _orders, simulated_expectation
from hepad.stats.fits.fit import fit_background
from hepad.stats.fits.functions import BackgroundFunction

EDGES = np.geomspace(300.0, 6000.0, 61)
FUNCTIONS = (BackgroundFunction("dijet4", "dijet", 4, 13000.0), BackgroundFunction("power3", "power", 3, 13000.0))


def expected(masses: np.ndarray, weights: np.ndarray, functions=FUNCTIONS):
    """What a search with one channel in one region expects of these events."""
    events = CategoryEvents(np.arange(len(masses)), weights, {}, {"jj": masses})
    category = SimpleNamespace(name="lepton", regions={"tight": None})
    search = SimpleNamespace(
        card=SimpleNamespace(spurious_signal=False),
        category_of=lambda _: category,
        channel=lambda _: SimpleNamespace(edges=EDGES, functions=functions),
    )
    simulated = SimpleNamespace(
        events={"lepton": events},
        smooth={},
        inside=lambda *_: np.ones(len(masses), dtype=bool),
        yields=lambda *_: (float(weights.sum()), 1.0),
    )
    return simulated_expectation(simulated, search, "jj", "tight")


def power_law(rng: np.random.Generator, low: float, high: float, n: int) -> np.ndarray:
    """Masses with a density m^-5 between two masses."""
    a, b = low**-4.0, high**-4.0
    return (a + rng.uniform(size=n) * (b - a)) ** -0.25


@pytest.fixture(scope="module")
def sliced():
    """A spectrum m^-5 of 1e7 events, made of five slices in mass with 400 events each."""
    rng = np.random.default_rng(3)
    bounds = np.array([250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0])
    share = bounds[:-1] ** -4.0 - bounds[1:] ** -4.0
    masses = [power_law(rng, low, high, 400) for low, high in pairwise(bounds)]
    weights = [np.full(400, 1e7 * s / share.sum() / 400) for s in share]
    return np.concatenate(masses), np.concatenate(weights)


def truth(events: float = 1e7) -> np.ndarray:
    return events * -np.diff(EDGES**-4.0) / (250.0**-4.0 - 8000.0**-4.0)


def test_a_sliced_background_is_described_over_five_orders_of_magnitude(sliced):
    """The smooth function is within 40 % of what the slices were drawn from, a little above rather than below."""
    found = expected(*sliced)
    ratio = found.background / truth()
    assert found.reach == pytest.approx(EDGES[-1])
    assert np.all((ratio > 0.85) & (ratio < 1.4))
    assert found.alternative is not None
    assert np.all((found.alternative / truth() > 0.7) & (found.alternative / truth() < 1.5))


def test_small_weights_are_not_lost_behind_large_ones(sliced):
    """Each bin has the sums of its own events: 1 part in 1e9 of all squared weights is in the last ones."""
    masses, weights = sliced
    found = expected(masses, weights)
    last = (masses >= EDGES[-2]) & (masses < EDGES[-1])
    assert found.simulated[-1] == pytest.approx(weights[last].sum(), rel=1e-12)
    assert found.variances[-1] == pytest.approx(np.square(weights[last]).sum(), rel=1e-12)
    inside = weights[(masses >= EDGES[0]) & (masses < EDGES[-1])]
    assert found.effective == pytest.approx(inside.sum() ** 2 / np.square(inside).sum(), rel=1e-12)


def test_the_first_function_gets_parameters_until_it_follows_the_second():
    """An exponential of 1e6 events, fitted below 3 TeV: each of three parameters more is needed or enough."""
    other = 1e6 * -np.diff(np.exp(-EDGES / 400.0)) / np.exp(-EDGES[0] / 400.0)
    first, below = BackgroundFunction("mine", "dijet", 3, 13000.0), int(np.searchsorted(EDGES, 3000.0))
    found = _orders(EDGES, [first], other, 3000.0)
    left = [fit_background(EDGES[: below + 1], other[:below], one).deviance for one in found]
    assert [one.name for one in found] == ["mine", "dijet4", "dijet5", "dijet6"][: len(left)]
    assert len(left) > 1
    assert all(deviance > 0.04 for deviance in left[:-1])
    assert left[-1] <= 0.04 or len(left) == 4
    assert _orders(EDGES, [first], None, 3000.0) == ()


def test_a_slice_is_not_smeared_outwards():
    """Sixty heavy events of a steep slice: what smears them adds next to nothing far above the last of them."""
    rng = np.random.default_rng(9)
    heavy = np.exp(rng.normal(np.log(500.0), 0.15, 60))
    masses = np.concatenate([heavy, power_law(rng, 1000.0, 6000.0, 400)])
    weights = np.concatenate([np.full(60, 1e4), np.ones(400)])
    smeared = expected(masses, weights, functions=()).background
    middle, spread = np.log(heavy).mean(), np.log(heavy).std()
    truth_above = 6e5 * (1 - NormalDist(middle, spread).cdf(np.log(800.0)))
    above = (EDGES[:-1] > 790.0) & (EDGES[1:] < 1000.0)
    assert smeared[above].sum() == pytest.approx(truth_above, rel=0.7)
    wide = 6e5 * (1 - NormalDist(middle, spread * np.hypot(1.0, 0.9 * 60**-0.2)).cdf(np.log(800.0)))
    assert wide > 2 * truth_above  # a kernel that does not draw them together


def test_a_heavy_event_in_a_tail_is_no_peak(sliced):
    """One event of the first slice at 2 TeV stands for many times the background there: the fit keeps its shape."""
    masses, weights = sliced
    plain, changed = expected(masses, weights), expected(np.append(masses, 2000.0), np.append(weights, weights[0]))
    near = np.searchsorted(EDGES, 2000.0) - 1
    assert weights[0] > 30 * truth()[near]
    ratio = changed.background / plain.background
    assert np.all((ratio > 0.8) & (ratio < 2.0))


@pytest.fixture(scope="module")
def steep():
    """150 heavy events of a steep slice from 180 GeV on, of which few are in the range, and 400 light ones."""
    rng = np.random.default_rng(5)
    heavy, light = power_law(rng, 180.0, 900.0, 150), power_law(rng, 600.0, 6000.0, 400)
    return np.concatenate([heavy, light]), np.concatenate([np.full(150, 1e4), np.full(400, 1.0)])


def test_smeared_slices_keep_the_events_of_the_range(steep):
    """A kernel moves more events into the range of a steep slice than out of it: the sum is that of the range alone."""
    masses, weights = steep
    smeared = expected(masses, weights, functions=())
    inside = (masses >= EDGES[0]) & (masses < EDGES[-1])
    assert 15 < np.sum(inside[:150]) < 40
    assert smeared.background.sum() == pytest.approx(weights[inside].sum(), rel=1e-12)
    assert smeared.background[EDGES[:-1] > 3000.0].sum() == pytest.approx(np.sum(masses[150:] > 3000.0), rel=0.5)
    assert expected(masses, weights).background.sum() == pytest.approx(weights[inside].sum(), rel=0.2)


def test_many_bins_of_one_light_event_each_are_no_spectrum(steep):
    """A few heavy events rule what (sum of w)^2 / sum of w^2 says, however many light ones fill other bins."""
    masses, weights = steep
    few = np.flatnonzero(masses[:150] >= EDGES[0])[:5]
    chosen = np.concatenate([few, np.arange(150, len(masses))])
    with pytest.raises(TooFewError) as error:
        expected(masses[chosen], weights[chosen])
    inside = weights[chosen][(masses[chosen] < EDGES[-1])]
    assert error.value.effective == pytest.approx(inside.sum() ** 2 / np.square(inside).sum(), rel=1e-12)
    assert error.value.effective < error.value.needed == 15
