"""The two halves of AXOL1TL v5: losses by hand, what each training changes, the layers of the embedding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hepad.cards.train import TrainCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.compose import Chain
from hepad.models.dense_vae.scorer import DenseVae
from hepad.models.vicreg.scorer import VicregEmbedding
from hepad.nn.layers import layers_of
from hepad.nn.scorer import EpochEnd, TrainingData
from hepad.testing.examples import example_batch

EMBED = {"name": "vicreg", "layers": [6, 4], "projector": [8, 8], "mask": 0.2}
SCORE = {"name": "dense_vae", "layers": [3], "latent": 2}
SECOND = TrainCard(epochs=3, batch_size=100)


def events(n: int = 300, seed: int = 1) -> Batch:
    batch = example_batch("l1_hardware", n, seed=seed, features=("pt", "eta", "phi"))
    return Batch(batch.kind, batch.layout, np.rint(40 * batch.x).astype(np.float32), batch.mask, batch.weight)


DATA = TrainingData(events(), events(60, 2))


def chain(embed_epochs: int | None) -> Chain:
    own = None if embed_epochs is None else {"epochs": embed_epochs, "batch_size": 100}
    return Chain({"embed": EMBED, "score": SCORE, "embed_train": own}, DATA.train.layout)


def test_the_second_training_leaves_the_embedding_alone() -> None:
    seen: list[EpochEnd] = []
    whole = chain(2)
    report = whole.fit(DATA, options=SECOND, seed=1, on_epoch=seen.append)
    assert report.stages == (2, 3)
    assert [(end.epoch, end.epochs) for end in seen] == [(i, 5) for i in range(1, 6)]
    longer = chain(2)
    longer.fit(DATA, options=SECOND.model_copy(update={"epochs": 6}), seed=1)
    other = chain(3)
    other.fit(DATA, options=SECOND, seed=1)
    first, second, third = (one.state() for one in (whole, longer, other))
    for name in first:
        embeds = name.startswith("embed/")
        assert np.array_equal(first[name], second[name]) == embeds, name
        assert np.array_equal(first[name], third[name]) == name.startswith("embed/scale."), name
    assert chain(None).fit(DATA, options=SECOND, seed=1).stages == (3, 3)
    assert Chain(whole.config, DATA.train.layout).config == whole.config


def test_the_projector_is_trained_and_not_scored_with() -> None:
    scorer = VicregEmbedding({name: value for name, value in EMBED.items() if name != "name"}, DATA.train.layout)
    before = scorer.state()
    scorer.fit(DATA, options=TrainCard(epochs=1, batch_size=100), seed=0)
    after = scorer.state()
    assert not np.array_equal(before["projector.0.weight"], after["projector.0.weight"])
    scores = scorer.scores(DATA.train)["z2"]
    scorer.load_state({name: value * 2 if name.startswith("projector") else value for name, value in after.items()})
    np.testing.assert_array_equal(scorer.scores(DATA.train)["z2"], scores)
    network = layers_of(scorer, "z2")
    assert [layer.after for layer in network.layers] == ["relu", "relu"]
    x = DATA.train.x.astype(np.float64)
    for layer in network.layers:
        x = np.maximum(x @ layer.weight.T + layer.bias, 0)
    np.testing.assert_allclose(x, scorer.embed(DATA.train), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.square(x).sum(axis=1), scores, rtol=1e-4)
    other = VicregEmbedding({"layers": [6, 4], "projector": [8, 8]}, DATA.train.layout)
    other.load_state(scorer.state_of(network))
    np.testing.assert_allclose(other.scores(DATA.train)["z2"], scores, rtol=1e-3)


def test_the_autoencoder_of_the_embedding_by_hand() -> None:
    layout = Layout.vector(["z1", "z2", "z3"])
    scorer = DenseVae({"layers": [3], "latent": 2, "alpha": 0.5, "beta": 0.2}, layout)
    state = {name: np.zeros_like(array) for name, array in scorer.state().items()}
    state["encoder.2.bias"] = np.array([3.0, -1.0, 0.0, np.log(4.0)], dtype=np.float32)  # means, log variances
    state["decoder.0.weight"][0, 0] = 2.0
    state["decoder.2.weight"][:, 0] = [1.0, 0.0, -1.0]
    scorer.load_state(state)
    batch = Batch("l1_vector", layout, np.array([[1.0, 2.0, 3.0]], dtype=np.float32), None, np.ones(1))
    error = (1 - 6) ** 2 + 2**2 + (3 + 6) ** 2  # the decoder's hidden number is 2 * 3
    assert scorer.scores(batch)["sse"].tolist() == [error]
    kl = 0.5 * (9 + 1 + (4 - np.log(4) - 1))  # the sum over two axes
    network = scorer._in_torch()
    recipe = network._recipe(network._module, TrainingData(batch, batch))

    class Silent:
        def normal(self, *shape: int) -> torch.Tensor:
            return torch.zeros(shape)

    class Rows:
        tensors = (torch.from_numpy(batch.x),)

    assert recipe.validate(Rows(), Silent()).tolist() == pytest.approx([0.5 * 0.8 * error + 0.2 * kl], rel=1e-6)
