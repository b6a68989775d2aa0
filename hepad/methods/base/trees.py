"""Gradient-boosted trees as arrays: scikit-learn grows them, a compiled loop evaluates them.

`HistGradientBoostingClassifier` (after LightGBM) keeps its trees as tables of nodes, which are copied: what is stored
is numbers and no Python objects, and scoring needs no scikit-learn. On tabular features such trees find resonances at
least as well as networks do (Finke et al., Phys. Rev. D 109 (2024) 034033, arXiv:2309.13111).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hepad.cards.base import Card
from hepad.errors import CardError, FitFailedError, MissingExtraError
from hepad.nn.arrays import check_arrays
from hepad.nn.scorer import State

__all__ = ["Labelled", "Trees", "TreesCard", "grow_trees"]

_COLUMNS = ("feature", "threshold", "left", "right", "value")
"""Of a node: the number that it splits by, -1 in a leaf; up to where its left child has it; children; a leaf's sum."""

_BINS = 255


class TreesCard(Card):
    """Gradient-boosted trees. Up to `trees` of `leaves` leaves of at least `leaf_events` events each are grown, each at
    the `learning_rate`, until the validation loss has not fallen for `patience` trees; those up to its lowest are kept.
    `features` is the share of the numbers that a split chooses from, at random by the seed.
    """

    kind: Literal["trees"]
    trees: int = Field(default=200, ge=1, le=10_000)
    leaves: int = Field(default=31, ge=2, le=4096)
    leaf_events: int = Field(default=20, ge=1)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    l2: float = Field(default=0.0, ge=0)
    patience: int = Field(default=10, ge=1)
    features: float = Field(default=1.0, gt=0, le=1)


@dataclass(frozen=True)
class Trees:
    """Trees of d numbers: `nodes` (m, 5), children by their place in it, and where each tree begins, `starts` (t,)."""

    nodes: npt.NDArray[np.float64]
    starts: npt.NDArray[np.int64]
    baseline: float

    def log_odds(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """The logarithm of the odds of events (n, d) to be of class 1, shape (n,)."""
        from hepad.methods.base.tree_kernel import sum_of_trees

        rows = np.ascontiguousarray(x, dtype=np.float32)
        return np.asarray(sum_of_trees(rows, self.nodes, self.starts, self.baseline))

    def state(self) -> State:
        """The trees as arrays."""
        return {
            "nodes": self.nodes.copy(),
            "starts": self.starts.astype(np.float64),
            "baseline": np.array([self.baseline]),
        }

    @classmethod
    def of(cls, state: Mapping[str, npt.NDArray[Any]], size: int, origin: str) -> Trees:
        """The trees of events of `size` numbers that `state` gave; `CardError` for anything that is none."""
        nodes = np.asarray(state.get("nodes", np.empty((0, 5))))
        starts = np.asarray(state.get("starts", np.empty(0)))
        shapes = {"nodes": (nodes.shape[0], len(_COLUMNS)), "starts": starts.shape[:1], "baseline": (1,)}
        check_arrays(shapes, state, origin)
        places = np.arange(len(nodes))
        feature, _, left, right, _ = nodes.T
        inner = feature >= 0
        # Children lie behind their parents, so that no walk is without end.
        good = [
            (nodes[:, [0, 2, 3]] % 1 == 0).all(),
            ((feature >= -1) & (feature < size)).all(),
            all(((to > places) & (to < len(nodes)))[inner].all() for to in (left, right)),
        ]
        if not all(good):
            raise CardError(f"{origin}: tensor 'nodes' holds no trees of {size} numbers")
        if not len(starts) or (starts % 1 != 0).any() or starts.min() < 0 or starts.max() >= len(nodes):
            raise CardError(f"{origin}: tensor 'starts' must name nodes")
        table = np.ascontiguousarray(nodes, dtype=np.float64)
        return cls(table, starts.astype(np.int64), float(np.asarray(state["baseline"])[0]))


@dataclass(frozen=True)
class Labelled:
    """Events (n, d), their class (n,), 0 or 1, and their weights (n,)."""

    x: npt.NDArray[np.float32]
    label: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float64]


