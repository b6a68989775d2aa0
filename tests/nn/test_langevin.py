"""Langevin chains in a harmonic well, where their variance is known, and the buffer that they go on from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from hepad.errors import CardError
from hepad.nn.langevin import Chain, Replay
from hepad.nn.sources import Noise


def noise(seed: int = 1) -> Noise:
    return Noise(torch.Generator().manual_seed(seed), torch.device("cpu"))


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_chains_sample_the_density_of_their_energy(temperature: float) -> None:
    """In the well (y - 0.3)^2 / 2 a step is (1 - a) y + s N with a = s^2 / 2T: variance T / (1 - a / 2) about 0.3."""
    s = 0.6 * temperature**0.5
    chain = Chain(60, s, temperature, (-50.0, 50.0))
    y = chain.run(lambda y: (y - 0.3).square().sum(dim=1) / 2, torch.zeros(20_000, 2), noise(), keep=False)
    variance = temperature / (1 - s**2 / 4 / temperature)
    assert not y.requires_grad
    assert y.mean().item() == pytest.approx(0.3, abs=5 * (variance / 40_000) ** 0.5)
    assert y.var().item() == pytest.approx(variance, rel=5 * (2 / 40_000) ** 0.5)


def test_the_end_of_a_chain_is_a_function_of_the_energys_parameters_through_all_steps() -> None:
    """One step in the well k y^2 / 2 is (1 - p k) y + noise: after three the start is multiplied by (1 - p k)^3."""
    k = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    chain, start = Chain(3, 0.4, 0.5, (-50.0, 50.0)), torch.tensor([[4.0]], dtype=torch.float64)

    def energy(y: Tensor) -> Tensor:
        return k * y.square().sum(dim=1) / 2

    pull = 0.4**2 / 2 / 0.5
    y = chain.run(energy, start, noise(), keep=True)
    (found,) = torch.autograd.grad(y.sum(), k)
    draws = noise()
    kicks = [0.4 * draws.normal(1, 1).item() for _ in range(3)]
    shrink, places = 1 - pull * 2.0, [4.0]
    for kick in kicks:
        places.append(shrink * places[-1] + kick)
    slope = 0.0
    for place in places[:-1]:
        slope = shrink * slope - pull * place
    assert y.item() == pytest.approx(places[-1], rel=1e-6)
    assert found.item() == pytest.approx(slope, rel=1e-6)
    assert not start.requires_grad


def test_chains_stay_within_their_bounds() -> None:
    chain = Chain(5, 3.0, 1.0, (-1.0, 2.0))
    y = chain.run(lambda y: 0 * y.sum(dim=1), torch.zeros(200, 1), noise(), keep=False)
    assert (y.min().item(), y.max().item()) == (-1.0, 2.0)


def test_the_oldest_rows_leave_the_buffer_first_and_a_share_of_chains_goes_on_from_it() -> None:
    buffer, fresh = Replay(5, 1, 0.8), torch.full((20_000, 1), -1.0)
    assert buffer.starts(fresh, noise()) is fresh
    buffer.push(torch.arange(3.0)[:, None])
    assert set(buffer.starts(fresh, noise()).unique().tolist()) == {-1, 0, 1, 2}
    buffer.push(torch.arange(3.0, 7.0)[:, None])
    starts = buffer.starts(fresh, noise())
    assert set(starts.unique().tolist()) == {-1, 2, 3, 4, 5, 6}
    assert (starts == -1).double().mean().item() == pytest.approx(0.2, abs=5 * 0.4 / 20_000**0.5)
    buffer.push(torch.arange(100.0)[:, None])
    assert set(buffer.starts(fresh, noise()).unique().tolist()) == {-1, *range(95, 100)}


def test_a_buffer_is_put_back_as_it_was_and_refuses_one_of_another_size() -> None:
    one, other = Replay(4, 2, 1.0), Replay(4, 2, 1.0)
    one.push(torch.arange(12.0).reshape(6, 2))
    other.load_state(one.state())
    for buffer in (one, other):
        buffer.push(torch.full((1, 2), 99.0))
    np.testing.assert_array_equal(one.state()["rows"], other.state()["rows"])
    assert len(other) == 4
    with pytest.raises(CardError, match="replay buffer: tensor 'rows'"):
        Replay(3, 2, 1.0).load_state(one.state())
