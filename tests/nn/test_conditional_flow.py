"""The conditional flow against zuko's own, against integrals, and back."""

from __future__ import annotations

import math

import pytest
import torch

from hepad.nn.conditional_flow import ConditionalFlow

zuko = pytest.importorskip("zuko")


def made(features: int, blocks: int, width: int, spread: float = 0.3) -> ConditionalFlow:
    """A flow in double precision far from the identity."""
    torch.manual_seed(5)
    flow = ConditionalFlow(features, 1, blocks, width).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    return flow


@pytest.mark.parametrize(("features", "blocks", "width"), [(2, 2, 7), (5, 3, 16), (3, 1, 2)])
def test_the_density_is_that_of_zuko(features: int, blocks: int, width: int) -> None:
    flow = made(features, blocks, width)
    other = zuko.flows.MAF(features, 1, transforms=blocks, hidden_features=(width, width)).double()
    for ours, theirs in zip(flow.steps, other.transform.transforms, strict=True):
        theirs.hyper.load_state_dict(ours.state_dict())
    x, context = torch.randn(40, features).double(), torch.rand(40, 1).double()
    torch.testing.assert_close(flow.log_prob(x, context), other(context).log_prob(x), rtol=1e-12, atol=1e-12)
    z = flow(x, context)[0]
    torch.testing.assert_close(flow.inverse(z, context), other(context).transform.inv(z), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(flow.inverse(z, context), x, rtol=1e-10, atol=1e-10)


def test_the_density_of_a_single_number_that_follows_the_context() -> None:
    """One step without hidden numbers: N(shift, scale), with zuko's bound on the logarithm of the scale."""
    flow = ConditionalFlow(1, 1, 1, 4).double()
    with torch.no_grad():
        flow.steps[0][-1].bias.copy_(torch.tensor([0.7, -0.4]))
    x, context = torch.linspace(-3, 3, 13).double()[:, None], torch.zeros(13, 1).double()
    scale = -0.4 / (1 + 0.4 / math.log(1e3))
    expected = torch.distributions.Normal(-0.7 * math.exp(-scale), math.exp(-scale)).log_prob(x[:, 0])
    torch.testing.assert_close(flow.log_prob(x, context), expected.double(), rtol=1e-6, atol=1e-6)
    z = torch.ones(13, 1).double()
    torch.testing.assert_close(flow.inverse(z, context), (z - 0.7) * math.exp(-scale))


@pytest.mark.parametrize("mass", [-1.0, 0.4])
def test_the_density_integrates_to_one_at_each_context(mass: float) -> None:
    flow = made(2, 2, 8, spread=0.2)
    edge = torch.linspace(-12, 12, 481).double()
    grid = torch.cartesian_prod(edge, edge)
    with torch.no_grad():
        density = flow.log_prob(grid, torch.full((len(grid), 1), mass).double()).exp()
    assert float(density.sum()) * 0.05**2 == pytest.approx(1, abs=1e-4)


def test_it_begins_as_the_identity_and_an_event_does_not_depend_on_others() -> None:
    x, context = torch.randn(30, 4), torch.rand(30, 1)
    z, logarithm = ConditionalFlow(4, 1, 3, 8)(x, context)
    assert torch.equal(z, x)
    assert not logarithm.any()
    flow = made(4, 3, 8)
    whole = flow.inverse(x.double(), context.double())
    torch.testing.assert_close(whole[3:7], flow.inverse(x[3:7].double(), context[3:7].double()))
