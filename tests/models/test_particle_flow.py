"""The particle flow network by hand, its two ways of summing, and a chain on its embedding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from hepad.cards.train import TrainCard
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import SET
from hepad.models.compose import Chain
from hepad.models.particle_flow.network import ParticleFlowNetwork
from hepad.nn.scorer import TrainingData
from hepad.nn.supervised import LABEL, is_supervised, labelled
from hepad.testing.examples import example_batch, example_layout

FEATURES = ("pt", "eta", "phi")
LAYOUT = example_layout(SET, FEATURES)
SMALL = {"particle": [5, 4], "layers": [3]}


def sets(n: int, seed: int, *, odd: bool = False) -> Batch:
    return example_batch("particle_set", n, seed=seed, axes=SET, features=FEATURES, odd=odd)


def data() -> TrainingData:
    return TrainingData(sets(200, 1), sets(40, 2), against=TrainingData(sets(30, 3, odd=True), sets(10, 4, odd=True)))


def test_the_score_is_a_classifier_of_the_sum_over_the_particles_that_are_there() -> None:
    events, scorer = sets(30, 5), ParticleFlowNetwork(SMALL, LAYOUT)
    state = scorer.state()
    state |= {"scale.running_mean": np.arange(4, dtype="f4"), "scale.running_var": np.arange(1, 5, dtype="f4")}
    scorer.load_state(state)

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return x @ state[f"{name}.weight"].T.astype("f8") + state[f"{name}.bias"]

    each = np.maximum(dense(np.maximum(dense(events.x, "particle.0"), 0), "particle.2"), 0)
    total = (each * events.there[:, :, :1]).sum(axis=1)
    embedded = (total - np.arange(4)) / np.sqrt(np.arange(1, 5) + 1e-5)
    odds = dense(np.maximum(dense(embedded, "classifier.0"), 0), "classifier.2")[:, 0]
    np.testing.assert_allclose(scorer.embed(events), embedded, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scorer.scores(events)["log_odds"], odds, rtol=1e-4, atol=1e-5)


def test_in_training_only_particles_that_are_there_are_worked_on() -> None:
    events, scorer = sets(30, 5), ParticleFlowNetwork(SMALL, LAYOUT)
    module, arrays = scorer._build(), [torch.from_numpy(a) for a in scorer._arrays(events)]
    arrays[0][arrays[1] == 0] = torch.nan
    found = module.train()._sum(*arrays)
    arrays[0][arrays[1] == 0] = 0
    torch.testing.assert_close(found, module.eval()._sum(*arrays))


def test_signal_and_background_weigh_the_same() -> None:
    scorer, given = ParticleFlowNetwork(SMALL, LAYOUT), data()
    heavy = replace(given.train, weight=np.linspace(1, 3, 200))
    joined = labelled(scorer, replace(given, train=heavy)).train
    label, weight = joined.beside[LABEL], joined.weight
    assert label.tolist() == [0] * 200 + [1] * 30
    assert weight[label == 0].sum() == pytest.approx(weight[label == 1].sum(), rel=1e-12)
    np.testing.assert_allclose(weight[:200] / weight[0], heavy.weight, rtol=1e-12)
    with pytest.raises(CardError, match=r"particle_flow learns to tell a signal from background: .*--against"):
        scorer.fit(replace(given, against=None), options=TrainCard(epochs=1), seed=1)


def test_a_chain_learns_the_embedding_from_a_signal_and_its_score_from_background_alone() -> None:
    """What the second model is trained on does not depend on the signal but through the embedding."""
    config = {"embed": {"name": "particle_flow", **SMALL}, "score": {"name": "dense_vae", "layers": [4], "latent": 2}}
    chain, given, options = Chain(config, LAYOUT), data(), TrainCard(epochs=2, batch_size=50)
    assert is_supervised(chain)
    seen = []
    fit = chain._second.fit
    chain._second.fit = lambda data, **how: seen.append(data) or fit(data, **how)
    report = chain.fit(given, options=options, seed=1)
    assert report.stages == (2, 2)
    (second,) = seen
    assert second.against is None
    np.testing.assert_array_equal(second.train.x, chain._first.embed(given.train))
    assert len(second.validation) == 40
    events = sets(5, 7)
    embedded = chain._embedded(events)
    np.testing.assert_array_equal(chain.scores(events)["sse"], chain._second.scores(embedded)["sse"])


def test_a_vector_is_no_set() -> None:
    with pytest.raises(CardError, match="takes sets"):
        ParticleFlowNetwork({}, example_layout())
