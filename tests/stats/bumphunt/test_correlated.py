"""One p-value over correlated looks: of numbers whose largest is known, and of a scan over masses against toys."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from hepad.cards.fit import load_fit
from hepad.errors import FitFailedError
from hepad.stats.bumphunt.correlated import Bootstraps, global_p
from hepad.stats.bumphunt.mass_looks import MassScan, scan_point
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.templates import gaussian_template
from hepad.stats.limits.resonance import ResonanceChannel, ResonanceModel

EDGES = np.arange(2000.0, 6001.0, 200.0)
FUNCTION = BackgroundFunction.from_card(load_fit("dijet3"))
TRUTH = FUNCTION.expected(EDGES, np.array([1e-3, 8.0, 4.0]))
TRUTH *= 20_000 / TRUTH.sum()
MASSES = np.geomspace(2600, 5000, 14)
SHAPES = np.array([gaussian_template(EDGES, mass, 0.06) for mass in MASSES])


@pytest.mark.parametrize("level", [0.5, 2.0, 7.0])
def test_the_largest_of_normal_numbers(level: float) -> None:
    """Eight independent looks, the first four twice: 1 - (1 - p)^8, to the precision of the draws at any depth."""
    rows = np.linalg.qr(np.random.default_rng(1).normal(size=(400, 8)))[0] * 20
    rows = np.concatenate([rows, rows[:, :4]], axis=1)
    z = np.concatenate([[level], np.full(11, -1.0)])
    looks = Bootstraps(z, rows, np.arange(12), np.full(12, 400), np.eye(12, dtype=bool))
    found = looks.trials(range(12), draws=10_000)
    assert found.global_p == pytest.approx(-np.expm1(8 * np.log1p(-norm.sf(level))), rel=0.02)
    assert found.effective == pytest.approx(8, rel=0.1)
    assert found.global_p_error < 0.02 * found.global_p
    assert looks.trials([0]).global_p == pytest.approx(norm.sf(level), rel=1e-12)
    assert (found.best, looks.trials([3, 4]).best, found.shared_events) == (0, 0, 0)
    few = Bootstraps(z, rows, np.arange(12), np.array([400] * 11 + [49]), looks.inside)
    with pytest.raises(FitFailedError, match="49 of 400 bootstraps of 12 spectra"):
        few.trials(range(12))


@pytest.mark.parametrize(("signal", "direct"), [(150, 0.3290), (200, 0.1020)])
def test_a_scan_over_masses_has_the_global_p_of_toys(signal: int, direct: float) -> None:
    """Bootstraps of the very events, and score tests, against pseudo-experiments of the function, each fitted twice.

    `direct` is that of `stats.limits.mass_scan.global_excess` of these counts with 20 000 and 4000 of them.
    """
    counts = (TRUTH + signal * SHAPES[6]).round()
    z = np.array([scan_z(counts, shape) for shape in SHAPES])
    scan = MassScan(EDGES, counts, FUNCTION, SHAPES, z)
    events = np.repeat((EDGES[1:] + EDGES[:-1]) / 2, counts.astype(int))
    found = global_p([scan], events[:, None], toys=200, draws=4000)
    assert found.best == 6
    assert found.global_p == pytest.approx(direct, rel=0.08)
    twice = global_p([scan, scan], np.stack([events, events], axis=1), toys=200, draws=4000)
    assert twice.global_p == pytest.approx(found.global_p, rel=0.06)
    assert twice.shared_events == len(events)
    np.testing.assert_allclose(scan.z_of(counts[None])[0][4:9], z[4:9], atol=0.1)


def scan_z(counts: np.ndarray, shape: np.ndarray) -> float:
    channel = ResonanceChannel("x", EDGES, shape, np.zeros(len(counts)), FUNCTION, observed=counts)
    return float(np.sqrt(ResonanceModel([channel]).excess()[0]))


def test_a_point_has_the_limits_of_the_model() -> None:
    counts = TRUTH.round() + (90 * SHAPES[6]).round()
    point = scan_point(EDGES, counts, FUNCTION, 0.5 * SHAPES[6])
    assert point.events == pytest.approx(90, rel=0.05)
    assert point.z == pytest.approx(scan_z(counts, SHAPES[6]), rel=1e-6)
    whole = scan_point(EDGES, counts, FUNCTION, SHAPES[6])
    np.testing.assert_allclose(point.limits, 2 * np.array(whole.limits), rtol=2e-3)
    assert (np.diff(point.limits[1:]) > 0).all()
    assert point.limits[0] > 2 * point.events
    assert not point.few
    assert scan_point(EDGES, counts, FUNCTION, SHAPES[6], error=0.3).limits[3] > 1.02 * whole.limits[3]
    deficit = scan_point(EDGES, TRUTH.round() - (90 * SHAPES[6]).round(), FUNCTION, SHAPES[6])
    assert (deficit.z, deficit.events) == (0, 0)
    sparse = np.where(np.arange(20) < 6, [9, 5, 2, 1, 1, 1] + [0] * 14, 0.0)
    low = scan_point(EDGES, sparse, FUNCTION, gaussian_template(EDGES, 4000, 0.06))
    assert low.few
    assert low.limits[0] == pytest.approx(3.0, rel=0.01)  # no counting excludes fewer
