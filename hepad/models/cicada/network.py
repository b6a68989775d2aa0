"""Teacher and student, in torch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from hepad.cards.base import parse_card
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import IMAGE, Layout
from hepad.models.cicada import CicadaConfig
from hepad.nn.blocks import dense_stack
from hepad.nn.composite import Composite, member_seed
from hepad.nn.in_turn import Stage
from hepad.nn.inference import evaluate
from hepad.nn.layers import Layer, Network, convolved
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import Scores, State, TrainingData, check_batch
from hepad.nn.sources import Noise
from hepad.nn.stacks import dense_layers, with_layers

__all__ = ["Cicada", "balanced"]

_INPUTS = ("calo_regions",)
_GAIN = 32.0
_BITS = (8, 8)
"""Of the trigger's score, before and after the point."""
_HIGHEST = 256 - 1 / 256
"""What they hold."""
_TARGET = "teacher"
_BINS = 100


class Cicada(Composite):
    """An autoencoder of calorimeter regions (teacher), and a network that learns its score (student) when it is done.

    Scores: `student`, what the student gives, and `teacher`, 32 ln(mean squared error of the regions in hardware
    units), both bounded to [0, 256 - 1/256] as in the trigger. The embedding is the teacher's bottleneck.
    """

    name: ClassVar[str] = "cicada"
    input_kinds: ClassVar[tuple[str, ...]] = _INPUTS

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(CicadaConfig, dict(config), f"model {self.name}")
        if layout.axes != IMAGE:
            raise CardError(f"{self.name} takes an image, not an input of axes {', '.join(layout.axes)}")
        if any(extent % 2 for extent in layout.shape[1:]):
            raise CardError(f"{self.name} halves its image, and one of {layout.summary} has no half")
        self._teacher, self._student = _Teacher(self._settings, layout), _Student(self._settings, layout)
        super().__init__(self._settings, layout, {"teacher": self._teacher, "student": self._student})
        self.score_names = ("student", "teacher")

    def scores(self, batch: Batch) -> Scores:
        """Both scores, the student's first."""
        check_batch(self, batch)
        return self._student.scores(batch) | self._teacher.scores(batch)

    @property
    def embedding_layout(self) -> Layout:
        """The teacher's latent numbers, `z1`, `z2`, ..."""
        return Layout.latent(self._settings.latent)

    def embed(self, batch: Batch) -> npt.NDArray[np.float32]:
        """The teacher's latent numbers, of shape (n, latent)."""
        check_batch(self, batch)
        return self._teacher.embed(batch)

    no_layers: ClassVar[str] = "; the teacher is what the student is there to replace"

    @property
    def layered_scores(self) -> tuple[str, ...]:
        """The student's."""
        return ("student",)

    def layers(self, score: str) -> Network:  # noqa: ARG002  it has one
        """The student, its convolution as a matrix; see `hepad.nn.layers`."""
        return Network(self.name, self._student.layers(), "output", score_bits=_BITS)

    def state_of(self, network: Network) -> State:
        """The state with a student of these layers."""
        student = self._student.state_of(network.layers)
        return {**self.state(), **{f"student/{name}": array for name, array in student.items()}}

    def _stages(self, data: TrainingData, seed: int) -> list[Stage]:
        def taught() -> TrainingData:
            train, validation = (self._taught(batch) for batch in (data.train, data.validation))
            if self._settings.balance is not None:
                weight = balanced(train.beside[_TARGET], self._settings.balance)
                train = replace(train, weight=train.weight * weight)
            return replace(data, train=train, validation=validation)

        return [
            Stage(self._teacher, lambda: data, member_seed(seed, 0)),
            Stage(self._student, taught, member_seed(seed, 1)),
        ]

    def _taught(self, batch: Batch) -> Batch:
        """The batch with the teacher's score beside it."""
        return replace(batch, beside={**batch.beside, _TARGET: self._teacher.scores(batch)["teacher"]})


def balanced(score: npt.NDArray[Any], most: float) -> npt.NDArray[np.float64]:
    """Weights of events, of mean near 1: N / (number of filled bins x events in the bin), at most `most`.

    The bins are 100 of equal width between the lowest and the highest of the scores (n,).
    """
    edges = np.linspace(score.min(initial=0.0), score.max(initial=0.0), _BINS + 1)
    place = np.clip(np.searchsorted(edges, score, side="right") - 1, 0, _BINS - 1)
    counts = np.bincount(place, minlength=_BINS)
    return np.asarray(np.minimum(len(score) / (np.count_nonzero(counts) * counts[place]), most))


