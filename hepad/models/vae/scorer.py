"""The scorer of the variational autoencoder: on the processor in numpy, trained and on accelerators in torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.cards.base import parse_card
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout, Slot
from hepad.models.vae import SCORES, ScoreName, VariationalConfig
from hepad.nn.affine import Stack
from hepad.nn.in_numpy import InNumpy, plain_stack
from hepad.nn.layers import Layer, Network, folded_normalisation, identity_normalisation
from hepad.nn.score_rules import LARGEST_LOG_VARIANCE, LATENT
from hepad.nn.scorer import Scores, State
from hepad.nn.stacks import normalisation_shapes, with_layers

if TYPE_CHECKING:
    from hepad.models.vae.network import TorchVae

__all__ = ["EPSILON", "SLOPE", "VariationalAutoencoder"]

SLOPE = 0.3
"""Of the leaky ReLU below zero."""
EPSILON = 1e-3
"""Of batch normalisation, as in Keras, which the authors use."""

_Float32 = npt.NDArray[np.float32]


class VariationalAutoencoder(InNumpy):
    """Dense encoder to the mean and log variance of a Gaussian latent space, and its mirror image.

    Scores: `mse`, the squared error of the reconstruction of the latent mean, with padded columns left out of the sum
    but not of the number of columns that divides it, as the authors do; `kl`, the divergence from the unit Gaussian
    averaged over the latent axes; `r`, the sum over them of mean^2 / variance; `mu2`, the sum over them of mean^2, the
    score of CMS's trigger AXOL1TL up to its version 4. All but the first need the encoder only. The first three are
    given unless the configuration says otherwise.
    A difference in phi is not wrapped, as in the authors' code. In numpy the normalisations are folded into the layers.
    """

    name: ClassVar[str] = "vae"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector",)
    score_names: tuple[ScoreName, ...] = SCORES

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._variational = parse_card(VariationalConfig, dict(config), f"model {self.name}")
        super().__init__(self._variational, layout)
        self.score_names = self._variational.scores
        self._limits = np.array([_output_limit(slot, self._variational.eta_limits) for slot in _slots(layout)])
        self._stacks: tuple[Stack, Stack]

    def reconstruction_errors(self, batch: Batch) -> _Float32:
        """Squared difference of input and output, 0 where padded, shape (n, d); see `hepad.nn.explain.Explains`."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.concatenate([self._squares(x, self._encode(x)[0], there) for x, there in self._pieces(batch)])

    @property
    def embedding_layout(self) -> Layout:
        """The latent means, `z1`, `z2`, ..."""
        return Layout.latent(self._variational.latent)

    def embed(self, batch: Batch) -> _Float32:
        """The means of the latent Gaussians, of shape (n, latent)."""
        return np.concatenate([self._encode(x)[0] for x, _ in self._pieces(batch)])

    @property
    def layered_scores(self) -> tuple[ScoreName, ...]:
        """The scores that are made of layers alone: all of them."""
        return self.score_names

    def layers(self, score: str) -> Network:
        """The encoder, for `mse` with the decoder, batch normalisation folded into their layers; see `hepad.nn.layers`.

        An object is there for the layers if one of its numbers is not 0.
        """
        name: ScoreName = next(known for known in self.layered_scores if known == score)
        layers, decoder = _layers(self._trained(), len(self._variational.layers))
        if name in {"mu2", "mse"}:  # the variances are not needed
            last, kept = layers[-1], self._variational.latent
            layers[-1] = replace(last, weight=last.weight[:kept], bias=last.bias[:kept])
        if name != "mse":
            return Network(self.name, tuple(layers), name, slope=SLOPE)
        owners = _owners(_slots(self.layout))
        return Network(self.name, (*layers, *decoder), "mse", slope=SLOPE, limits=self._limits, owners=owners)

    def state_of(self, network: Network) -> State:
        """The state with these layers; normalisation that was folded into them becomes the identity."""
        state, hidden = self.state(), len(self._variational.layers)
        parts = {"encoder": network.layers[: hidden + 1], "decoder": network.layers[hidden + 1 :]}
        state |= identity_normalisation("normalise", self.layout.size, EPSILON)
        for name, layers in parts.items():
            for i in range(len(layers) - 1):
                key = f"{name}.{2 * i + 1}.0"
                state |= identity_normalisation(key, len(state[f"{key}.weight"]), EPSILON)
            state = with_layers(state, name, layers)  # without log variances for mu2 and mse
        return state

    def _make(self) -> TorchVae:
        from hepad.models.vae.network import TorchVae

        return TorchVae(self._variational, self.layout, self._limits.tolist())

    def _set_weights(self, weights: State) -> None:
        encoder, decoder = _layers(weights, len(self._variational.layers))
        self._stacks = plain_stack(encoder, SLOPE), plain_stack(decoder, SLOPE)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """The weights of the network in torch, in its order."""
        width, hidden, latent = self.layout.size, self._variational.layers, self._variational.latent
        stacks = {"encoder": (width, *hidden, 2 * latent), "decoder": (latent, *reversed(hidden), width)}
        shapes = dict(normalisation_shapes("normalise", width))
        for stack, sizes in stacks.items():
            for i, (inputs, outputs) in enumerate(pairwise(sizes)):
                shapes |= {f"{stack}.{2 * i}.weight": (outputs, inputs), f"{stack}.{2 * i}.bias": (outputs,)}
                if i < len(hidden):
                    shapes |= normalisation_shapes(f"{stack}.{2 * i + 1}.0", outputs)
        return shapes

    def _encode(self, x: _Float32) -> tuple[_Float32, _Float32]:
        """Mean and log variance of the latent Gaussian, each of shape (n, latent)."""
        mean, log_variance = np.split(self._stacks[0](x), 2, axis=1)
        return np.ascontiguousarray(mean), np.clip(log_variance, -LARGEST_LOG_VARIANCE, LARGEST_LOG_VARIANCE)

    def _squares(self, x: _Float32, latent: _Float32, there: npt.NDArray[np.bool_]) -> _Float32:
        """Squared errors of the reconstruction from the latent means: pt as it comes, eta and phi within limits."""
        y, bounded = self._stacks[1](latent), np.isfinite(self._limits)
        # In double precision, whose last digits alone depend on the processor; nor do they on an event's place.
        y[:, bounded] = self._limits[bounded] * np.tanh(y[:, bounded].astype(np.float64))
        np.subtract(x, y, out=y)
        y *= there
        return np.square(y, out=y)

    def _scored(self, x: _Float32, there: npt.NDArray[np.bool_]) -> Scores:
        mean, log_variance = self._encode(x)
        made: Scores = {}
        for name in self.score_names:
            if name == "mse":
                made[name] = self._squares(x, mean, there).mean(axis=1, dtype=np.float32)
            else:
                exact = LATENT[name](mean.astype(np.float64), log_variance.astype(np.float64))
                made[name] = exact.astype(np.float32)
        return made


