"""What makes a training or a score come out the same twice: seeds from names, one thread, no global state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TypeVar

import numpy as np
import torch

__all__ = ["Stream", "build_seeded", "generator", "single_thread"]

Built = TypeVar("Built")


class Stream(IntEnum):
    """Which random numbers of a training are meant; two streams of one seed and epoch are independent."""

    INIT = 0
    ORDER = 1
    NOISE = 2
    VALIDATION = 3


def generator(seed: int, stream: Stream, epoch: int = 0) -> torch.Generator:
    """A generator that depends on (seed, stream, epoch) alone.

    So that an epoch draws the same numbers whether or not the training was interrupted before it, and no state of
    a generator has to be stored.
    """
    return torch.Generator().manual_seed(_derived_seed(seed, stream, epoch))


def build_seeded(build: Callable[[], Built], seed: int) -> Built:
    """Call `build` with torch's global generator seeded, then put the generator back as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_derived_seed(seed, Stream.INIT, 0))
        return build()


@contextmanager
def single_thread() -> Iterator[None]:
    """Let torch use one thread inside: sums have one order on any number of cores, and tiny layers run faster."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _derived_seed(seed: int, stream: Stream, epoch: int) -> int:
    # SeedSequence mixes its words, so that neighbouring seeds and epochs share nothing; it takes no negative word.
    words = np.random.SeedSequence([seed % 2**64, int(stream), epoch]).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1
