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
from hepad.nn.arrays import check_arrays
from hepad.nn.layers import Layer, Network, folded_normalisation, identity_normalisation
from hepad.nn.score_rules import LARGEST_LOG_VARIANCE, LATENT
from hepad.nn.scorer import FitReport, Scores, State, TrainingData, check_batch, finite_scores

if TYPE_CHECKING:
    from torch import nn

    from hepad.models.vae.network import TorchVae
    from hepad.nn.operations import Cost

__all__ = ["EPSILON", "SLOPE", "VariationalAutoencoder"]

SLOPE = 0.3
"""Of the leaky ReLU below zero."""
EPSILON = 1e-3
"""Of batch normalisation, as in Keras, which the authors use."""
BLOCK, PIECE = 512, 8192
"""Events that a layer takes at a time, and events whose reconstructions are in memory."""

_Float32 = npt.NDArray[np.float32]


class VariationalAutoencoder:
    """Dense encoder to the mean and log variance of a Gaussian latent space, and its mirror image.

    Scores: `mse`, the squared error of the reconstruction of the latent mean, with padded columns left out of the sum
    but not of the number of columns that divides it, as the authors do; `kl`, the divergence from the unit Gaussian
    averaged over the latent axes; `r`, the sum over them of mean^2 / variance; `mu2`, the sum over them of mean^2, the
    score of CMS's trigger AXOL1TL up to its version 4. All but the first need the encoder only. The first three are
    given unless the configuration says otherwise.
    A difference in phi is not wrapped, as in the authors' code.

    Importing torch takes five times as long as all else that scoring a file of usual size takes, so the processor does
    without: affine layers with the normalisation folded in, whose sums have one order (`hepad.nn.affine`).
    """

    name: ClassVar[str] = "vae"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector",)
    score_names: tuple[ScoreName, ...] = SCORES

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self.layout = layout
        self._variational = parse_card(VariationalConfig, dict(config), f"model {self.name}")
        self.score_names = self._variational.scores
        self._limits = np.array([_output_limit(slot, self._variational.eta_limits) for slot in _slots(layout)])
        self._device = "cpu"
        self._torch: TorchVae | None = None
        self._weights: State | None = None
        self._stacks: tuple[Stack, Stack]

    @property
    def config(self) -> dict[str, Any]:
        """The complete configuration, defaults included, in JSON types."""
        return self._variational.model_dump(mode="json")

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
        check_batch(self, batch)
        self._trained()
        with np.errstate(over="ignore", invalid="ignore"):  # `finite_scores` says so
            pieces = [self._scored(x, there) for x, there in _pieces(batch)]
        return finite_scores(self.name, {name: np.concatenate([p[name] for p in pieces]) for name in self.score_names})

    def reconstruction_errors(self, batch: Batch) -> _Float32:
        """Squared difference of input and output, 0 where padded, shape (n, d); see `hepad.nn.explain.Explains`."""
        check_batch(self, batch)
        self._trained()
        with np.errstate(over="ignore", invalid="ignore"):
            return np.concatenate([self._squares(x, self._encode(x)[0], there) for x, there in _pieces(batch)])

    @property
    def embedding_layout(self) -> Layout:
        """The latent means, `z1`, `z2`, ..."""
        return Layout.latent(self._variational.latent)

    def embed(self, batch: Batch) -> _Float32:
        """The means of the latent Gaussians, of shape (n, latent)."""
        check_batch(self, batch)
        self._trained()
        return np.concatenate([self._encode(x)[0] for x, _ in _pieces(batch)])

    def state(self) -> State:
        """Copies of the weights as contiguous float32 arrays."""
        return {name: array.copy() for name, array in self._trained().items()}

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take weights written by `state`; `CardError` that names a missing, unknown or misshapen tensor."""
        shapes = self._shapes()
        check_arrays(shapes, state, f"weights of {self.name}")
        self._take({name: np.array(state[name], dtype=np.float32, order="C") for name in shapes})
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
        from hepad.nn.variational import with_layers

        state, hidden = self.state(), len(self._variational.layers)
        parts = {"encoder": network.layers[: hidden + 1], "decoder": network.layers[hidden + 1 :]}
        state |= identity_normalisation("normalise", self.layout.size, EPSILON)
        for name, layers in parts.items():
            for i in range(len(layers) - 1):
                key = f"{name}.{2 * i + 1}.0"
                state |= identity_normalisation(key, len(state[f"{key}.weight"]), EPSILON)
            state = with_layers(state, name, layers)  # without log variances for mu2 and mse
        return state

    def _in_torch(self) -> TorchVae:
        """The same in torch, which is imported now."""
        from hepad.models.vae.network import TorchVae

        if self._torch is None:
            self._torch = TorchVae(self._variational, self.layout, self._limits.tolist())
            if self._weights is not None:
                self._torch.load_state(self._weights)
        return self._torch

    def _trained(self) -> State:
        if self._weights is None:
            self._take(self._in_torch().state())
        assert self._weights is not None  # noqa: S101  just taken
        return self._weights

    def _take(self, weights: State) -> None:
        encoder, decoder = (_stack(part) for part in _layers(weights, len(self._variational.layers)))
        self._stacks, self._weights = (encoder, decoder), weights

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """The weights of the network in torch, in its order."""
        width, hidden, latent = self.layout.size, self._variational.layers, self._variational.latent
        stacks = {"encoder": (width, *hidden, 2 * latent), "decoder": (latent, *reversed(hidden), width)}
        shapes = dict(_normalised("normalise", width))
        for stack, sizes in stacks.items():
            for i, (inputs, outputs) in enumerate(pairwise(sizes)):
                shapes |= {f"{stack}.{2 * i}.weight": (outputs, inputs), f"{stack}.{2 * i}.bias": (outputs,)}
                if i < len(hidden):
                    shapes |= _normalised(f"{stack}.{2 * i + 1}.0", outputs)
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


def _pieces(batch: Batch) -> list[tuple[_Float32, npt.NDArray[np.bool_]]]:
    """The inputs and what of them is there, so many events at a time; one piece without any, of no events."""
    x, there = batch.x, batch.there
    return [(x[i : i + PIECE], there[i : i + PIECE]) for i in range(0, max(len(x), 1), PIECE)]


def _stack(layers: Sequence[Layer]) -> Stack:
    with np.errstate(over="ignore"):  # of weights that no training gives; `scores` says so
        rounded = [(np.float32(one.weight), np.float32(one.bias), one.after != "linear") for one in layers]
    return Stack(rounded, BLOCK, slope=SLOPE, plain=True)


def _normalised(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}


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
