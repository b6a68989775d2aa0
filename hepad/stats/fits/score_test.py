"""Score tests: how much of each of many signals counts ask for, one Newton step away from the background alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["ScoreTest", "score_test"]

FloatArray = npt.NDArray[np.float64]

_FLAT = 1e-12


class ScoreTest(NamedTuple):
    """Of T data sets and m signals: the `score` (T, m) and its variance, the `information` (T, m), per signal event."""

    score: FloatArray
    information: FloatArray

    @property
    def z(self) -> FloatArray:
        """Standard deviations (T, m), negative for a deficit: the root of the likelihood ratio of a small signal."""
        return np.asarray(self.score / np.sqrt(self.information))

    @property
    def events(self) -> FloatArray:
        """Events (T, m) of the signal that one Newton step asks for."""
        return np.asarray(self.score / self.information)


def score_test(counts: FloatArray, expected: FloatArray, slopes: FloatArray, shapes: FloatArray) -> ScoreTest:
    """Test signals of `shapes` (m, n) on backgrounds (T, n) fitted to counts (T, n).

    `slopes` (T, n, k) are the derivatives of the background by its parameters, which are profiled (Rao, Proc. Camb.
    Phil. Soc. 44 (1948) 50).
    """
    score = (counts / expected - 1) @ shapes.T
    own = np.einsum("tnk,tnl->tkl", slopes / expected[..., None], slopes, optimize=True)
    own = np.linalg.inv(own + 1e-12 * np.eye(own.shape[-1]))
    mixed = np.einsum("tnk,mn->tmk", slopes / expected[..., None], shapes, optimize=True)
    information = (1 / expected) @ (shapes**2).T - np.einsum("tmk,tkl,tml->tm", mixed, own, mixed, optimize=True)
    return ScoreTest(score, np.maximum(information, _FLAT))
