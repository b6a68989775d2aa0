"""One global p-value over spectra with shared events."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.errors import FitFailedError, InputDataError
from hepad.stats.bumphunt.layout import Layout
from hepad.stats.bumphunt.null import FixedNull
from hepad.stats.bumphunt.trials import check_table, global_p_of_many, make_cells
from hepad.stats.bumphunt.windows import ScanOptions

OPTIONS = ScanOptions(1, 4)
EDGES = np.linspace(0.0, 1.0, 13)
EXPECTED = np.geomspace(60.0, 8.0, 12)
LAYOUT = Layout.line(12, OPTIONS)
NULL = FixedNull(EXPECTED[None], LAYOUT, OPTIONS)


def events(rng: np.random.Generator, expected: np.ndarray = EXPECTED) -> np.ndarray:
    counts = rng.poisson(expected)
    low = np.repeat(EDGES[:-1], counts)
    return low + rng.random(len(low)) / 12


def observed(masses: np.ndarray) -> np.ndarray:
    """Statistics (spectra,) of a table of masses (events, spectra)."""
    counts = np.stack([np.histogram(column, EDGES)[0] for column in masses.T])
    return NULL.of(counts[:, None, :])


def test_two_identical_spectra_are_one() -> None:
    mass = events(np.random.default_rng(3))
    once = global_p_of_many(observed(mass[:, None]), [NULL], make_cells(mass[:, None], [EDGES], [EXPECTED]), toys=2000)
    two = np.stack([mass, mass], axis=1)
    both = global_p_of_many(observed(two), [NULL] * 2, make_cells(two, [EDGES] * 2, [EXPECTED] * 2), toys=2000)
    assert both.global_p == once.global_p == once.single_p[0]
    assert both.effective == pytest.approx(1)
    assert both.shared_events == len(mass)


def test_spectra_without_shared_events_are_independent() -> None:
    t = np.array([4.0, 1.0])
    trials = global_p_of_many(t, [NULL] * 2, None, toys=20_000, seed=2)
    p = trials.single_p.min()
    assert trials.best == 0
    assert trials.global_p == pytest.approx(1 - (1 - p) ** 2, abs=4 * trials.global_p_error)
    assert trials.effective == pytest.approx(2, abs=0.2)


def test_overlapping_spectra_lie_between() -> None:
    """Half of the events of one spectrum are in the other."""
    rng = np.random.default_rng(4)
    shared, one, two = (events(rng, EXPECTED / 2) for _ in range(3))
    none = np.nan
    table = np.concatenate(
        [
            np.stack([shared, shared], 1),
            np.stack([one, np.full(len(one), none)], 1),
            np.stack([np.full(len(two), none), two], 1),
        ]
    )
    cells = make_cells(table, [EDGES] * 2, [EXPECTED] * 2)
    np.testing.assert_allclose(cells.means @ cells.incidence, np.tile(EXPECTED, 2), rtol=1e-6)
    trials = global_p_of_many([4.5, 2.0], [NULL] * 2, cells, toys=10_000)
    assert 1.3 < trials.effective < 1.98


def test_the_global_p_is_uniform_under_the_null() -> None:
    """Each experiment has its own events: half of a spectrum in common with the other."""
    rng = np.random.default_rng(6)
    found = []
    for i in range(80):
        shared, one, two = (events(rng, EXPECTED / 2) for _ in range(3))
        table = np.full((len(shared) + len(one) + len(two), 2), np.nan)
        table[: len(shared)] = shared[:, None]
        table[len(shared) : len(shared) + len(one), 0] = one
        table[len(shared) + len(one) :, 1] = two
        cells = make_cells(table, [EDGES] * 2, [EXPECTED] * 2)
        found.append(global_p_of_many(observed(table), [NULL] * 2, cells, toys=100, seed=i).global_p)
    p = np.array(found)
    assert p.mean() == pytest.approx(0.5, abs=0.097)  # three standard deviations
    assert np.mean(p < 0.2) == pytest.approx(0.2, abs=0.134)
    assert p.min() > 0


def test_backgrounds_that_cannot_be_together_are_refused() -> None:
    mass = events(np.random.default_rng(3))
    table = np.stack([mass, mass], axis=1)
    with pytest.raises(FitFailedError, match=r"events in spectrum 2 alone, where 0 are"):
        make_cells(table, [EDGES] * 2, [EXPECTED, 2 * EXPECTED])
    with pytest.raises(FitFailedError, match=r"events in part alone"):
        make_cells(table, [EDGES] * 2, [EXPECTED, 1.06 * EXPECTED], ["all", "part"])


def test_a_bin_whose_events_happen_to_be_shared_has_events_in_one_spectrum_alone() -> None:
    """One spectrum is a random fifth of the other: the only event of the last bin is in both by chance."""
    edges, expected = np.array([0.0, 1.0, 2.0]), np.array([10.0, 1.2])
    mass = np.array([0.5] * 10 + [1.5])
    part = np.where(np.arange(11) >= 8, mass, np.nan)
    cells = make_cells(np.stack([mass, part], axis=1), [edges] * 2, [expected, 0.2 * expected])
    np.testing.assert_allclose(cells.means @ cells.incidence, [10, 1.2, 2, 0.24], rtol=1e-4)
    found = {tuple(row): m for row, m in zip(cells.incidence.toarray().astype(int).tolist(), cells.means, strict=True)}
    assert len(found) == len(cells.means) == 6  # each once
    assert found[0, 1, 0, 1] == pytest.approx(0.24, rel=1e-3)  # in both
    assert found[0, 1, 0, 0] == pytest.approx(0.96, rel=1e-3)  # in the larger one alone, which nobody has seen
    assert found[0, 0, 0, 1] < 1e-3  # and none is in the smaller one alone


@pytest.mark.parametrize("scale", [0.02, 0.3])
def test_true_backgrounds_of_sparse_spectra_are_never_refused_and_the_p_value_is_uniform(scale: float) -> None:
    """A spectrum, a random fifth of it, and a second mass of some of its events: sparse, and in 12 bins each."""
    rng, found = np.random.default_rng(8), []
    expected = [scale * EXPECTED, 0.2 * scale * EXPECTED, 0.7 * scale * EXPECTED]
    nulls = [FixedNull(b[None], LAYOUT, OPTIONS) for b in expected]
    for i in range(60):
        mass = events(rng, expected[0])
        other = rng.choice(EDGES[:-1] + 0.04, len(mass), p=EXPECTED / EXPECTED.sum())
        part, other = (np.where(rng.random(len(mass)) < p, m, np.nan) for p, m in ((0.2, mass), (0.7, other)))
        table = np.stack([mass, part, other], axis=1)
        cells = make_cells(table, [EDGES] * 3, expected)
        np.testing.assert_allclose(cells.means @ cells.incidence, np.concatenate(expected), rtol=0.02, atol=0.01)
        counts = np.stack([np.histogram(column, EDGES)[0] for column in table.T])
        t = [float(null.of(n[None, None, :])[0]) for null, n in zip(nulls, counts, strict=True)]
        found.append(global_p_of_many(t, nulls, cells, toys=100, seed=i).global_p)
    p = np.array(found)
    assert p.mean() == pytest.approx(0.5, abs=0.112)  # three standard deviations; conservative where counts are few
    assert np.mean(p <= 0.05) < 0.14
    assert np.mean(p <= 0.2) < 0.36


def test_a_table_of_other_events_is_refused() -> None:
    mass = events(np.random.default_rng(3))
    counts = np.histogram(mass, EDGES)[0].astype(float)
    check_table(mass[:, None], [EDGES], [counts], ["dijet"])
    with pytest.raises(InputDataError, match=r"events of dijet in 0\.25 to 0\.333333, the spectrum"):
        check_table(mass[:, None], [EDGES], [counts + (np.arange(12) == 3)], ["dijet"])
