"""Regions: thresholds on held-out background."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hepad.cards.analysis import RegionSpec
from hepad.cards.bundle import parse_region, region_words
from hepad.errors import UsageError
from hepad.stats.scores.quantiles import StreamSample
from hepad.stats.scores.regions import Above, Box, Contour, Level, background_quantiles, region_of, set_region

scores = hnp.arrays(np.float32, st.integers(5, 300), elements=st.floats(-10, 10, width=32))


@settings(max_examples=80, deadline=None)
@given(scores, st.floats(0.005, 1), st.integers(0, 3))
def test_threshold_is_the_lowest_that_keeps_no_more_than_asked(s: np.ndarray, wanted: float, seed: int) -> None:
    w = np.random.default_rng(seed).uniform(0.1, 3, len(s))
    quantiles = {"mse": background_quantiles(s, w)}

    def kept(threshold: float) -> float:
        return float(w[s >= threshold].sum() / w.sum())

    top = kept(float(s.max()))
    if top > wanted * (1 + 1e-9):
        reason = "needs at least" if len(s) < math.ceil(1 / wanted) else "of the background has the highest score"
        with pytest.raises(UsageError, match=reason):
            set_region("r", RegionSpec(background_efficiency=wanted), quantiles, "mse")
        return
    region = set_region("r", RegionSpec(background_efficiency=wanted), quantiles, "mse")
    assert kept(region.threshold) <= wanted * (1 + 1e-9)
    assert region.efficiency == pytest.approx(kept(region.threshold), rel=1e-9)
    below = s[s < region.threshold]
    if len(below):
        assert kept(float(below.max())) > wanted * (1 - 1e-9)


def test_large_samples_are_exact_in_the_tail_and_close_below() -> None:
    s = np.random.default_rng(0).normal(size=50_000).astype(np.float32)
    quantiles = {"mse": background_quantiles(s, np.ones(len(s)))}
    assert len(quantiles["mse"].threshold) <= 2000
    for wanted in (1e-4, 0.01, 0.0199):
        region = set_region("r", RegionSpec(background_efficiency=wanted), quantiles, "mse")
        assert (s >= region.threshold).mean() == pytest.approx(wanted, abs=1.01 / len(s))
    region = set_region("r", RegionSpec(background_efficiency=0.3), quantiles, "mse")
    assert 0.297 < (s >= region.threshold).mean() <= 0.3


def test_the_error_of_unequal_weights_is_the_spread_of_repeated_samples() -> None:
    """A tail of few heavy events: the effective number of all events, which are many and light, says too little."""
    rng, found = np.random.default_rng(11), []
    for _ in range(400):
        heavy, light = rng.poisson(20), rng.poisson(4000)
        scores = np.concatenate([rng.uniform(1, 2, heavy), rng.uniform(0, 1, light)]).astype(np.float32)
        table = background_quantiles(scores, np.repeat([50.0, 1.0], [heavy, light]))
        at = int(np.flatnonzero(table.threshold >= 1)[-1])
        found.append((table.efficiency[at], table.error[at]))
    value, error = np.array(found).T
    assert error.mean() == pytest.approx(value.std(), rel=0.1)
    assert np.sqrt(0.2 * 0.8 / table.effective_events) < 0.6 * value.std()


def test_error_is_binomial() -> None:
    s = np.arange(10_000, dtype=np.float32)
    region = set_region(
        "r", RegionSpec(background_efficiency=0.01), {"m": background_quantiles(s, np.ones(10_000))}, "m"
    )
    assert region.efficiency == 0.01
    assert region.efficiency_error == pytest.approx(np.sqrt(0.01 * 0.99 / 10_000))
    assert region.calibration_events == 10_000


def test_rate_and_cross_section_are_fractions_of_the_selected_background() -> None:
    s = np.arange(1000, dtype=np.float32)
    quantiles = {"m": background_quantiles(s, np.ones(1000))}
    by_rate = set_region("r", RegionSpec(rate_khz=0.5, input_rate_khz=50), quantiles, "m")
    by_pb = set_region("x", RegionSpec(cross_section_pb=10, background_cross_section_pb=1000), quantiles, "m")
    assert by_rate.threshold == by_pb.threshold == 990
    assert set_region("t", RegionSpec(threshold=4.5), quantiles, "m").threshold == 4.5


def test_no_background_gives_no_regions() -> None:
    with pytest.raises(UsageError, match="no background events"):
        background_quantiles(np.empty(0, dtype=np.float32), np.empty(0))


def test_unknown_score_is_refused() -> None:
    quantiles = {"mse": background_quantiles(np.ones(3, dtype=np.float32), np.ones(3))}
    with pytest.raises(UsageError, match="unknown score 'kl'; this model has mse"):
        set_region("r", RegionSpec(background_efficiency=1, score="kl"), quantiles, "mse")


def test_parse_region() -> None:
    assert parse_region("a=efficiency:0.01") == ("a", RegionSpec(background_efficiency=0.01))
    assert parse_region("a=rate:0.5/30") == ("a", RegionSpec(rate_khz=0.5, input_rate_khz=30))
    assert parse_region("b1=cross_section:10/48000")[1].efficiency == pytest.approx(10 / 48000)
    assert parse_region("c=kl@threshold:-3") == ("c", RegionSpec(threshold=-3, score="kl"))


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a=0.01", "a=efficiency:x", "a=efficiency:0", "a=efficiency:2", "a=rate:5", "a=rate:50/5",
        "1a=efficiency:0.1", "a b=efficiency:0.1", "a=efficiency:0.1/3", "a=threshold:nan",
    ],
)  # fmt: skip
def test_wrong_regions(text: str) -> None:
    with pytest.raises(UsageError, match="--region"):
        parse_region(text)


def test_stream_sample_is_exact_until_full_and_uniform_after() -> None:
    values = np.random.default_rng(1).permutation(200_000).astype(np.float32)
    small, large = StreamSample(capacity=20_000), StreamSample()
    for piece in np.array_split(values, 13):
        small.add(piece)
        large.add(piece)
    assert large.exact
    assert not small.exact
    assert large.quantiles((0.5,))[0.5] == np.quantile(values, 0.5)
    # The median of 20 000 uniform numbers below 200 000 deviates by 200000 * 0.5 / sqrt(20000) = 707.
    assert abs(small.quantiles((0.5,))[0.5] - 100_000) < 5 * 707
    assert StreamSample().quantiles((0.5,)) == {}


def test_every_number_of_a_stream_is_as_likely_in_the_sample() -> None:
    rising = np.arange(10_000, dtype=np.float32)
    for pieces in (1, 3, 40):
        sample = StreamSample(capacity=1000)
        for piece in np.array_split(rising, pieces):
            sample.add(piece)
        assert len(sample._sample) == len(set(sample._sample)) == 1000  # memory is bounded
        for fraction, found in sample.quantiles((0.1, 0.5, 0.9)).items():
            assert found == pytest.approx(1e4 * fraction, abs=5e4 * np.sqrt(fraction * (1 - fraction) / 1000))


def _plane(n: int = 4000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {name: rng.uniform(-1, 2, n).astype(np.float32) for name in ("mse", "kl")}


def test_a_box_is_half_open_and_nothing_is_inside_without_a_score() -> None:
    box = Box({"mse": (1.0, 2.0), "kl": (-np.inf, 0.5)})
    found = box.inside({"mse": np.array([1, 2, 1.5, 0.9, np.nan, 1]), "kl": np.array([0, 0, 0.5, 0, 0, np.nan])})
    assert found.tolist() == [True, False, False, False, False, False]
    assert box.scores == ("mse", "kl")
    assert Above("kl", 0.5).inside({"kl": np.array([0.5, 0.4, np.nan])}).tolist() == [True, False, False]


def test_a_contour_is_that_of_matplotlib() -> None:
    from matplotlib.path import Path

    plane = _plane()
    star = np.array([[0, 1.6], [0.4, 0.6], [1.5, 0.5], [0.6, -0.1], [0.9, -0.9], [0, -0.3], [-0.8, -0.8], [-0.4, 0.4]])
    hole = np.array([[0, 0], [0.3, 0], [0.3, 0.3], [0, 0.3]])
    points = np.stack([plane["mse"], plane["kl"]], axis=1)
    outer, inner = (Path(polygon, closed=False).contains_points(points) for polygon in (star, hole))
    np.testing.assert_array_equal(Contour(("mse", "kl"), (star,)).inside(plane), outer)
    np.testing.assert_array_equal(Contour(("mse", "kl"), (star, hole)).inside(plane), outer & ~inner)
    assert 0 < (outer & inner).sum() < outer.sum()
    corners = {"mse": np.array([0, 0.3, np.nan]), "kl": np.array([0, 0.3, 0.1])}
    assert Contour(("mse", "kl"), (hole,)).inside(corners).tolist() == [True, False, False]


def test_a_level_curve_is_that_of_a_bilinear_function() -> None:
    x, y = np.linspace(-1, 2, 4), np.linspace(-1, 2, 7)
    plane = _plane()
    curve = Level(("mse", "kl"), x, y, np.multiply.outer(2 * x + 1, y - 1), 0.3)  # a bilinear function is its own
    exact = (2 * plane["mse"].astype(float) + 1) * (plane["kl"].astype(float) - 1)
    clear = np.abs(exact - 0.3) > 1e-9
    np.testing.assert_array_equal(curve.inside(plane)[clear], (exact >= 0.3)[clear])
    assert not curve.inside({"mse": np.array([2.1, np.nan]), "kl": np.array([2.0, 2.0])}).any()


def test_a_card_of_several_scores_is_the_region_of_all_its_conditions() -> None:
    name, spec = parse_region("r=mse@threshold:0.5,kl@threshold:-0.25")
    quantiles = dict.fromkeys(("mse", "kl", "r2"))
    region = region_of(set_region(name, spec, quantiles, "r2"))
    plane = _plane()
    np.testing.assert_array_equal(region.inside(plane), (plane["mse"] >= 0.5) & (plane["kl"] >= -0.25))
    assert region.scores == ("mse", "kl")
    assert parse_region(region_words(name, spec)) == (name, spec)
    square = {"scores": ["mse", "kl"], "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    spec = RegionSpec.model_validate(
        {"threshold": 0.2, "score": "kl", "where": {"mse": {"max": 0.5}}, "within": square}
    )
    card = set_region("r", spec, quantiles, "mse")
    kl, mse = plane["kl"], plane["mse"]
    expected = (kl >= 0.2) & (mse < 0.5) & (mse >= 0) & (mse < 1) & (kl < 1)
    np.testing.assert_array_equal(region_of(card).inside(plane), expected)
    np.testing.assert_array_equal(region_of(card, 0.6).inside(plane), expected & (kl >= 0.6))
    assert type(card).model_validate(card.model_dump(mode="json", exclude_none=True)) == card
    with pytest.raises(UsageError, match="unknown score 'kl'; this model has mse"):
        set_region("r", spec, {"mse": None}, "mse")
    with pytest.raises(UsageError, match="unknown score 'mse'; this model has kl"):
        set_region("r", spec, {"kl": None}, "kl")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("r=efficiency:0.1,kl@threshold:1", "go with a threshold"),
        ("r=threshold:1,kl@efficiency:0.1", "after a comma comes SCORE@threshold:X"),
        ("r=threshold:1,threshold:2", "after a comma comes SCORE@threshold:X"),
        ("r=threshold:1,kl@threshold:x", "could not convert"),
    ],
)
def test_what_is_no_region_of_several_scores_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_region(text)
    for empty in ({}, {"min": 1.0, "max": 1.0}):
        with pytest.raises(ValueError, match="min"):
            RegionSpec.model_validate({"threshold": 1.0, "where": {"kl": empty}})
