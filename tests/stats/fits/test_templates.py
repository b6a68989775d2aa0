"""Shapes of signals and shared events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from hepad.errors import InputDataError, UsageError
from hepad.stats.fits.templates import (
    crystal_ball_template,
    gaussian_template,
    kernel_template,
    overlap_matrix,
    signal_shape,
)

EDGES = np.linspace(200, 6000, 117)


@given(mass=st.floats(min_value=100, max_value=9000), width=st.floats(min_value=0.001, max_value=0.5))
def test_a_gaussian_loses_only_what_is_outside(mass: float, width: float) -> None:
    shape = gaussian_template(EDGES, mass, width)
    inside = norm.cdf(6000, mass, width * mass) - norm.cdf(200, mass, width * mass)
    assert np.all(shape >= 0)
    assert shape.sum() == pytest.approx(inside, rel=1e-9, abs=1e-15)


def test_the_far_tail_keeps_its_precision() -> None:
    shape = gaussian_template(np.array([1500.0, 1600.0, 1700.0]), 1000.0, 0.05)
    np.testing.assert_allclose(shape, -np.diff(norm.sf([10.0, 12.0, 14.0])), rtol=1e-9)
    assert shape[1] > 0


@given(mass=st.floats(min_value=800, max_value=4000), width=st.floats(min_value=0.03, max_value=0.12))
def test_the_shape_of_a_gaussian_is_found(mass: float, width: float) -> None:
    peak, relative = signal_shape(EDGES, 50 * gaussian_template(EDGES, mass, width))
    assert peak == pytest.approx(mass, abs=25)
    # Bins of 50 GeV widen it a little.
    assert relative == pytest.approx(width, rel=0.02, abs=0.25 * 50 / mass)


def test_tails_and_heavy_events_do_not_move_the_peak() -> None:
    rng = np.random.default_rng(4)
    masses = np.concatenate([rng.normal(2000, 100, 400), rng.uniform(200, 2000, 150)])
    weights = rng.exponential(1.0, len(masses))
    counts, _ = np.histogram(masses, EDGES, weights=weights)
    peak, relative = signal_shape(EDGES, counts)
    assert peak == pytest.approx(2000, abs=50)
    assert 0.05 < relative < 0.35
    one = np.zeros(len(EDGES) - 1)
    one[10] = 3.0
    peak, relative = signal_shape(EDGES, one)
    assert peak == pytest.approx(725, abs=1)
    assert relative == pytest.approx(0.34 * 50 / 725, rel=0.02)


def test_overlap_is_the_share_of_each_channels_events() -> None:
    masks = np.array([[True, True, False, False], [True, True, True, False], [False, False, False, False]])
    matrix = overlap_matrix(masks, np.array([1.0, 2.0, 3.0, 5.0]))
    np.testing.assert_allclose(matrix, [[1, 1, 0], [0.5, 1, 0], [0, 0, 0]])


def test_what_has_no_shape_is_refused() -> None:
    with pytest.raises(UsageError, match="mass and a width above zero"):
        gaussian_template(EDGES, 1000.0, 0.0)
    with pytest.raises(InputDataError, match="no events"):
        signal_shape(EDGES, np.zeros(len(EDGES) - 1))
    with pytest.raises(UsageError, match="do not fit"):
        overlap_matrix(np.ones((2, 3), dtype=bool), np.ones(4))
    for tails in ((0, 2, 1, 2), (1, 2, 0, 2), (1, 1, 1, 2), (1, 2, 1, 1)):  # a power of one has no end
        with pytest.raises(UsageError, match="alphas above 0 and exponents above 1"):
            crystal_ball_template(EDGES, 1000.0, 0.03, tails)
    with pytest.raises(UsageError, match="a mass and a width above zero"):
        crystal_ball_template(EDGES, 1000.0, 0.0, (1, 2, 1, 2))


def test_a_kernel_template_keeps_the_sum_and_follows_the_shape() -> None:
    rng = np.random.default_rng(1)
    masses = rng.normal(2000, 100, 400)
    shape = kernel_template(EDGES, masses, np.full(400, 0.5))
    assert shape.sum() == pytest.approx(200, rel=1e-9)
    true = 200 * gaussian_template(EDGES, 2000, 0.05)
    filled = np.histogram(masses, EDGES, weights=np.full(400, 0.5))[0]
    assert np.square(shape - true).sum() < 0.5 * np.square(filled - true).sum()


def test_a_kernel_template_of_many_events_is_their_histogram() -> None:
    masses = np.random.default_rng(2).normal(2500, 600, 150_000)
    masses = masses[masses > 300]
    shape, filled = kernel_template(EDGES, masses, np.ones(len(masses))), np.histogram(masses, EDGES)[0]
    assert np.abs(shape - filled).max() < 0.03 * filled.max()


@given(factor=st.floats(min_value=1e-6, max_value=1e6), shift=st.floats(min_value=0.5, max_value=2))
def test_a_kernel_template_scales_with_weights_and_with_the_mass(factor: float, shift: float) -> None:
    masses, weights = np.array([900.0, 1000.0, 1100.0, 1500.0]), np.array([1.0, 2.0, -0.5, 1.0])
    plain = kernel_template(EDGES, masses, weights)
    np.testing.assert_allclose(kernel_template(EDGES, masses, factor * weights), factor * plain, rtol=1e-9)
    moved = kernel_template(shift * EDGES, shift * masses, weights)
    np.testing.assert_allclose(moved, plain, rtol=1e-9, atol=1e-12)


def test_kernel_templates_of_next_to_nothing() -> None:
    assert kernel_template(EDGES, np.array([]), np.array([])).sum() == 0
    one = kernel_template(EDGES, np.array([1000.0]), np.array([2.0]))
    assert one.max() == one.sum() == 2