class _Teacher(NetworkScorer["_Autoencoder"]):
    """The autoencoder; its loss is the mean squared error over the regions."""

    name: ClassVar[str] = "the teacher of cicada"
    input_kinds: ClassVar[tuple[str, ...]] = _INPUTS
    score_names: tuple[str, ...] = ("teacher",)
    block: ClassVar[int] = 256

    def __init__(self, config: CicadaConfig, layout: Layout) -> None:
        self._settings = config
        super().__init__(config, layout)

    def embed(self, batch: Batch) -> npt.NDArray[np.float32]:
        """The latent numbers, of shape (n, latent)."""
        module = self._module
        (values,) = evaluate(module, lambda x: (module.encode(_turned(x)),), (batch.x,), 1, block=self.block)
        return values

    def _build(self) -> _Autoencoder:
        return _Autoencoder(self._settings, _shape(self.layout))

    def _recipe(self, module: _Autoencoder, data: TrainingData) -> Recipe:  # noqa: ARG002  nobody teaches it
        def step(rows: tuple[Tensor, ...], _: Noise) -> Tensor:
            return module.error(_turned(rows[0]))

        return Recipe.of_rows(module, step)

    def _score(self, module: _Autoencoder, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return ((_GAIN * module.error(_turned(rows[0])).log()).clamp(0, _HIGHEST),)


class _Student(NetworkScorer[nn.Sequential]):
    """The small network; its loss is how far it is from the teacher's score, which stands beside the events."""

    name: ClassVar[str] = "the student of cicada"
    input_kinds: ClassVar[tuple[str, ...]] = _INPUTS
    score_names: tuple[str, ...] = ("student",)

    def __init__(self, config: CicadaConfig, layout: Layout) -> None:
        self._settings = config
        if config.filters and min(layout.shape[1:]) < config.kernel:
            raise CardError(f"an image of {layout.summary} is smaller than a kernel of {config.kernel}")
        super().__init__(config, layout)

    def layers(self) -> tuple[Layer, ...]:
        """The layers, of images as rows along eta first."""
        state = self.state()
        dense = dense_layers(state, "dense", len(self._settings.hidden) + 1)
        if not self._settings.filters:
            return dense
        weight, bias = (state[f"convolution.{part}"].astype(np.float64) for part in ("weight", "bias"))
        _, *size = _shape(self.layout)
        return (convolved(weight, bias, (size[0], size[1]), self._settings.stride, "relu"), *dense)

    def state_of(self, layers: Sequence[Layer]) -> State:
        """The state with these layers."""
        first, state = layers[0], self.state()
        if first.tied is None:
            return with_layers(state, "dense", layers)
        weight, bias = first.tied.gathered(first.weight, first.bias)
        shape = state["convolution.weight"].shape
        state["convolution.weight"] = weight.reshape(shape).astype(np.float32)
        state["convolution.bias"] = bias.astype(np.float32)
        return with_layers(state, "dense", layers[1:])

    def _build(self) -> nn.Sequential:
        channels, *size = _shape(self.layout)
        card, parts, width = self._settings, OrderedDict[str, nn.Module](), prod((channels, *size))
        if card.filters:
            parts["convolution"] = nn.Conv2d(channels, card.filters, card.kernel, stride=card.stride)
            parts["activation"] = nn.ReLU()
            width = card.filters * prod((extent - card.kernel) // card.stride + 1 for extent in size)
        parts["flatten"] = nn.Flatten()
        parts["dense"] = dense_stack((width, *card.hidden, 1), lambda _: nn.ReLU())
        return nn.Sequential(parts)

    def _arrays(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        return (batch.x, *(batch.beside[name] for name in (_TARGET,) if name in batch.beside))

    def _recipe(self, module: nn.Sequential, data: TrainingData) -> Recipe:  # noqa: ARG002  it is beside the events
        squared = self._settings.loss == "mse"

        def step(rows: tuple[Tensor, ...], _: Noise) -> Tensor:
            x, target = rows
            difference = _given(module, x) - target
            return difference.square() if squared else difference.abs()

        return Recipe.of_rows(module, step)

    def _score(self, module: nn.Sequential, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (_given(module, rows[0]).clamp(0, _HIGHEST),)


class _Autoencoder(nn.Module):
    """Convolutions to a dense bottleneck, and back by upsampling, as CMS's teacher."""

    def __init__(self, config: CicadaConfig, shape: Sequence[int]) -> None:
        super().__init__()
        channels, *size = shape
        first, second = config.teacher_filters
        self._deepest = (second, *(extent // 2 for extent in size))
        width = prod(self._deepest)
        self.down = nn.Sequential(
            _same(channels, first), nn.ReLU(), nn.AvgPool2d(2), _same(first, second), nn.ReLU(), nn.Flatten()
        )
        self.bottleneck = nn.Linear(width, config.latent)
        self.widen = nn.Linear(config.latent, width)
        self.up = nn.Sequential(
            _same(second, second), nn.ReLU(), nn.Upsample(scale_factor=2), _same(second, first), nn.ReLU()
        )
        self.last = _same(first, channels)

    def encode(self, x: Tensor) -> Tensor:
        """The latent numbers, of shape (n, latent)."""
        latent: Tensor = self.bottleneck(self.down(x)).relu()
        return latent

    def forward(self, x: Tensor) -> Tensor:
        """The reconstructed image, of the shape of the input (n, channels, phi, eta)."""
        wide = self.widen(self.encode(x)).relu().view(len(x), *self._deepest)
        image: Tensor = self.last(self.up(wide)).relu()
        return image

    def error(self, x: Tensor) -> Tensor:
        """Mean squared error over the regions, of shape (n,)."""
        difference: Tensor = x - self(x)
        return difference.square().flatten(1).mean(dim=1)


def _same(inputs: int, outputs: int) -> nn.Conv2d:
    """A convolution of 3 x 3, zeros around the image; phi does not go around, as in CMS's networks."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _shape(layout: Layout) -> tuple[int, int, int]:
    """Channels, phi, eta: an image as CMS's networks have it."""
    channels, eta, phi = layout.shape
    return channels, phi, eta


def _turned(x: Tensor) -> Tensor:
    return x.transpose(2, 3)


def _given(module: nn.Sequential, x: Tensor) -> Tensor:
    """What the student gives, unbounded, of shape (n,)."""
    score: Tensor = module(_turned(x))[:, 0]
    return score
