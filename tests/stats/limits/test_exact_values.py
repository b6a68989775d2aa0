"""Quantiles, tails and toys against exact values: what a comparison with a tolerance or an ordering cannot tell."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, norm

from hepad.stats.bumphunt import ScanOptions, sensitivity
from hepad.stats.bumphunt.layout import Layout
from hepad.stats.bumphunt.null import CountedNull
from hepad.stats.bumphunt.scan import Expectation
from hepad.stats.counts.toys import Sampler
from hepad.stats.fits import goodness as goodness_module
from hepad.stats.fits.fit import BatchFit
from hepad.stats.fits.goodness import goodness
from hepad.stats.limits.cls import asymptotic_bands, asymptotic_cls
from hepad.stats.scores.comparison import paired_difference
from hepad.stats.scores.roc import estimate

SIGMAS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])


@pytest.mark.parametrize("q", [0.0, 1.0, 4.0, 4.0 + 1e-9, 9.0, 25.0])
def test_asymptotic_cls_on_both_sides_of_asimov(q: float) -> None:
    """arXiv:1007.1727, equations 65 and 66 of the distribution of q-tilde, here with sqrt(q_A) = mu / sigma = 2."""

    def beyond(mean: float) -> float:
        """P(q-tilde > q) for a mean of (mu - mu') / sigma."""
        return float(norm.sf(np.sqrt(q) - mean) if q <= 4 else norm.sf((q + 4) / 4 - mean))

    assert asymptotic_cls(q, 4.0) == pytest.approx(beyond(0.0) / beyond(2.0), rel=1e-6)
    assert asymptotic_cls(q, 0.0) == 1


def test_asymptotic_bands_are_cls_of_fluctuated_backgrounds() -> None:
    """At N sigma the background leaves sqrt(q) = sqrt(q_A) - N (equation 89): CLs = Phi(N - sqrt(q_A)) / Phi(N)."""
    np.testing.assert_allclose(asymptotic_bands(6.25), norm.cdf(SIGMAS - 2.5) / norm.cdf(SIGMAS), rtol=1e-9)


def test_a_counted_null_is_the_pool_of_data_and_reference() -> None:
    """40 events and a reference of 60 with weight 2 (variance 120): 140 / 3 in the data, 70 / 3 counted beside them."""
    events, options = np.array([[60.0, 0.0, 30.0]]), ScanOptions(1, 1)
    reference = Expectation(events, np.array([[120.0, 0.0, 0.0]]), weight=2.0)  # the last is known
    null = CountedNull(np.array([[40.0, 3.0, 50.0]]), reference, Layout.line(3, options), options)
    means = null.means()
    np.testing.assert_allclose(means, [[140 / 3, 2, 30], [70 / 3, 1, 0]])
    np.testing.assert_allclose(null.means(np.array([[0.0, 0.0, 7.0]])), means + np.array([[0, 0, 7], [0, 0, 0]]))
    data, again = null._pair(np.array([[[45, 3, 28], [20, 2, 0]]]))
    assert (data[0].tolist(), again.events[0].tolist()) == ([[45, 3, 28]], [[40, 4, 30]])
    assert again.variances is not None
    assert again.variances[0].tolist() == [[80, 8, 0]]
    drawn = null.draw(4000, 1)
    assert drawn.mean() == pytest.approx(null.of(Sampler.of(means.ravel()).draw(2, 0, 4000)).mean(), rel=0.1)


def test_goodness_by_hand() -> None:
    """The largest distance may be in any bin, the first included."""

    def never(counts: np.ndarray) -> BatchFit:
        raise AssertionError

    counts, expected = np.array([6.0, 1.0, 1.0]), np.array([2.0, 3.0, 3.0])
    found = goodness(counts, expected, ndf=2.0, refit=never, toys=0)
    assert found.ks == pytest.approx(6 / 8 - 2 / 8)
    assert found.pearson == pytest.approx(16 / 2 + 4 / 3 + 4 / 3)
    assert found.pearson_p == pytest.approx(chi2.sf(16 / 2 + 8 / 3, 2))
    assert found.deviance == pytest.approx(2 * float(np.sum(counts * np.log(counts / expected))))
    assert found.p_value == pytest.approx(chi2.sf(found.deviance, 2))
    assert (found.sparse_bins, found.toys, found.p_toys) == (3, 0, None)
    assert goodness(counts[::-1], expected[::-1], ndf=2.0, refit=never, toys=0).ks == pytest.approx(0.5)
    middle = goodness(np.array([1.0, 6.0, 1.0]), np.array([2.0, 1.0, 5.0]), ndf=2.0, refit=never, toys=0)
    assert middle.ks == pytest.approx(7 / 8 - 3 / 8)


def test_toys_of_goodness_are_thrown_in_blocks_and_failed_fits_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven in blocks of three; the first fit of each block fails. All fits are the expectation of one bin."""
    monkeypatch.setattr(goodness_module, "_BLOCK", 3)
    sizes = []

    def refit(counts: np.ndarray) -> BatchFit:
        sizes.append(len(counts))
        return BatchFit(np.full_like(counts, 4.0), np.arange(len(counts)) + 0.5, np.arange(len(counts)) > 0)

    single = BatchFit(np.full((1, 2), 4.0), np.array([0.1]), np.array([True]))
    found = goodness(np.array([4.0, 5.0]), np.array([4.0, 4.0]), ndf=None, refit=refit, toys=7)
    assert sizes == [3, 3, 1]
    assert (found.toys, found.failed_toys) == (4, 3)
    one = goodness(np.array([4.0, 5.0]), np.array([4.0, 4.0]), ndf=None, refit=lambda _: single, toys=1)
    assert (one.toys, one.p_toys) == (1, 0.5)  # 0.1 is below 0.23
    assert found.p_toys == 1  # 1.5 and 2.5, twice, are above 2 (5 ln(5 / 4) - 1) = 0.23


def test_intervals_hold_what_they_say() -> None:
    drawn = np.random.default_rng(0).permutation(np.arange(10_001.0)) - 5000
    found = paired_difference([0.0], [0.0], [drawn], [np.zeros(10_001)])
    assert (found.low95, found.high95) == (-4750, 4750)  # 2.5 % on each side
    one = round(10_000 * (0.5 - norm.cdf(-1)))
    assert (found.low68, found.high68) == (-one, one)
    own = estimate(0.0, drawn)
    assert (own.low, own.high) == pytest.approx(((norm.cdf(-1) - 0.5) * 1e4, (norm.cdf(1) - 0.5) * 1e4))
    assert own.std == pytest.approx(drawn.std(ddof=1))


def test_bands_of_a_sensitivity_are_at_whole_standard_deviations() -> None:
    """Pseudo-experiments with statistics 0, 1, ...; background whose statistic has a normal global significance."""

    class Null:
        def draw(self, toys: int, seed: int, *, signal: np.ndarray, on_toys: None) -> np.ndarray:
            return np.arange(float(toys)) / toys

    background = np.arange(100_000.0) / 100_000
    found = sensitivity(Null(), np.ones((1, 3)), np.array([5.0]), background=background, toys=100_000)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.z[0], SIGMAS, atol=2e-3)
    assert found.power[0] == pytest.approx(norm.sf(3), abs=2e-5)
    assert found.ceiling == pytest.approx(norm.isf(1 / 100_001))
