"""Regions of the ABCD method and their closure, against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.stats.counts.closure import abcd_counts, abcd_cuts, closure_point


def test_independent_scores_close_exactly() -> None:
    """All pairs of 20 and 20 values: the cuts leave a quarter of a quarter... of each, and A D = B C."""
    x, y = (v.ravel() for v in np.meshgrid(np.arange(20.0), 100 + np.arange(20.0)))
    point = closure_point(x, y, np.ones(400), 0.0625)
    assert point.cuts == (15.0, 115.0)
    assert point.counts.tolist() == [25, 75, 75, 225]
    assert point.events.tolist() == [25, 75, 75, 225]
    assert point.predicted == pytest.approx((25, 25 * np.sqrt(1 / 75 + 1 / 75 + 1 / 225)))
    assert point.ratio == pytest.approx((1, np.sqrt(1 / 25 + 1 / 75 + 1 / 75 + 1 / 225)))
    assert point.pull == pytest.approx(0, abs=1e-12)


def test_the_second_cut_is_made_on_what_passes_the_first() -> None:
    x = np.array([1.0, 2, 3, 4, 5, 6, 7, 8])
    assert abcd_cuts(x, x, np.ones(8), 0.25) == (5, 7)
    assert abcd_cuts(x, -x, np.ones(8), 0.25) == (5, -6)


def test_weights_and_equal_scores() -> None:
    """A cut keeps no more than asked for: equal scores pass together or not at all."""
    x, weight = np.array([1.0, 2, 2, 3]), np.array([1.0, 2, 2, 1])
    y = np.array([0.0, 1, 0, 1])
    assert abcd_cuts(x, y, weight, 0.25)[0] == 3
    assert abcd_cuts(x, y, weight, (5 / 6) ** 2) == (2, 1)
    point = abcd_counts(x, y, weight, (2, 1), 0.5)
    assert point.counts.tolist() == [3, 2, 0, 1]
    assert point.variances.tolist() == [5, 4, 0, 1]
    assert np.isnan(point.ratio[0])
    assert np.isnan(point.predicted[0])


def test_a_known_dependence() -> None:
    """The pull is the log odds ratio over its standard deviation."""
    x = np.repeat([1.0, 1, 0, 0], [40, 60, 50, 250])
    y = np.repeat([1.0, 0, 1, 0], [40, 60, 50, 250])
    point = abcd_counts(x, y, np.ones(400), (1, 1), 0.1)
    assert point.ratio[0] == pytest.approx(40 * 250 / (60 * 50))
    assert point.pull == pytest.approx(np.log(10 / 3) / np.sqrt(1 / 40 + 1 / 60 + 1 / 50 + 1 / 250))
    assert abcd_cuts(np.ones(5), np.ones(5), np.ones(5), 0.5) == (np.inf, np.inf)
