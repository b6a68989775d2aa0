"""Deficits, sidebands, counted references, channels, planes, injected signals and the estimate beside the toys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import gammainc
from scipy.stats import binom, chi2, norm, poisson

from hepad.errors import InputDataError, UsageError
from hepad.spectra.files import read_spectrum
from hepad.stats.bumphunt import (
    FixedNull,
    ScanOptions,
    bump_hunt,
    gaussian_shape,
    hunt_channels,
    hunt_plane,
    make_null,
    sensitivity,
)
from hepad.stats.bumphunt.injection import Sensitivity
from hepad.stats.bumphunt.layout import Layout
from hepad.stats.counts.toys import Sampler

ROOT = Path(__file__).parents[3]
EXAMPLE = read_spectrum(str(ROOT / "tests/data/pybumphunter_example.csv"))
SCAN = ScanOptions(2, 6)
EDGES = np.arange(21.0)
FALLING = np.geomspace(300.0, 3.0, 20)


def test_a_deficit_has_the_probability_of_fewer_events() -> None:
    counts = np.round(FALLING)
    counts[6:9] = np.round(0.7 * FALLING[6:9])
    hunt = bump_hunt(EDGES, counts, FALLING, options=ScanOptions(3, 3, direction="deficit"), toys=500)
    assert hunt.direction == "deficit"
    assert hunt.window == (6.0, 9.0)
    assert hunt.local_p == pytest.approx(poisson.cdf(counts[6:9].sum(), FALLING[6:9].sum()), rel=1e-9)
    both = bump_hunt(EDGES, counts, FALLING, options=ScanOptions(3, 3, direction="both"), toys=500)
    assert (both.window, both.log_p, both.direction) == (hunt.window, hunt.log_p, "deficit")
    assert bump_hunt(EDGES, counts, FALLING, options=ScanOptions(3, 3), toys=0).direction == "excess"


def test_a_discrepant_sideband_vetoes_its_windows() -> None:
    """A broad excess of eight bins: narrow windows in it have excesses beside them, the broad one has not."""
    reference = np.full(20, 400.0)
    counts = reference.copy()
    counts[6:14] += 120.0
    plain = bump_hunt(EDGES, counts, reference, options=ScanOptions(2, 8), toys=0)
    vetoed = bump_hunt(EDGES, counts, reference, options=ScanOptions(2, 8, sideband_p=1e-3), toys=0)
    assert plain.window == vetoed.window == (6.0, 14.0)
    narrow = bump_hunt(EDGES, counts, reference, options=ScanOptions(2, 2, sideband_p=1e-3), toys=50)
    assert narrow.window[0] not in range(7, 12)
    first = narrow.tomography.first[0]
    # The sideband of two bins is one bin on either side: p(520 | 400) is far below 0.001.
    expected = [any(0 <= bin_ < 20 and 6 <= bin_ < 14 for bin_ in (start - 1, start + 2)) for start in first]
    assert narrow.tomography.vetoed.tolist() == expected


def test_windows_at_the_ends_have_one_sideband() -> None:
    layout = Layout.line(10, ScanOptions(4, 4))
    assert layout.sideband_first[:, 0].tolist() == [0, 4]
    assert layout.sideband_last[:, 0].tolist() == [0, 6]
    assert layout.sideband_last[:, -1].tolist() == [6, 10]


def test_all_windows_vetoed_is_no_bump() -> None:
    counts = np.where(np.arange(20) % 2, 700.0, 100.0)
    options = ScanOptions(2, 2, sideband_p=0.01)
    hunt = bump_hunt(EDGES, counts, np.full(20, 400.0), options=options, toys=20)
    assert (hunt.statistic, hunt.global_p) == (0.0, 1.0)


def test_a_counted_reference_gives_the_binomial_p_value() -> None:
    """Two samples of one size: p = P(Bin(d + b, 1/2) >= d), whatever both expect."""
    assert EXAMPLE.reference is not None
    hunt = bump_hunt(
        EXAMPLE.edges, EXAMPLE.counts, EXAMPLE.reference, variances=EXAMPLE.reference, options=SCAN, toys=4000, seed=1
    )
    assert hunt.window == pytest.approx((5.33333, 6.66667), abs=1e-5)
    assert hunt.local_p == pytest.approx(binom.sf(3508, 3509 + 3301, 0.5), rel=1e-9)
    # 10 000 pseudo-experiments of a separate script: 0.3571 +- 0.0048.
    assert hunt.global_p == pytest.approx(0.3571, abs=0.027)
    assert hunt.counted_reference


def test_the_honest_p_value_of_the_example() -> None:
    """Data and reference fluctuating, local p as pyBumpHunter takes it: 0.459 +- 0.011 measured outside hepad.

    Its windows where the reference is empty do not count, and p takes the reference to be known.
    """
    assert EXAMPLE.reference is not None
    layout = Layout.line(60, SCAN)

    def statistic(data: np.ndarray, reference: np.ndarray) -> np.ndarray:
        d, b = layout.sums(data.astype(float)), layout.sums(reference.astype(float))
        log_p = np.zeros(d.shape)
        some = (d > b) & (b > 0)
        log_p[some] = np.log(gammainc(d[some], b[some]))
        return -log_p.min(axis=-1)

    drawn = Sampler.of(np.tile(EXAMPLE.reference, 2)).draw(1, 0, 4000)
    p = np.mean(statistic(drawn[:, :60], drawn[:, 60:]) >= statistic(EXAMPLE.counts, EXAMPLE.reference))
    assert p == pytest.approx(0.459, abs=0.04)


def test_a_weighted_reference_counts_with_its_effective_events() -> None:
    """A tenth of the events with ten times the weight: less is known, and p is larger."""
    counts = np.round(FALLING)
    counts[4:7] *= 1.4
    p = [
        bump_hunt(EDGES, counts, FALLING, variances=None if w is None else w * FALLING, toys=0).local_p
        for w in (None, 1e-6, 0.1, 1.0, 10.0)
    ]
    assert p[1] == pytest.approx(p[0], rel=1e-3)
    assert p[0] < p[2] < p[3] < p[4]


def test_events_where_nothing_was_simulated_have_a_finite_p() -> None:
    reference, counts = np.array([50.0, 20.0, 8.0, 0.0, 0.0]), np.array([50.0, 21.0, 8.0, 1.0, 1.0])
    hunt = bump_hunt(np.arange(6.0), counts, reference, variances=reference, options=ScanOptions(2, 2), toys=200)
    assert hunt.window == (3.0, 5.0)
    assert hunt.local_p == pytest.approx(0.25)  # both of two events on one side
    assert hunt.global_p is not None
    assert hunt.global_p > 0.3


def test_the_global_p_of_a_counted_reference_is_uniform() -> None:
    rng = np.random.default_rng(12)
    values = [
        bump_hunt(EDGES, rng.poisson(FALLING).astype(float), reference, variances=reference, toys=100, seed=i).global_p
        for i, reference in enumerate(rng.poisson(FALLING, size=(120, 20)).astype(float))
    ]
    p = np.array(values, dtype=float)
    assert p.mean() == pytest.approx(0.5, abs=0.08)  # three standard deviations
    assert np.mean(p < 0.2) == pytest.approx(0.2, abs=0.11)


def test_channels_are_combined_in_the_same_window() -> None:
    """Excesses in one window add up; in different windows they do not."""
    same = np.stack([np.round(FALLING), np.round(FALLING)])
    same[:, 5:8] = np.round(1.25 * same[:, 5:8])
    apart = np.stack([same[0], np.round(FALLING)])
    apart[1, 12:15] = np.round(1.25 * apart[1, 12:15])
    reference = np.stack([FALLING, FALLING])
    null = make_null(EDGES, same, reference, options=ScanOptions(3, 3))
    found = hunt_channels(EDGES, same, reference, null=null, toys=0)
    assert found.window == (5.0, 8.0)
    single = poisson.sf(same[0, 5:8].sum() - 1, FALLING[5:8].sum())
    assert found.local_p == pytest.approx(chi2.sf(-4 * np.log(single), 4), rel=1e-6)
    assert found.local_p < hunt_channels(EDGES, apart, reference, null=null, toys=0).local_p
    assert found.observed_in.tolist() == same[:, 5:8].sum(axis=1).tolist()


def test_the_global_p_of_channels_is_uniform() -> None:
    reference = np.stack([FALLING, FALLING / 7])
    null = make_null(EDGES, reference, reference)
    rng = np.random.default_rng(13)
    t = null.draw(4000, 1)
    data = rng.poisson(reference, size=(3000, 2, 20))
    assert isinstance(null, FixedNull)
    p = np.mean(t[None, :] >= null.of(data)[:, None], axis=1)
    assert p.mean() == pytest.approx(0.5, abs=0.03)
    for level in (0.05, 0.2, 0.7):
        assert np.mean(p < level) == pytest.approx(
            level, abs=4.5 * np.sqrt(level * (1 - level) * (1 / 3000 + 1 / 4000))
        )


def test_a_plane_is_hunted_in_rectangles() -> None:
    reference = np.outer(np.geomspace(30, 5, 9), np.geomspace(3, 1, 7))
    counts = np.random.default_rng(3).poisson(reference).astype(float)
    counts[4:6, 2:5] += 30
    edges = (np.arange(10.0), np.linspace(0, 70, 8))
    hunt = hunt_plane(edges, counts, reference, toys=300)
    assert (hunt.first, hunt.last, hunt.window) == ((4, 2), (6, 5), ((4.0, 6.0), (20.0, 50.0)))
    assert hunt.observed == counts[4:6, 2:5].sum()
    assert hunt.local_p == pytest.approx(poisson.sf(hunt.observed - 1, reference[4:6, 2:5].sum()), rel=1e-6)
    assert hunt.global_p == 1 / 301
    assert hunt.windows == (8 + 7 + 6) * (6 + 5)
    counted = hunt_plane(edges, counts, reference, variances=reference, toys=20)
    assert counted.window == hunt.window
    assert counted.local_p > hunt.local_p
    with pytest.raises(UsageError, match="two dimensions"):
        hunt_plane(edges, counts, reference, options=ScanOptions(sideband_p=0.01))
    reference[4:6, 2:4] = 0
    with pytest.raises(InputDataError, match="bins 4 to 5 and 2 to 3"):
        hunt_plane(edges, counts, reference)


def test_toys_of_a_plane_are_scanned_in_full() -> None:
    """Running sums in two dimensions against sums over slices."""
    options = ScanOptions(1, 3)
    reference = np.outer(np.geomspace(9, 1, 5), np.ones(4))
    layout = Layout.plane((5, 4), options)
    toys = np.random.default_rng(5).poisson(reference, size=(30, 5, 4))
    found = FixedNull(reference.reshape(1, -1), layout, options).of(toys.reshape(30, 1, -1))
    for toy, t in zip(toys, found, strict=True):
        p = [
            poisson.sf(d - 1, b)
            for x0, y0, x1, y1 in zip(*layout.first, *layout.last, strict=True)
            if (d := toy[x0:x1, y0:y1].sum()) > (b := reference[x0:x1, y0:y1].sum())
        ]
        assert t == pytest.approx(-np.log(min([*p, 1.0])), abs=1e-7)


def test_injected_signals_raise_the_significance() -> None:
    shape = gaussian_shape(EDGES, 8.0, 0.1)
    assert shape.sum() == pytest.approx(1, abs=1e-6)
    assert shape[7:9].sum() == pytest.approx(norm.cdf(1.25) - norm.cdf(-1.25))
    null = make_null(EDGES, FALLING[None], FALLING[None])
    background = null.draw(20_000, 1)
    found = sensitivity(null, shape[None], np.array([0.0, 20.0, 60.0, 120.0]), background=background, toys=400, seed=2)
    assert np.all(np.diff(found.z[:, 2]) > 0)
    assert np.all(np.diff(found.z, axis=1) >= 0)
    # Without signal the significance is that of background: a standard normal number.
    np.testing.assert_allclose(found.z[0], [-2, -1, 0, 1, 2], atol=0.35)
    assert found.z.max() == pytest.approx(found.ceiling)
    needed = found.needed(3.0)
    assert needed is not None
    assert 20 < needed < 120
    assert found.needed(9.0) is None
    with pytest.raises(UsageError, match="needs 100"):
        sensitivity(null, shape[None], np.array([1.0]), background=background[:99])
    with pytest.raises(UsageError, match="needs 100"):
        sensitivity(null, shape[None], np.array([1.0]), background=background, toys=99)
    few = sensitivity(null, shape[None], np.array([1.0]), background=background[:100], toys=100)
    assert few.ceiling == pytest.approx(norm.isf(1 / 101))
    with pytest.raises(UsageError, match="mass within 0 to 20"):
        gaussian_shape(EDGES, 30.0, 0.1)


def test_the_yield_that_is_needed_is_that_of_the_median_between_yields() -> None:
    medians = np.array([0.0, 2.0, 1.5, 4.0])
    z = medians[:, None] + np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    found = Sensitivity(np.array([0.0, 10.0, 20.0, 30.0]), z, np.zeros(4), 5.0, 100)
    assert [found.needed(level) for level in (0.0, 1.0, 2.0, 3.0, 4.0)] == [0.0, 5.0, 10.0, 25.0, 30.0]
    assert found.needed(4.1) is None


def test_directions_and_vetoes_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match="excess, deficit, both"):
        ScanOptions(direction="up")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"between 0 and 0\.5"):
        ScanOptions(sideband_p=0.7)
