"""Trees as arrays give, bit for bit, what scikit-learn gives of the same bins."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.errors import CardError, FitFailedError
from hepad.methods.base.trees import Labelled, Trees, TreesCard, grow_trees
from hepad.methods.base.trees import _binned as binned
from hepad.methods.base.trees import _copied as copied
from hepad.methods.base.trees import _edges as edges_of


@pytest.fixture(scope="module")
def events() -> Labelled:
    """Three numbers, one of few values, another with a few that are far away; the classes differ in a product."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3000, 3)).astype(np.float32)
    x[:, 1] = np.round(2 * x[:, 1])
    x[::100, 2] *= 1e6
    label = rng.random(3000) < 1 / (1 + np.exp(-2 * x[:, 0] * x[:, 1].astype(np.float64)))
    return Labelled(x, label.astype(np.float32), rng.uniform(0.5, 2, 3000))


def test_the_arrays_are_the_trees(events: Labelled) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    edges = [edges_of(column) for column in events.x.T]
    bins = binned(events.x, edges)
    assert bins.max(axis=0).tolist() == [254, len(np.unique(events.x[:, 1])) - 1, 254]
    forest = HistGradientBoostingClassifier(max_iter=8, early_stopping=False).fit(bins, events.label, events.weight)
    np.testing.assert_array_equal(copied(forest, 8, edges).log_odds(events.x), forest.decision_function(bins))


def test_trees_stop_where_the_validation_loss_is_lowest(events: Labelled) -> None:
    parts = [
        Labelled(events.x[rows], events.label[rows], events.weight[rows]) for rows in (slice(2000), slice(2000, None))
    ]
    card = TreesCard(kind="trees", trees=60, leaves=8, learning_rate=0.3, patience=5)
    trees, loss = grow_trees(card, *parts, seed=1)
    z, y, weight = trees.log_odds(parts[1].x), parts[1].label, parts[1].weight
    exact = np.average(np.logaddexp(0, z) - y * z, weights=weight)
    assert loss == pytest.approx(exact, rel=1e-6)
    assert 1 < len(trees.starts) < 60
    scaled, _ = grow_trees(card, *(Labelled(p.x, p.label, p.weight * 4e-6) for p in parts), seed=1)
    np.testing.assert_allclose(scaled.log_odds(events.x), trees.log_odds(events.x), atol=1e-5)
    fewer = Trees(trees.nodes, trees.starts[:-1], trees.baseline)
    z = fewer.log_odds(parts[1].x)
    assert np.average(np.logaddexp(0, z) - y * z, weights=weight) > exact
    with pytest.raises(FitFailedError, match="no trees of 10 events"):
        grow_trees(card, Labelled(events.x[:10], np.ones(10, dtype=np.float32), np.ones(10)), parts[1], seed=1)


@pytest.mark.parametrize(
    ("name", "place", "value", "said"),
    [
        ("nodes", (0, 0), 3, "'nodes' holds no trees of 3 numbers"),
        ("nodes", (0, 0), 0.5, "'nodes' holds no trees"),
        ("nodes", (0, 2), 0, "'nodes' holds no trees"),
        ("nodes", (0, 3), 1e6, "'nodes' holds no trees"),
        ("starts", 0, -1, "'starts' must name nodes"),
        ("baseline", 0, np.nan, "'baseline' must hold finite"),
    ],
)
def test_arrays_that_are_no_trees_are_refused(
    name: str, place: object, value: float, said: str, events: Labelled
) -> None:
    """A child before its parent would be walked through without end."""
    trees, _ = grow_trees(TreesCard(kind="trees", trees=2, leaves=4), events, events, seed=1)
    state = trees.state()
    np.testing.assert_array_equal(Trees.of(state, 3, "here").log_odds(events.x), trees.log_odds(events.x))
    state[name][place] = value
    with pytest.raises(CardError, match=f"here: tensor {said}"):
        Trees.of(state, 3, "here")
