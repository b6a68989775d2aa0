"""Clusters of events that nobody has labelled."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, MissingExtraError

__all__ = ["NONE", "check_enough", "clusterer", "differences", "find_clusters", "least_size", "nearest", "prepared"]

NONE = -1
"""The class of the events that are in no cluster."""

_NEIGHBOURS = 5
Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]


def prepared(points: Floats, components: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Points (n, d) scaled to mean 0 and standard deviation 1, on their first `components` principal axes (0: all).

    Also the mean, the scale (d,) and the axes (d, k), which bring other points there. An axis of one value only is
    left out. `InputDataError` if no axis is left.
    """
    mean, scale = points.mean(axis=0), points.std(axis=0)
    varies = scale > 1e-9 * np.maximum(np.abs(mean), 1e-30)
    if not varies.any():
        raise InputDataError("all events are at one point: there is nothing to cluster; take another --space")
    scale = np.where(varies, scale, np.inf)
    reduced = (points - mean) / scale
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(reduced, rowvar=False)))
    kept = min(int(varies.sum()), components or len(scale))
    axes = vectors[:, np.argsort(-values, kind="stable")[:kept]]
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), np.arange(kept)] < 0, -1.0, 1.0)
    return reduced @ axes, mean, scale, axes


def least_size(events: int) -> int:
    """The least size of a cluster among so many events, if nobody asks for another."""
    return max(10, round(0.01 * events))


def check_enough(events: int, least: int) -> None:
    """`InputDataError` unless so many events can make two clusters."""
    if events < 2 * least:
        raise InputDataError(
            f"{events} events in the region are too few for clusters of {least}: take a looser --region, more files or "
            "a smaller --min-size"
        )


def clusterer() -> Any:
    """scikit-learn's HDBSCAN; `MissingExtraError` without it."""
    try:
        from sklearn.cluster import HDBSCAN
    except ImportError as error:
        raise MissingExtraError.of(error, "hepad cluster needs", "sklearn", "methods") from error
    return HDBSCAN


def find_clusters(points: Floats, least: int) -> Classes:
    """Classes (n,) of points (n, d) by HDBSCAN: clusters from 0, the largest first, and `NONE`.

    HDBSCAN: Campello, Moulavi, Sander (2013), as in scikit-learn; leaves of the tree of clusters if its stable ones
    are fewer than two. `MissingExtraError` without scikit-learn.
    """
    HDBSCAN = clusterer()  # noqa: N806  a class
    found = np.full(len(points), NONE)
    for method in ("eom", "leaf"):
        model = HDBSCAN(
            min_cluster_size=least, min_samples=min(_NEIGHBOURS, least), cluster_selection_method=method, copy=True
        )
        found = np.asarray(model.fit_predict(points), dtype=np.int64)
        if found.max() >= 1:
            break
    sizes = np.bincount(found[found >= 0], minlength=max(found.max() + 1, 1))
    place = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    return np.where(found >= 0, place[np.maximum(found, 0)], NONE)


def nearest(points: Floats, classes: Classes, others: Floats) -> Classes:
    """The class of the nearest of `points` (n, k) for each of `others` (m, k)."""
    from scipy.spatial import cKDTree

    return classes[cKDTree(points).query(others)[1]] if len(others) else np.empty(0, dtype=np.int64)


def differences(quantities: Floats, inside: npt.NDArray[np.bool_]) -> Floats:
    """(mean inside - mean of the rest) / root of the mean of both variances, for each column of (n, q).

    0 where a quantity has one value; infinite ones do not come: where nothing varies in both, the pooled deviation of
    all takes the place.
    """
    one, rest = quantities[inside], quantities[~inside]
    if not len(one) or not len(rest):
        return np.zeros(quantities.shape[1])
    width = np.sqrt((one.var(axis=0) + rest.var(axis=0)) / 2)
    width = np.where(width > 0, width, quantities.std(axis=0))
    return np.where(width > 0, (one.mean(axis=0) - rest.mean(axis=0)) / np.where(width > 0, width, 1.0), 0.0)