def grow_trees(card: TreesCard, train: Labelled, validation: Labelled, seed: int) -> tuple[Trees, float]:
    """Trees that tell class 1 from class 0, and their validation loss, the mean cross entropy by weight.

    On one thread: whoever has more grows several. `MissingExtraError` without scikit-learn, `FitFailedError` if it
    refuses the events.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise MissingExtraError.of(error, "trees need", "sklearn", "methods") from error
    forest = HistGradientBoostingClassifier(
        max_iter=card.trees,
        max_leaf_nodes=card.leaves,
        min_samples_leaf=card.leaf_events,
        learning_rate=card.learning_rate,
        l2_regularization=card.l2,
        max_features=card.features,
        early_stopping=True,
        n_iter_no_change=card.patience,
        tol=0.0,
        random_state=seed % 2**32,
    )
    edges = [_edges(column) for column in train.x.T]
    # Weights of mean 1: the least sum of second derivatives of a leaf is meant for those.
    parts = [(_binned(p.x, edges), p.label, p.weight / p.weight.mean()) for p in (train, validation)]
    (x, label, weight), (x_val, label_val, weight_val) = parts
    try:
        with threadpool_limits(1, "openmp"):
            forest.fit(x, label, weight, X_val=x_val, y_val=label_val, sample_weight_val=weight_val)
    except ValueError as error:
        raise FitFailedError(f"scikit-learn grows no trees of {len(x)} events: {error}") from error
    losses = -np.asarray(forest.validation_score_, dtype=np.float64)
    best = max(int(np.argmin(losses)), 1)
    return _copied(forest, best, edges), float(losses[best])


def _edges(column: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Where a number is cut into bins of as many events, at most 255; values (n,) to rising edges.

    scikit-learn would do it by weight, one quantile after the other, which takes longer than all trees.
    """
    values = np.unique(column).astype(np.float64)
    if len(values) <= _BINS:
        return np.asarray((values[1:] + values[:-1]) / 2)
    return np.unique(np.quantile(column.astype(np.float64), np.linspace(0, 1, _BINS + 1)[1:-1]))


def _binned(x: npt.NDArray[np.float32], edges: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """The bins of the numbers of events (n, d), from 0 on: one on an edge is in the bin below it."""
    bins = [np.searchsorted(own, column, side="left") for own, column in zip(edges, x.T, strict=True)]
    return np.stack(bins, axis=1).astype(np.float64)


def _copied(forest: Any, count: int, edges: Sequence[npt.NDArray[np.float64]]) -> Trees:
    """The first trees of a fitted classifier of bins, as trees of what was binned."""
    tables, starts, first = [], [], 0
    for (tree,) in forest._predictors[:count]:  # noqa: SLF001  there is no public way to the trees
        nodes = tree.nodes
        leaf = nodes["is_leaf"].astype(bool)
        table = np.zeros((len(nodes), len(_COLUMNS)))
        table[:, 0] = np.where(leaf, -1, nodes["feature_idx"])
        for row in np.flatnonzero(~leaf):
            own = edges[nodes["feature_idx"][row]]
            table[row, 1] = own[min(int(nodes["num_threshold"][row]), len(own) - 1)]
        for column, child in ((2, "left"), (3, "right")):
            table[:, column] = np.where(leaf, 0, nodes[child].astype(np.float64) + first)
        table[:, 4] = np.where(leaf, nodes["value"], 0)
        tables.append(table)
        starts.append(first)
        first += len(nodes)
    baseline = float(forest._baseline_prediction[0, 0])  # noqa: SLF001
    return Trees(np.concatenate(tables), np.array(starts, dtype=np.int64), baseline)
