"""What a method selects of events that it has scored."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hepad.nn.scorer import Scores

__all__ = ["chosen", "ranked"]

_RANK = "rank"
_PASSED = 0.5


def chosen(scores: Scores, fraction: float) -> npt.NDArray[np.bool_]:
    """The mask (n,) of what is selected: so much of the sidebands by rank, or what passes cuts."""
    default = next(iter(scores))
    with np.errstate(invalid="ignore"):
        return np.asarray(scores[_RANK] >= -np.log10(fraction) if ranked(scores) else scores[default] > _PASSED)


def ranked(scores: Scores) -> bool:
    """Whether a fraction of the sidebands is selected; else cuts are, whatever the fraction."""
    return _RANK in scores
