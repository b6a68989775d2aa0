"""Tag N' Train: who is tagged, by which jet, and what both jets say together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hepad.cards.base import parse_card
from hepad.cards.train import TrainCard
from hepad.errors import CardError, InputDataError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base import How, Problem, Sample, Window, train_all
from hepad.methods.base.losses import Losses
from hepad.methods.tnt import TagNTrain, TntConfig

WINDOW = Window(3000, 3500, (2500, 4500))
LAYOUT = Layout.vector(("j1_a", "j2_a"))
CONFIG = {
    "tagger": {"kind": "autoencoder", "layers": [1]},
    "classifier": {"kind": "trees", "trees": 5, "leaves": 4},
    "rotations": 1,
}
TAGGER = Losses((), {fold: [lambda batch: batch.x[:, 0].astype(np.float64)] for fold in range(3)}, {})


def problem(n: int = 400) -> Problem:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((n, 2)).astype(np.float32)
    batch = Batch("table", LAYOUT, x, None, np.ones(n), {"mass": rng.uniform(2500, 4500, n)})
    return Problem(Sample(batch, rng.integers(0, 3, n)), WINDOW)


@pytest.mark.parametrize("tagging", [0, 1])
@pytest.mark.parametrize("background", ["both", "tagged", "sidebands"])
def test_the_window_is_tagged_by_the_quantiles_of_the_sidebands(tagging: int, background: str) -> None:
    data = problem()
    contest = TagNTrain({**CONFIG, "background": background}, LAYOUT).contest(data, TAGGER, 1, tagging)
    loss, seen = data.data.events.x[:, tagging], data.data.folds != 1
    worse, better = (np.quantile(loss[data.sidebands & seen], q, method="inverted_cdf") for q in (0.8, 0.5))
    expected = {
        "tagged": data.parts["window"] & (loss > worse),
        "untagged": data.parts["window"] & (loss <= better),
        "lower sideband": data.parts["lower sideband"],
        "upper sideband": data.parts["upper sideband"],
    }
    assert sum(share.share for share in contest.shares if share.label == 1) == 0.5
    assert sum(share.share for share in contest.shares) == 1
    names = {"tagged": {"tagged", "untagged"}, "sidebands": expected.keys() - {"untagged"}, "both": expected.keys()}
    assert {share.name for share in contest.shares} == names[background]
    for number, share in enumerate(contest.shares):
        np.testing.assert_array_equal(contest.group == number, expected[share.name] & seen)


def test_the_first_tags_that_apply_are_heeded() -> None:
    data = problem()
    tags = [{"below": 3250}, {"below": 3251, "signal": 0.6}, {"signal": 0.5}]
    contest = TagNTrain({**CONFIG, "tags": tags}, LAYOUT).contest(data, TAGGER, 0, 0)
    share = (contest.group == 0).sum() / (data.parts["window"] & (data.data.folds != 0)).sum()
    assert share == pytest.approx(0.4, abs=0.1)


def test_the_odds_of_an_event_are_those_of_its_jets_multiplied() -> None:
    data = problem()
    method = TagNTrain(CONFIG, LAYOUT)
    assert [t.after for t in method.trainings(3)[3:]] == [(f"tagger.{fold}.0",) for fold in (0, 1, 2, 0, 1, 2)]
    fitted = train_all(method, data, How(TrainCard(epochs=2), 1))
    events, folds = data.data.events, data.data.folds
    both = fitted.scores(events, folds)["log_odds"].astype(np.float64)
    each = [one.scores(fitted.jets.batch(events, j), folds)["log_odds"] for j, one in enumerate(fitted.each.values())]
    np.testing.assert_allclose(both, each[0] + each[1], rtol=1e-4, atol=1e-6)
    assert all(np.ptp(values) > 0 for values in each)
    seen = replace(events, x=np.roll(events.x, 1, axis=1))
    assert not np.array_equal(fitted.scores(seen, folds)["log_odds"], both)


def test_what_cannot_be_tagged_is_refused() -> None:
    data = problem()
    few = data.data.take(data.sidebands | (np.cumsum(data.parts["window"]) <= 4))
    with pytest.raises(InputDataError, match=r"tnt: no (un)?tagged events of fold"):
        TagNTrain(CONFIG, LAYOUT).contest(replace(data, data=few), TAGGER, 0, 0)
    with pytest.raises(CardError, match=r"background 0\.9 is above signal 0\.8"):
        parse_card(TntConfig, {"tags": [{"background": 0.9}]}, "method tnt")
    with pytest.raises(CardError, match="jet1 and jet2 and jet3"):
        TagNTrain({}, Layout.vector(("jet1_pt", "jet2_pt", "jet3_pt")))
