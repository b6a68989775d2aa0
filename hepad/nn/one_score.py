"""The optional part of a scorer's contract for who wants one score and no other: quickly, or as a module of torch.

A trigger asks for one score, and what it does not need is not computed. No torch in here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy.typing as npt

from hepad.inputs.batch import Batch
from hepad.nn.scorer import Scorer

if TYPE_CHECKING:
    from torch import nn

__all__ = ["HasScoreModule", "Narrows", "narrowed"]


@runtime_checkable
class Narrows(Protocol):
    """A scorer that computes some of its scores with less of its network."""

    encoder_scores: tuple[str, ...]
    """Which scores need an encoder alone: the cheapest ones; empty if none does."""

    def of_score(self, score: str) -> Scorer:
        """The same scorer with one score."""
        ...


@runtime_checkable
class HasScoreModule(Protocol):
    """A scorer that is one network of torch."""

    def score_module(self, score: str) -> nn.Module:
        """The network, in evaluation, with one score at its end: of the arrays of `seen` to (n,), as torch does it.

        It shares the weights. `CardError` for a score that is not made by torch alone.
        """
        ...

    def seen(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        """The arrays that the network is given of a batch, float32 of first axis n."""
        ...


def narrowed(scorer: Scorer, score: str) -> Scorer:
    """The scorer with one score, if it can leave the others out; else as it is."""
    return scorer.of_score(score) if isinstance(scorer, Narrows) else scorer
