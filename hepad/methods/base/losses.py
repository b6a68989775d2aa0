"""What knows no signal: a network that learns how events look, and whose loss is high for those that do not look so.

A choice of the card: an autoencoder or a variational one, whose loss is the logarithm of the squared error, or a
normalising flow, whose loss is minus that of the density. For each fold there are networks that have not seen its
events. No torch in here but for who trains or scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hepad import registry
from hepad.cards.base import Card
from hepad.errors import CardError, UsageError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base.contract import How, Network, Sample, Training
from hepad.nn.arrays import grouped
from hepad.nn.classifier_card import Width
from hepad.nn.scorer import State, Trainable, TrainingData

__all__ = [
    "AutoencoderCard",
    "DensityCard",
    "FoldedLoss",
    "Loss",
    "LossCard",
    "Losses",
    "VaeCard",
    "loss_of",
    "train_loss",
]

Loss = Callable[[Batch], npt.NDArray[np.float64]]
"""Events to their losses (n,); that of an event does not depend on the events around it."""

_LEAST = 1e-12
_OUTCOME = "outcome"
"""In the state of a training: epochs, and the validation loss."""


class AutoencoderCard(Card):
    """A dense autoencoder, trained as `train` of the method's card says. `layers`: widths from the first hidden layer
    down to the latent one; the decoder mirrors them.
    """

    kind: Literal["autoencoder"]
    layers: tuple[Width, ...] = Field(default=(16, 8, 2), min_length=1, max_length=16)


class VaeCard(Card):
    """A dense variational autoencoder, trained as `train` of the method's card says. `layers` and `latent`: widths of
    the encoder, mirrored by the decoder; it lowers the sum of squared errors plus `beta` times the KL divergence.
    """

    kind: Literal["vae"]
    layers: tuple[Width, ...] = Field(default=(32, 16), min_length=1, max_length=16)
    latent: Width = 2
    beta: float = Field(default=0.01, gt=0, lt=1)


class DensityCard(Card):
    """A masked autoregressive flow, trained as `train` of the method's card says: `blocks` steps with networks of two
    hidden layers of `width`.
    """

    kind: Literal["flow"]
    blocks: int = Field(default=5, ge=1, le=100)
    width: Width = 64


LossCard = Annotated[AutoencoderCard | VaeCard | DensityCard, Field(discriminator="kind")]
"""The network of a method's card."""

AnyCard = AutoencoderCard | VaeCard | DensityCard


def train_loss(card: AnyCard, data: TrainingData, how: How) -> tuple[State, int, float]:
    """Learn how weighted events look: what was learned as arrays, how many epochs, the validation loss."""
    network = _network(card, data.train.layout)
    seen = replace(data, train=_seen(data.train, network), validation=_seen(data.validation, network))
    report = network.fit(seen, options=how.options, seed=how.seed, device=how.device, on_epoch=how.on_epoch)
    losses = report.validation_loss
    return network.state(), report.epochs, min(losses) if how.options.keeps_best else losses[-1]


def loss_of(card: AnyCard, layout: Layout, state: Mapping[str, npt.NDArray[Any]], origin: str) -> Loss:
    """The network whose state `train_loss` gave; `CardError` that names what does not fit."""
    network = _network(card, layout)
    try:
        network.load_state(state)
    except CardError as error:
        raise CardError(f"{origin}: {error}") from error

    def loss(batch: Batch) -> npt.NDArray[np.float64]:
        error = next(iter(network.scores(_seen(batch, network)).values()))
        if isinstance(card, DensityCard):
            return error.astype(np.float64)
        return np.asarray(np.log(np.maximum(error.astype(np.float64), _LEAST)))

    return loss


def _network(card: AnyCard, layout: Layout) -> Trainable:
    if isinstance(card, DensityCard):
        from hepad.nn.density import FlowDensity

        return FlowDensity(layout, card.blocks, card.width)
    config: dict[str, Any] = {"layers": card.layers}
    if isinstance(card, VaeCard):  # the model weighs the error with alpha (1 - beta)
        config |= {"latent": card.latent, "beta": card.beta, "alpha": 1 / (1 - card.beta)}
    name = "dense_vae" if isinstance(card, VaeCard) else "dnn_ae"
    made: Trainable = registry.load(registry.SCORERS[name])(config, layout)
    return made


