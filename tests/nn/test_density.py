"""The density of a flow, scored without torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.tensors import get_weights

LAYOUT = Layout.vector(("a", "b", "c"))


def test_scores_are_those_of_the_network_and_of_a_normal_density_before_training() -> None:
    pytest.importorskip("zuko")
    from hepad.nn.density import FlowDensity

    x = np.random.default_rng(1).standard_normal((50, 3)).astype(np.float32)
    batch = Batch("table", LAYOUT, x, None, np.ones(50))
    flow = FlowDensity(LAYOUT, 3, 8)
    normal = 0.5 * np.square(x).sum(axis=1) + 1.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(flow.scores(batch)["nll"], normal, rtol=1e-5)  # it begins as the identity
    torch.manual_seed(1)
    state = {n: a + 0.3 * torch.randn(a.shape).numpy() for n, a in get_weights(flow._module).items()}
    flow.load_state(state)
    with torch.no_grad():
        expected = -flow._module.double().log_prob(torch.from_numpy(x).double(), torch.zeros(50, 0).double())
    flow._module.float()
    np.testing.assert_allclose(flow.scores(batch)["nll"], expected.numpy(), rtol=1e-4)
    assert np.abs(expected.numpy() - normal).max() > 1
    np.testing.assert_array_equal(flow.scores(batch.take(slice(20, 21)))["nll"], flow.scores(batch)["nll"][20:21])
