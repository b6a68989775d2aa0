"""The network of the variational autoencoder of hardware integers, in torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from hepad.cards.base import parse_card
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.l1_vae import HardwareVaeConfig
from hepad.nn.blocks import kl_divergence
from hepad.nn.hardware_scale import HardwareScale, identity_scale, scaled_network
from hepad.nn.inference import evaluate
from hepad.nn.layers import Network
from hepad.nn.momenta import ObjectColumns, cylindrical_error, object_columns
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import State, TrainingData, check_batch
from hepad.nn.sources import Noise
from hepad.nn.variational import GaussianAutoencoder, dense_layers, drawn, with_layers

__all__ = ["HardwareVae"]


class HardwareVae(NetworkScorer["_Network"]):
    """Integers scaled by powers of two, a dense encoder with ReLU to the mean and log variance, and a dense decoder.

    The error is that of `hepad.nn.momenta.cylindrical_error`, with pt in scaled units and eta as it is; empty objects
    are learned like all others, as pt 0. Angles are inputs that need not be reconstructed, but for eta if asked.
    Score `mu2`: the sum over the latent axes of the mean squared; the encoder is all that it needs.
    """

    name: ClassVar[str] = "l1_vae"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_hardware",)
    score_names: tuple[str, ...] = ("mu2",)

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(HardwareVaeConfig, dict(config), f"model {self.name}")
        self._columns = object_columns(layout, self.name)
        super().__init__(self._settings, layout)

    @property
    def embedding_layout(self) -> Layout:
        """The latent means, `z1`, `z2`, ..."""
        return Layout.latent(self._settings.latent)

    def embed(self, batch: Batch) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The means of the latent Gaussians, of shape (n, latent)."""
        check_batch(self, batch)
        module = self._module
        (values,) = evaluate(module, lambda x: (module.encode(x)[0],), (batch.x,), 1)
        return values

    @property
    def layered_scores(self) -> tuple[str, ...]:
        """The scores that are made of layers alone."""
        return self.score_names

    def layers(self, score: str) -> Network:  # noqa: ARG002  it has one
        """The encoder of the means, the scale folded into its first layer; see `hepad.nn.layers`."""
        state, hidden = self.state(), len(self._settings.layers)
        return scaled_network(self.name, state, dense_layers(state, "inner.encoder", hidden + 1, self._settings.latent))

    def state_of(self, network: Network) -> State:
        """The state with an encoder of these layers, and the scale that was folded into them the identity."""
        return with_layers(self.state(), "inner.encoder", network.layers) | identity_scale("scale", self.layout.size)

    def _build(self) -> _Network:
        return _Network(self._settings, self._columns, self.layout.size)

    def _recipe(self, module: _Network, data: TrainingData) -> Recipe:
        module.scale.learn(data.train.x, self.layout.slots)
        alpha, beta = self._settings.alpha, self._settings.beta

        def step(rows: tuple[Tensor, ...], noise: Noise) -> Tensor:
            mean, log_variance = module.encode(rows[0])
            error = module.error(rows[0], module.inner.decode(drawn(mean, log_variance, noise)))
            return alpha * (1 - beta) * error + beta * kl_divergence(mean, log_variance)

        return Recipe.of_rows(module, step)

    def _score(self, module: _Network, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (module.encode(rows[0])[0].square().sum(dim=1),)


class _Network(nn.Module):
    """Scale, encoder and decoder, and the error of what the decoder gives."""

    pt: Tensor
    eta: Tensor
    step: Tensor

    def __init__(self, config: HardwareVaeConfig, columns: ObjectColumns, width: int) -> None:
        super().__init__()
        self.reconstruct_eta = config.reconstruct_eta
        self.scale = HardwareScale(width)
        self.inner = GaussianAutoencoder(width, config.layers, config.latent, config.decoder)
        # Not persistent, so not among the weights: all follow from the columns. An object without eta has eta 0.
        self.register_buffer("pt", columns.pt, persistent=False)
        self.register_buffer("eta", columns.eta.clamp(min=0), persistent=False)
        self.register_buffer("step", columns.eta_step * (columns.eta >= 0), persistent=False)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of integers, each of shape (n, latent)."""
        return self.inner.encode(self.scale(x))

    def error(self, x: Tensor, y: Tensor) -> Tensor:
        """The error in cylindrical coordinates of integers and of reconstructed scaled numbers, shape (n,)."""
        back, units = self.scale.back(y), self.scale.shift.neg().exp2()[self.pt]
        pt, pt_hat = (values[:, self.pt] * units for values in (x, back))
        eta, eta_hat = (values[:, self.eta] * self.step for values in (x, back))
        return cylindrical_error(pt, eta, pt_hat, eta_hat if self.reconstruct_eta else eta)
