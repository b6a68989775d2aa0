"""Weighted references: variances that do not fluctuate with their bins, and the global p-value they give."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.stats.bumphunt import CountedNull, ScanOptions, make_null
from hepad.stats.bumphunt.hunt import look, tail
from hepad.stats.bumphunt.scan import Expectation
from hepad.stats.bumphunt.weights import steady_variances

FALLING = np.geomspace(1e6, 1e-2, 50)


def test_equal_weights_stay_as_they_are() -> None:
    np.testing.assert_allclose(steady_variances(FALLING, 0.3 * FALLING, (50,)), 0.3 * FALLING, rtol=1e-12)


def test_a_bin_without_heavy_events_takes_the_weight_of_its_neighbours() -> None:
    events, variances = np.full(12, 10.0), np.full(12, 5.0)
    variances[6] = 1.0
    found = steady_variances(events, variances, (12,))
    # Its own weight is 0.1, that of three bins (5 + 1 + 5) / 30, of five 21 / 50; 12 bins allow no more.
    np.testing.assert_allclose(found, np.where(np.arange(12) == 6, 4.2, 5.0))
    variances[6] = 50.0  # of three bins the weight is 2, of five 70 / 50, and its own 5
    found = steady_variances(events, variances, (12,))
    np.testing.assert_allclose(found[3:10], [5, 14, 20, 50, 20, 14, 5])


def test_known_and_empty_bins_neither_change_nor_count() -> None:
    events, variances = np.full(12, 10.0), np.full(12, 5.0)
    variances[4], events[8], variances[8] = 0.0, 0.0, 0.0
    np.testing.assert_allclose(steady_variances(events, variances, (12,)), variances)


def test_the_weight_where_nothing_was_counted_is_that_of_counted_bins() -> None:
    """30 events of variance 12 weigh 0.4 each; a known bin and an empty one say nothing of it."""
    events, variances = np.array([[10.0, 20.0, 30.0, 0.0]]), np.array([[2.0, 10.0, 0.0, 3.0]])
    null = make_null(np.arange(5.0), events, events, variances=variances, options=ScanOptions(1, 1))
    assert isinstance(null, CountedNull)
    assert null.reference.weight == pytest.approx(0.4)


def test_a_plane_has_neighbours_on_both_axes() -> None:
    events, variances = np.ones((7, 8)), np.ones((7, 8))
    variances[3, 4] = 10.0
    found = steady_variances(events.ravel(), variances.ravel(), (7, 8)).reshape(7, 8)
    assert found[3, 4] == 10
    near = np.zeros((7, 8), dtype=bool)
    near[2:5, 3:6] = True
    near[3, 4] = False
    np.testing.assert_allclose(found[near], 2.0)
    np.testing.assert_allclose(found[~near].sum(), 47 + 10)


def test_the_global_p_of_slices_of_unequal_weights_is_not_too_small() -> None:
    """95 % of events of weight 0.1, 5 % of weight 10. Variances as they come give small p-values too often."""
    rng, found = np.random.default_rng(5), []
    truth, edges, scan = np.geomspace(3000.0, 5.0, 30), np.arange(31.0), ScanOptions(1, 8)
    for i in range(80):
        counts = rng.poisson(truth).astype(float)[None]
        light, heavy = rng.poisson(truth * 9.5), rng.poisson(truth * 0.005)
        events, variances = (0.1 * light + 10.0 * heavy)[None], (0.01 * light + 100.0 * heavy)[None]
        null = make_null(edges, counts, events, variances=variances, options=scan)
        assert isinstance(null, CountedNull)
        plain = CountedNull(counts, Expectation(events, variances, 0.6), null.layout, scan)
        row = []
        for one in (null, plain):
            statistic = float(-look(counts, one.reference, one.layout, scan).counting.min())
            row.append(tail(one.draw(100, i), statistic)[1])
        found.append(row)
    steady, plain_p = np.array(found, dtype=float).T
    assert steady.mean() == pytest.approx(0.53, abs=0.1)  # three standard deviations; a little conservative
    assert np.mean(steady <= 0.05) < 0.11
    assert plain_p.mean() < steady.mean() - 0.05
