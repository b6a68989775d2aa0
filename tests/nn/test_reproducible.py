from __future__ import annotations

import itertools

import pytest
import torch

from hepad.nn.reproducible import Stream, build_seeded, generator, single_thread


def test_streams_seeds_and_epochs_are_all_different() -> None:
    firsts = {
        torch.rand(1, generator=generator(seed, stream, epoch)).item()
        for seed, stream, epoch in itertools.product(range(-2, 4), Stream, range(4))
    }
    assert len(firsts) == 6 * len(Stream) * 4


def test_a_generator_depends_on_its_name_alone() -> None:
    a, b = (torch.rand(5, generator=generator(1, Stream.NOISE, 7)) for _ in range(2))
    assert torch.equal(a, b)


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = (build_seeded(lambda: torch.rand(3), 1) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first, second)


def test_threads_are_restored_after_an_error() -> None:
    def fail() -> None:
        with single_thread():
            assert torch.get_num_threads() == 1
            raise RuntimeError("inside")

    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert torch.get_num_threads() == before
