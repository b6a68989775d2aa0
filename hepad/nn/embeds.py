"""The optional part of a scorer's contract that says what it makes of an event before it scores it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.scorer import Scorer

__all__ = ["EMBEDDING", "Embeds", "embeds"]

EMBEDDING = "embedding"
"""The kind of a batch of embeddings. Models that take a vector of any names take it too."""


@runtime_checkable
class Embeds(Scorer, Protocol):
    """A scorer whose latent numbers are worth something by themselves."""

    @property
    def embedding_layout(self) -> Layout:
        """What its embedding looks like: a vector of `z1`, `z2`, ... or a set."""
        ...

    def embed(self, batch: Batch) -> npt.NDArray[np.float32]:
        """The embeddings, of shape (n, *embedding_layout.shape); `CardError` for a batch that does not fit."""
        ...


def embeds(scorer: Scorer) -> Embeds:
    """The scorer as one that embeds; `CardError` if it does not."""
    if not isinstance(scorer, Embeds):
        raise CardError(f"{scorer.name} embeds nothing: a chain begins with a model that does")
    return scorer
