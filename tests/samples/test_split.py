from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy import stats

from hepad.samples.split import fold_of, part_of, uniform_of

FILE = hashlib.sha256(b"some file").hexdigest()


def test_numbers_are_those_of_splitmix64() -> None:
    """Against the published generator, one step at a time in Python's integers."""
    word, mask = int.from_bytes(hashlib.sha256(f"{FILE}:7".encode()).digest()[:8], "little"), (1 << 64) - 1
    expected = []
    for _ in range(5):
        word = (word + 0x9E3779B97F4A7C15) & mask
        z = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        expected.append(((z ^ (z >> 31)) >> 11) / 2**53)
    np.testing.assert_array_equal(uniform_of(FILE, np.arange(5), seed=7), expected)


def test_numbers_are_uniform_and_independent_of_one_another() -> None:
    u = uniform_of(FILE, np.arange(100_000), seed=1)
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 0.02
    assert abs(np.corrcoef(u, uniform_of(FILE, np.arange(100_000), seed=2))[0, 1]) < 0.02
    assert abs(np.corrcoef(u, uniform_of(FILE[::-1], np.arange(100_000), seed=1))[0, 1]) < 0.02


def test_an_event_knows_its_part_whatever_is_around_it() -> None:
    whole = part_of(FILE, np.arange(1000), seed=3, fractions=(0.7, 0.1))
    some = np.array([999, 4, 17])
    np.testing.assert_array_equal(part_of(FILE, some, seed=3, fractions=(0.7, 0.1)), whole[some])
    np.testing.assert_array_equal(np.unique(whole), [0, 1, 2])


def test_parts_have_their_fractions() -> None:
    counts = np.bincount(part_of(FILE, np.arange(100_000), seed=5, fractions=(0.7, 0.1))) / 100_000
    np.testing.assert_allclose(counts, [0.7, 0.1, 0.2], atol=0.006)
    assert (part_of(FILE, np.arange(100), seed=5, fractions=(1.0,)) == 0).all()
    folds = np.bincount(fold_of(FILE, np.arange(100_000), seed=5, folds=5)) / 100_000
    np.testing.assert_allclose(folds, 0.2, atol=0.006)


@pytest.mark.parametrize("fractions", [(0.6, 0.6), (-0.1, 0.5)])
def test_impossible_parts_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="no parts of a whole"):
        part_of(FILE, np.arange(3), seed=1, fractions=fractions)
    with pytest.raises(ValueError, match="1 folds are too few"):
        fold_of(FILE, np.arange(3), seed=1, folds=1)
