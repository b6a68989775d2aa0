"""QUAK: the plane of the losses, and what of it is anomalous."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hepad.cards.train import TrainCard
from hepad.errors import InputDataError, UsageError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base import How, Problem, Sample, Window, train_all
from hepad.methods.base.plane import Plane
from hepad.methods.quak import Quak, mixed

WINDOW = Window(3000, 3500, (2500, 4500))
LAYOUT = Layout.vector(("a", "b"))
CONFIG = {"density": {"kind": "vae", "layers": [6], "latent": 1}}


def sample(n: int, seed: int, at: tuple[float, float] = (0, 0), folds: int = 3) -> Sample:
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((n, 2)) + at).astype(np.float32)
    batch = Batch("table", LAYOUT, x, None, np.ones(n), {"mass": rng.uniform(2500, 4500, n)})
    return Sample(batch, np.arange(n) % folds)


@pytest.fixture(scope="module")
def plane() -> Plane:
    """Background correlated, signals to the right of it and below."""
    rng = np.random.default_rng(1)
    background = rng.multivariate_normal([10, 20], [[4, 3], [3, 4]], 3000)
    signal = rng.multivariate_normal([14, 18], np.eye(2), 500)
    return Plane.of((background, np.ones(3000)), (signal, np.full(500, 0.1)))


def test_the_line_is_fisher_s_discriminant(plane: Plane) -> None:
    """Along (S_b + S_s)^-1 (mu_s - mu_b), for any scale of the axes, and nothing at the middle of background."""
    expected = np.linalg.solve(np.array([[5, 3], [3, 5]]), [4, -2])
    slope = plane.along(np.array([[11.0, 20], [10, 21]])) - plane.along(np.array([[10.0, 20]] * 2))
    assert slope[0] / slope[1] == pytest.approx(expected[0] / expected[1], rel=0.1)
    assert slope[0] > 0
    assert plane.along(plane.middle[None]) == pytest.approx(0, abs=1e-12)


def test_contours_are_those_of_background_signed_by_the_side(plane: Plane) -> None:
    rng = np.random.default_rng(2)
    points = rng.multivariate_normal([10, 20], [[4, 3], [3, 4]], 2000)
    found = plane.contour(points)
    distance = np.einsum("ni,ij,nj->n", points - [10, 20], np.linalg.inv([[4, 3], [3, 4]]), points - [10, 20])
    assert np.corrcoef(np.abs(found), distance)[0, 1] > 0.95
    np.testing.assert_array_equal(found > 0, plane.along(points) > 0)
    far = np.array([[20.0, 14], [30, 8], [300, -150], [-10, 30]])
    depth = plane.contour(far)
    assert (np.diff(depth[:3]) > 0).all()
    assert depth[3] < found.min()
    np.testing.assert_array_equal(plane.contour(far[1:2]), depth[1:2])


def test_a_signal_unlike_the_prior_is_found_and_what_is_unlike_both_is_not() -> None:
    data, prior = sample(1500, 1), sample(300, 2, (5, 5))
    made = Problem(data, WINDOW, None, {"prior": prior})
    method = Quak({"density": {"kind": "flow", "blocks": 2, "width": 8}, "selection": "line"}, LAYOUT)
    method.check(made)
    fitted = train_all(method, made, How(TrainCard(epochs=20, batch_size=50, learning_rate=1e-2), 1))
    none = np.full(100, -1)
    near, away = (fitted.scores(sample(100, 3, at).events, none)["rank"] for at in ((4, 6), (-5, -5)))
    assert np.median(near) > 2
    assert np.median(away) < np.median(near) - 1
    assert len(fitted.networks) == 6


def test_signals_count_alike_and_background_given_is_what_is_learned() -> None:
    data = sample(90, 1)
    signals = {"few": sample(30, 2), "many": sample(60, 3)}
    made = Problem(data, WINDOW, None, signals)
    weight = mixed(made).events.weight
    assert weight[:30].sum() == pytest.approx(weight[30:].sum())
    method, how = Quak(CONFIG, LAYOUT), How(TrainCard(epochs=1), 1)
    training = method.trainings(3)[0]
    own = method.train(training, made, {}, how)
    given = method.train(training, replace(made, background=sample(90, 5)), {}, how)
    assert any(not np.array_equal(own[name], given[name]) for name in own)
    with pytest.raises(UsageError, match="give files with --signal"):
        method.check(Problem(data, WINDOW))
    with pytest.raises(InputDataError, match="fold 2 has no events in the signal few"):
        method.check(Problem(data, WINDOW, None, {"few": sample(2, 2)}))
