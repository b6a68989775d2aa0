"""Comparisons of systems on made-up scores: pairing, weights that allow no test, different events."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from hepad.bundles.systems import Training
from hepad.pipeline.evaluate.measure import compare_systems, measure_rows, summarise_systems
from hepad.samples.scoring import ScoredSample


@dataclass(frozen=True)
class Options:
    seed: int = 1
    replicas: int = 50
    rejections_at: tuple[float, ...] = (0.3,)
    fpr: tuple[float, ...] = (1e-5,)
    min_background: float = 10
    aso_subsets: int = 20
    aso_events: int = 100


def training(name: str, system: str) -> Training:
    card = SimpleNamespace(scores=("mse",), published={"s": {"auc": (0.9, 0.01)}}, regions={})
    return Training(name, system, SimpleNamespace(card=card))


def sample(scores, weights=None, keep=None) -> ScoredSample:
    n = len(scores)
    weights = np.ones(n) if weights is None else weights
    keep = np.ones(n, dtype=bool) if keep is None else keep
    where = np.zeros(n, dtype=np.int64), np.flatnonzero(keep)
    return ScoredSample({"mse": np.asarray(scores, dtype=np.float32)}, weights, None, keep, *where)


def compared(trainings, samples, options=None):
    options = options or Options()
    rows = [row for t in trainings for row in measure_rows(t, samples[t.name], options)]
    return rows, *compare_systems(trainings, samples, rows, options)


@pytest.fixture
def scores():
    rng = np.random.default_rng(1)
    return {"background": rng.normal(0, 1, 400), "s": rng.normal(1, 1, 300)}


def test_the_same_scores_have_no_difference_and_no_order(scores):
    both = {name: {k: sample(v) for k, v in scores.items()} for name in ("a", "b")}
    _, (found,), warnings = compared([training("a", "a"), training("b", "b")], both)
    assert (found.auc.value, found.auc.std, found.auc.p_value) == (0, 0, 1)  # paired: everything cancels
    assert found.log_rejection.std == 0
    assert 0 <= found.order.violation_ratio <= 1
    assert warnings == []


def test_spreads_are_of_the_trainings(scores):
    trainings = [training("x-1", "x"), training("x-2", "x"), training("y", "y")]
    shifts = {"x-1": 0.0, "x-2": 0.5, "y": -0.5}
    samples = {n: {"background": sample(scores["background"]), "s": sample(scores["s"] + d)} for n, d in shifts.items()}
    rows, (found,), _ = compared(trainings, samples)
    (system,) = summarise_systems(rows)
    aucs = [row.metrics.auc.value for row in rows]
    assert system.metrics["auc"].mean == pytest.approx(np.mean(aucs[:2]))
    assert system.metrics["auc"].std == pytest.approx(np.std(aucs[:2], ddof=1))
    assert system.metrics["tpr_at_fpr_1e-05"].limits == 2
    assert found.auc.value == pytest.approx(np.mean(aucs[:2]) - aucs[2])
    assert found.auc.training_std == pytest.approx(system.metrics["auc"].std / np.sqrt(2))
    assert found.order.epsilon_min < 0.1


def test_negative_weights_leave_out_the_order_with_a_warning(scores):
    weights = np.ones(400)
    weights[:20] = -0.5
    both = {n: {"background": sample(scores["background"], weights), "s": sample(scores["s"])} for n in ("a", "b")}
    _, (found,), warnings = compared([training("a", "a"), training("b", "b")], both)
    assert found.order is None
    assert found.auc.p_value == 1
    assert len(warnings) == 2
    assert "negative" in warnings[0]


def test_different_events_are_not_compared(scores):
    keep = np.concatenate([np.ones(400, dtype=bool), [False]])
    other = np.roll(keep, 1)
    samples = {
        name: {"background": sample(scores["background"], keep=k), "s": sample(scores["s"])}
        for name, k in (("a", keep), ("b", other))
    }
    _, found, warnings = compared([training("a", "a"), training("b", "b")], samples)
    assert found == []
    assert "select different events" in warnings[0]
