from __future__ import annotations

import numpy as np
import pytest

from hepad.trigger.network import float_scores
from hepad.trigger.torch_scores import torch_scores

from .networks import networks, rows


@pytest.mark.parametrize("name", sorted(networks()))
def test_torch_gives_the_scores_of_the_network(name):
    network, x = networks()[name], rows().astype(np.float32)
    got, expected = torch_scores(network)(x), float_scores(network, x)
    assert np.isclose(got, expected, rtol=1e-4, atol=1e-5).mean() > 0.995  # a potential at the threshold


@pytest.mark.parametrize("name", sorted(networks()))
def test_onnx_gives_the_scores_of_the_network_and_is_what_we_import(name):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from hepad.io.exchange.onnx_file import check_onnx
    from hepad.trigger.onnx_graph import onnx_bytes, onnx_scores

    network, x = networks()[name], rows().astype(np.float32)
    data = onnx_bytes(network)
    assert data == onnx_bytes(network)
    got = onnx_scores(data, x)
    assert got.shape == (len(x),)
    assert np.isclose(got, float_scores(network, x), rtol=1e-4, atol=1e-5).mean() > 0.995
    assert set(check_onnx(data, "model.onnx").outputs) == {"score", "output"}
