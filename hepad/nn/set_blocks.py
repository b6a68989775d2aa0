"""Layers of networks of packed sets: they follow the order of the objects, and see no padding.

After the code that the authors of arXiv:2311.17162 published.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad, scaled_dot_product_attention

from hepad.nn.packed import Packed

__all__ = [
    "AlignedLinear",
    "Attention",
    "DeepSetLayer",
    "RunningNorm",
    "SetNorm",
    "TransformerLayer",
    "sinusoids",
    "two_layers",
]


def sinusoids(length: int, width: int) -> Tensor:
    """The positional encoding of arXiv:1706.03762, section 3.5, of shape (length, width); the width is even."""
    frequency = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angle = torch.arange(length)[:, None] * frequency
    return torch.stack([torch.sin(angle), torch.cos(angle)], dim=2).flatten(1)


class AlignedLinear(nn.Linear):
    """An affine layer of any number of inputs, which it pads with zeros to a multiple of eight.

    Where rows begin at odd places, the order of the sums of a matrix library may depend on the number of the row.
    """

    def forward(self, y: Tensor) -> Tensor:
        """The affine map of y."""
        more = -self.in_features % 8
        return linear(pad(y, (0, more)), pad(self.weight, (0, more)), self.bias)


def two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two affine layers with a leaky ReLU between them."""
    return nn.Sequential(AlignedLinear(inputs, hidden), nn.LeakyReLU(), nn.Linear(hidden, outputs))


class RunningNorm(nn.Module):
    """Normalises by running means and variances, also in training, where each batch moves them first.

    Sets weigh the same, however many objects they have.
    """

    mean: Tensor
    variance: Tensor
    MOMENTUM, EPSILON = 0.01, 1e-5

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, y: Tensor, packed: Packed) -> Tensor:
        """The normalised objects, of shape (m, width)."""
        if self.training:
            self._learn(y.detach(), packed)
        gain = self.weight * torch.rsqrt(self.variance + self.EPSILON)
        return torch.addcmul(self.bias - self.mean * gain, y, gain)

    def _learn(self, y: Tensor, packed: Packed) -> None:
        share = 1 / packed.counts.clamp(min=1)[packed.owner].to(y.dtype)
        share = share / share.sum().clamp(min=1)  # its sum is the number of sets with objects
        mean = share @ y
        variance = share @ (y - mean).square_()
        self.mean.lerp_(mean, self.MOMENTUM)
        self.variance.lerp_(variance, self.MOMENTUM)


class DeepSetLayer(nn.Module):
    """What becomes of an object follows from itself and the mean of its set."""

    def __init__(self, width: int, feedforward: int) -> None:
        super().__init__()
        self.norm = RunningNorm(width)
        self.own, self.of_set = nn.Linear(width, feedforward), nn.Linear(width, feedforward)
        self.out = nn.Linear(feedforward, width)
        self.activation = nn.LeakyReLU()

    def forward(self, y: Tensor, packed: Packed) -> Tensor:
        """The objects after the layer, of shape (m, width)."""
        y = self.norm(y, packed)
        of_set = self.activation(self.of_set(packed.mean(y)))
        result: Tensor = self.activation(self.out(self.activation(self.own(y)) + packed.spread(of_set)))
        return result


class SetNorm(nn.Module):
    """Normalises all numbers of a set by their mean and variance."""

    EPSILON = 1e-5

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, y: Tensor, packed: Packed | None) -> Tensor:
        """The normalised objects, of shape (m, width), or those of sets of equal sizes, (sets, k, width)."""
        if packed is None:
            y = y - y.mean(dim=(1, 2), keepdim=True)
            variance = y.square().mean(dim=(1, 2), keepdim=True)
        else:
            y = y - packed.spread(packed.mean(y.mean(dim=1, keepdim=True)))
            variance = packed.spread(packed.mean(y.square().mean(dim=1, keepdim=True)))
        return torch.addcmul(self.bias, y * torch.rsqrt(variance + self.EPSILON), self.weight)


