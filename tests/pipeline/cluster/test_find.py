"""Clusters of points, and what makes them."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from hepad.errors import InputDataError, MissingExtraError
from hepad.pipeline.cluster.find import NONE, check_enough, differences, find_clusters, least_size, nearest, prepared
from hepad.stats.counts.partition import partition_test

needs_sklearn = pytest.mark.skipif(find_spec("sklearn") is None, reason="needs scikit-learn")


def blobs(rng: np.random.Generator, sizes: tuple[int, ...]) -> np.ndarray:
    centres = 12 * np.eye(len(sizes), 3)
    return np.concatenate([rng.normal(centre, 1, (n, 3)) for centre, n in zip(centres, sizes, strict=True)])


@needs_sklearn
def test_clusters_are_numbered_by_size_and_stray_events_are_in_none() -> None:
    rng = np.random.default_rng(1)
    points = np.concatenate([blobs(rng, (40, 90, 60)), [[60.0, 60, 60], [-70, 0, 0]]])
    classes = find_clusters(points, 15)
    assert [classes[10], classes[60], classes[160]] == [2, 0, 1]
    assert classes[-2:].tolist() == [NONE, NONE]
    assert np.bincount(classes[classes >= 0]).tolist() == sorted(np.bincount(classes[classes >= 0]), reverse=True)
    assert nearest(points, classes, np.array([[12.0, 0, 0], [0, 12, 0], [59, 60, 60]])).tolist() == [2, 0, NONE]
    assert nearest(points, classes, np.empty((0, 3))).tolist() == []


def test_principal_axes_are_of_scaled_points() -> None:
    """Two columns that follow one another and one of its own: the first axis is (1, 1, 0) / root 2."""
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=(2, 500))
    columns = np.stack([one + 0.1 * rng.normal(size=500), 1000 * (one + 0.1 * rng.normal(size=500)) + 7, other], axis=1)
    points, mean, scale, axes = prepared(np.concatenate([columns, np.full((500, 1), 3.0)], axis=1), 1)
    assert points.shape == (500, 1)
    np.testing.assert_allclose(axes[:, 0], [np.sqrt(0.5), np.sqrt(0.5), 0, 0], atol=0.06)
    assert points.var() == pytest.approx(2, abs=0.06)  # the variance that two columns share
    np.testing.assert_allclose(((columns[:, :3] - mean[:3]) / scale[:3]) @ axes[:3], points, atol=1e-12)
    whole = prepared(np.concatenate([columns, np.full((500, 1), 3.0)], axis=1), 0)[0]
    assert whole.shape == (500, 3)  # the constant is left out
    scaled = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    gaps = [np.linalg.norm(x[:20, None] - x[None, :20], axis=2) for x in (whole, scaled)]
    np.testing.assert_allclose(*gaps, atol=1e-9)
    with pytest.raises(InputDataError, match="at one point"):
        prepared(np.ones((5, 2)), 0)


def test_differences_are_in_standard_deviations() -> None:
    """Means 3 and 1 with variances 1 and 3: 2 / root 2. What is the same everywhere differs by 0."""
    inside = np.array([True, True, False, False])
    first = [2.0, 4.0, 1 - np.sqrt(3), 1 + np.sqrt(3)]
    values = np.stack([first, np.full(4, 5.0), [1.0, 1.0, 0.0, 0.0]], axis=1)
    np.testing.assert_allclose(differences(values, inside), [np.sqrt(2), 0.0, 2.0])
    assert differences(values, np.ones(4, dtype=bool)).tolist() == [0, 0, 0]


@needs_sklearn
def test_clusters_that_were_found_in_the_events_may_be_tested_with_them() -> None:
    """150 null experiments: data and background from the same three crowds, clustered anew each time."""
    rng = np.random.default_rng(7)
    p = []
    for seed in range(150):
        points = blobs(rng, (25, 40, 30))
        data = rng.permutation(len(points)) < 60
        classes = find_clusters(points, 8) + 1
        counts = [np.bincount(classes[which], minlength=classes.max() + 1) for which in (data, ~data)]
        p.append(partition_test(*counts, toys=300, seed=seed).global_p_value)
    for level in (0.1, 0.3, 0.5, 0.8):
        assert np.mean(np.array(p) <= level) == pytest.approx(level, abs=3.5 * np.sqrt(level * (1 - level) / 150))


def test_what_cannot_be_clustered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (least_size(300), least_size(5000)) == (10, 50)
    check_enough(20, 10)
    with pytest.raises(InputDataError, match="19 events in the region are too few for clusters of 10"):
        check_enough(19, 10)
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(MissingExtraError, match=r"hepad cluster needs the package sklearn"):
        find_clusters(np.zeros((50, 2)), 10)
