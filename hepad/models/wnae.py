"""Normalised autoencoders: the reconstruction error as the energy of a density, low for background and nowhere else.

References: CMS, "Wasserstein normalized autoencoder for anomaly detection", CMS-MLG-24-002, and the code that its
authors published ("the authors" below); Yoon, Noh, Park, "Autoencoding under normalization constraints",
arXiv:2105.05735, for the loss `contrastive`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from hepad.cards.base import Card, parse_card
from hepad.inputs.layout import Layout
from hepad.nn.dense_autoencoder import DenseNetwork

if TYPE_CHECKING:
    from torch import Tensor, nn

    from hepad.nn.recipe import Recipe
    from hepad.nn.sources import Noise, Rows

__all__ = ["NormalisedAutoencoder", "NormalisedConfig"]

Width = Annotated[int, Field(ge=1, le=4096)]
VALIDATED = 512
"""Events that a distance is validated on at a time: the best pairing of n takes up to n^3 steps."""


class NormalisedConfig(Card):
    """`layers`: widths down to the latent one; `decoder`: widths of its hidden layers, None mirrors the encoder.

    `loss`: `wasserstein`, the squared Wasserstein distance between the events and samples of the network's own density;
    `contrastive`, the energy of events less that of samples; `reconstruction`, the energy alone, as of any autoencoder.
    Samples are the ends of chains of `steps` Langevin steps with noise of standard deviation `noise` at `temperature`,
    within `bounds` of the scaled input. A chain begins at a random point (`start`), or with probability `replay` at the
    end of an earlier one, of which the last `buffer` are kept.
    """

    layers: tuple[Width, ...] = Field(default=(32, 16, 8), min_length=1, max_length=16)
    decoder: tuple[Width, ...] | None = Field(default=None, max_length=16)
    loss: Literal["wasserstein", "contrastive", "reconstruction"] = "wasserstein"
    steps: int = Field(default=10, ge=1, le=1000)
    noise: float = Field(default=0.2, gt=0, le=100)
    temperature: float = Field(default=0.05, gt=0, le=1e6)
    bounds: tuple[float, float] = (-3.0, 3.0)
    start: Literal["gaussian", "uniform"] = "gaussian"
    replay: float = Field(default=0.95, ge=0, le=1)
    buffer: int = Field(default=10_000, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _is_a_range(self) -> NormalisedConfig:
        if not self.bounds[0] < self.bounds[1]:
            raise ValueError(f"bounds must rise, not go from {self.bounds[0]:g} to {self.bounds[1]:g}")
        return self


class NormalisedAutoencoder(DenseNetwork):
    """A dense autoencoder whose mean squared error is the energy of a density; its training draws samples from that.

    What it validates on is the distance of the validation's events to new samples, also for the loss `contrastive`,
    which is lower in some epochs than where the density is right; for `reconstruction` it is the energy.
    """

    name: ClassVar[str] = "wnae"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector", "event_features", "jet_features", "rmm")

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(NormalisedConfig, dict(config), f"model {self.name}")
        super().__init__(self._settings, layout, self._settings.layers, self._settings.decoder)

    def _recipe(self, module: nn.Module) -> Recipe:
        from hepad.nn.recipe import Phase, Recipe

        if self._settings.loss == "reconstruction":
            return super()._recipe(module)
        samples = _Samples(self._settings, module, len(self.columns))
        losses = {"wasserstein": samples.distance, "contrastive": samples.contrast}
        loss = losses[self._settings.loss]
        return Recipe(module, (Phase("adam", module, loss),), samples.validate, samples.memory)


class _Samples:
    """The network's density in a training: its samples, and the losses that are made of them."""

    def __init__(self, settings: NormalisedConfig, module: nn.Module, width: int) -> None:
        from hepad.nn.langevin import Chain, Replay

        self._settings, self._module, self._width = settings, module, width
        self._chain = Chain(settings.steps, settings.noise, settings.temperature, settings.bounds)
        self.memory = Replay(settings.buffer, width, settings.replay)

    def energy(self, x: Tensor) -> Tensor:
        """The mean squared error, shape (n,)."""
        from hepad.nn.blocks import mean_squared_error

        return mean_squared_error(x, self._module(x))

    def drawn(self, count: int, noise: Noise, *, keep: bool) -> Tensor:
        """Ends of new chains, of shape (count, width), functions of the weights with `keep`."""
        if self._settings.start == "gaussian":
            fresh = noise.normal(count, self._width)
        else:
            low, high = self._settings.bounds
            fresh = low + (high - low) * noise.uniform(count, self._width)
        return self._chain.run(self.energy, self.memory.starts(fresh, noise), noise, keep=keep)

    def distance(self, rows: Rows, noise: Noise) -> Tensor:
        """The distance of the events from samples, times their mean weight."""
        samples = self.drawn(len(rows), noise, keep=True)
        self.memory.push(samples)
        return _distance(rows, samples, noise) * (1 if rows.weight is None else rows.weight.mean())

    def contrast(self, rows: Rows, noise: Noise) -> Tensor:
        """The mean energy of the events less that of samples, whose places are given."""
        samples = self.drawn(len(rows), noise, keep=False)
        self.memory.push(samples)
        return rows.mean(self.energy(rows.tensors[0])) - self.energy(samples).mean()

    def validate(self, rows: Rows, noise: Noise) -> Tensor:
        """The distance from samples of so many events each, of shape (n,)."""
        import torch

        found = []
        for start in range(0, len(rows), VALIDATED):
            part = rows.part(slice(start, start + VALIDATED))
            samples = self.drawn(len(part), noise, keep=False)
            found.append(_distance(part, samples, noise).expand(len(part)))
        return torch.cat(found)


def _distance(rows: Rows, samples: Tensor, noise: Noise) -> Tensor:
    from hepad.nn.transport import drawn_by_weight, wasserstein

    return wasserstein(drawn_by_weight(rows.tensors[0], rows.weight, noise), samples)
