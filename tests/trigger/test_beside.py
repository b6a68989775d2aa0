"""Pairs of triggers at equal rate, beside sums over all pairs of decisions that can be."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from hepad.trigger.beside import Candidates, Cut, Pair, PairCounts, shared_fraction
from hepad.trigger.counting import Decisions
from hepad.trigger.rates import Tail


def decisions(scores: np.ndarray, weights: np.ndarray) -> Decisions:
    return Decisions(scores.astype(np.float32), np.zeros((len(scores), 0), bool), weights)


def tails_of(scores: np.ndarray, weights: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    found = []
    for column in scores.astype(np.float32).T:
        tail = Tail()
        tail.add(column[:30], weights[:30])
        tail.add(column[30:], weights[30:])
        found.append(tail.reached())
    return tuple(found)


@pytest.fixture
def zero_bias() -> tuple[np.ndarray, np.ndarray]:
    """A count with ties, and a number without: correlated; one event in ten has no score of the second."""
    rng = np.random.default_rng(3)
    counts = rng.poisson(6, 400)
    numbers = counts / 3 + rng.normal(size=400)
    numbers[::10] = np.nan
    return np.stack([counts, numbers], axis=1), rng.uniform(0.5, 1.5, 400)


def test_a_cut_keeps_exactly_the_fraction_that_is_asked_for(zero_bias) -> None:
    scores, weights = zero_bias
    counts, numbers = tails_of(scores, weights)
    for fraction in (0.0123, 0.1, 0.5):
        for column, reached in enumerate((counts, numbers)):
            cut = Cut.of(reached, fraction)
            kept = cut.keeps(scores[:, column].astype(np.float32))
            assert kept @ weights / weights.sum() == pytest.approx(fraction, rel=1e-12)
            assert set(kept[scores[:, column].astype(np.float32) > cut.threshold]) <= {1.0}
    assert Cut.of(counts, 1.0).keeps(scores[:, 0]).min() == 1
    most = np.isfinite(scores[:, 1]) @ weights / weights.sum()
    assert Cut.of(numbers, 1.0).keeps(scores[:, 1].astype(np.float32)) @ weights / weights.sum() == pytest.approx(most)


def test_two_triggers_together_have_the_rate_of_one(zero_bias) -> None:
    scores, weights = zero_bias
    for columns, expected in (((0, 1), None), ((1, 1), 0.2)):
        reached = tuple(tails_of(scores, weights)[column] for column in columns)
        at = Cut.of(reached[0], 0.2), Cut.of(reached[1], 0.2)
        candidates = Candidates(at, columns)
        for rows in (slice(0, 150), slice(150, None)):
            candidates.add(decisions(scores[rows], weights[rows]))
        share = shared_fraction(reached, candidates, 0.2)
        one, two = (
            Cut.of(r, share).keeps(scores[:, c].astype(np.float32)) for r, c in zip(reached, columns, strict=True)
        )
        assert weights @ (1 - (1 - one) * (1 - two)) / weights.sum() == pytest.approx(0.2, abs=1e-6)
        assert 0.1 < share <= 0.2
        if expected is not None:  # the same trigger twice; its one event at the threshold is drawn twice
            assert share == pytest.approx(expected, abs=weights.max() / weights.sum())


def test_counts_of_a_pair_are_sums_over_all_that_can_be() -> None:
    scores = np.array([[3, 1], [2, 9], [2, 2], [1, 2], [5, np.nan], [2, 7]], dtype=np.float32)
    weights = np.array([1.0, 2.0, 0.5, 1.0, 1.5, 1.0])
    at = Cut(2.0, 0.25), Cut(2.0, 0.5)
    pair = Pair(at, (Cut(3.0, 0.0), Cut(9.0, 1.0)), (Cut(1.0, 1.0), Cut(1.0, 1.0)), (Cut(3.0, 1.0), Cut(9.0, 1.0)))
    counts = PairCounts(pair, (0, 1))
    counts.add(decisions(scores[:2], weights[:2]))
    counts.add(decisions(scores[2:], weights[2:]))
    kept = [cut.keeps(scores[:, i]) for i, cut in enumerate(at)]
    assert kept[0].tolist() == [1, 0.25, 0.25, 0, 1, 0.25]
    assert kept[1].tolist() == [0, 1, 0.5, 0.5, 0, 1]
    parts = {
        "first": lambda a, b: a,
        "second": lambda a, b: b,
        "both": lambda a, b: a and b,
        "first_only": lambda a, b: a and not b,
        "second_only": lambda a, b: b and not a,
        "either": lambda a, b: a or b,
    }
    for name, rule in parts.items():
        whole = 0.0
        for a, b in product((True, False), repeat=2):
            chance = np.where(a, kept[0], 1 - kept[0]) * np.where(b, kept[1], 1 - kept[1])
            whole += float(weights @ chance) if rule(a, b) else 0.0
        assert counts.fraction(name).value == pytest.approx(whole / 7)
    looser = np.array([1, 1, 0, 0, 1, 0])
    assert counts.fraction("shared").value == pytest.approx(weights @ looser / 7)
    for one, other, d in (("first", "second", kept[0] - kept[1]), ("shared", "first", looser - kept[0])):
        found = counts.difference(one, other)
        assert found.value == pytest.approx(weights @ d / 7)
        assert found.error == pytest.approx(np.sqrt(np.square(weights) @ np.square(d - found.value)) / 7)
    # 2.0 -> 3.0 and 1.0 of the first: 1.5 of 7 above, and all.
    assert counts.threshold_errors() == (pytest.approx((7 - 1.5) / 14), pytest.approx((5.5 - 2) / 14))
