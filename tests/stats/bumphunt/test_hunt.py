"""The bump hunt against pyBumpHunter, against ATLAS, and against itself by brute force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from hepad.cards.fit import load_fit
from hepad.errors import FitFailedError, InputDataError, UsageError
from hepad.spectra.files import read_spectrum
from hepad.stats.bumphunt import ScanOptions, bump_hunt, make_windows
from hepad.stats.bumphunt import null as module
from hepad.stats.bumphunt.hunt import tail
from hepad.stats.bumphunt.layout import Layout
from hepad.stats.bumphunt.scan import Expectation, scan_all, smallest
from hepad.stats.fits import fit as fit_module
from hepad.stats.fits.fit import fit_background
from hepad.stats.fits.functions import BackgroundFunction

ROOT = Path(__file__).parents[3]
EXAMPLE = read_spectrum(str(ROOT / "tests/data/pybumphunter_example.csv"))
ATLAS = read_spectrum(str(ROOT / "examples/data/atlas_dijet_139fb.csv"))


def test_pybumphunter_example() -> None:
    """pyBumpHunter 0.5.1 on its own example: 60 bins, widths 2 to 6; 100 000 toys there gave 0.01893 +- 0.00044."""
    assert EXAMPLE.reference is not None
    options = ScanOptions(width_min=2, width_max=6)
    hunt = bump_hunt(EXAMPLE.edges, EXAMPLE.counts, EXAMPLE.reference, options=options, toys=6000, seed=1)
    assert hunt.windows == 285
    assert hunt.window == pytest.approx((5.33333, 6.66667), abs=1e-5)
    assert hunt.local_p == pytest.approx(1.73410678e-4, rel=1e-8)
    assert hunt.local_z == pytest.approx(3.577556, abs=1e-6)
    assert hunt.global_z == pytest.approx(norm.isf(hunt.global_p))
    assert hunt.statistic == pytest.approx(8.659847913, abs=1e-8)
    assert hunt.global_p is not None
    assert hunt.global_p_error is not None
    assert hunt.global_p == pytest.approx(0.01893, abs=3 * np.hypot(hunt.global_p_error, 0.00044))
    assert hunt.global_p == (hunt.toys_above + 1) / 6001
    assert not hunt.refit


def test_atlas_dijets_with_the_published_fit() -> None:
    """arXiv:1910.08447: the most significant interval is 1341-1416 GeV with a BumpHunter p-value of 0.89."""
    assert ATLAS.reference is not None
    hunt = bump_hunt(ATLAS.edges, ATLAS.counts, ATLAS.reference, toys=4000, seed=2)
    assert hunt.window == (1341.0, 1416.0)
    assert hunt.local_p == pytest.approx(0.02029, abs=1e-5)
    assert hunt.global_p == pytest.approx(0.89, abs=0.02)


def test_refitting_the_pseudo_experiments_lowers_the_global_p() -> None:
    """Measured outside hepad with five parameters: 0.640 without and 0.506 with refit."""
    fit = fit_background(ATLAS.edges, ATLAS.counts, BackgroundFunction.from_card(load_fit("dijet5")))
    fixed = bump_hunt(ATLAS.edges, ATLAS.counts, fit.expected, toys=2000, seed=3)
    refitted = bump_hunt(ATLAS.edges, ATLAS.counts, fit.expected, toys=2000, seed=3, refit=fit)
    assert (fixed.refit, refitted.refit) == (False, True)
    assert fixed.global_p == pytest.approx(0.640, abs=0.035)
    assert refitted.global_p == pytest.approx(0.506, abs=0.035)
    assert fixed.window == refitted.window
    assert refitted.failed_toys == 0


SCANS = [
    ScanOptions(width_min=1),
    ScanOptions(width_min=1, direction="deficit"),
    ScanOptions(direction="both", width_step=2, scan_step=2),
    ScanOptions(sideband_p=0.05),
    ScanOptions(direction="both", sideband_p=0.2),
]


@pytest.mark.parametrize("options", SCANS)
@pytest.mark.parametrize("reference", [np.geomspace(1e6, 1.0, 30), np.geomspace(3.0, 1e-3, 30), np.full(12, 0.2)])
@pytest.mark.parametrize("channels", [1, 2])
def test_toys_are_scanned_as_the_data_are(reference: np.ndarray, options: ScanOptions, channels: int) -> None:
    """Tables, and the pruned scan of fitted toys, equal the full scan of every window."""
    events = np.stack([reference, 2 * reference[::-1]])[:channels]
    layout = Layout.line(len(reference), options)
    toys = np.random.default_rng(4).poisson(events, size=(60, *events.shape))
    toys[0, 0, 3:6] += np.ceil(9 * np.sqrt(events[0, 3:6])).astype(int)  # beyond the tables
    expected = Expectation(events[None])
    full = scan_all(toys.astype(float), expected, layout, options).counting.min(axis=1)
    np.testing.assert_allclose(-module.FixedNull(events, layout, options).of(toys), full, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(smallest(toys.astype(float), expected, layout, options), full, rtol=1e-9, atol=1e-12)


def test_the_result_depends_on_the_seed_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ATLAS.reference is not None
    first = bump_hunt(ATLAS.edges, ATLAS.counts, ATLAS.reference, toys=100, seed=7)
    monkeypatch.setattr(module, "_BLOCK_TOYS", 7)  # other blocks, same random numbers
    second = bump_hunt(ATLAS.edges, ATLAS.counts, ATLAS.reference, toys=100, seed=7)
    np.testing.assert_array_equal(first.toy_statistics, second.toy_statistics)
    other = bump_hunt(ATLAS.edges, ATLAS.counts, ATLAS.reference, toys=100, seed=8)
    assert not np.array_equal(first.toy_statistics, other.toy_statistics)


@given(place=st.integers(min_value=0, max_value=27), height=st.floats(min_value=20, max_value=1e5))
@settings(max_examples=40, deadline=None)
def test_an_injected_bump_is_found_and_stays_finite(place: int, height: float) -> None:
    reference = np.geomspace(2000.0, 5.0, 30)
    counts = np.round(reference)
    counts[place : place + 3] += np.ceil(height * np.sqrt(reference[place : place + 3]))
    hunt = bump_hunt(np.arange(31.0), counts, reference, options=ScanOptions(2, 5), toys=0)
    assert hunt.window == (place, place + 3)
    assert np.isfinite(hunt.statistic)
    assert hunt.local_z is not None
    assert hunt.local_z > 20
    assert hunt.global_p is None


def test_a_huge_bump_never_has_a_global_p_of_zero() -> None:
    reference = np.full(20, 100.0)
    counts = reference.copy()
    counts[5:8] = 1e6
    hunt = bump_hunt(np.arange(21.0), counts, reference, toys=99)
    assert hunt.local_p == 0  # underflows; the statistic does not
    assert hunt.statistic > 1e7
    assert hunt.global_p == 0.01
    assert hunt.toys_above == 0


def test_the_global_p_of_background_is_uniform() -> None:
    reference = np.geomspace(500.0, 2.0, 25)
    rng = np.random.default_rng(11)
    edges = np.arange(26.0)
    values = [
        bump_hunt(edges, rng.poisson(reference).astype(float), reference, toys=200, seed=i).global_p for i in range(60)
    ]
    p = np.array(values, dtype=float)
    assert p.mean() == pytest.approx(0.5, abs=0.112)  # three standard deviations
    assert np.mean(p < 0.2) == pytest.approx(0.2, abs=0.15)


def test_data_without_an_excess() -> None:
    hunt = bump_hunt(np.arange(11.0), np.full(10, 3.0), np.full(10, 5.0), toys=20)
    assert (hunt.statistic, hunt.local_p, hunt.local_z, hunt.global_p) == (0.0, 1.0, None, 1.0)


def test_the_share_of_pseudo_experiments_and_its_error() -> None:
    """(k + 1) / (n + 1) and its binomial error; what differs in the last bits is equal."""
    drawn = np.array([0.5, 3.0 - 1e-9, 3.0, 7.0])
    assert tail(drawn, 3.0) == (3, 0.8, pytest.approx(np.sqrt(0.8 * 0.2 / 5), rel=1e-12))
    assert tail(drawn, 3.1) == (1, 0.4, pytest.approx(np.sqrt(0.4 * 0.6 / 5), rel=1e-12))
    assert tail(np.empty(0), 3.0) == (0, None, None)


def test_windows_follow_widths_and_steps() -> None:
    first, last = make_windows(10, ScanOptions(width_min=2, width_max=6, width_step=2, scan_step=3))
    found = list(zip(first.tolist(), last.tolist(), strict=True))
    assert found == [(0, 2), (3, 5), (6, 8), (0, 4), (3, 7), (6, 10), (0, 6), (3, 9)]
    assert (make_windows(9, ScanOptions())[1] - make_windows(9, ScanOptions())[0]).max() == 4


def test_options_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match="at least 1 bin"):
        ScanOptions(scan_step=0)
    with pytest.raises(UsageError, match="at least 1 bin"):
        ScanOptions(width_min=0)
    for p in (0.0, 0.5):
        with pytest.raises(UsageError, match=r"between 0 and 0\.5"):
            ScanOptions(sideband_p=p)
    with pytest.raises(UsageError, match=r"largest width \(1 bins\) is below"):
        ScanOptions(width_min=2, width_max=1)
    with pytest.raises(UsageError, match="do not fit into 10 bins"):
        make_windows(10, ScanOptions(width_max=11))


def test_a_reference_of_zero_under_events_is_refused() -> None:
    reference = np.array([5.0, 4.0, 0.0, 0.0, 1.0])
    with pytest.raises(InputDataError, match="reference is zero in bins 2 to 3, where 1 events"):
        bump_hunt(np.arange(6.0), np.array([5.0, 4, 1, 0, 1]), reference, toys=0)
    assert bump_hunt(np.arange(6.0), np.array([5.0, 4, 0, 0, 2]), reference, toys=10).toys == 10


def test_failed_refits_are_counted_never_dropped_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fit_background(ATLAS.edges, ATLAS.counts, BackgroundFunction.from_card(load_fit("dijet3")))
    whole = fit_module.fisher_scoring

    def every_third_fails(*args: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        phi, values, converged = whole(*args)  # type: ignore[arg-type]
        converged[::3] = False
        return phi, values, converged

    monkeypatch.setattr(fit_module, "fisher_scoring", every_third_fails)
    hunt = bump_hunt(ATLAS.edges, ATLAS.counts, fit.expected, toys=30, refit=fit)
    assert (hunt.toys, hunt.failed_toys, len(hunt.toy_statistics)) == (20, 10, 20)
    assert hunt.global_p == (hunt.toys_above + 1) / 21
    monkeypatch.setattr(fit_module, "_MAX_ITERATIONS", 0)
    with pytest.raises(FitFailedError, match="none of the 30"):
        bump_hunt(ATLAS.edges, ATLAS.counts, fit.expected, toys=30, refit=fit)