def _seen(batch: Batch, network: Trainable) -> Batch:
    """As the network takes vectors of any kind."""
    return replace(batch, kind=network.input_kinds[0], beside={})


@dataclass(frozen=True)
class FoldedLoss:
    """The networks of a method over its folds: their names, how one is trained, and what they amount to.

    For each fold `restarts` of them see all other folds but the next, which validates; the mean of their losses is that
    of an event of the fold. `prefix` is the beginning of the names of its trainings, `method` is named in errors.
    """

    card: AnyCard
    layout: Layout
    method: str
    prefix: str
    restarts: int = 1

    @staticmethod
    def check_folds(folds: int) -> None:
        """One fold is scored, one validated on, the others are trained on; `UsageError` if there are fewer."""
        if folds < 3:
            raise UsageError(f"{folds} folds are too few: one is scored, one validated on, the others are trained on")

    def names(self, fold: int) -> tuple[str, ...]:
        """The names of the trainings of a fold."""
        return tuple(f"{self.prefix}{fold}.{restart}" for restart in range(self.restarts))

    def trainings(self, folds: int) -> tuple[Training, ...]:
        """All trainings, which are independent."""
        return tuple(Training(name) for fold in range(folds) for name in self.names(fold))

    def train(self, training: Training, folds: int, sample: Sample, how: How) -> State:
        """Do one of them on the events of a sample that it may see."""
        fold, restart = map(int, training.name.removeprefix(self.prefix).split("."))
        data = sample.training_data(fold, folds)
        state, epochs, loss = train_loss(self.card, data, how.seeded(fold, restart, *self.prefix.encode()))
        return {**state, _OUTCOME: np.array([epochs, loss], dtype=np.float64)}

    def gathered(self, folds: int, trained: Mapping[str, State], of: Sequence[int] | None = None) -> Losses:
        """The networks of all folds, or those `of` some."""
        networks, states = [], {}
        for fold in range(folds) if of is None else of:
            for restart, name in enumerate(self.names(fold)):
                epochs, loss = trained[name][_OUTCOME]
                networks.append(Network(fold, (fold + 1) % folds, restart, int(epochs), float(loss), kept=True))
                states[name] = {key: array for key, array in trained[name].items() if key != _OUTCOME}
        return self._losses(tuple(networks), states)

    def restored(self, networks: tuple[Network, ...], state: Mapping[str, npt.NDArray[Any]]) -> tuple[Losses, State]:
        """What `Losses.state` gave, and what is not of it; `CardError` that names what is missing or misshapen."""
        groups, rest = grouped(state, map(self._name, networks))
        return self._losses(networks, groups), rest

    def _name(self, network: Network) -> str:
        return f"{self.prefix}{network.fold}.{network.restart}"

    def _losses(self, networks: tuple[Network, ...], states: Mapping[str, State]) -> Losses:
        made: dict[int, list[Loss]] = {}
        for network in networks:
            name = self._name(network)
            own = loss_of(self.card, self.layout, states[name], f"{self.method}, {name}")
            made.setdefault(network.fold, []).append(own)
        return Losses(networks, made, states)


@dataclass(frozen=True)
class Losses:
    """The networks that score each fold; their `states` are kept to be stored."""

    networks: tuple[Network, ...]
    of: Mapping[int, Sequence[Loss]]
    states: Mapping[str, State]

    def __call__(self, batch: Batch, fold: int) -> npt.NDArray[np.float64]:
        """The mean loss (n,) of those that have not seen a fold, for any events."""
        return np.asarray(np.mean([loss(batch) for loss in self.of[fold]], axis=0))

    def state(self) -> State:
        """All that was learned, as arrays."""
        return {f"{name}/{key}": np.array(a) for name, arrays in self.states.items() for key, a in arrays.items()}
