"""The classifier inside a method, a choice of its card: gradient-boosted trees or a network.

Both are trained on labelled events and give `log_odds`, the logarithm of the ratio of the classes' densities. No torch
in here but for who trains or scores with a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base.contract import How
from hepad.methods.base.trees import Labelled, Trees, TreesCard, grow_trees
from hepad.nn.arrays import check_arrays
from hepad.nn.classifier_card import DenseCard, Width
from hepad.nn.scorer import State, TrainingData
from hepad.nn.supervised import LABEL

if TYPE_CHECKING:
    from hepad.nn.classifier import Classifier

__all__ = ["ClassifierCard", "LogOdds", "NetworkCard", "classifier_of", "train_classifier"]

LogOdds = Callable[[Batch], npt.NDArray[np.float64]]
"""Events to the logarithms of their odds (n,)."""


class NetworkCard(DenseCard):
    """A dense network. `layers`: widths of the hidden layers; of several `activations` each is of one layer, and so are
    the shares that `dropout` leaves out. `normalise` begins with a batch normalisation.
    It is trained as `train` of the method's card says.
    """

    kind: Literal["network"]
    layers: tuple[Width, ...] = Field(default=(64, 32, 16, 4), min_length=1, max_length=16)


ClassifierCard = Annotated[TreesCard | NetworkCard, Field(discriminator="kind")]
"""The classifier of a method's card."""


def train_classifier(
    card: TreesCard | NetworkCard, layout: Layout, data: TrainingData, how: How
) -> tuple[State, int, float]:
    """Train on labelled, weighted events: what was learned as arrays, how many epochs or trees, the validation loss."""
    if isinstance(card, TreesCard):
        trees, loss = grow_trees(card, _labelled(data.train), _labelled(data.validation), how.seed)
        return trees.state(), len(trees.starts), loss
    network = _network(card, layout)
    report = network.fit(data, options=how.options, seed=how.seed, device=how.device, on_epoch=how.on_epoch)
    losses = report.validation_loss
    return network.state(), report.epochs, min(losses) if how.options.keeps_best else losses[-1]


def classifier_of(
    card: TreesCard | NetworkCard, layout: Layout, state: Mapping[str, npt.NDArray[Any]], origin: str
) -> LogOdds:
    """The classifier whose state `train_classifier` gave; `CardError` that names what does not fit."""
    if isinstance(card, TreesCard):
        trees = Trees.of(state, layout.size, origin)
        return lambda batch: trees.log_odds(_rows(batch))
    network = _network(card, layout)
    check_arrays({name: array.shape for name, array in network.state().items()}, state, origin)
    network.load_state(state)
    return lambda batch: network.scores(batch)["log_odds"].astype(np.float64)


def _network(card: NetworkCard, layout: Layout) -> Classifier:
    from hepad.nn.classifier import Classifier

    return Classifier(layout, card.layers, activations=card.activations, dropout=card.dropout, normalise=card.normalise)


def _labelled(batch: Batch) -> Labelled:
    return Labelled(_rows(batch), batch.beside[LABEL], batch.weight)


def _rows(batch: Batch) -> npt.NDArray[np.float32]:
    return np.asarray(batch.x, dtype=np.float32).reshape(len(batch), batch.layout.size)
