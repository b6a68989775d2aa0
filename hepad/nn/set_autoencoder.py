"""Encoders of packed sets to a latent Gaussian, and decoders of latent numbers to sets of the same kinds of objects."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hepad.nn.packed import Packed
from hepad.nn.set_blocks import AlignedLinear, DeepSetLayer, TransformerLayer, sinusoids, two_layers
from hepad.nn.variational import bounded_log_variance

__all__ = ["SetAutoencoder", "SetSizes"]

LARGEST_NUMBER = 1e4
"""Of an input; what is there is about 1. Keeps the squares of absurd ones finite."""
LARGEST_LOG_MOMENTUM = 20.0


@dataclass(frozen=True)
class SetSizes:
    """Sizes of the networks: `features` of an object, `kinds` of them, numbered from 1 (with 0 kinds all are alike),
    `objects` of a set at most.

    `heads` None are deep sets, others transformers; `layers` are those of the encoder, its pooling and the decoder.
    """

    features: int
    kinds: int
    objects: int
    width: int
    feedforward: int
    latent: int
    layers: tuple[int, int, int]
    heads: int | None = None


class SetAutoencoder(nn.Module):
    """`encoder` and `decoder`; the decoder is told how many objects of which kind there are, and no more."""

    def __init__(self, sizes: SetSizes) -> None:
        super().__init__()
        self.encoder = _Encoder(sizes) if sizes.heads is None else _TransformerEncoder(sizes)
        self.decoder = _Decoder(sizes)

    def encode(self, packed: Packed) -> tuple[Tensor, Tensor]:
        """Mean and log variance, each of shape (sets, latent)."""
        mean, log_variance = self.encoder(packed)
        return mean, bounded_log_variance(log_variance)

    def decode(self, latent: Tensor, packed: Packed) -> Tensor:
        """A positive momentum and two angles of each object, of shape (m, 3), for latent numbers (sets, latent)."""
        y: Tensor = self.decoder(latent, packed)
        return torch.cat([y[:, :1].clamp(max=LARGEST_LOG_MOMENTUM).exp(), y[:, 1:]], dim=1)


class _Encoder(nn.Module):
    """Deep sets, and the mean over the set."""

    def __init__(self, sizes: SetSizes) -> None:
        super().__init__()
        self._kinds = sizes.kinds
        self.start = AlignedLinear(sizes.features + sizes.kinds, sizes.width)
        self.layers = nn.ModuleList(DeepSetLayer(sizes.width, sizes.feedforward) for _ in range(sizes.layers[0]))
        self.mean, self.log_variance = (nn.Linear(sizes.width, sizes.latent) for _ in range(2))

    def forward(self, packed: Packed) -> tuple[Tensor, Tensor]:
        """Mean and log variance."""
        y = self.start(_seen(packed, self._kinds))
        for layer in self.layers:
            y = layer(y, packed)
        of_set = packed.mean(y)
        return self.mean(of_set), self.log_variance(of_set)


class _TransformerEncoder(nn.Module):
    """A transformer of the objects, to which two learned tokens of each set attend."""

    def __init__(self, sizes: SetSizes) -> None:
        super().__init__()
        assert sizes.heads is not None  # noqa: S101  or it is no transformer
        self._kinds, width = sizes.kinds, sizes.width
        dense = (width, sizes.feedforward, sizes.heads)
        self.start = two_layers(sizes.features + sizes.kinds, sizes.feedforward, width)
        self.layers = nn.ModuleList(TransformerLayer(*dense) for _ in range(sizes.layers[0]))
        self.pooling = nn.ModuleList(TransformerLayer(*dense, source=width) for _ in range(sizes.layers[1]))
        self.tokens = nn.Parameter(torch.randn(2, width))
        self.mean, self.log_variance = (nn.Linear(width, sizes.latent) for _ in range(2))

    def forward(self, packed: Packed) -> tuple[Tensor, Tensor]:
        """Mean and log variance."""
        y = self.start(_seen(packed, self._kinds))
        for layer in self.layers:
            y = layer(y, packed)
        tokens = self.tokens.expand(len(packed.counts), -1, -1)
        for layer in self.pooling:
            assert isinstance(layer, TransformerLayer)  # noqa: S101  a list of modules does not say so
            tokens = layer.pool(tokens, y, packed)
        return self.mean(tokens[:, 0]), self.log_variance(tokens[:, 1])


class _Decoder(nn.Module):
    """The latent numbers are given to each object, with its kind and a number among those of its kind."""

    places: Tensor

    def __init__(self, sizes: SetSizes) -> None:
        super().__init__()
        width, hidden, heads = sizes.width, sizes.feedforward, sizes.heads
        if heads is None:
            self.start: nn.Module = AlignedLinear(sizes.latent, width)
            layers: list[nn.Module] = [DeepSetLayer(width, hidden) for _ in range(sizes.layers[2])]
            self.end: nn.Module = nn.Linear(width, 3)
        else:
            self.start = two_layers(sizes.latent, hidden, width)
            layers = [TransformerLayer(width, hidden, heads, sizes.latent) for _ in range(sizes.layers[2])]
            self.end = two_layers(width, hidden, 3)
        self._kinds = sizes.kinds
        if sizes.kinds:
            self.kinds = AlignedLinear(sizes.kinds, width, bias=False)
            nn.init.normal_(self.kinds.weight)
        self.layers = nn.ModuleList(layers)
        self._attends = heads is not None
        self.register_buffer("places", sinusoids(sizes.objects, width), persistent=False)

    def forward(self, latent: Tensor, packed: Packed) -> Tensor:
        """Log momentum and two angles, of shape (m, 3)."""
        y = packed.spread(self.start(latent)) + self.places[packed.place]
        if self._kinds:
            y = y + self.kinds(_one_hot(packed, self._kinds))
        for layer in self.layers:
            y = layer(y, packed, latent) if self._attends else layer(y, packed)
        result: Tensor = self.end(y)
        return result


def _seen(packed: Packed, kinds: int) -> Tensor:
    """The features and the one-hot kind of each object."""
    x = packed.x.clamp(-LARGEST_NUMBER, LARGEST_NUMBER)
    return torch.cat([x, _one_hot(packed, kinds)], dim=1) if kinds else x


def _one_hot(packed: Packed, kinds: int) -> Tensor:
    """All zero for kind 0."""
    return nn.functional.one_hot(packed.kind, kinds + 1)[:, 1:].to(packed.x.dtype)
