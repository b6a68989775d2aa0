"""Flows of a latent space: the logarithm of the determinant is that of autograd's Jacobian."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from hepad.nn.blocks import chamfer_distance
from hepad.nn.flows import Autoregressive, Convolutional, Planar, Sylvester

LATENT, HIDDEN = 5, 3

STEPS: dict[str, Callable[[], torch.nn.Module]] = {
    "planar": lambda: Planar(LATENT, HIDDEN),
    "orthogonal": lambda: Sylvester(LATENT, HIDDEN, "orthogonal", 3),
    "householder": lambda: Sylvester(LATENT, HIDDEN, "householder", 4),
    "triangular": lambda: Sylvester(LATENT, HIDDEN, "triangular"),
    "triangular reversed": lambda: Sylvester(LATENT, HIDDEN, "triangular", reverse=True),
    "iaf": lambda: Autoregressive(LATENT, HIDDEN, 16),
    "iaf reversed": lambda: Autoregressive(LATENT, HIDDEN, 16, reverse=True),
    "convolutional": lambda: Convolutional(LATENT, 3),
    "convolutional reversed": lambda: Convolutional(LATENT, 3, reverse=True),
}


def made(name: str, scale: float) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor]:
    """A step with large parameters, which are far from the identity, and events."""
    if name.startswith("iaf"):
        pytest.importorskip("zuko")
    torch.manual_seed(3)
    step = STEPS[name]().double()
    with torch.no_grad():
        for parameter in step.parameters():
            parameter.mul_(scale)
    return step, torch.randn(6, LATENT).double(), torch.randn(6, HIDDEN).double()


@pytest.mark.parametrize("name", STEPS)
def test_the_determinant_is_that_of_autograd(name: str) -> None:
    step, z, hidden = made(name, 3.0)
    moved, logarithm = step(z, hidden)
    assert moved.shape == z.shape
    for row in range(len(z)):
        jacobian = torch.autograd.functional.jacobian(lambda v, r=row: step(v[None], hidden[r : r + 1])[0][0], z[row])
        sign, expected = torch.linalg.slogdet(jacobian)
        assert sign > 0  # it can be undone
        assert logarithm[row].item() == pytest.approx(expected.item(), abs=1e-9)
    assert logarithm.abs().max() > 0.1


@pytest.mark.parametrize("name", ["orthogonal", "householder"])
def test_q_is_orthogonal(name: str) -> None:
    step, _, hidden = made(name, 1.0)
    q = step.q(hidden)
    width = 3 if name == "orthogonal" else LATENT
    torch.testing.assert_close(q.transpose(1, 2) @ q, torch.eye(width).double().expand(6, -1, -1))
    if name == "householder":  # four reflections turn
        torch.testing.assert_close(torch.linalg.det(q), torch.ones(6).double())


def test_a_planar_step_by_hand() -> None:
    step = Planar(2, 1)
    with torch.no_grad():
        step.amortised.weight.zero_()
        step.amortised.bias.copy_(torch.tensor([1.0, 0, -3, 2, 0.5]))  # w, u, b: w u = -3, which could not be undone
    moved, logarithm = step(torch.tensor([[0.25, 7]]), torch.zeros(1, 1))
    u = -1 + np.log1p(np.exp(-3))  # along w, and 2 across
    bent = np.tanh(0.75)
    assert moved[0].tolist() == pytest.approx([0.25 + u * bent, 7 + 2 * bent], rel=1e-6)
    assert logarithm.item() == pytest.approx(np.log(1 + u * (1 - bent**2)), rel=1e-5)


def test_a_convolution_by_hand() -> None:
    step = Convolutional(3, 2)
    with torch.no_grad():
        step.weight.copy_(torch.tensor([0.5, 2.0]))
        step.height.copy_(torch.tensor([1.0, 0, -1]))
    z = np.array([0.3, -0.2, 0.4])
    w, u = np.tanh(0.5), np.tanh([1.0, 0, -1])
    bent = np.tanh([w * 0.3 - 0.4, -w * 0.2 + 0.8, w * 0.4])
    moved, logarithm = step(torch.tensor(z[None], dtype=torch.float32), torch.zeros(1, 1))
    assert moved[0].tolist() == pytest.approx((z + u * bent).tolist(), rel=1e-6)
    assert logarithm.item() == pytest.approx(np.log(1 + u * w * (1 - bent**2)).sum(), rel=1e-5)


def test_chamfer_distance_by_hand() -> None:
    x = torch.tensor([[[0.0, 0], [3, 4]]])
    y = torch.tensor([[[0.0, 1], [0, 2], [6, 8]]])
    # nearest of each of x: 1, 13 (of (0, 2)); of each of y: 1, 4, 25
    assert chamfer_distance(x, y).tolist() == [1 + 13 + 1 + 4 + 25]
