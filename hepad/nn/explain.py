"""The optional part of a scorer's contract that says where its score comes from. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import IMAGE
from hepad.nn.scorer import Scorer

__all__ = ["EXPLAINED_SCORE", "Attributes", "Attribution", "Explains", "attribution", "explains"]

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


@dataclass(frozen=True)
class Attribution:
    """What each number of n events adds to a score: `parts` (n, ...) of the batch's shape, in the score's units.

    They sum to `score` (n,) less `baseline` (n,): `exact` where the score is a sum over the numbers, up to a baseline
    that a perfect reconstruction has too; by a `path` where it is not, from an event without numbers, whose score the
    baseline is. Double precision.
    """

    parts: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    baseline: npt.NDArray[np.float64]
    method: Literal["exact", "path"]

    @property
    def missing(self) -> npt.NDArray[np.float64]:
        """What the parts (n,) lack of score - baseline."""
        return np.asarray(self.score - self.baseline - self.parts.reshape(len(self.parts), -1).sum(axis=1))


@runtime_checkable
class Attributes(Protocol):
    """A scorer of images that says which numbers of an event carry any of its scores."""

    def attribution(self, batch: Batch, score: str) -> Attribution:
        """The parts of a score; `CardError` for a batch that does not fit or a score that it has not."""
        ...


def attribution(scorer: Scorer, batch: Batch, score: str) -> Attribution:
    """Which pixels of images carry a score; `CardError` for a model or a score that cannot say, or that it has not."""
    if score not in scorer.score_names:
        raise CardError(f"{scorer.name} has no score {score!r}; it has {', '.join(scorer.score_names)}")
    if isinstance(scorer, Attributes):
        return scorer.attribution(batch, score)
    if batch.layout.axes == IMAGE and isinstance(scorer, Explains) and score == EXPLAINED_SCORE:
        errors = scorer.reconstruction_errors(batch).astype(np.float64) / batch.layout.size
        parts = errors.reshape(len(batch), *batch.layout.shape)
        return Attribution(parts, parts.reshape(len(batch), -1).sum(axis=1), np.zeros(len(batch)), "exact")
    raise CardError(f"{scorer.name} cannot say which pixels carry its score {score!r}")


def explains(scorer: Scorer) -> Explains:
    """The scorer as one that explains its score; `CardError` if it reconstructs nothing."""
    if not isinstance(scorer, Explains) or EXPLAINED_SCORE not in scorer.score_names:
        raise CardError(f"{scorer.name} reconstructs nothing, so no object carries its score")
    return scorer
