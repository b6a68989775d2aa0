"""Do two samples of events fall into classes alike? Exact tests, given how many events are in each class.

If nobody's label was looked at to make the classes, and both samples are draws of one distribution, then the events of
the first sample are a random choice among all: their number in a class of n events is hypergeometric, and their numbers
in all classes are multivariate hypergeometric. No expectation is taken for known and no class for given beforehand, so
that classes found in these very events may be tested.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PartitionTest", "excess_p_values", "partition_test"]

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_BLOCK = 4096
"""Pseudo-experiments at a time."""
_SAME = 1 + 1e-9
"""Of two p-values that are equal but for rounding."""


@dataclass(frozen=True)
class PartitionTest:
    """What came of a test of classes, arrays of shape (classes,).

    `expected` of the first sample in a class: the second, scaled to as many events as the first; `p_value` of as many
    or more there; `global_p_value` of a smallest p-value among all classes as small as the smallest here, by `toys`
    pseudo-experiments, of which `reached` were as extreme.
    """

    observed: Counts
    expected: Floats
    p_value: Floats
    global_p_value: float
    reached: int
    toys: int


def excess_p_values(observed: npt.ArrayLike, total: npt.ArrayLike, first: int, everything: int) -> Floats:
    """P(at least `observed` of `total` events are of the first sample), which has `first` of `everything` events."""
    from scipy.stats import hypergeom

    found = hypergeom.sf(np.asarray(observed) - 1, everything, np.asarray(total), first)
    return np.clip(np.asarray(found, dtype=np.float64), 0.0, 1.0)


def partition_test(first: npt.ArrayLike, second: npt.ArrayLike, *, toys: int, seed: int) -> PartitionTest:
    """Test whether the first of two samples is in excess in some class; `first` and `second` (classes,) count them.

    `ValueError` without events of both, or for counts that are no counts.
    """
    one, two = _counts(first), _counts(second)
    if one.shape != two.shape or one.sum() == 0 or two.sum() == 0:
        raise ValueError("a test needs events of both samples, in the same classes")
    total, chosen, everything = one + two, int(one.sum()), int((one + two).sum())
    p_value = excess_p_values(one, total, chosen, everything)
    tables = [excess_p_values(np.arange(n + 1), n, chosen, everything) for n in total]
    rng, reached, bound = np.random.default_rng(seed), 0, p_value.min() * _SAME
    for start in range(0, toys, _BLOCK):
        size = min(_BLOCK, toys - start)
        drawn = rng.multivariate_hypergeometric(total, chosen, size=size, method="marginals")
        smallest = np.ones(size)
        for table, column in zip(tables, drawn.T, strict=True):
            np.minimum(smallest, table[column], out=smallest)
        reached += int((smallest <= bound).sum())
    expected = np.asarray(two * (chosen / (everything - chosen)), dtype=np.float64)
    return PartitionTest(one, expected, p_value, (1 + reached) / (1 + toys), reached, toys)


def _counts(values: Any) -> Counts:
    found = np.asarray(values)
    if found.ndim != 1 or found.dtype.kind not in "iu" or (found < 0).any():
        raise ValueError("counts are whole numbers of shape (classes,), none below 0")
    return found.astype(np.int64)
