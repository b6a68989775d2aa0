"""Rates counted by hand, intervals beside those of the literature, tails in bounded memory beside all events."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hepad.stats.scores.acceptance import Sums
from hepad.stats.scores.regions import background_quantiles
from hepad.trigger.counting import Counts, Curve, Decisions, Triggers, expected_sums, sums
from hepad.trigger.rates import FEW, Crossings, Rate, Tail, moments, sums_of, survival

NAN = float("nan")

# Eight crossings: scores of models A and B, decisions of seeds s (unprescaled), p (prescale 4), o (off), vertices.
A = [9, 8, 7, 1, 1, 1, 1, NAN]
B = [1, 9, 1, 9, 9, 1, 1, 1]
S = [0, 0, 1, 1, 0, 0, 1, 0]
P = [1, 0, 0, 1, 0, 1, 0, 0]
O = [0, 0, 0, 0, 1, 0, 0, 1]  # noqa: E741
VERTICES = [10, 20, 10, 20, 10, 20, 300, 20]


def decisions(weights: list[float] | None = None) -> Decisions:
    return Decisions(
        np.array([A, B], dtype=np.float32).T,
        np.array([S, P, O], dtype=bool).T,
        np.array(weights or [1.0] * 8),
        np.array(VERTICES),
    )


def counted(parts: list[Decisions]) -> Counts:
    triggers = Triggers(np.array([[7.0, 9.0], [9.0, NAN]]), np.array([1.0, 4.0, 0.0]))
    counts = Counts(triggers)
    for part in parts:
        counts.add(part)
    return counts


def test_counts_by_hand() -> None:
    counts = counted([decisions()])
    # At point 0 A accepts 0, 1, 2 and B accepts 1, 3, 4; at point 1 A accepts 0 and B has no threshold.
    assert counts.fired[0, 0].tolist() == [[3, 1, 1, 1, 0], [1, 3, 1, 1, 1]]
    assert counts.fired[1, 0].tolist() == [[1, 0, 0, 1, 0], [0, 0, 0, 0, 0]]
    # Pure: not those with s (2, 3). Unique: nor those of the other model (1).
    assert counts.pure[0].tolist() == [[2, 2], [1, 0]]
    assert counts.unique[0].tolist() == [[1, 1], [1, 0]]
    # Seeds: s 2, 3, 6; p 0, 3, 5; o 4, 7. Only s is unprescaled: it is alone always, p is not at 3.
    assert counts.seeds[0].tolist() == [[3, 1, 0], [1, 3, 0], [0, 0, 2]]
    assert counts.seeds_pure[0].tolist() == [3, 2, 2]
    # The menu keeps 2, 3, 6 for sure and 0, 5 with 1/4.
    assert counts.menu.tolist() == [5, 3.5, 3 + 2 / 16]
    # With A at point 0: 0, 1, 2, 3, 6 for sure and 5 with 1/4; gained are 3/4 of 0, and 1.
    assert counts.with_menu[:, 0, 0].tolist() == [6, 5.25, 5 + 1 / 16]
    assert counts.gained[:, 0, 0].tolist() == [2, 1.75, 1 + 9 / 16]
    assert counts.with_all[1].tolist() == [6.25, 4.25]
    assert counts.by_vertices[0, [10, 20, 255], 0].tolist() == [3, 4, 1]
    assert counts.by_vertices[1, [10, 20], 1].tolist() == [1.25, 1.25]
    assert counts.by_vertices[1, 10, 2:].tolist() == [2, 1, 1, 0]
    assert (counts.total.events, counts.total.weight) == (8, 8)


def test_parts_and_weights() -> None:
    whole, part = decisions([1, 2, 3, 4, 5, 6, 7, 8.0]), slice(3, None)
    first = Decisions(whole.scores[:3], whole.seeds[:3], whole.weights[:3], whole.vertices[:3])
    second = Decisions(whole.scores[part], whole.seeds[part], whole.weights[part], whole.vertices[part])
    one, two = counted([whole]), counted([first, second])
    for name in ("fired", "seeds", "pure", "unique", "menu", "with_menu", "gained", "with_all", "by_vertices"):
        assert getattr(one, name).tolist() == getattr(two, name).tolist(), name
    assert one.fired[0, :, 0, 1].tolist() == [1, 2, 4]
    assert one.pure[:, 0, 1].tolist() == [2, 7, 29]
    assert one.total == Sums(8, 36.0, 204.0, 0.0)


def test_without_vertices() -> None:
    d = decisions()
    counts = counted([Decisions(d.scores, d.seeds, d.weights)])
    assert not counts.has_vertices
    assert counted([d]).has_vertices


def test_crossings_and_intervals() -> None:
    assert Crossings(2544).khz == pytest.approx(28608.8, abs=0.01)  # 28.61 MHz, as CMS quotes it
    total = Sums(100, 100.0, 100.0, 0.0)
    rate = Rate.of(Sums(3, 3.0, 3.0, 0.0), total, Crossings(1000))
    assert (rate.khz, rate.events, rate.few) == (pytest.approx(337.368), 3, True)
    # Clopper and Pearson's definition: so many or more at the lower end, so many or fewer at the upper, have each half
    # of the probability outside.
    low, high = rate.low_khz / 11245.6, rate.high_khz / 11245.6
    tail = (1 - 0.6826894921370859) / 2
    assert 1 - sum(math.comb(100, k) * low**k * (1 - low) ** (100 - k) for k in range(3)) == pytest.approx(tail)
    assert sum(math.comb(100, k) * high**k * (1 - high) ** (100 - k) for k in range(4)) == pytest.approx(tail)
    none = Rate.of(Sums(0, 0.0, 0.0, 0.0), total, Crossings(1000))
    assert none.khz == 0
    assert none.upper_95_khz / 11245.6 == pytest.approx(1 - 0.05 ** (1 / 100), rel=1e-9)
    ten = Rate.of(Sums(FEW, 10.0, 10.0, 0.0), total, Crossings(1))
    assert not ten.few
    assert ten.prescaled(4).khz == pytest.approx(ten.khz / 4)
    assert ten.prescaled(0).high_khz == 0


def test_prescales() -> None:
    fired = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 1], [0, 1, 0]], dtype=bool)
    kept = survival(fired, np.array([4.0, 2.0, 0.0]))
    assert kept.tolist() == [1 - 3 / 4 * 1 / 2, 1 / 4, 0, 1 / 2]
    total = Sums(1000, 1000.0, 1000.0, 0.0)
    # One sure crossing and 400 kept with 1/2000: it is known as well as 1.4 crossings, not as 401.
    moment = np.array([401.0, 1.2, 1 + 400 / 2000**2])
    assert expected_sums(moment, total).events == 1
    assert sums(moment, total).events == 401
    assert expected_sums(np.zeros(3), total).events == 0


def test_tail_is_exact_in_bounded_memory() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=5000).astype(np.float32)
    scores[::7] = np.nan
    scores[1:3000:11] = 2.5  # many equal ones
    weights = rng.uniform(0.5, 1.5, 5000)
    full, small = Tail(), Tail(capacity=400)
    for start in range(0, 5000, 250):
        part = slice(start, start + 250)
        full.add(scores[part], weights[part])
        small.add(scores[part], weights[part])
    assert full.complete
    there = ~np.isnan(scores)
    every = full.table()
    expected = background_quantiles(scores[there], weights[there], below=sums_of(weights[~there]))
    assert every.threshold.tolist() == expected.threshold.tolist()
    at = every.threshold > 2
    assert every.efficiency[at] == pytest.approx(
        [weights[there & (scores >= t)].sum() / weights.sum() for t in every.threshold[at]]
    )
    few = small.table()
    assert not small.complete
    k = len(few.threshold)
    assert 0 < k < len(every.threshold)
    assert few.threshold.tolist() == every.threshold[:k].tolist()
    assert few.efficiency == pytest.approx(every.efficiency[:k], rel=1e-12)
    assert few.error == pytest.approx(every.error[:k], rel=1e-9)
    assert (few.events, few.effective_events) == (5000, pytest.approx(every.effective_events))


def test_tail_of_some_events() -> None:
    tail = Tail()
    tail.add(np.array([1, 2, 3, NAN], np.float32), np.ones(4), np.array([True, False, True, True]))
    table = tail.table()
    assert (table.threshold.tolist(), table.efficiency.tolist(), table.events) == ([3, 1], [0.25, 0.5], 4)
    nothing = Tail()
    nothing.add(np.array([NAN], np.float32), np.ones(1))
    assert nothing.table() is None


def test_curve() -> None:
    curve = Curve(np.array([1.0, 2.0, 3.0]))
    curve.add(np.array([0.5, 1, 2.5, NAN], np.float32), np.array([1, 2, 3, 4.0]))
    curve.add(np.array([3], np.float32), np.array([5.0]))
    assert curve.passed.tolist() == [[3, 2, 1], [10, 8, 5], [38, 34, 25]]


def test_moments() -> None:
    assert moments(np.array([[1, 0], [1, 1]], dtype=bool), np.array([2.0, 3.0])).tolist() == [[2, 1], [5, 3], [13, 9]]
