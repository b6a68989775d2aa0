"""The network of the compact convolutional transformer, in torch."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from hepad.cards.base import parse_card
from hepad.errors import CardError, FitFailedError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.cct import TransformerConfig
from hepad.nn.attributions import in_channel, integrated_gradients
from hepad.nn.blocks import dropped
from hepad.nn.explain import Attribution
from hepad.nn.image_scorer import check_image
from hepad.nn.images import PeriodicConvolution, lit, mirrored_and_turned, pooled
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Phase, Recipe
from hepad.nn.residual import deepest
from hepad.nn.scorer import TrainingData, check_batch
from hepad.nn.sources import Noise, Rows
from hepad.nn.supervised import LABEL

__all__ = ["CompactTransformer"]

_POSITION = 0.05
"""Places of tokens are told by numbers uniform to either side of 0 up to this, which the authors do not train."""


class CompactTransformer(NetworkScorer["_Network"]):
    """A classifier that has seen the signals: what stands beside the events as `label` is the number of their class.

    The loss is the cross entropy. Score `log_odds`: the logarithm of the ratio of the probability of any signal to that
    of background, class 0, as the classes' weights in the training have them.
    """

    name: ClassVar[str] = "cct"
    input_kinds: ClassVar[tuple[str, ...]] = ("detector_image", "calo_image")
    score_names: tuple[str, ...] = ("log_odds",)
    block: ClassVar[int] = 16

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(TransformerConfig, dict(config), f"model {self.name}")
        if self._settings.dense[-1] != self._settings.filters[-1]:
            raise CardError(f"cct: the last of dense must be the {self._settings.filters[-1]} numbers of a token")
        self._place = check_image(self._settings, layout, self.name)
        super().__init__(self._settings, layout)

    def _build(self) -> _Network:
        return _Network(self._settings, self.layout)

    def _arrays(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        return (batch.x, batch.beside[LABEL]) if LABEL in batch.beside else (batch.x,)

    def _seen(self, x: Tensor) -> Tensor:
        return lit(x[:, self._place : self._place + 1], self._settings.threshold)

    def _recipe(self, module: _Network, data: TrainingData) -> Recipe:
        for batch in (data.train, data.validation):
            _check_labels(batch, self._settings.classes)

        def losses(rows: Rows, noise: Noise, dropped: bool) -> Tensor:
            x = self._seen(rows.tensors[0])
            if dropped:
                x = mirrored_and_turned(x, noise, self._settings.turn)
            found = module(x, noise if dropped else None)
            smoothing = self._settings.smoothing if dropped else 0.0
            return functional.cross_entropy(found, rows.tensors[1].long(), reduction="none", label_smoothing=smoothing)

        def loss(rows: Rows, noise: Noise) -> Tensor:
            return rows.mean(losses(rows, noise, True))

        def validate(rows: Rows, noise: Noise) -> Tensor:
            parts = zip(*(torch.split(tensor, self.block) for tensor in rows.tensors), strict=True)
            return torch.cat([losses(Rows(part, None), noise, False) for part in parts])

        return Recipe(module, (Phase("adam", module, loss),), validate)

    def _score(self, module: _Network, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (_log_odds(module(self._seen(rows[0]))),)

    def attribution(self, batch: Batch, score: str) -> Attribution:  # noqa: ARG002  it has the one
        """See `hepad.nn.explain.Attributes`."""
        check_batch(self, batch)
        module = deepcopy(self._module).to("cpu").double().eval()
        images = (
            self._seen(torch.from_numpy(np.asarray(batch.x[row : row + 1])).double()) for row in range(len(batch))
        )
        found = [integrated_gradients(lambda points: _log_odds(module(points)), image[0]) for image in images]
        return in_channel(found, self._place, self.layout, "path")


def _log_odds(found: Tensor) -> Tensor:
    return torch.logsumexp(found[:, 1:], dim=1) - found[:, 0]


class _Network(nn.Module):
    """Tokens, transformer, and a weighted mean of the tokens."""

    positions: Tensor

    def __init__(self, config: TransformerConfig, layout: Layout) -> None:
        super().__init__()
        width = config.filters[-1]
        self.tokens = nn.ModuleList(PeriodicConvolution(a, b, bias=False) for a, b in pairwise([1, *config.filters]))
        depth = np.linspace(0, config.depth_dropout, config.layers)
        self.layers = nn.ModuleList(_Layer(config, width, float(share)) for share in depth)
        self.norm = nn.LayerNorm(width)
        self.weight, self.classes = nn.Linear(width, 1), nn.Linear(width, config.classes)
        rows, columns = deepest(layout.shape[1:], len(config.filters))
        places = np.random.default_rng(0).uniform(-_POSITION, _POSITION, (rows * columns, width))
        self.register_buffer("positions", torch.tensor(places, dtype=torch.float32), persistent=False)

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """The logits of the classes, of shape (n, classes); with noise some of what is within is dropped."""
        for convolution in self.tokens:
            x = pooled(torch.relu(convolution(x)))
        y = x.flatten(2).transpose(1, 2) + self.positions
        for layer in self.layers:
            y = layer(y, noise)
        y = self.norm(y)
        result: Tensor = self.classes((torch.softmax(self.weight(y), dim=1) * y).sum(dim=1))
        return result


class _Layer(nn.Module):
    """Attention and dense layers, each after a normalisation and beside a short cut."""

    def __init__(self, config: TransformerConfig, width: int, depth_dropout: float) -> None:
        super().__init__()
        self._heads, self._head_width, self._depth = config.heads, config.head_width, depth_dropout
        self._dropout, self._attention_dropout = config.dropout, config.attention_dropout
        inner = config.heads * config.head_width
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.out = nn.Linear(width, 3 * inner), nn.Linear(inner, width)
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([width, *config.dense]))

    def forward(self, y: Tensor, noise: Noise | None) -> Tensor:
        """The tokens (n, k, width) after the layer."""
        y = y + _whole(self._attended(self.before(y), noise), noise, self._depth)
        z = self.between(y)
        for dense in self.dense:
            z = dropped(functional.gelu(dense(z)), noise, self._dropout)
        return y + _whole(z, noise, self._depth)

    def _attended(self, y: Tensor, noise: Noise | None) -> Tensor:
        n, k, _ = y.shape
        parts = self.attention(y).view(n, k, 3, self._heads, self._head_width)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        weight = torch.softmax(query @ key.transpose(2, 3) / self._head_width**0.5, dim=3)
        mixed = dropped(weight, noise, self._attention_dropout) @ value
        result: Tensor = self.out(mixed.transpose(1, 2).reshape(n, k, self._heads * self._head_width))
        return result


def _whole(x: Tensor, noise: Noise | None, share: float) -> Tensor:
    """x with a share of the events set to 0 (stochastic depth, arXiv:1603.09382)."""
    if noise is None or not share:
        return x
    return x * (noise.uniform(len(x), *[1] * (x.dim() - 1)) >= share) / (1 - share)


def _check_labels(batch: Batch, classes: int) -> None:
    if LABEL not in batch.beside:
        raise CardError("cct is supervised: its input must have the label of each event beside it")
    labels = np.asarray(batch.beside[LABEL])
    if not np.isin(labels, np.arange(classes)).all():
        raise CardError(f"cct: labels are 0 to {classes - 1}, not {labels[~np.isin(labels, np.arange(classes))][0]:g}")
    if len(labels) and (labels == labels[0]).all():
        raise FitFailedError(f"all events are of class {labels[0]:g}: a classifier needs background and signal")
