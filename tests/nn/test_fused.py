"""Training through the compiled loops is training through snntorch, up to the order of float32 sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hepad.nn.fused import FusedSpikingStack
from hepad.nn.reproducible import build_seeded
from hepad.nn.spiking import SpikingStack

from .exact import truth

SIZES = (19, 24, 12, 4, 12, 24, 19)


def both(sizes: Any = SIZES, seed: int = 3, **changes: Any) -> list[SpikingStack]:
    neurons = {"steps": 5, "beta": 0.9, "threshold": 0.3} | changes
    return [build_seeded(lambda k=kind: k(sizes, **neurons), seed) for kind in (SpikingStack, FusedSpikingStack)]


def inputs(n: int, width: int = 19, seed: int = 5) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((n, width), dtype=np.float32) * 3)


def sure(module: SpikingStack, x: torch.Tensor) -> torch.Tensor:
    """The events that have the same spikes in whichever order sums are made; one other spike is another gradient."""
    return x[torch.from_numpy(truth(module, x.numpy()).sure)]


def gradient(module: SpikingStack, x: torch.Tensor, weight: torch.Tensor | float = 1.0) -> list[torch.Tensor]:
    loss = ((module(x) - 0.5).square().mean(dim=1) * weight).sum()
    return list(torch.autograd.grad(loss, list(module.parameters())))


def assert_close(mine: list[torch.Tensor], theirs: list[torch.Tensor]) -> None:
    """Each to 1e-4 of the layer's largest number: float32's rounding over sums of hundreds of terms."""
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * b.abs().max().item() + 1e-12)


@settings(deadline=None, max_examples=60)
@given(
    widths=st.lists(st.integers(2, 30), min_size=3, max_size=7),
    steps=st.integers(1, 8),
    beta=st.floats(0, 1),
    threshold=st.floats(0.05, 2),
    n=st.sampled_from([2, 7, 128, 129, 300]),
    seed=st.integers(0, 99),
)
def test_gradients_are_those_of_snntorch(
    widths: list[int], steps: int, beta: float, threshold: float, n: int, seed: int
) -> None:
    reference, fused = both(tuple(widths), seed, steps=steps, beta=beta, threshold=threshold)
    x = sure(reference, inputs(n, widths[0], seed))
    if len(x):
        assert_close(gradient(fused, x), gradient(reference, x))


def test_weighted_events() -> None:
    reference, fused = both()
    x = sure(reference, inputs(500))
    weight = torch.linspace(0, 2, len(x))
    assert len(x) > 400
    assert_close(gradient(fused, x, weight), gradient(reference, x, weight))


def test_a_gradient_is_the_same_each_time_and_for_any_number_of_threads() -> None:
    fused, x = both()[1], inputs(1000)
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2, 1):
        torch.set_num_threads(threads)
        results.append(gradient(fused, x))
    torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_two_batches_may_be_in_flight() -> None:
    fused = both()[1]
    a, b = inputs(200, seed=1), inputs(300, seed=2)
    whole = [x + y for x, y in zip(gradient(fused, a), gradient(fused, b), strict=True)]
    first, second = fused(a), fused(b)
    losses = sum((y - 0.5).square().mean(dim=1).sum() for y in (first, second))
    torch.testing.assert_close(list(torch.autograd.grad(losses, list(fused.parameters()))), whole)


def test_without_gradients_nothing_is_kept() -> None:
    reference, fused = both()
    x = inputs(700)
    with torch.no_grad():
        assert fused(x).grad_fn is None
        torch.testing.assert_close(fused(x), reference(x), rtol=0, atol=0.1)
        assert fused(x[:0]).shape == (0, 19)


def test_a_derivative_by_the_input_goes_through_snntorch() -> None:
    x = inputs(50).requires_grad_()
    theirs, mine = (torch.autograd.grad(module(x).square().sum(), x)[0] for module in both())
    assert torch.equal(mine, theirs)
