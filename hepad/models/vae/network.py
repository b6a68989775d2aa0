"""The network of the variational autoencoder, in torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hepad.cards.base import parse_card
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout, Slot
from hepad.models.vae import SCORES, ScoreName, VariationalConfig
from hepad.nn.blocks import dense_stack, kl_divergence
from hepad.nn.inference import evaluate
from hepad.nn.layers import Layer, Network, folded_normalisation, identity_normalisation
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import State, TrainingData, check_batch
from hepad.nn.sources import Noise
from hepad.nn.variational import bounded_log_variance, drawn, with_layers

__all__ = ["VariationalAutoencoder"]

SLOPE = 0.3
"""Of the leaky ReLU below zero."""
EPSILON = 1e-3
"""Of batch normalisation, as in Keras, which the authors use."""


class VariationalAutoencoder(NetworkScorer["_Network"]):
    """Dense encoder to the mean and log variance of a Gaussian latent space, and its mirror image.

    Scores: `mse`, the squared error of the reconstruction of the latent mean, with padded columns left out of the sum
    but not of the number of columns that divides it, as the authors do; `kl`, the divergence from the unit Gaussian
    averaged over the latent axes; `r`, the sum over them of mean^2 / variance; `mu2`, the sum over them of mean^2, the
    score of CMS's trigger AXOL1TL up to its version 4. All but the first need the encoder only. The first three are
    given unless the configuration says otherwise.
    A difference in phi is not wrapped, as in the authors' code.
    """

    name: ClassVar[str] = "vae"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector",)
    score_names: tuple[ScoreName, ...] = SCORES

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._variational = parse_card(VariationalConfig, dict(config), f"model {self.name}")
        self.score_names = self._variational.scores
        self._limits = [_output_limit(slot, self._variational.eta_limits) for slot in _slots(layout)]
        super().__init__(self._variational, layout)

    def reconstruction_errors(self, batch: Batch) -> npt.NDArray[np.float32]:
        """Squared difference of input and output, 0 where padded, shape (n, d); see `hepad.nn.explain.Explains`."""
        check_batch(self, batch)
        module = self._module

        def errors(x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
            return (((x - module.decode(module.encode(x)[0])) * mask).square(),)

        (values,) = evaluate(module, errors, self._arrays(batch), 1)
        return values

    @property
    def embedding_layout(self) -> Layout:
        """The latent means, `z1`, `z2`, ..."""
        return Layout.latent(self._variational.latent)

    def embed(self, batch: Batch) -> npt.NDArray[np.float32]:
        """The means of the latent Gaussians, of shape (n, latent)."""
        check_batch(self, batch)
        module = self._module
        (values,) = evaluate(module, lambda x, _: (module.encode(x)[0],), self._arrays(batch), 1)
        return values

    @property
    def layered_scores(self) -> tuple[ScoreName, ...]:
        """The scores that are made of layers alone: all of them."""
        return self.score_names

    def layers(self, score: str) -> Network:
        """The encoder, for `mse` with the decoder, batch normalisation folded into their layers; see `hepad.nn.layers`.

        An object is there for the layers if one of its numbers is not 0.
        """
        name: ScoreName = next(known for known in self.layered_scores if known == score)
        state = {key: array.astype(np.float64) for key, array in self.state().items()}
        first, *others = _folded(state, "encoder", len(self._variational.layers))
        gain, offset = folded_normalisation(state, "normalise", EPSILON)
        layers = [Layer(first.weight * gain, first.bias + first.weight @ offset, first.after), *others]
        if name in {"mu2", "mse"}:  # the variances are not needed
            last, kept = layers[-1], self._variational.latent
            layers[-1] = replace(last, weight=last.weight[:kept], bias=last.bias[:kept])
        if name != "mse":
            return Network(self.name, tuple(layers), name, slope=SLOPE)
        layers += _folded(state, "decoder", len(self._variational.layers))
        limits, owners = np.array(self._limits), _owners(_slots(self.layout))
        return Network(self.name, tuple(layers), "mse", slope=SLOPE, limits=limits, owners=owners)

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

    def _build(self) -> _Network:
        return _Network(self._variational, self._limits)

    def _arrays(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        return batch.x, batch.there.astype("float32")

    def _recipe(self, module: _Network, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        beta = self._variational.beta

        def step(rows: tuple[Tensor, ...], noise: Noise) -> Tensor:
            x, mask = rows
            mean, log_variance = module.encode(x)
            latent = drawn(mean, log_variance, noise)
            error = _masked_error(x, module.decode(latent), mask)
            return (1 - beta) * error + beta * kl_divergence(mean, log_variance)

        return Recipe.of_rows(module, step)

    def _score(self, module: _Network, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x, mask = rows
        mean, log_variance = module.encode(x)
        squares = mean.square()
        values = {
            "kl": kl_divergence(mean, log_variance),
            "r": (squares * torch.exp(-log_variance)).sum(dim=1),
            "mu2": squares.sum(dim=1),
        }
        if "mse" in self.score_names:
            values["mse"] = _masked_error(x, module.decode(mean), mask)
        return tuple(values[name] for name in self.score_names)


class _Network(nn.Module):
    """Encoder and decoder; batch normalisation of the input and before each activation, as in the authors' code."""

    bounded: Tensor
    limits: Tensor

    def __init__(self, config: VariationalConfig, limits: Sequence[float]) -> None:
        super().__init__()
        width, layers = len(limits), config.layers
        self.normalise = _normalisation(width)
        self.encoder = dense_stack((width, *layers, 2 * config.latent), _activation)
        self.decoder = dense_stack((config.latent, *reversed(layers), width), _activation)
        # Not persistent, so not among the weights: both follow from columns and configuration.
        bounded = torch.tensor([math.isfinite(limit) for limit in limits])
        self.register_buffer("bounded", bounded, persistent=False)
        self.register_buffer("limits", torch.where(bounded, torch.tensor(limits), 1.0), persistent=False)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latent Gaussian, each of shape (n, latent)."""
        mean, log_variance = self.encoder(self.normalise(x)).chunk(2, dim=1)
        return mean, bounded_log_variance(log_variance)

    def decode(self, latent: Tensor) -> Tensor:
        """Reconstructed columns: pt as it comes, eta and phi within their limits."""
        raw: Tensor = self.decoder(latent)
        return torch.where(self.bounded, self.limits * torch.tanh(raw), raw)


def _normalisation(width: int) -> nn.BatchNorm1d:
    # The authors' momentum of 0.99 (0.01 in torch's sense) needs hundreds of batches
    # before the running statistics forget their start; torch's default has the same limit.
    return nn.BatchNorm1d(width, eps=EPSILON)


def _activation(width: int) -> nn.Module:
    return nn.Sequential(_normalisation(width), nn.LeakyReLU(SLOPE))


def _masked_error(x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    return ((x - y) * mask).square().mean(dim=1)


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
