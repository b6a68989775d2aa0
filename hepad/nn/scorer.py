"""The contract of a scorer: a trained model that gives each event an anomaly score.

No torch in here, so that the rest of hepad can name the types without loading it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from hepad.cards.analysis import TrainCard
from hepad.errors import CardError, InputDataError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout

__all__ = [
    "Checkpoint",
    "EpochEnd",
    "FitReport",
    "Scorer",
    "Scores",
    "State",
    "Trainable",
    "TrainingData",
    "check_batch",
    "check_training",
    "finite_scores",
    "trainable",
]

_log = logging.getLogger(__name__)

State = dict[str, npt.NDArray[Any]]
Scores = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class FitReport:
    """What a training did: losses per epoch (in units of the model's loss) and which epoch, from 1, was kept.

    The kept epoch is the last one for a fixed number of epochs, the one of lowest validation loss with `patience`.
    `stages` are the epochs of each of several models that were trained one after the other; empty for one.
    """

    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    best_epoch: int
    stopped_early: bool
    stages: tuple[int, ...] = ()

    @property
    def epochs(self) -> int:
        """How many epochs were run."""
        return len(self.train_loss)


@dataclass(frozen=True)
class Checkpoint:
    """All that is needed to go on with a training after `epoch` epochs, bit for bit.

    `tensors` holds weights, optimizer moments and the best weights so far, as numpy arrays. `best_epoch` has the
    lowest validation loss so far, whether or not the training stops by it.
    """

    epoch: int
    tensors: State
    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    best_epoch: int


@dataclass(frozen=True)
class EpochEnd:
    """Passed to the `on_epoch` callback; `checkpoint()` copies the state only when somebody asks for it.

    Ask within the callback: later, it gives the state of the then latest epoch.
    """

    epoch: int
    epochs: int
    train_loss: float
    validation_loss: float
    checkpoint: Callable[[], Checkpoint] = field(repr=False)


@dataclass(frozen=True)
class TrainingData:
    """What a model is trained on: background as the network sees it, and trained models that it learns from.

    `against` are the events of a signal, for models that are trained to tell it from background.
    `teachers` are scorers by the names that the model's card gives them: a network to distil, an embedding to keep.
    """

    train: Batch
    validation: Batch
    teachers: Mapping[str, Scorer] = field(default_factory=dict)
    against: TrainingData | None = None


class Scorer(Protocol):
    """A model that scores events, what a bundle holds; higher is more anomalous."""

    name: ClassVar[str]
    input_kinds: ClassVar[tuple[str, ...]]
    layout: Layout

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        """Build an untrained model for inputs of a layout; `CardError` for a wrong key in `config`, or a layout that
        the model does not take.
        """

    @property
    def score_names(self) -> tuple[str, ...]:
        """The names of its scores, the default first."""
        ...

    @property
    def config(self) -> dict[str, Any]:
        """The complete configuration, defaults included, in JSON types."""
        ...

    def scores(self, batch: Batch) -> Scores:
        """Float32 scores of shape (n,), one array a score name, the default first; never changes the batch."""
        ...

    def state(self) -> State:
        """The trained weights as numpy arrays."""
        ...

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take weights written by `state`; `CardError` that names a missing, unknown or misshapen tensor."""
        ...


@runtime_checkable
class Trainable(Scorer, Protocol):
    """A scorer that is trained here."""

    def fit(
        self,
        data: TrainingData,
        *,
        options: TrainCard,
        seed: int,
        device: str = "cpu",
        on_epoch: Callable[[EpochEnd], None] | None = None,
        resume: Checkpoint | None = None,
    ) -> FitReport:
        """Train on background; on the CPU the same seed gives the same weights, bit for bit.

        `FitFailedError` if the loss diverges; the weights from before are then still there.
        """
        ...


def trainable(scorer: Scorer) -> Trainable:
    """The scorer as one that is trained here; `CardError` if its weights only come from elsewhere."""
    if not isinstance(scorer, Trainable):
        raise CardError(
            f"a model of kind {scorer.name} is not trained here: its weights come with 'hepad import-model'"
        )
    return scorer


def check_batch(scorer: Scorer, batch: Batch) -> None:
    """Raise `CardError` unless the batch is of a kind and has the layout that the scorer was built for."""
    if batch.kind not in scorer.input_kinds:
        raise CardError(f"{scorer.name} takes {' or '.join(scorer.input_kinds)} input, not {batch.kind}")
    ours, theirs = scorer.layout, batch.layout
    if (ours.axes, ours.shape, ours.features) != (theirs.axes, theirs.shape, theirs.features):
        raise CardError(
            f"{scorer.name} was built for {ours.summary} columns ({ours.features[0]} ...), got {theirs.summary} "
            f"({theirs.features[0]} ...)"
        )


def check_training(scorer: Scorer, data: TrainingData) -> None:
    """Raise `CardError` unless the events to train and to validate on fit, as `check_batch` says."""
    signal = () if data.against is None else (data.against.train, data.against.validation)
    for batch in (data.train, data.validation, *signal):
        check_batch(scorer, batch)


def finite_scores(model: str, scores: Mapping[str, npt.NDArray[np.float32]]) -> Scores:
    """Scores with infinities set to float32's maximum; `InputDataError` naming the first row whose score is NaN.

    A warning says how many were infinite: a network that divides by zero would make every event an anomaly unseen.
    """
    finite = {name: np.minimum(values, np.finfo(np.float32).max) for name, values in scores.items()}
    for name, values in finite.items():
        if not np.isfinite(values).all():
            row = int(np.argmin(np.isfinite(values)))
            raise InputDataError(f"{model} gives no {name} score for row {row}: is its input finite?")
        infinite = np.count_nonzero(np.isposinf(scores[name]))
        if infinite:
            _log.warning(
                "%s: the %s score of %d of %d events is infinite, and counts as the largest number there is (%.3g)",
                model, name, infinite, len(values), np.finfo(np.float32).max,
            )  # fmt: skip
    return finite
