"""The networks of Set-VAE and CLIP-VAE, in torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hepad.cards.base import parse_card
from hepad.errors import CardError, InputDataError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import SET, Layout
from hepad.models.set_vae import ClipVaeConfig, SetVaeConfig
from hepad.nn.blocks import kl_divergence
from hepad.nn.chamfer import half_chamfer
from hepad.nn.network import NetworkScorer
from hepad.nn.packed import Packed, evaluate_sets, pack
from hepad.nn.recipe import Phase, Recipe
from hepad.nn.scorer import State, TrainingData
from hepad.nn.set_autoencoder import LARGEST_NUMBER, SetAutoencoder, SetSizes
from hepad.nn.sources import Noise, Rows

__all__ = ["ClipVae", "SetVae"]

_TOGETHER = 512
"""Sets of a validation that are evaluated together."""


class SetVae(NetworkScorer[SetAutoencoder]):
    """Encoder of a set of particles to a latent Gaussian, and decoder to as many particles of the same kinds.

    Scores: `chamfer`, half the Chamfer loss of the reconstruction of the latent mean, a mean over the particles, as in
    `hepad.nn.chamfer`; `kl`, the divergence from the unit Gaussian averaged over the latent axes, which needs the
    encoder only. Neither depends on the order of the particles; a jet without any has a `chamfer` of 0.
    """

    name: ClassVar[str] = "set_vae"
    input_kinds: ClassVar[tuple[str, ...]] = ("particle_set",)
    score_names: tuple[str, ...] = ("chamfer",)
    settings: ClassVar[type[SetVaeConfig]] = SetVaeConfig

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(self.settings, dict(config), f"model {self.name}")
        self.score_names = self._settings.scores
        if layout.axes != SET:
            raise CardError(f"{self.name} takes a set, not an input of axes {', '.join(layout.axes)}")
        self._columns = [_column(layout, name) for name in (self._settings.momentum, *self._settings.angles)]
        self._gain = torch.ones(layout.shape[1])
        self._gain[self._columns[0]] = self._settings.momentum_scale
        super().__init__(self._settings, layout)

    def _build(self) -> SetAutoencoder:
        s = self._settings
        objects, features = self.layout.shape
        layers = (s.encoder_layers, s.pooling_layers, s.decoder_layers)
        heads = s.heads if s.network == "transformer" else None
        kinds = s.id_kinds if s.ids else 0
        return SetAutoencoder(SetSizes(features, kinds, objects, s.width, s.feedforward, s.latent, layers, heads))

    def _arrays(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        there = np.all(batch.there, axis=2)
        if not self._settings.ids:
            return batch.x, there, np.zeros(there.shape, dtype=np.int8)
        if "id" not in batch.beside:
            raise CardError(f"{self.name} with ids needs an input with 'ids: beside'")
        ids = batch.beside["id"]
        wrong = there & ((ids < 0) | (ids > self._settings.id_kinds))
        if wrong.any():
            row, place = np.argwhere(wrong)[0]
            raise InputDataError(
                f"row {row}: object {place + 1} is of kind {ids[row, place]}, {self.name} knows kinds 0 to "
                f"{self._settings.id_kinds} only"
            )
        return batch.x, there, ids

    def _values(self, batch: Batch) -> list[npt.NDArray[np.float32]]:
        module, arrays = self._module, self._arrays(batch)

        def score(packed: Packed) -> tuple[Tensor, ...]:
            return self._scores_of(module, self._scaled(packed))

        return evaluate_sets(module, score, arrays, len(self.score_names), device=self._device)

    def _score(self, module: SetAutoencoder, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return self._scores_of(module, self._packed(rows))

    def _scores_of(self, module: SetAutoencoder, packed: Packed) -> tuple[Tensor, ...]:
        mean, log_variance = module.encode(packed)
        made = {"kl": kl_divergence(mean, log_variance)}
        if "chamfer" in self.score_names:
            made["chamfer"] = self._error(packed, module.decode(mean, packed))
        return tuple(made[name] for name in self.score_names)

    def _recipe(self, module: SetAutoencoder, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        warmth = _Warmth(self._settings.noise_steps)

        def loss(rows: Rows, noise: Noise) -> Tensor:
            packed = self._packed(rows.tensors)
            mean, log_variance = module.encode(packed)
            latent = mean + torch.exp(0.5 * log_variance) * noise.normal(*mean.shape) * warmth.next()
            error = self._error(packed, module.decode(latent, packed))
            divergence = self._divergence(error.detach(), kl_divergence(mean, log_variance), rows.weight)
            return rows.mean(error) + self._settings.beta * divergence.mean()

        def validate(rows: Rows, noise: Noise) -> Tensor:  # noqa: ARG001  of the latent mean, as the score
            parts = zip(*(torch.split(tensor, _TOGETHER) for tensor in rows.tensors), strict=True)
            return torch.cat([self._validated(module, part) for part in parts])

        return Recipe(module, (Phase("adam", module, loss),), validate, warmth)

    def _validated(self, module: SetAutoencoder, tensors: tuple[Tensor, ...]) -> Tensor:
        packed = self._packed(tensors)
        mean, log_variance = module.encode(packed)
        error = self._error(packed, module.decode(mean, packed))
        return error + self._settings.beta * self._divergence(error, kl_divergence(mean, log_variance), None)

    def _divergence(self, error: Tensor, divergence: Tensor, weight: Tensor | None) -> Tensor:  # noqa: ARG002
        """What of the divergences (n,) counts, times the events' weights, so that its mean is that of the loss."""
        return divergence if weight is None else divergence * weight

    def _packed(self, rows: tuple[Tensor, ...]) -> Packed:
        return self._scaled(pack(rows))

    def _scaled(self, packed: Packed) -> Packed:
        return packed.of(packed.x * self._gain.to(packed.x.device))

    def _error(self, packed: Packed, made: Tensor) -> Tensor:
        x = packed.x[:, self._columns].clamp(-LARGEST_NUMBER, LARGEST_NUMBER)
        return half_chamfer(packed, x, made, self._settings.angular_scale)


class ClipVae(SetVae):
    """`set_vae` whose KL divergence is that of the part of a batch that is given back best, so that it stays large for
    what is not; its score is the divergence, for which the encoder is enough.
    """

    name: ClassVar[str] = "clip_vae"
    score_names: tuple[str, ...] = ("kl",)
    settings: ClassVar[type[SetVaeConfig]] = ClipVaeConfig

    def _divergence(self, error: Tensor, divergence: Tensor, weight: Tensor | None) -> Tensor:
        assert isinstance(self._settings, ClipVaeConfig)  # noqa: S101  it is its card
        kept = error.argsort()[: max(int(len(error) * self._settings.fraction), 1)]
        share = torch.zeros_like(error)
        share[kept] = 1.0 if weight is None else weight[kept]
        return divergence * share * (len(error) / share.sum().clamp(min=torch.finfo(share.dtype).tiny))


class _Warmth:
    """How large the noise is: it grows from batch to batch. A part of a training's checkpoint."""

    def __init__(self, steps: int) -> None:
        self._steps, self._done = steps, 0

    def next(self) -> float:
        """That of the next batch."""
        self._done += 1
        return min(self._done / self._steps, 1.0) if self._steps else 1.0

    def state(self) -> State:
        """How many batches there were."""
        return {"noise_steps": np.array([self._done], dtype=np.int64)}

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on after so many."""
        self._done = int(state["noise_steps"][0])


def _column(layout: Layout, name: str) -> int:
    if name not in layout.features:
        raise CardError(f"the input has no feature {name!r}: it has {', '.join(layout.features)}")
    return layout.features.index(name)