class Attention(nn.Module):
    """Attention of several heads to the objects of the same set, or to a source of another width."""

    def __init__(self, width: int, heads: int, source: int | None = None) -> None:
        super().__init__()
        self._heads = heads
        self.query, self.key, self.value = (nn.Linear(inputs or width, width) for inputs in (None, source, source))
        self.out = nn.Linear(width, width)
        for layer in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(layer.weight)
        for layer in (self.query, self.key, self.value, self.out):
            nn.init.zeros_(layer.bias)

    def among(self, y: Tensor, packed: Packed) -> Tensor:
        """Of the objects of a set to one another, of shape (m, width)."""
        parts = self._projected(y)
        result = torch.zeros_like(y)
        for bucket in packed.sets:
            padded = parts.index_select(0, bucket.rows.flatten()).view(*bucket.rows.shape, -1)
            query, key, value = padded.chunk(3, dim=2)
            seen = self._attend(query, key, value, bucket.mask)
            result = result.index_copy(0, bucket.kept, seen.flatten(0, 1).index_select(0, bucket.places))
        return self._out(result)

    def within(self, y: Tensor) -> Tensor:
        """As `among`, of sets of equal sizes, (sets, k, width)."""
        query, key, value = self._projected(y).chunk(3, dim=2)
        return self._out(self._attend(query, key, value))

    def of_sets(self, y: Tensor, source: Tensor, packed: Packed) -> Tensor:
        """Of some tokens of each set, (sets, k, width), to its objects, of shape (m, source); 0 where there are none.

        `packed.sets` says which objects are whose. Tokens are few and objects many, so that the maps to keys and values
        are done to what the tokens ask and get: q (K x) = (q K) x, where the bias of a key adds the same to all objects
        of a set, and sum(a V x) = V sum(a x).
        """
        sets, tokens, width = y.shape
        query = self.query(y).view(sets, tokens, self._heads, -1).permute(2, 0, 1, 3).flatten(1, 2)
        key, value = (layer.weight.view(self._heads, -1, source.shape[1]) for layer in (self.key, self.value))
        asked = torch.bmm(query, key).view(self._heads, sets, tokens, -1).permute(1, 0, 2, 3).flatten(1, 2)
        found = torch.zeros_like(asked)
        scale = (width // self._heads) ** -0.5
        for bucket in packed.sets:
            objects = source.index_select(0, bucket.rows.flatten()).view(*bucket.rows.shape, -1)[:, None]
            whose = packed.owner.index_select(0, bucket.rows[:, 0])
            queries = asked.index_select(0, whose)[:, None]
            seen = scaled_dot_product_attention(queries, objects, objects, attn_mask=bucket.mask, scale=scale)
            found = found.index_copy(0, whose, seen[:, 0])
        found = found.view(sets, self._heads, tokens, -1).transpose(0, 1).flatten(1, 2)
        values = torch.bmm(found, value.transpose(1, 2)).view(self._heads, sets, tokens, -1)
        any_there = (packed.counts > 0).to(y.dtype)[:, None, None]
        return self._out(values.permute(1, 2, 0, 3).flatten(2) + self.value.bias * any_there)

    def to_one(self, source: Tensor) -> Tensor:
        """To a single token, (sets, source): it gets all the attention, whatever queries and keys are."""
        return self._out(self.value(source))

    def _out(self, y: Tensor) -> Tensor:
        result: Tensor = self.out(y)
        return result

    def _projected(self, y: Tensor) -> Tensor:
        """Query, key and value of each row, side by side."""
        layers = (self.query, self.key, self.value)
        return linear(y, torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers]))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        query, key, value = (
            part.reshape(*part.shape[:2], self._heads, -1).transpose(1, 2) for part in (query, key, value)
        )
        return scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)


class TransformerLayer(nn.Module):
    """Attention and two dense layers, each after a normalisation and beside a short cut.

    With `source` it attends to something else too: see its three uses in `forward`, `pool` and `decode`.
    """

    def __init__(self, width: int, feedforward: int, heads: int, source: int | None = None) -> None:
        super().__init__()
        self.norm, self.attention = SetNorm(width), Attention(width, heads)
        if source is not None:
            self.norm_source, self.attention_source = SetNorm(width), Attention(width, heads, source)
        self.norm_dense, self.dense = SetNorm(width), two_layers(width, feedforward, width)

    def forward(self, y: Tensor, packed: Packed, latent: Tensor | None = None) -> Tensor:
        """The objects after the layer, of shape (m, width); `latent`, (sets, source), is what else is attended to."""
        y = y + self.attention.among(self.norm(y, packed), packed)
        if latent is not None:  # one token, so that it needs no normalised query
            y = y + packed.spread(self.attention_source.to_one(latent))
        result: Tensor = y + self.dense(self.norm_dense(y, packed))
        return result

    def pool(self, tokens: Tensor, y: Tensor, packed: Packed) -> Tensor:
        """Tokens of sets, (sets, k, width), after they attended to one another and to the objects `y`, (m, source)."""
        tokens = tokens + self.attention.within(self.norm(tokens, None))
        tokens = tokens + self.attention_source.of_sets(self.norm_source(tokens, None), y, packed)
        result: Tensor = tokens + self.dense(self.norm_dense(tokens, None))
        return result
