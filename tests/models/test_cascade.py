"""Two levels of a trigger: what the second learns from and scores is what the first lets pass."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.bundles.bundle import load_bundle
from hepad.cards.train import TrainCard
from hepad.errors import CardError
from hepad.models.compose import Cascade, Parallel
from hepad.models.dnn_ae import DenseAutoencoder
from hepad.nn.composite import member_seed
from hepad.nn.scorer import TrainingData
from hepad.testing.examples import example_batch, example_layout

FEATURES = ("pt", "eta", "phi")
CONFIG = {
    "gate": {"name": "vae_gan", "layers": [6], "latent": 2, "discriminator": [4]},
    "gate_train": {"epochs": 1, "batch_size": 100},
    "score": {"name": "dnn_ae", "layers": [4, 2]},
    "accept": 0.25,
    "gate_sees": {"jet": 3, "met": 1},
    "score_sees": {"jet": 2, "muon": 1},
}
OPTIONS = TrainCard(epochs=2, batch_size=50)
DATA = TrainingData(*(example_batch("l1_vector", n, seed=n, features=FEATURES) for n in (400, 200)))


def test_the_second_level_is_that_of_the_events_that_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer, gated = Cascade(CONFIG, DATA.train.layout), []
    with monkeypatch.context() as patch:
        patch.setattr(
            Cascade, "_gated", lambda own, batch, by=Cascade._gated: gated.append(len(batch)) or by(own, batch)
        )
        report = scorer.fit(DATA, options=OPTIONS, seed=1)
    assert gated == [400, 200]  # each event once
    assert report.stages == (1, 2)
    parts = (DATA.train, DATA.validation)
    scores = [scorer.scores(part)["mse"] for part in parts]
    passed = [values >= 0 for values in scores]
    assert np.count_nonzero(passed[0]) == 100
    assert set(scores[0][~passed[0]]) == {-1.0}
    # by hand: the same autoencoder of their two jets and muon, the first columns
    columns = [i for i, slot in enumerate(DATA.train.layout.slots) if slot.owner in {"jet1", "jet2", "muon1"}]
    views = [scorer._view(part.take(np.flatnonzero(mask)), "score") for part, mask in zip(parts, passed, strict=True)]
    np.testing.assert_array_equal(views[0].x, DATA.train.x[passed[0]][:, columns])
    alone = DenseAutoencoder({"layers": [4, 2]}, views[0].layout)
    alone.fit(TrainingData(*views), options=OPTIONS, seed=member_seed(1, 1))
    np.testing.assert_array_equal(alone.scores(views[1])["mse"], scores[1][passed[1]])


def test_objects_that_are_not_there_are_refused() -> None:
    with pytest.raises(CardError, match="no 4 objects 'jet'"):
        Cascade({**CONFIG, "gate_sees": {"jet": 4}}, DATA.train.layout)
    with pytest.raises(CardError, match="no 1 objects 'tau'"):
        Cascade({**CONFIG, "score_sees": {"tau": 1}}, DATA.train.layout)


def test_the_bundled_cascade_sees_44_and_47_numbers() -> None:
    scorer = load_bundle("gelato_hlt").scorer
    assert [scorer._members[name].layout.size for name in ("gate", "score")] == [44, 47]
    assert not {"met_eta"} & {*scorer._members["gate"].layout.columns, *scorer._members["score"].layout.columns}


def test_members_without_weights_are_without_them_again_when_one_is_refused() -> None:
    layout = example_layout()
    config = {"members": {"one": {"name": "dnn_ae", "layers": [4]}, "two": {"name": "dnn_ae", "layers": [3]}}}
    whole = Parallel(config, layout)
    state = {name: 2 * array for name, array in Parallel(config, layout).state().items()}
    with pytest.raises(CardError, match=r"decoder\.0\.bias"):
        whole.load_state({**state, "two/decoder.0.bias": np.zeros(9, dtype=np.float32)})
    assert [member.untrained for member in whole._members.values()] == [True, True]
    whole.load_state(state)
    assert all(np.array_equal(array, state[name]) for name, array in whole.state().items())
