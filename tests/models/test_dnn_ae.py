from __future__ import annotations

import numpy as np
import pytest

from hepad.errors import CardError
from hepad.inputs.layout import Layout
from hepad.models.dnn_ae import DenseAutoencoder
from hepad.testing.examples import example_batch, example_layout


def test_the_network_has_the_published_layers() -> None:
    scorer = DenseAutoencoder({}, Layout.vector([f"column{i}_pt" for i in range(19)]))
    widths = [array.shape for array in scorer.state().values() if array.ndim == 2]
    assert widths == [(24, 19), (12, 24), (4, 12), (12, 4), (24, 12), (19, 24)]


def test_the_score_is_the_mean_squared_error_of_a_relu_network_with_linear_latent_numbers() -> None:
    events = example_batch("l1_vector", 50, seed=6)
    scorer = DenseAutoencoder({"layers": [3, 2]}, example_layout())
    w1, b1, w2, b2, w3, b3, w4, b4 = scorer.state().values()
    latent = np.maximum(events.x @ w1.T + b1, 0) @ w2.T + b2
    assert (latent < 0).any()
    y = np.maximum(latent @ w3.T + b3, 0) @ w4.T + b4
    np.testing.assert_allclose(scorer.scores(events)["mse"], ((events.x - y) ** 2).mean(axis=1), rtol=1e-5)


@pytest.mark.parametrize("layers", [[], [0], [4, -1], "wide"])
def test_impossible_layers_are_refused(layers: object) -> None:
    with pytest.raises(CardError, match="model dnn_ae: key 'layers"):
        DenseAutoencoder({"layers": layers}, example_layout())
