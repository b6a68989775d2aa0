"""Scorers that numpy evaluates on the processor: torch trains them, and evaluates them on accelerators.

Importing torch takes five times as long as all else that scoring a file of usual size takes, so the processor does
without: affine layers whose sums have one order (`hepad.nn.affine`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.cards.base import Card
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.affine import Stack
from hepad.nn.kept_weights import KeptWeights
from hepad.nn.layers import Layer, Network
from hepad.nn.score_rules import mu2
from hepad.nn.scorer import FitReport, Scores, State, TrainingData, check_batch, finite_scores
from hepad.nn.stacks import dense_layers, identity_scale, scale_shapes, scaled_network, stack_shapes, with_layers

if TYPE_CHECKING:
    from torch import nn

    from hepad.nn.network import NetworkScorer
    from hepad.nn.operations import Cost

__all__ = ["InNumpy", "ScaledEncoder", "plain_stack"]

BLOCK, PIECE = 512, 8192
"""Events that a layer takes at a time, and events whose intermediate numbers are in memory."""

_Float32 = npt.NDArray[np.float32]


class InNumpy(KeptWeights):
    """A `Scorer` that has its network in torch behind it, which is loaded when it is needed.

    A model says how to make that network, which weights it has, and its scores for pieces of a batch in numpy.
    """

    input_kinds: ClassVar[tuple[str, ...]]
    score_names: tuple[str, ...]

    def __init__(self, config: Card, layout: Layout) -> None:
        """Keep a validated configuration and the layout of the input; the untrained weights are those of seed 0."""
        self.layout = layout
        self._config = config
        self._device = "cpu"
        self._torch: NetworkScorer[Any] | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The complete configuration, defaults included, in JSON types."""
        return self._config.model_dump(mode="json")

    @property
    def takes_device(self) -> bool:
        """It can be evaluated with torch: see `hepad.nn.device.OnDevice`."""
        return True

    def score_on(self, device: str) -> None:
        """Evaluate on this device from now on, in this process; with torch on any but the processor."""
        self._device = device

    def fit(self, data: TrainingData, **how: Any) -> FitReport:
        """Train a new network; see `hepad.nn.network.NetworkScorer.fit`."""
        network = self._in_torch()
        report = network.fit(data, **how)
        self._take(network.state())
        return report

    def scores(self, batch: Batch) -> Scores:
        """Float32 scores of shape (n,) by name, the default first, higher more anomalous.

        A row's scores do not depend on the other rows. Scores above float32's range are set to its maximum.
        Raises `CardError` for a batch that does not fit, `InputDataError` if a row gives no number.
        """
        if self._device != "cpu":
            network = self._in_torch()
            network.score_on(self._device)
            return network.scores(batch)
        with np.errstate(over="ignore", invalid="ignore"):  # `finite_scores` says so
            pieces = [self._scored(x, there) for x, there in self._pieces(batch)]
        return finite_scores(self.name, {name: np.concatenate([p[name] for p in pieces]) for name in self.score_names})

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """See `KeptWeights.load_state`."""
        super().load_state(state)
        self._torch = None

    def cost(self, batch: Batch) -> Cost:
        """See `hepad.nn.network.NetworkScorer.cost`."""
        return self._in_torch().cost(batch)

    def seen(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        """See `hepad.nn.one_score.HasScoreModule`."""
        return self._in_torch().seen(batch)

    def score_module(self, score: str) -> nn.Module:
        """See `hepad.nn.one_score.HasScoreModule`."""
        return self._in_torch().score_module(score)

    @abstractmethod
    def _make(self) -> NetworkScorer[Any]:
        """The same in torch, which is imported now, untrained."""

    @abstractmethod
    def _scored(self, x: _Float32, there: npt.NDArray[np.bool_]) -> Scores:
        """The scores of some rows, in float32, and what of them is there."""

    def _pieces(self, batch: Batch) -> list[tuple[_Float32, npt.NDArray[np.bool_]]]:
        """The inputs and what of them is there, so many events at a time; one piece without any, of no events.

        The weights are there then. `CardError` for a batch that does not fit.
        """
        check_batch(self, batch)
        self._trained()
        x, there = batch.x, batch.there
        return [(x[i : i + PIECE], there[i : i + PIECE]) for i in range(0, max(len(x), 1), PIECE)]

    def _in_torch(self) -> NetworkScorer[Any]:
        if self._torch is None:
            self._torch = self._make()
            if self._weights is not None:
                self._torch.load_state(self._weights)
        return self._torch

    def _drawn(self) -> State:
        return self._in_torch().state()


class ScaledEncoder(InNumpy):
    """Numbers scaled by powers of two and a dense encoder, ReLU between its layers; the rest is torch's alone.

    Its score is the sum of the squares of what the encoder gives: `mu2` of the latent means.
    """

    score_names: tuple[str, ...] = ("mu2",)
    prefix: ClassVar[str] = "inner.encoder"
    """Of the encoder's weights."""

    def __init__(self, config: Card, layout: Layout, layers: Sequence[int], latent: int) -> None:
        """`layers` and `latent` are the widths of the encoder."""
        super().__init__(config, layout)
        self._sizes, self._latent = (layout.size, *layers), latent

    @property
    def layered_scores(self) -> tuple[str, ...]:
        """The scores that are made of layers alone."""
        return self.score_names

    def layers(self, score: str) -> Network:  # noqa: ARG002  it has one
        """The encoder of the means, the scale folded into its first layer; see `hepad.nn.layers`."""
        state = self._trained()
        return scaled_network(self.name, state, self._encoder(state))

    def state_of(self, network: Network) -> State:
        """The state with an encoder of these layers, and the scale that was folded into them the identity."""
        return with_layers(self.state(), self.prefix, network.layers) | identity_scale("scale", self.layout.size)

    def _encoder(self, state: State) -> tuple[Layer, ...]:
        return dense_layers(state, self.prefix, len(self._sizes), self._latent)

    def _encoder_shapes(self, decoder: Sequence[int]) -> dict[str, tuple[int, ...]]:
        """The weights of the scale, the encoder, and a decoder with hidden layers of these widths."""
        width = self.layout.size
        shapes = scale_shapes("scale", width) | stack_shapes(self.prefix, (*self._sizes, 2 * self._latent))
        return shapes | stack_shapes("inner.decoder", (self._latent, *decoder, width))

    def _set_weights(self, weights: State) -> None:
        with np.errstate(over="ignore", under="ignore"):  # of weights that no training gives
            self._offset, self._factor = weights["scale.offset"], np.exp2(-weights["scale.shift"])
        self._stack = plain_stack(self._encoder(weights))

    def _encoded(self, x: _Float32) -> _Float32:
        """What the encoder gives, shape (n, latent), of unscaled rows."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._stack((x - self._offset) * self._factor)

    def _scored(self, x: _Float32, there: npt.NDArray[np.bool_]) -> Scores:  # noqa: ARG002  what is not there is 0
        return {self.score_names[0]: mu2(self._encoded(x)).astype(np.float32)}


def plain_stack(layers: Sequence[Layer], slope: float = 0.0) -> Stack:
    """The layers in single precision, products and sums rounded each; `slope` is that of what is no ReLU."""
    with np.errstate(over="ignore"):  # of weights that no training gives; `scores` says so
        rounded = [(np.float32(one.weight), np.float32(one.bias), one.after != "linear") for one in layers]
    return Stack(rounded, BLOCK, slope=slope, plain=True)
