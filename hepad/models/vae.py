"""Variational autoencoder on the momenta of trigger objects.

Reference: Govorkova et al., "Autoencoders on FPGAs for real-time, unsupervised new physics detection at 40 MHz",
arXiv:2108.03986, and the training code that its authors published; "the authors" below are theirs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from hepad.cards.base import Card, parse_card
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.nn.blocks import dense_stack, kl_divergence
from hepad.nn.inference import evaluate
from hepad.nn.network import NetworkScorer
from hepad.nn.scorer import check_batch

__all__ = ["VariationalAutoencoder", "VariationalConfig"]

LARGEST_LOG_VARIANCE = 50.0  # far beyond what training reaches; keeps the exponential of absurd inputs finite
Positive = Annotated[float, Field(gt=0)]
ScoreName = Literal["mse", "kl", "r", "mu2"]
SCORES: tuple[ScoreName, ...] = ("mse", "kl", "r")


class VariationalConfig(Card):
    """`layers` and `latent`: widths of the encoder, mirrored by the decoder; `beta`: weight of the KL divergence.

    The loss is (1 - beta) * reconstruction + beta * KL; the authors use beta = 0.8.
    `eta_limits`: the largest abs(eta) of each kind of object, which bounds its reconstructed eta.
    `scores`: which scores to give, the default first; the decoder is run for `mse` only.
    """

    layers: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(default=(32, 16), min_length=1, max_length=16)
    latent: int = Field(default=3, ge=1, le=4096)
    beta: float = Field(default=0.8, gt=0, lt=1)
    eta_limits: dict[str, Positive] = Field(default_factory=lambda: {"electron": 3.0, "muon": 2.1, "jet": 4.0})
    scores: tuple[ScoreName, ...] = Field(default=SCORES, min_length=1)

    @field_validator("scores")
    @classmethod
    def _each_once(cls, scores: tuple[ScoreName, ...]) -> tuple[ScoreName, ...]:
        if len(set(scores)) != len(scores):
            raise ValueError("scores must be named each once")
        return scores


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
    config_card: ClassVar[type[Card]] = VariationalConfig
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector",)
    score_names: tuple[str, ...] = SCORES

    def __init__(self, config: Mapping[str, Any], columns: Sequence[str]) -> None:
        self._variational = parse_card(VariationalConfig, dict(config), f"model {self.name}")
        self.score_names = self._variational.scores
        self._limits = _output_limits(columns, self._variational.eta_limits)
        super().__init__(self._variational, columns)

    def reconstruction_errors(self, batch: Batch) -> npt.NDArray[np.float32]:
        """Squared difference of input and output, 0 where padded, shape (n, d); see `hepad.nn.explain.Explains`."""
        check_batch(self, self.columns, batch)
        module = self._module

        def errors(x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
            return (((x - module.decode(module.encode(x)[0])) * mask).square(),)

        (values,) = evaluate(module, errors, self._arrays(batch), 1)
        return values

    def _build(self) -> _Network:
        return _Network(self._variational, self._limits)

    def _arrays(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        return batch.x, batch.mask.astype("float32")

    def _loss(self, module: _Network, rows: tuple[Tensor, ...], noise: torch.Generator) -> Tensor:
        x, mask = rows
        mean, log_variance = module.encode(x)
        spread = torch.exp(0.5 * log_variance)
        latent = mean + spread * torch.randn(mean.shape, generator=noise)
        error = _masked_error(x, module.decode(latent), mask)
        beta = self._variational.beta
        return (1 - beta) * error + beta * kl_divergence(mean, log_variance)

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
        return mean, log_variance.clamp(-LARGEST_LOG_VARIANCE, LARGEST_LOG_VARIANCE)

    def decode(self, latent: Tensor) -> Tensor:
        """Reconstructed columns: pt as it comes, eta and phi within their limits."""
        raw: Tensor = self.decoder(latent)
        return torch.where(self.bounded, self.limits * torch.tanh(raw), raw)


def _normalisation(width: int) -> nn.BatchNorm1d:
    # eps as in Keras, which the authors use. Their momentum of 0.99 (0.01 in torch's sense) needs hundreds of batches
    # before the running statistics forget their start; torch's default has the same limit.
    return nn.BatchNorm1d(width, eps=1e-3)


def _activation(width: int) -> nn.Module:
    return nn.Sequential(_normalisation(width), nn.LeakyReLU(0.3))


def _masked_error(x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    return ((x - y) * mask).square().mean(dim=1)


def _output_limits(columns: Sequence[str], eta_limits: Mapping[str, float]) -> list[float]:
    """The bound of each column's tanh; infinite where the output is linear."""
    return [_output_limit(column, eta_limits) for column in columns]


def _output_limit(column: str, eta_limits: Mapping[str, float]) -> float:
    match = re.fullmatch(r"([a-z]+?)\d*_(pt|eta|phi)", column)
    if match is None:
        raise CardError(f"vae takes columns such as jet1_pt, electron2_eta or met_phi, not {column!r}")
    thing, quantity = match.groups()
    if quantity == "pt" or column == "met_eta":  # MET has no eta: the column is always masked
        return math.inf
    if quantity == "phi":
        return math.pi
    if thing not in eta_limits:
        raise CardError(f"vae has no limit for column {column!r}: add {thing!r} to the model's key 'eta_limits'")
    return eta_limits[thing]
