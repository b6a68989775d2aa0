"""Shares of sums by hand, and their errors against the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepad.errors import InputDataError
from hepad.stats.scores.shares import event_shares, mean_shares


def test_by_hand():
    assert event_shares([[1.0, 3.0], [0.0, 0.0], [2.0, 0.0]]).tolist() == [[0.25, 0.75], [0, 0], [1, 0]]
    share, error = mean_shares([[1.0, 3.0], [3.0, 1.0]])
    assert share.tolist() == [0.5, 0.5]
    # Residuals are -1 and 1 over a sum of 8.
    assert error == pytest.approx([np.sqrt(2) / 8] * 2)
    share, _ = mean_shares([[1.0, 3.0], [3.0, 1.0]], [3.0, 1.0])
    assert share == pytest.approx([6 / 16, 10 / 16])
    assert mean_shares([[0.1, 0.3]], [0.01])[0] == pytest.approx([0.25, 0.75])  # of a sum of 0.004


def test_the_error_is_that_of_the_bootstrap():
    rng = np.random.default_rng(1)
    parts, weight = rng.exponential([1.0, 2.0, 0.3], (1000, 3)), rng.uniform(0.2, 2, 1000)
    _, error = mean_shares(parts, weight)
    drawn = []
    for _ in range(400):
        rows = rng.integers(1000, size=1000)
        drawn.append(mean_shares(parts[rows], weight[rows])[0])
    assert error == pytest.approx(np.std(drawn, axis=0), rel=0.15)


parts = st.lists(st.lists(st.floats(0, 1e300), min_size=3, max_size=3), min_size=1, max_size=8)


@given(parts)
def test_shares_sum_to_one_whatever_the_size(values):
    shares = event_shares(values)
    sums = shares.sum(axis=1)
    assert np.all((np.abs(sums - 1) < 1e-12) | (np.max(values, axis=1) == 0))


def test_refusals():
    with pytest.raises(InputDataError, match="no shares"):
        mean_shares([[0.0, 0.0]])
    with pytest.raises(ValueError, match="not negative"):
        event_shares([[1.0, -1.0]])
    with pytest.raises(ValueError, match="shape"):
        event_shares([1.0])
    with pytest.raises(ValueError, match="weights must have shape"):
        mean_shares([[1.0, 1.0]], [1.0, 2.0])
