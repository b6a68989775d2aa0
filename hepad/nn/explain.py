"""The optional part of a scorer's contract that says where its score comes from. No torch in here."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.nn.scorer import Scorer

__all__ = ["EXPLAINED_SCORE", "Explains", "explains"]

EXPLAINED_SCORE = "mse"
"""The score that `Explains.reconstruction_errors` takes apart."""


@runtime_checkable
class Explains(Protocol):
    """A scorer whose score `mse` is the mean over the columns of an error of their reconstruction."""

    def reconstruction_errors(self, batch: Batch) -> npt.NDArray[np.float32]:
        """Squared difference of input and output, float32 of shape (n, d), in the input's units squared.

        Columns as in the batch; the mean over them is the score `mse`. `CardError` for a batch that does not fit.
        """
        ...


def explains(scorer: Scorer) -> Explains:
    """The scorer as one that explains its score; `CardError` if it reconstructs nothing."""
    if not isinstance(scorer, Explains) or EXPLAINED_SCORE not in scorer.score_names:
        raise CardError(f"{scorer.name} reconstructs nothing, so no object carries its score")
    return scorer
