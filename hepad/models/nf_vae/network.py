"""The network of the variational autoencoder with a flow, in torch."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hepad.cards.base import parse_card
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.nf_vae import FlowVaeConfig
from hepad.nn.blocks import chamfer_distance, kl_divergence
from hepad.nn.flows import Autoregressive, Convolutional, Planar, Sylvester
from hepad.nn.inference import evaluate
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import TrainingData, check_batch
from hepad.nn.sources import Noise
from hepad.nn.variational import bounded_log_variance, drawn

__all__ = ["FlowVariationalAutoencoder"]

_LARGEST = 1e6
_LARGEST_HIDDEN = 1e4
"""Far beyond what training reaches; they keep absurd inputs finite."""


class FlowVariationalAutoencoder(NetworkScorer["_Network"]):
    """Objects as rows of an image, convolved to a Gaussian latent space that a flow bends; and back.

    The loss of an event is the Chamfer distance of the objects and their reconstructions, summed over the objects, and
    beta times the sum over the latent axes of the divergence, less the logarithm of the flow's determinant, as the
    authors have it. Scores, of the latent mean: `total`, the first two of these; `chamfer`, the distance;
    `kl`, the divergence averaged over the latent axes.
    """

    name: ClassVar[str] = "nf_vae"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector",)
    score_names: tuple[str, ...] = ("total", "chamfer", "kl")

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(FlowVaeConfig, dict(config), f"model {self.name}")
        self._shape = _rows(layout)
        left = self._shape[0] - sum(kernel - 1 for kernel in self._settings.kernels)
        if left < 1:
            raise CardError(f"{self._shape[0]} objects are too few for convolutions of {self._settings.kernels}")
        super().__init__(self._settings, layout)

    @property
    def embedding_layout(self) -> Layout:
        """The latent means after the flow, `z1`, `z2`, ..."""
        return Layout.latent(self._settings.latent)

    def embed(self, batch: Batch) -> npt.NDArray[np.float32]:
        """The means of the latent Gaussians after the flow, of shape (n, latent)."""
        check_batch(self, batch)
        module = self._module

        def latent(x: Tensor) -> tuple[Tensor, ...]:
            mean, _, hidden = module.encode(x)
            return (module.flow(mean, hidden)[0],)

        (values,) = evaluate(module, latent, (batch.x,), 1)
        return values

    def _build(self) -> _Network:
        met = [place for place, slot in enumerate(self.layout.slots) if slot.object == "met"]
        return _Network(self._settings, self._shape, met)

    def _recipe(self, module: _Network, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        beta = self._settings.beta * self._settings.latent

        def step(rows: tuple[Tensor, ...], noise: Noise) -> Tensor:
            mean, log_variance, hidden = module.encode(rows[0])
            z = drawn(mean, log_variance, noise)
            bent, logarithm = module.flow(z, hidden)
            return module.distance(rows[0], bent) + beta * kl_divergence(mean, log_variance) - logarithm

        return Recipe.of_rows(module, step)

    def _score(self, module: _Network, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        mean, log_variance, hidden = module.encode(rows[0])
        distance = module.distance(rows[0], module.flow(mean, hidden)[0])
        kl = kl_divergence(mean, log_variance)
        return distance + self._settings.beta * self._settings.latent * kl, distance, kl


class _Network(nn.Module):
    """Encoder, flow and decoder; ReLU after batch normalisation. The missing momentum enters the dense layer once more,
    as in the authors' code.
    """

    def __init__(self, config: FlowVaeConfig, shape: tuple[int, int], met: list[int]) -> None:
        super().__init__()
        self._shape, self._met = shape, met
        channels = (1, *config.filters)
        heights = [shape[0]]
        sizes = [(kernel, shape[1] if place == 0 else 1) for place, kernel in enumerate(config.kernels)]
        convolutions: list[nn.Module] = []
        for (inputs, outputs), size in zip(pairwise(channels), sizes, strict=True):
            convolutions += [nn.Conv2d(inputs, outputs, size), nn.BatchNorm2d(outputs), nn.ReLU()]
            heights.append(heights[-1] - size[0] + 1)
        self._deepest = (channels[-1], heights[-1], 1)
        flat = channels[-1] * heights[-1]
        self.convolve = nn.Sequential(*convolutions)
        self.dense = nn.Sequential(
            nn.BatchNorm1d(flat + len(met)), nn.Linear(flat + len(met), config.dense), nn.BatchNorm1d(config.dense)
        )
        self.mean = nn.Linear(config.dense, config.latent)
        self.log_variance = nn.Linear(config.dense, config.latent)
        self.steps = nn.ModuleList(_step(config, place) for place in range(_steps(config)))
        self.expand = nn.Sequential(
            nn.Linear(config.latent, config.dense), nn.BatchNorm1d(config.dense), nn.ReLU(),
            nn.Linear(config.dense, flat), nn.BatchNorm1d(flat), nn.ReLU(),
        )  # fmt: skip
        back: list[nn.Module] = []
        for (outputs, inputs), size in reversed(list(zip(pairwise(channels), sizes, strict=True))):
            back.append(nn.ConvTranspose2d(inputs, outputs, size))
            back += [nn.BatchNorm2d(outputs), nn.ReLU()] if outputs != 1 or len(back) < 3 * len(sizes) - 3 else []
        self.deconvolve = nn.Sequential(*back)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and log variance of the latent Gaussian (n, latent), and the hidden numbers (n, dense)."""
        flat = self.convolve(x.view(-1, 1, *self._shape)).flatten(1)
        hidden = torch.relu(self.dense(torch.cat([flat, x[:, self._met]], dim=1))).clamp_max(_LARGEST_HIDDEN)
        mean = self.mean(hidden).clamp(-_LARGEST, _LARGEST)
        return mean, bounded_log_variance(self.log_variance(hidden)), hidden

    def flow(self, z: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """The latent numbers after all steps, and the logarithm of the determinant, shape (n,)."""
        logarithm = torch.zeros_like(z[:, 0])
        for step in self.steps:
            z, more = step(z, hidden)
            logarithm = logarithm + more
        return z, logarithm

    def decode(self, z: Tensor) -> Tensor:
        """Reconstructed objects, (n, objects, features)."""
        rows: Tensor = self.deconvolve(self.expand(z).view(-1, *self._deepest))
        return rows[:, 0]

    def distance(self, x: Tensor, z: Tensor) -> Tensor:
        """The Chamfer distance of the objects in x (n, columns) and those decoded from z, shape (n,)."""
        return chamfer_distance(x.view(-1, *self._shape), self.decode(z))


def _steps(config: FlowVaeConfig) -> int:
    return 0 if config.flow.kind == "none" else config.flow.steps


def _step(config: FlowVaeConfig, place: int) -> nn.Module:
    """One step of the flow; every other one has the axes in the opposite order, where there is an order."""
    flow, reverse = config.flow, place % 2 == 1
    if flow.kind == "planar":
        return Planar(config.latent, config.dense)
    if flow.kind == "iaf":
        return Autoregressive(config.latent, config.dense, flow.width, reverse=reverse)
    if flow.kind == "convolutional":
        return Convolutional(config.latent, flow.kernel, reverse=reverse)
    if flow.kind == "none":
        raise ValueError("no flow has no steps")
    return Sylvester(config.latent, config.dense, flow.kind, flow.vectors, reverse=reverse)


def _rows(layout: Layout) -> tuple[int, int]:
    """Objects and features of a vector; `CardError` unless all its objects have the same features in the same order."""
    found = layout.objects
    if not found:
        raise CardError("nf_vae takes a vector of objects")
    features = list(next(iter(found.values())))
    for owner, own in found.items():
        if list(own) != features:
            raise CardError(f"nf_vae takes objects of the same features: {owner} has {', '.join(own)}, not "
                            f"{', '.join(features)}")  # fmt: skip
    if [place for own in found.values() for place in own.values()] != list(range(layout.size)):
        raise CardError("nf_vae takes a vector that goes object by object")
    return len(found), len(features)
