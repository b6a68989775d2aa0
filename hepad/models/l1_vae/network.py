"""The network of the variational autoencoder of hardware integers, in torch."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from hepad.inputs.layout import Layout
from hepad.models.l1_vae import HardwareVaeConfig
from hepad.models.l1_vae.scorer import HardwareVae
from hepad.nn.blocks import kl_divergence
from hepad.nn.hardware_scale import HardwareScale
from hepad.nn.momenta import ObjectColumns, cylindrical_error, object_columns
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise
from hepad.nn.variational import GaussianAutoencoder, drawn

__all__ = ["TorchHardwareVae"]


class TorchHardwareVae(NetworkScorer["_Network"]):
    """Integers scaled by powers of two, a dense encoder with ReLU to the mean and log variance, and a dense decoder.

    The error is that of `hepad.nn.momenta.cylindrical_error`, with pt in scaled units and eta as it is; empty objects
    are learned like all others, as pt 0. Angles are inputs that need not be reconstructed, but for eta if asked.
    Score `mu2`: the sum over the latent axes of the mean squared; the encoder is all that it needs.
    """

    name: ClassVar[str] = HardwareVae.name
    input_kinds: ClassVar[tuple[str, ...]] = HardwareVae.input_kinds
    score_names: tuple[str, ...] = HardwareVae.score_names

    def __init__(self, config: HardwareVaeConfig, layout: Layout) -> None:
        self._settings = config
        self._columns = object_columns(layout, self.name)
        super().__init__(config, layout)

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