def _layers(state: State, hidden: int) -> tuple[list[Layer], list[Layer]]:
    """Encoder and decoder with so many hidden layers each, in float64, the normalisations folded into them."""
    exact = {key: array.astype(np.float64) for key, array in state.items()}
    first, *others = _folded(exact, "encoder", hidden)
    gain, offset = folded_normalisation(exact, "normalise", EPSILON)
    first = Layer(first.weight * gain, first.bias + first.weight @ offset, first.after)
    return [first, *others], _folded(exact, "decoder", hidden)


def _folded(state: State, prefix: str, hidden: int) -> list[Layer]:
    """The affine layers of a stack with so many hidden ones, the normalisation behind each folded into it."""
    layers = []
    for i in range(hidden + 1):
        layer = Layer(state[f"{prefix}.{2 * i}.weight"], state[f"{prefix}.{2 * i}.bias"], "linear")
        if i < hidden:
            gain, offset = folded_normalisation(state, f"{prefix}.{2 * i + 1}.0", EPSILON)
            layer = Layer(layer.weight * gain[:, np.newaxis], layer.bias * gain + offset, "leaky_relu")
        layers.append(layer)
    return layers


def _owners(slots: Sequence[Slot]) -> npt.NDArray[np.int64]:
    """The number of the object that a column belongs to, -1 for the pseudorapidity of missing momentum."""
    names = list(dict.fromkeys(slot.owner for slot in slots))
    return np.array([-1 if slot.name == "met_eta" else names.index(slot.owner) for slot in slots])


def _slots(layout: Layout) -> tuple[Slot, ...]:
    if not layout.slots:
        raise CardError("vae takes a vector of objects")
    return layout.slots


def _output_limit(slot: Slot, eta_limits: Mapping[str, float]) -> float:
    """The bound of a column's tanh; infinite where the output is linear."""
    if slot.feature not in {"pt", "eta", "phi"}:
        raise CardError(f"vae takes columns such as jet1_pt, electron2_eta or met_phi, not {slot.name!r}")
    if slot.feature == "pt" or slot.name == "met_eta":  # MET has no eta: the column is always masked
        return math.inf
    if slot.feature == "phi":
        return math.pi
    if slot.object not in eta_limits:
        raise CardError(
            f"vae has no limit for column {slot.name!r}: add {slot.object!r} to the model's key 'eta_limits'"
        )
    return eta_limits[slot.object]
