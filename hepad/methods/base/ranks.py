"""The score `rank`: which fraction of the reference events of the same fold looks at least as odd.

It makes what the folds were trained to comparable; a region has the same efficiency in each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.errors import UsageError
from hepad.inputs.batch import Batch
from hepad.methods.base.contract import Folds, Sample
from hepad.nn.scorer import Scores, State, finite_scores
from hepad.stats.scores.regions import background_quantiles

__all__ = ["Ranks", "ranked_scores"]

Value = Callable[[Batch, int], npt.NDArray[np.float64]]
"""Events and a fold to what is ranked, (n,), by what has not seen that fold."""


@dataclass(frozen=True)
class Ranks:
    """The reference events of a fold: rising values, and minus the decimal logarithm of the fraction from there on."""

    value: npt.NDArray[np.float64]
    rank: npt.NDArray[np.float64]

    @classmethod
    def of(cls, values: npt.NDArray[np.float64], weight: npt.NDArray[np.float64]) -> Ranks:
        """Of the values (n,) and the weights (n,) of the reference events."""
        table = background_quantiles(values.astype(np.float32), weight)
        # Turned round after the logarithm: of a turned array numpy 1.26 rounds as its place in memory has it.
        places, ranks = table.threshold[::-1], -np.log10(table.efficiency)[::-1]
        # Trees give many events the same highest score: what is above all of these has the rank of a single event.
        above = np.nextafter(np.float32(places[-1]), np.float32(np.inf))
        alone = -np.log10(weight.min() / weight.sum())
        return cls(np.append(places, above), np.append(ranks, max(alone, ranks[-1])))

    @classmethod
    def of_folds(cls, reference: Sample, folds: int, value: Value) -> tuple[Ranks, ...]:
        """Of each of the folds: of the events of the reference in it, by their `value`."""
        own = [reference.events.take(reference.folds == fold) for fold in range(folds)]
        return tuple(cls.of(value(events, fold), events.weight) for fold, events in enumerate(own))

    @classmethod
    def restored(cls, state: Mapping[str, npt.NDArray[np.float64]], folds: int) -> tuple[Ranks, ...]:
        """Those of all folds, of what `shapes` was held against."""
        return tuple(cls(*(np.asarray(state[name]) for name in _names(fold))) for fold in range(folds))

    @staticmethod
    def shapes(state: Mapping[str, npt.NDArray[np.float64]], folds: int) -> dict[str, tuple[int, ...]]:
        """The names and shapes that the arrays of so many folds must have."""
        found: dict[str, tuple[int, ...]] = {}
        for fold in range(folds):
            size = np.asarray(state.get(_names(fold)[0], np.empty(0))).shape[:1]
            found |= dict.fromkeys(_names(fold), size)
        return found

    @staticmethod
    def state(ranks: Sequence[Ranks]) -> State:
        """Those of all folds, as arrays."""
        return {
            name: values.copy()
            for fold, own in enumerate(ranks)
            for name, values in zip(_names(fold), (own.value, own.rank), strict=True)
        }

    def __call__(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The ranks (n,) of values (n,): that of the reference event below, and 0 below them all.

        Between two of them nothing is known, and what is interpolated there passes a cut that the lower one does not:
        more would be kept of events than of the reference, in which a cut is set.
        """
        # Rounded as the reference is: unrounded, events that share its highest value may lie above it.
        place = np.searchsorted(self.value, values.astype(np.float32), side="right") - 1
        return np.where(place < 0, 0.0, self.rank[place.clip(0)])


def ranked_scores(
    names: tuple[str, str],
    ranks: Sequence[Ranks],
    batch: Batch,
    folds: Folds,
    value: Value,
    *,
    method: str,
) -> Scores:
    """Float32 scores of shape (n,): the rank and the value by what has not seen the events' fold, called `names`.

    `value` gives those (n,) of any events by a fold; an event of no fold (-1) gets the mean over all of them.
    `method` is named in errors.
    """
    count = len(ranks)
    if len(folds) != len(batch) or folds.max(initial=-1) >= count or folds.min(initial=-1) < -1:
        raise UsageError(f"the method was fitted in {count} folds; these events are of others")
    found = {name: np.zeros(len(batch)) for name in names}
    for fold in range(count):
        share = np.where(folds == fold, 1.0, np.where(folds < 0, 1 / count, 0.0))
        rows = share > 0
        values = value(batch.take(rows), fold)
        for name, of in zip(names, (ranks[fold](values), values), strict=True):
            found[name][rows] += share[rows] * of
    return finite_scores(method, {name: values.astype(np.float32) for name, values in found.items()})


def _names(fold: int) -> tuple[str, str]:
    return f"reference{fold}/value", f"reference{fold}/rank"
