"""The network of the variational autoencoder with a discriminator, in torch."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from hepad.inputs.layout import Layout
from hepad.models.vae_gan import VaeGanConfig
from hepad.models.vae_gan.scorer import VaeGan
from hepad.nn.adversarial import discriminator_loss, generator_loss
from hepad.nn.blocks import dense_stack, kl_divergence
from hepad.nn.hardware_scale import HardwareScale
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Phase, Recipe
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise, Rows
from hepad.nn.variational import GaussianAutoencoder, drawn

__all__ = ["TorchVaeGan"]


class TorchVaeGan(NetworkScorer["_Network"]):
    """Numbers scaled by powers of two, encoder, decoder, and a discriminator of real, reconstructed and drawn events.

    Score `mu2`: the sum over the latent axes of the mean squared; the encoder is all that it needs.
    """

    name: ClassVar[str] = VaeGan.name
    input_kinds: ClassVar[tuple[str, ...]] = VaeGan.input_kinds
    score_names: tuple[str, ...] = VaeGan.score_names

    def __init__(self, config: VaeGanConfig, layout: Layout) -> None:
        self._settings = config
        super().__init__(config, layout)

    def _build(self) -> _Network:
        return _Network(self._settings, self.layout.size)

    def _recipe(self, module: _Network, data: TrainingData) -> Recipe:
        module.scale.learn(data.train.x, self.layout.slots, with_zero=True)
        beta, gamma, latent = self._settings.beta, self._settings.gamma, self._settings.latent

        def made(x: Tensor, noise: Noise) -> tuple[Tensor, Tensor, Tensor]:
            """Loss of the autoencoder, shape (n,), and the events that it reconstructs and draws."""
            mean, log_variance = module.inner.encode(x)
            y = module.inner.decode(drawn(mean, log_variance, noise))
            own = (x - y).square().sum(dim=1) / 2 + beta * latent * kl_divergence(mean, log_variance)
            return own, y, module.inner.decode(noise.normal(*mean.shape))

        def of_autoencoder(rows: Rows, noise: Noise) -> Tensor:
            own, *events = made(module.scale(rows.tensors[0]), noise)
            fooled = [generator_loss(module.tell(y)) for y in events]
            return rows.mean(own + gamma * (fooled[0] + fooled[1]) / 2)

        def of_discriminator(rows: Rows, noise: Noise) -> Tensor:
            x = module.scale(rows.tensors[0])
            _, *events = made(x, noise)
            told = [discriminator_loss(module.tell(x), module.tell(y.detach())) for y in events]
            return rows.mean((told[0] + told[1]) / 2)

        phases = (
            Phase("autoencoder", module.inner, of_autoencoder),
            Phase("discriminator", module.discriminator, of_discriminator),
        )
        return Recipe(module, phases, lambda rows, noise: made(module.scale(rows.tensors[0]), noise)[0])

    def _score(self, module: _Network, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (module.inner.encode(module.scale(rows[0]))[0].square().sum(dim=1),)


class _Network(nn.Module):
    """Scale, autoencoder and discriminator."""

    def __init__(self, config: VaeGanConfig, width: int) -> None:
        super().__init__()
        self.scale = HardwareScale(width)
        self.inner = GaussianAutoencoder(width, config.layers, config.latent, config.layers[::-1])
        self.discriminator = dense_stack((width, *config.discriminator, 1), lambda _: nn.LeakyReLU(0.2))

    def tell(self, x: Tensor) -> Tensor:
        """The log-odds that scaled events are real, shape (n,)."""
        odds: Tensor = self.discriminator(x)
        return odds[:, 0]
