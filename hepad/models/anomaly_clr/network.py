"""The network of the contrastive representation, in torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from hepad.cards.base import parse_card
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.anomaly_clr import ContrastiveConfig
from hepad.nn.contrastive import anomclr_loss, anomclr_plus_loss, clr_loss
from hepad.nn.inference import evaluate
from hepad.nn.network import NetworkScorer
from hepad.nn.object_views import Objects, anomalous, physical
from hepad.nn.recipe import Phase, Recipe
from hepad.nn.scorer import TrainingData, check_batch
from hepad.nn.sources import Noise, Rows

__all__ = ["ContrastiveEmbedding"]

_KINDS = ("met", "electron", "muon", "jet")
_TOGETHER = 1000
"""Events of a validation that are compared with one another."""
_LARGEST_ANGLE = 10.0
_MEMORY = 0.9
"""Of the mean representation of the background, from one batch of the training to the next."""


class ContrastiveEmbedding(NetworkScorer["_Network"]):
    """A transformer of objects with a sum over them, trained to see physical views of an event alike and, but for
    `clr`, anomalous ones unlike. The representation is of length 1.

    Takes pt in GeV, eta and phi, unscaled. Score `distance`: 1 less the cosine with the mean representation of the
    background, as the last batches of the training had it; a chain scores with a model of the representation instead.
    """

    name: ClassVar[str] = "anomaly_clr"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector",)
    score_names: tuple[str, ...] = ("distance",)

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(ContrastiveConfig, dict(config), f"model {self.name}")
        self._kinds, self._places = _objects(layout)
        super().__init__(self._settings, layout)

    @property
    def embedding_layout(self) -> Layout:
        """`z1`, `z2`, ..."""
        return Layout.latent(self._settings.output)

    def embed(self, batch: Batch) -> npt.NDArray[np.float32]:
        """The representations, of shape (n, output) and length 1."""
        check_batch(self, batch)
        module = self._module
        (values,) = evaluate(module, lambda *rows: (module(self._events(rows)),), self._arrays(batch), 1)
        return values

    def _build(self) -> _Network:
        return _Network(self._settings, self._kinds)

    def _arrays(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        return batch.x, batch.there.astype("float32")

    def _events(self, rows: tuple[Tensor, ...]) -> Objects:
        """The objects of the rows of a batch; a feature that an object lacks is 0."""
        seen = rows[0] * rows[1]  # padding is 0, whatever stands there
        x, there = (functional.pad(values, (0, 1)) for values in (seen, rows[1]))  # place -1 is the zero at the end
        pt, eta, phi = (x[:, place] for place in self._places)
        return Objects(pt, eta, phi, there[:, self._places[0]] > 0, self._kinds)

    def _recipe(self, module: _Network, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        compare = _loss(self._settings)

        def losses(tensors: tuple[Tensor, ...], noise: Noise) -> Tensor:
            events = self._events(tensors)
            z = module(events)
            module.remember(z)
            views = [physical(events, noise)]
            if self._settings.loss != "clr":
                views.append(anomalous(events, noise))
            return compare(z, *map(module, views))

        def loss(rows: Rows, noise: Noise) -> Tensor:
            return rows.mean(losses(rows.tensors, noise))

        def validate(rows: Rows, noise: Noise) -> Tensor:
            parts = zip(*(torch.split(tensor, _TOGETHER) for tensor in rows.tensors), strict=True)
            return torch.cat([losses(part, noise) for part in parts])

        return Recipe(module, (Phase("adam", module, loss),), validate)

    def _score(self, module: _Network, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (1 - (module(self._events(rows)) * functional.normalize(module.centre, dim=0)).sum(dim=1),)


class _Network(nn.Module):
    """Objects of (ln(1 + pt), eta, phi, one-hot kind) to a representation."""

    centre: Tensor
    kinds: Tensor

    def __init__(self, config: ContrastiveConfig, kinds: tuple[str, ...]) -> None:
        super().__init__()
        self.embedding = nn.Linear(3 + len(_KINDS), config.width)
        self.blocks = nn.ModuleList(
            _Block(config.width, config.heads, config.feedforward) for _ in range(config.layers)
        )
        sizes = [config.width, *[config.output] * config.head]
        self.head = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        one_hot = functional.one_hot(torch.tensor([_KINDS.index(kind) for kind in kinds]), len(_KINDS)).float()
        self.register_buffer("kinds", one_hot, persistent=False)  # follows from the columns
        self.register_buffer("centre", torch.zeros(config.output))

    def forward(self, events: Objects) -> Tensor:
        """The representations (n, output), of length 1."""
        angles = [values.clamp(-_LARGEST_ANGLE, _LARGEST_ANGLE) for values in (events.eta, events.phi)]
        numbers = torch.stack([torch.log1p(events.pt), *angles], dim=2)
        there = events.there[:, :, None]
        kinds = self.kinds.expand(len(numbers), -1, -1)
        y: Tensor = self.embedding(torch.cat([numbers, kinds], dim=2))
        for block in self.blocks:
            y = block(y, events.there)
        y = (y * there).sum(dim=1)
        for layer in self.head:
            y = layer(torch.relu(y))
        return functional.normalize(y, dim=1)

    def remember(self, z: Tensor) -> None:
        """Move the mean representation towards that of a batch of the training."""
        if self.training:
            mean = z.detach().mean(dim=0)
            self.centre.copy_(mean if not self.centre.any() else _MEMORY * self.centre + (1 - _MEMORY) * mean)


class _Block(nn.Module):
    """Attention of the objects that are there and a dense layer, each after a normalisation and beside a short cut."""

    def __init__(self, width: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self._heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.dense = nn.Sequential(nn.Linear(width, feedforward), nn.ReLU(), nn.Linear(feedforward, width))

    def forward(self, y: Tensor, there: Tensor) -> Tensor:
        """The objects (n, k, width) after the block."""
        n, k, width = y.shape
        parts = self.attention(self.before(y)).view(n, k, 3, self._heads, width // self._heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        weight = query @ key.transpose(2, 3) / (width // self._heads) ** 0.5
        weight = torch.softmax(weight.masked_fill(~there[:, None, None, :], -1e9), dim=3)
        y = y + self.out((weight @ value).transpose(1, 2).reshape(n, k, width))
        result: Tensor = y + self.dense(self.between(y))
        return result


def _loss(settings: ContrastiveConfig) -> Callable[..., Tensor]:
    kind = {"clr": clr_loss, "anomclr": anomclr_loss, "anomclr_plus": anomclr_plus_loss}[settings.loss]
    return lambda *z: kind(*z, settings.temperature)  # type: ignore[operator]


def _objects(layout: Layout) -> tuple[tuple[str, ...], tuple[Tensor, Tensor, Tensor]]:
    """The kind of each object, and the columns (k,) of its pt, eta and phi, -1 for what it lacks.

    `CardError` for other columns, objects without pt, and kinds that do not stand together.
    """
    for slot in layout.slots:
        if slot.object not in _KINDS or slot.feature not in {"pt", "eta", "phi"}:
            raise CardError(f"anomaly_clr takes pt, eta and phi of {', '.join(_KINDS)}, not {slot.name!r}")
    found = layout.objects
    lacking = [owner for owner, columns in found.items() if "pt" not in columns]
    if lacking or not found:
        raise CardError(f"anomaly_clr needs the pt of {lacking[0] if lacking else 'objects'}")
    kinds = tuple(layout.slots[columns["pt"]].object for columns in found.values())
    if [kind for kind in dict.fromkeys(kinds) for _ in range(kinds.count(kind))] != list(kinds):
        raise CardError("anomaly_clr takes a vector in which objects of a kind stand together")
    pt, eta, phi = (torch.tensor([one.get(name, -1) for one in found.values()]) for name in ("pt", "eta", "phi"))
    return kinds, (pt, eta, phi)
