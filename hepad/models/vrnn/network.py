"""The variational recurrent network, in torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from hepad.cards.base import parse_card
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import SET, Layout
from hepad.models.vrnn import VrnnConfig
from hepad.nn.blocks import dense_stack
from hepad.nn.inference import evaluate
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import FitReport, TrainingData
from hepad.nn.sources import Noise

__all__ = ["RecurrentNetwork", "Steps", "Vrnn", "in_sequence"]

_LARGEST = 1e3
"""Of an input: what is there is below 1. Keeps the squares of absurd ones finite."""
_LEAST_DEVIATION = 1e-4
_LEAST_MEAN = 1e-6


class Vrnn(NetworkScorer["RecurrentNetwork"]):
    """A Gaussian at each particle of a jet, and another one that is expected after the particles before it: how far the
    first is from the second is the score, without noise; see `VrnnConfig`.

    The momenta that weigh the steps and the mean that the scores are scaled by are those of the training's background.
    """

    name: ClassVar[str] = "vrnn"
    input_kinds: ClassVar[tuple[str, ...]] = ("particle_set",)
    score_names: tuple[str, ...] = ("low_kl", "high_kl")
    block: ClassVar[int] = 256

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(VrnnConfig, dict(config), f"model {self.name}")
        self.score_names = self._settings.scores
        if layout.axes != SET:
            raise CardError(f"{self.name} takes a set, not an input of axes {', '.join(layout.axes)}")
        names = (self._settings.momentum, *self._settings.angles)
        for name in names:
            if name not in layout.features:
                raise CardError(f"the input has no feature {name!r}: it has {', '.join(layout.features)}")
        momentum, eta, phi = (layout.features.index(name) for name in names)
        self._columns = (momentum, eta, phi)
        super().__init__(self._settings, layout)

    def fit(self, data: TrainingData, **how: Any) -> FitReport:
        """Train, and take the mean of the background; see `hepad.nn.network.NetworkScorer.fit`."""
        report = super().fit(data, **how)
        module, arrays = self._module, self._arrays(data.train)
        (found,) = evaluate(
            module, lambda *rows: (module.surprise(*rows),), arrays, 1, block=self.block, device=self._device
        )
        weight = data.train.weight * arrays[1][:, 0]  # of jets with particles
        if weight.sum() > 0:
            module.mean.fill_(float(np.average(found.astype(np.float64), weights=weight)))
        return report

    def _build(self) -> RecurrentNetwork:
        return RecurrentNetwork(self._settings, *self.layout.shape)

    def _arrays(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        there = np.all(batch.there, axis=2)
        return in_sequence(batch.x, there, self._columns, by_distance=self._settings.order == "kt")

    def _recipe(self, module: RecurrentNetwork, data: TrainingData) -> Recipe:
        x, there = self._arrays(data.train)
        table = _mean_momenta(x[:, :, self._columns[0]], there, data.train.weight)
        module.momenta.copy_(torch.from_numpy(table.astype(np.float32)))
        beta = self._settings.beta

        def step(rows: tuple[Tensor, ...], noise: Noise) -> Tensor:
            x, there = rows
            steps = module.steps(x, there, noise.normal(*x.shape[:2], self._settings.latent))
            error = (module.decode(steps) - x).square().mean(dim=2)
            return module.mean_over_steps(error, there) + beta * module.weighted_divergence(steps, there)

        return Recipe.of_rows(module, step)

    def _score(self, module: RecurrentNetwork, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x, there = rows
        high = module.surprise(x, there) / (2 * module.mean.clamp(min=_LEAST_MEAN))
        high = torch.where(there[:, 0] > 0, high, 0.5)
        made = {"high_kl": high, "low_kl": 1 - high}
        return tuple(made[name] for name in self.score_names)


@dataclass(frozen=True)
class Steps:
    """What happened at the particles of jets, all of shape (n, k, ...): the state before, the means and deviations of
    the Gaussian and of the one that was expected, and what the decoder is told of the number drawn.
    """

    state: Tensor
    mean: Tensor
    deviation: Tensor
    expected_mean: Tensor
    expected_deviation: Tensor
    drawn: Tensor

    @property
    def divergence(self) -> Tensor:
        """Of the Gaussian from the expected one, summed over the latent axes, of shape (n, k)."""
        ratio = self.deviation / self.expected_deviation
        shift = (self.mean - self.expected_mean) / self.expected_deviation
        return 0.5 * (ratio.square() + shift.square() - 1 - 2 * torch.log(ratio)).sum(dim=2)


class RecurrentNetwork(nn.Module):
    """The layers of Kahn et al., all of one width and with ReLU between; the recurrent cell has no biases.

    `momenta`, of shape (k + 1, k): the mean momentum at a step of jets of so many particles; `mean` of the scores.
    """

    momenta: Tensor
    mean: Tensor

    def __init__(self, settings: VrnnConfig, particles: int, features: int) -> None:
        super().__init__()
        width, latent = settings.hidden, settings.latent
        self.particle = dense_stack((features, width, width), lambda _: nn.ReLU()).append(nn.ReLU())
        self.number = nn.Sequential(nn.Linear(latent, width), nn.ReLU())
        self.encoder = dense_stack((2 * width, width, width, 2 * latent), lambda _: nn.ReLU())
        self.prior = dense_stack((width, width, 2 * latent), lambda _: nn.ReLU())
        self.decoder = dense_stack((2 * width, width, width, features), lambda _: nn.ReLU())
        self.cell = nn.GRUCell(2 * width, width, bias=False)
        self.register_buffer("momenta", torch.ones(particles + 1, particles))
        self.register_buffer("mean", torch.full((1,), 0.5))

    def steps(self, x: Tensor, there: Tensor, noise: Tensor | None = None) -> Steps:
        """Go through particles of shape (n, k, features), in their order, those that are there first.

        `noise` of shape (n, k, latent) is that of the numbers drawn; without it they are the means.
        """
        x = x.clamp(-_LARGEST, _LARGEST)
        seen = self.particle(x)
        state = seen.new_zeros(len(x), self.cell.hidden_size)
        states: list[Tensor] = []
        codes: list[Tensor] = []
        drawn: list[Tensor] = []
        for t in range(x.shape[1]):
            code = self.encoder(torch.cat([seen[:, t], state], dim=1))
            mean, deviation = _gaussian(code)
            number = self.number(mean if noise is None else mean + deviation * noise[:, t])
            states.append(state)
            codes.append(code)
            drawn.append(number)
            moved = self.cell(torch.cat([seen[:, t], number], dim=1), state)
            state = torch.where(there[:, t, None] > 0, moved, state)
        before = torch.stack(states, dim=1)
        own, expected = _gaussian(torch.stack(codes, dim=1)), _gaussian(self.prior(before))
        return Steps(before, *own, *expected, torch.stack(drawn, dim=1))

    def decode(self, steps: Steps) -> Tensor:
        """The particles as they are given back, of shape (n, k, features)."""
        result: Tensor = self.decoder(torch.cat([steps.drawn, steps.state], dim=2))
        return result

    def mean_over_steps(self, values: Tensor, there: Tensor) -> Tensor:
        """The means over the particles that are there, of shape (n,); 0 without any."""
        return (values * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)

    def weighted_divergence(self, steps: Steps, there: Tensor) -> Tensor:
        """The mean over the particles of the divergence times the mean momentum, shape (n,)."""
        momenta = self.momenta[there.sum(dim=1).long()]
        return self.mean_over_steps(steps.divergence * momenta, there)

    def surprise(self, x: Tensor, there: Tensor) -> Tensor:
        """1 - exp(-divergence) without noise, shape (n,)."""
        return -torch.expm1(-self.weighted_divergence(self.steps(x, there), there))


def in_sequence(
    x: npt.NDArray[np.float32],
    there: npt.NDArray[np.bool_],
    columns: tuple[int, int, int],
    *,
    by_distance: bool,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """The particles (n, k, features) in the order in which they are seen, 0 where there are none, and the mask (n, k).

    By falling momentum, the first of the `columns`; or with `by_distance` the hardest first, and then always the one
    of the largest momentum times distance from the last, in the plane of the other two columns.
    """
    keys = [x[:, :, column] for column in range(x.shape[2])]  # equal momenta: by what else they are
    order = np.lexsort((*keys, -x[:, :, columns[0]], ~there), axis=1)
    x = np.take_along_axis(np.where(there[:, :, None], x, 0), order[:, :, None], axis=1).astype(np.float32)
    there = np.take_along_axis(there, order, axis=1)
    if by_distance:
        x = np.take_along_axis(x, _by_distance(x[:, :, columns], there)[:, :, None], axis=1)
    return x, there


def _by_distance(of: npt.NDArray[np.float32], there: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The numbers (n, k) of particles in their sequence, the first of them staying so."""
    n, k, _ = of.shape
    momentum, place = of[:, :, 0].astype(np.float64), of[:, :, 1:].astype(np.float64)
    rows, order = np.arange(n), np.zeros((n, k), dtype=np.int64)
    left = np.where(there, 0.0, -np.inf)  # those that are not there are last
    for t in range(k):
        if t:
            distance = np.hypot(*np.moveaxis(place - place[rows, order[:, t - 1], None], 2, 0))
            best = np.argmax(np.where(left > -np.inf, momentum * distance, left), axis=1)
            order[:, t] = np.where(t < there.sum(axis=1), best, t)
        left[rows, order[:, t]] = -np.inf
    return order


def _mean_momenta(
    momentum: npt.NDArray[np.float32], there: npt.NDArray[np.bool_], weight: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Table (k + 1, k) of the mean momentum at a step of jets of so many particles.

    Of a number of particles that no jet has, the mean of all jets that get so far; 0 where none does.
    """
    count = there.sum(axis=1)
    weighted = np.where(there, momentum, 0.0) * weight[:, None]
    total, jets = np.zeros((there.shape[1] + 1, there.shape[1])), np.zeros(there.shape[1] + 1)
    np.add.at(total, count, weighted)
    np.add.at(jets, count, weight)
    of_all = np.cumsum(jets[::-1])[::-1][1:]  # jets that have a particle at this step
    fallback = np.divide(total.sum(axis=0), of_all, out=np.zeros(len(of_all)), where=of_all > 0)
    known = jets[:, None] > 0
    return np.where(known, np.divide(total, jets[:, None], out=np.zeros_like(total), where=known), fallback)


def _gaussian(code: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of two halves of the last axis."""
    mean, raw = code.chunk(2, dim=-1)
    return mean, softplus(raw) + _LEAST_DEVIATION
