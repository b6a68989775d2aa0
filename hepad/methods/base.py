"""What every method promises: fitted on data with a mass in folds, it scores each event by networks that never saw it.

No torch in here, so that the rest of hepad can name the types without loading it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from hepad import registry
from hepad.cards.method import MethodKeys
from hepad.cards.train import TrainCard
from hepad.errors import CardError, InputDataError, UsageError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.scorer import Checkpoint, EpochEnd, Scores, State

__all__ = ["MASS", "Fitted", "Folds", "Method", "Network", "Window", "check_data", "make_method"]

MASS = "mass"
"""What stands beside the events of a method: their mass in GeV."""

Folds = npt.NDArray[np.int64]
"""The fold of each event, shape (n,), from 0 on; -1 for an event of none, which no network has seen."""


@dataclass(frozen=True)
class Window:
    """Where a resonance is looked for, [low, high) in GeV, and the sidebands around it, from the first to the second.

    `UsageError` unless they are finite and rise.
    """

    low: float
    high: float
    sidebands: tuple[float, float]

    def __post_init__(self) -> None:
        below, above = self.sidebands
        if not all(map(math.isfinite, (below, self.low, self.high, above))):
            raise UsageError("a window and its sidebands are numbers in GeV")
        if not below < self.low < self.high < above:
            raise UsageError(
                f"the window {self.low:g}:{self.high:g} GeV must lie within the sidebands {below:g}:{above:g} GeV and "
                "leave room on both sides"
            )

    def parts(self, mass: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.bool_]]:
        """The masks (n,) of the events in the lower sideband, in the window and in the upper sideband."""
        below, above = self.sidebands
        return {
            "lower sideband": (mass >= below) & (mass < self.low),
            "window": (mass >= self.low) & (mass < self.high),
            "upper sideband": (mass >= self.high) & (mass < above),
        }


@dataclass(frozen=True)
class Network:
    """A network that was trained: for the events of which fold, with which other fold to validate on, and how it went.

    `kept` says whether it scores events, or another restart did better.
    """

    fold: int
    validation: int
    restart: int
    epochs: int
    loss: float
    kept: bool


class Fitted(Protocol):
    """What a method learned: higher scores are more anomalous."""

    @property
    def score_names(self) -> tuple[str, ...]:
        """The names of its scores, the default first."""
        ...

    @property
    def networks(self) -> tuple[Network, ...]:
        """All networks that were trained."""
        ...

    def scores(self, batch: Batch, folds: Folds) -> Scores:
        """Float32 scores of shape (n,), by networks that have not seen the fold of the event."""
        ...

    def state(self) -> State:
        """All that was learned, as arrays that `Method.fitted` takes."""
        ...


class Method(Protocol):
    """A way to tell a window of a mass from its sidebands."""

    name: ClassVar[str]
    input_kinds: ClassVar[tuple[str, ...]]
    score_names: ClassVar[tuple[str, ...]]

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        """For inputs of a layout; `CardError` for a wrong key in `config`."""

    def check_folds(self, folds: int) -> None:
        """Raise `UsageError` if so many folds are too few."""
        ...

    def fit(
        self,
        data: Batch,
        folds: Folds,
        window: Window,
        *,
        background: Batch | None = None,
        options: TrainCard,
        seed: int,
        device: str = "cpu",
        on_epoch: Callable[[EpochEnd], None] | None = None,
        resume: Checkpoint | None = None,
    ) -> Fitted:
        """Learn from data with a mass beside them; the same seed gives the same on the CPU, bit for bit.

        `background` are simulated events, for methods that want some. `InputDataError` for a mass or number that is
        not finite and for a fold that lacks events, `FitFailedError` if a loss diverges.
        """
        ...

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> Fitted:
        """What `Fitted.state` gave; `CardError` that names what is missing, unknown or misshapen."""
        ...


def make_method(keys: MethodKeys, layout: Layout) -> Method:
    """The method of a card."""
    made: Method = registry.load(registry.lookup(registry.METHODS, keys.name, "method"))(keys.config, layout)
    return made


def check_data(method: Method, layout: Layout, data: Batch, folds: Folds, window: Window) -> dict[str, Any]:
    """The masks of `Window.parts`, once the data are what a method can learn from.

    `CardError` for a batch of another kind or layout, `InputDataError` for a mass or number that is not finite, for
    weights that are not positive, and for a fold without events in the window or on one of its sides.
    """
    if data.kind not in method.input_kinds or data.layout != layout:
        raise CardError(f"{method.name} was built for {layout.summary} columns of {' or '.join(method.input_kinds)}")
    if MASS not in data.beside:
        raise CardError(f"{method.name} needs a mass beside the events: the key 'mass' of the input")
    mass = np.asarray(data.beside[MASS], dtype=np.float64)
    for what, good in (
        ("mass", np.isfinite(mass)),
        ("input", np.isfinite(data.x).reshape(len(data), layout.size).all(axis=1)),
    ):
        if not good.all():
            raise InputDataError(f"the {what} of event {int(np.argmin(good))} is not finite")
    if not (data.weight > 0).all():
        raise InputDataError(
            f"the weight of event {int(np.argmin(data.weight > 0))} is not positive: {method.name} is for data, or for "
            "simulation without negative weights"
        )
    parts = window.parts(mass)
    for what, inside in parts.items():
        if not inside.any():
            raise InputDataError(f"no events in the {what}")
        for fold in range(int(folds.max(initial=0)) + 1):
            if not (inside & (folds == fold)).any():
                raise InputDataError(
                    f"fold {fold} has no events in the {what}, which has {int(inside.sum())}: too few for so many folds"
                )
    return parts
