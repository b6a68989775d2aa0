"""Autoencoders that score without torch: only their training imports it.

Importing torch takes longer than reading and scoring a file of usual size.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.cards.base import Card
from hepad.cards.train import TrainCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.kept_weights import KeptWeights
from hepad.nn.scorer import (
    Checkpoint,
    EpochEnd,
    FitReport,
    Scores,
    State,
    TrainingData,
    check_batch,
    check_training,
    finite_scores,
)

if TYPE_CHECKING:
    from torch import nn

    from hepad.nn.recipe import Recipe

__all__ = ["Autoencoder", "mirrored"]


def mirrored(width: int, layers: Sequence[int]) -> tuple[int, ...]:
    """Layer widths of a symmetric autoencoder: 19 and (24, 12, 4) give 19, 24, 12, 4, 12, 24, 19."""
    return (width, *layers, *reversed(layers[:-1]), width)


class Autoencoder(KeptWeights):
    """A `Scorer` that gives back its input; the mean squared error over the columns is loss and score (`mse`).

    A model may measure the error in other ways too, in `_measure`, and be trained in another way, by `_recipe`.
    A model says which weights it has, how to compute its output from them in numpy, and how to build the same network
    in torch for training. Its untrained weights, those of seed 0, are drawn by torch when they are first asked for.
    """

    input_kinds: ClassVar[tuple[str, ...]]
    score_names: ClassVar[tuple[str, ...]] = ("mse",)

    def __init__(self, config: Card, layout: Layout) -> None:
        """Keep a validated configuration and the layout of the input, a vector."""
        self.layout = layout
        self.columns = layout.columns
        self._config = config

    @property
    def config(self) -> dict[str, Any]:
        """The complete configuration, defaults included, in JSON types."""
        return self._config.model_dump(mode="json")

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
        """Train a new network on background and keep it; the same seed gives the same weights, bit for bit.

        The mean loss of the rows, by the events' weights where they differ, is lowered. `CardError` for a batch
        or checkpoint that does not fit, `FitFailedError` without events or if the loss diverges; the weights from
        before are then still there.
        """
        from hepad.nn.reconstruction import fit_weights

        check_training(self, data)
        weights, report = fit_weights(
            self._build,
            self._recipe,
            data,
            options=options,
            seed=seed,
            device=device,
            on_epoch=on_epoch,
            resume=resume,
        )
        self._take(weights)
        return report

    def scores(self, batch: Batch) -> Scores:
        """Float32 scores of shape (n,), higher more anomalous.

        A row's score does not depend on the other rows. Scores above float32's range are set to its maximum.
        Raises `CardError` for a batch that does not fit, `InputDataError` if a row gives no number.
        """
        check_batch(self, batch)
        self._trained()
        with np.errstate(over="ignore", invalid="ignore"):
            difference = self._reconstruct(batch.x)
            np.subtract(batch.x, difference, out=difference)
            return finite_scores(self.name, self._measure(difference))

    def reconstruction_errors(self, batch: Batch) -> npt.NDArray[np.float32]:
        """Squared difference of input and output for each column, shape (n, d); see `hepad.nn.explain.Explains`."""
        check_batch(self, batch)
        self._trained()
        with np.errstate(over="ignore", invalid="ignore"):
            errors: npt.NDArray[np.float32] = np.square(batch.x - self._reconstruct(batch.x))
        return errors

    def _recipe(self, module: nn.Module) -> Recipe:
        """How the network is trained: on its mean squared error, unless a model has another way."""
        from hepad.nn.reconstruction import reconstruction_recipe

        return reconstruction_recipe(module)

    def _measure(self, difference: npt.NDArray[np.float32]) -> Scores:
        """The scores of shape (n,) of the difference of input and output, of shape (n, d), which it may overwrite."""
        return {"mse": np.square(difference, out=difference).mean(axis=1, dtype=np.float32)}

    @abstractmethod
    def _build(self) -> nn.Module:
        """A new torch network with random weights from torch's global generator."""

    @abstractmethod
    def _reconstruct(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The network's output for rows of inputs, of the same shape, with the weights that were set last."""

    def _drawn(self) -> State:
        from hepad.nn.reconstruction import untrained_weights

        return untrained_weights(self._build)
