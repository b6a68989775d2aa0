"""The network of the categorical dual variational autoencoder, in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hepad.cards.base import parse_card
from hepad.inputs.layout import Layout
from hepad.models.codvae import SCORES, CategoricalConfig
from hepad.nn.concrete import drawn_log, gumbel, log_density, log_mixture
from hepad.nn.image_scorer import ImageScorer
from hepad.nn.oriented import Oriented
from hepad.nn.residual import FIRST_LOGIT, ConditionalDecoder, MaskEncoder, ResidualEncoder, deepest, first_weights
from hepad.nn.sources import Noise

__all__ = ["CategoricalDualAutoencoder"]

_LATENT = 2
_TEMPERATURES = (0.1, 1.0)
"""Between these are those of the prior, at random, as the reference's equation 2 has it."""


class CategoricalDualAutoencoder(ImageScorer["_Network"]):
    """`codae` with relaxed categoricals in place of the latent numbers of its residual encoder, and a mode as output.

    The loss is the binary cross entropy, summed over the pixels, and `beta` times the divergence of the latent
    distribution from the prior, summed over the latent pixels. What it reconstructs is the most probable image, of 0
    and 1, of the most probable latent numbers. Scores: `sse`, `dice` and `pixel_sum` of it (`sae` and `sae_mask` are
    `sse` there); `z1` and `z2` as of `codae`; `kl_reverse`, the divergence of the latent distribution from the prior,
    and `kl_forward`, that of the prior from it, as means over the same draws for all events.
    """

    name: ClassVar[str] = "codvae"
    score_names: tuple[str, ...] = SCORES
    encoder_scores: tuple[str, ...] = ("z1", "z2")

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(CategoricalConfig, dict(config), f"model {self.name}")
        super().__init__(self._settings, layout, self._settings.scores)

    def _build(self) -> _Network:
        return _Network(self._settings, self.layout.shape[1:])

    def _losses(self, module: _Network, x: Tensor, noise: Noise) -> Tensor:
        z = module.mask_encoder(x)
        module.oriented.remember(z, x)
        logits, temperature = module.encode(x)
        draws = gumbel(noise.uniform(self._settings.samples, *logits.shape))
        divergence = module.reverse(logits, temperature, draws)
        latent = drawn_log(logits, temperature, draws[0]).exp()
        made = module.decode(latent, z)
        error = functional.binary_cross_entropy_with_logits(made, x, reduction="none").flatten(1).sum(dim=1)
        return error + self._settings.beta * divergence

    def _find(self, module: _Network, x: Tensor, decode: bool) -> tuple[Tensor | None, Mapping[str, Tensor]]:
        z = module.mask_encoder(x)
        found, divergences = module.oriented(z), {"kl_forward", "kl_reverse"} & set(self.score_names)
        if not (decode or divergences):
            return None, found
        logits, temperature = module.encode(x)
        if divergences:
            found["kl_reverse"] = module.reverse(logits, temperature, module.draws[:, None])
            found["kl_forward"] = module.forward_divergence(logits, temperature)
        if not decode:
            return None, found
        made = module.decode(torch.softmax(logits / temperature, dim=-1), z)
        return torch.where(made.isnan(), made, (made > 0).to(made.dtype)), found


class _Network(nn.Module):
    """Encoders and decoder; what the scores draw is the same for all events and all times."""

    temperatures: Tensor
    draws: Tensor
    prior: Tensor

    def __init__(self, config: CategoricalConfig, size: Sequence[int]) -> None:
        super().__init__()
        self._temperature = config.temperature
        self.encoder = ResidualEncoder(config.filters, config.groups)
        self.latents = nn.Conv2d(config.filters[-1], config.latent, 1)
        self.temperature = nn.Conv2d(config.filters[-1], 1, 1)
        self.mask_encoder = MaskEncoder(config.filters, config.mask_groups, size, _LATENT)
        self.decoder = ConditionalDecoder(config.filters[::-1], config.groups, size, config.latent, _LATENT)
        self.oriented = Oriented(_LATENT)
        first_weights(self)
        nn.init.constant_(self.decoder.last.bias, FIRST_LOGIT)  # type: ignore[arg-type]
        self._draw(config, (*deepest(size, len(config.filters)), config.latent))

    def _draw(self, config: CategoricalConfig, shape: tuple[int, ...]) -> None:
        """The prior's temperatures, Gumbel noise and draws of the prior; not weights: they follow from the settings."""
        rng = np.random.default_rng(0)
        temperatures = torch.tensor(rng.uniform(*_TEMPERATURES, config.modes), dtype=torch.float32)
        draws = gumbel(torch.tensor(rng.random((config.samples, *shape)), dtype=torch.float32))
        of_prior = gumbel(torch.tensor(rng.random((config.samples, *shape)), dtype=torch.float32))
        which = torch.tensor(rng.integers(config.modes, size=(config.samples, *shape[:-1], 1)))
        prior = drawn_log(torch.zeros(shape), temperatures[which], of_prior)
        for name, values in (("temperatures", temperatures), ("draws", draws), ("prior", prior)):
            self.register_buffer(name, values, persistent=False)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, eta, phi, classes) and temperatures (n, eta, phi, 1) of the latent pixels."""
        features = self.encoder(x)
        temperature = self._temperature + functional.softplus(self.temperature(features))
        return self.latents(features).permute(0, 2, 3, 1), temperature.permute(0, 2, 3, 1)

    def decode(self, latent: Tensor, z: Tensor) -> Tensor:
        """The logits of the pixels, of latent numbers (n, eta, phi, classes) and those of the mask encoder."""
        logits: Tensor = self.decoder(latent.permute(0, 3, 1, 2), z)
        return logits

    def reverse(self, logits: Tensor, temperature: Tensor, draws: Tensor) -> Tensor:
        """Divergence of the latent distribution from the prior, by the mean over draws; (n,)."""
        log_z = drawn_log(logits, temperature, draws)
        difference = log_density(log_z, logits, temperature) - log_mixture(log_z, self.temperatures)
        return difference.mean(dim=0).flatten(1).sum(dim=1)

    def forward_divergence(self, logits: Tensor, temperature: Tensor) -> Tensor:
        """Divergence of the prior from the latent distribution, by the mean over draws of the prior; (n,)."""
        log_z = self.prior[:, None].expand(-1, len(logits), -1, -1, -1)
        difference = log_mixture(self.prior, self.temperatures)[:, None] - log_density(log_z, logits, temperature)
        return difference.mean(dim=0).flatten(1).sum(dim=1)
