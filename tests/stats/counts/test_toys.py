"""Pseudo-experiments follow Poisson's distribution, whatever the mean, and depend on seed and index alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, poisson

from hepad.errors import InputDataError
from hepad.stats.counts import toys, toys_kernel, toys_plain
from hepad.stats.counts.toys import Sampler

MEANS = np.array([0.0, 1e-3, 0.4, 1.0, 7.3, 60.0, 999.5, 3e5])


@pytest.mark.parametrize("mean", MEANS[1:].tolist())
def test_the_tables_are_poisson_probabilities(mean: float) -> None:
    """The probability of every count, put together again from its own share and those it is the alias of."""
    sampler = Sampler.of(np.array([mean]))
    size = len(sampler.share)
    p = sampler.share / size
    np.add.at(p, sampler.other, (1 - sampler.share) / size)
    counts = sampler.lowest[0] + np.arange(size)
    np.testing.assert_allclose(p, poisson.pmf(counts, mean), rtol=1e-8, atol=3e-16)
    assert poisson.cdf(counts[0] - 1, mean) + poisson.sf(counts[-1], mean) < 1e-14


def test_drawn_counts_pass_a_chi_square_test() -> None:
    drawn = Sampler.of(MEANS).draw(5, 0, 40_000)
    assert np.all(drawn[:, 0] == 0)
    for i, mean in enumerate(MEANS[1:], start=1):
        edges = np.unique(poisson.ppf(np.linspace(0.02, 0.98, 12), mean))
        expected = len(drawn) * np.diff(np.concatenate([[0.0], poisson.cdf(edges, mean), [1.0]]))
        found = np.histogram(drawn[:, i], np.concatenate([[-np.inf], edges + 0.5, [np.inf]]))[0]
        distance = float(np.sum((found - expected) ** 2 / expected))
        assert chi2.sf(distance, len(edges)) > 1e-3, mean
    correlations = np.corrcoef(drawn[:, 2:].T) - np.eye(len(MEANS) - 2)
    assert np.abs(correlations).max() < 0.025  # five standard deviations
    assert np.abs(np.corrcoef(drawn[:-1, 5], drawn[1:, 5])[0, 1]) < 0.02


def test_a_toy_depends_on_seed_and_index_alone() -> None:
    sampler = Sampler.of(MEANS)
    whole = sampler.draw(1, 0, 50)
    np.testing.assert_array_equal(sampler.draw(1, 20, 30), whole[20:])
    assert not np.array_equal(sampler.draw(2, 0, 50), whole)
    # The published algorithm gives these on every machine.
    assert Sampler.of(np.array([10.0, 1000.0])).draw(0, 0, 2).tolist() == GOLDEN


GOLDEN = [[9, 922], [13, 1016]]


def test_means_that_no_table_holds_are_refused() -> None:
    for bad in (-1.0, np.nan, 1e11):
        with pytest.raises(InputDataError, match="cannot draw"):
            Sampler.of(np.array([1.0, bad]))


def test_few_counts_are_drawn_without_the_compiler_and_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, tables too; and it is a matter of how many, unless the compiled loops are there already."""
    assert toys._loops(10) is toys_kernel
    compiled = Sampler.of(MEANS)
    drawn = compiled.draw(2**63 + 5, 7, 300)
    monkeypatch.setattr(toys, "_KERNEL", "not loaded")
    assert toys._loops(10) is toys_plain
    assert toys._loops(10**6) is toys_kernel
    plain = Sampler.of(MEANS)
    for ours, theirs in zip(plain.tables, compiled.tables, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.tobytes() == theirs.tobytes()
    np.testing.assert_array_equal(plain.draw(2**63 + 5, 7, 300), drawn)
    assert plain.draw(0, 0, 0).shape == (0, len(MEANS))
