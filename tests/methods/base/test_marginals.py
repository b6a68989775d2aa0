"""Numbers to normal ones and back: what many events share comes back as often."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hepad.errors import CardError
from hepad.methods.base.marginals import Marginals, noise_of


def sample(n: int = 20_000) -> np.ndarray:
    """An exponential one, one that is 0 for three events in ten, and a count."""
    rng = np.random.default_rng(1)
    some = np.where(rng.random(n) < 0.3, 0.0, rng.uniform(0.2, 1, n))
    return np.stack([rng.exponential(3, n), some, rng.poisson(2, n)], axis=1).astype(np.float32)


def test_they_are_normal_and_come_back() -> None:
    x = sample()
    learned = Marginals.of(x, np.ones(len(x)))
    z = learned.normal(x, noise_of(*x.T))
    for column in z.T:
        assert stats.kstest(column, "norm").statistic < 0.01
    back = learned.values(z)
    np.testing.assert_array_equal(back[:, 2], x[:, 2])
    np.testing.assert_array_equal(back[:, 1] == 0, x[:, 1] == 0)
    np.testing.assert_allclose(back, x, rtol=1e-4, atol=1e-5)
    drawn = learned.values(np.random.default_rng(2).standard_normal((40_000, 3)))
    assert np.mean(drawn[:, 1] == 0) == pytest.approx(np.mean(x[:, 1] == 0), abs=0.01)
    assert set(np.unique(drawn[:, 2])) <= set(np.unique(x[:, 2]))
    assert stats.ks_2samp(drawn[:, 0], x[:, 0]).statistic < 0.015


def test_weights_count_and_what_is_beyond_stays_finite() -> None:
    x = np.array([[0.0], [1.0], [1.0], [2.0]], dtype=np.float32)
    learned = Marginals.of(x, np.array([1.0, 2.0, 3.0, 4.0]))
    # A value of one event has the middle of its share, one of several all of it.
    np.testing.assert_allclose(learned.below, [[0.05, 0.1, 0.8]])
    np.testing.assert_allclose(learned.upto, [[0.05, 0.6, 0.8]])
    z = learned.normal(np.array([[-5.0], [1.0], [1.5], [9.0]]), np.full((4, 1), 0.5))
    np.testing.assert_allclose(stats.norm.cdf(z[:, 0]), [0.05, 0.35, 0.7, 0.8])
    least = Marginals.of(np.zeros((3, 1)), np.ones(3)).normal(np.array([[-1.0], [1.0]]), np.zeros((2, 1)))
    np.testing.assert_allclose(least[:, 0], [-5.9978, 5.9978], atol=1e-4)  # a probability of 1e-9


def test_noise_follows_from_the_event_alone() -> None:
    x = np.random.default_rng(3).normal(size=(20_000, 2))
    noise = noise_of(*x.T)
    assert noise.shape == (20_000, 2)
    assert all(stats.kstest(column, "uniform").pvalue > 0.01 for column in noise.T)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.03
    np.testing.assert_array_equal(noise_of(*x[40:60].T), noise[40:60])
    moved = noise_of(x[:, 0], np.nextafter(x[:, 1], 9))
    assert abs(np.corrcoef(noise[:, 0], moved[:, 0])[0, 1]) < 0.03


def test_a_state_that_does_not_fit_is_refused() -> None:
    learned = Marginals.of(sample(50), np.ones(50))
    assert Marginals.restored(learned.state(), 3, "m").state().keys() == learned.state().keys()
    with pytest.raises(CardError, match="m: tensor 'value' has shape"):
        Marginals.restored(learned.state(), 2, "m")
    with pytest.raises(CardError, match="m: tensor 'upto' is missing"):
        Marginals.restored({name: array for name, array in learned.state().items() if name != "upto"}, 3, "m")
