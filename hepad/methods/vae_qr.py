"""VAE-QR: jets that a variational autoencoder does not know, in the same share of events at each mass.

CMS, arXiv:2412.03747. The network learns jets where no resonance is looked for; an event is as odd as the less odd of
its two jets. The higher the mass the odder are the jets of background, so that a cut would shape its spectrum: quantile
regression finds how the quantiles of the score follow the mass, and an event is judged by where it is among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from numpy.polynomial.polynomial import polyval
from pydantic import Field, field_validator

from hepad.cards.base import Card
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base.contract import MASS, PARTS, Folds, How, Network, Problem, Training
from hepad.methods.base.jets import Jets
from hepad.methods.base.learning_method import LearningMethod
from hepad.methods.base.losses import FoldedLoss, LossCard, Losses, VaeCard
from hepad.methods.base.networks import networks_of, networks_shapes, networks_state
from hepad.methods.base.ranks import Ranks, ranked_scores
from hepad.nn.arrays import check_arrays
from hepad.nn.scorer import Scores, State
from hepad.stats.scores.quantile_curves import quantile_polynomials

__all__ = ["FittedVaeQr", "QuantileCurves", "VaeQr", "VaeQrConfig"]

_NETWORK, _CURVES = "network.", "curves."
_Floats = npt.NDArray[np.float64]


class VaeQrConfig(Card):
    """`network` learns the jets, `restarts` times for each fold, the mean of which counts. Each of the `quantiles` of
    the score is a polynomial of a `degree` in the mass. `jets`: two names that the features begin with, `j1` and `j2`
    say; if not given they are found.
    """

    jets: tuple[str, ...] = Field(default=(), max_length=2)
    network: LossCard = Field(default_factory=lambda: VaeCard(kind="vae"))
    restarts: int = Field(default=1, ge=1, le=1000)
    quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(default=(0.3, 0.5, 0.7, 0.9), min_length=2)
    degree: int = Field(default=2, ge=0, le=8)

    @field_validator("quantiles")
    @classmethod
    def _rise(cls, fractions: tuple[float, ...]) -> tuple[float, ...]:
        if any(low >= high for low, high in pairwise(fractions)):
            raise ValueError("quantiles must rise")
        return fractions


@dataclass(frozen=True)
class QuantileCurves:
    """How the quantiles of a score follow a mass: `coefficients` (quantiles, degree + 1) of polynomials in where it is
    between the ends of `range` in GeV, from -1 to 1; beyond them they are as at the end.
    """

    fractions: tuple[float, ...]
    coefficients: _Floats
    range: tuple[float, float]

    @classmethod
    def of(cls, fractions: tuple[float, ...], degree: int, sample: tuple[_Floats, _Floats, _Floats]) -> QuantileCurves:
        """Those of the masses, scores and weights (n,) of a sample."""
        mass, score, weight = sample
        ends = (float(mass.min()), float(mass.max()))
        made = cls(fractions, np.zeros((len(fractions), degree + 1)), ends)
        return replace(made, coefficients=quantile_polynomials(made._place(mass), score, weight, fractions, degree))

    def depth(self, mass: _Floats, score: _Floats) -> _Floats:
        """Minus the decimal logarithm of the fraction of events of the same mass that score at least as high, (n,).

        Between the quantiles, and beyond them, it follows the score linearly: tails are taken to be exponential.
        """
        places = np.atleast_2d(polyval(self._place(mass), self.coefficients.T)).T
        spread = np.maximum(np.ptp(places, axis=1, keepdims=True), _TINY)
        places = np.maximum.accumulate(places, axis=1) + spread * _TINY * np.arange(len(self.fractions))
        depths = -np.log10(1 - np.array(self.fractions))
        part = np.clip((score[:, None] >= places).sum(axis=1) - 1, 0, len(depths) - 2)
        rows = np.arange(len(score))
        low, high = places[rows, part], places[rows, part + 1]
        return np.asarray(depths[part] + (depths[part + 1] - depths[part]) * (score - low) / (high - low))

    def _place(self, mass: _Floats) -> _Floats:
        low, high = self.range
        return np.asarray(np.clip(2 * (mass - low) / max(high - low, _TINY) - 1, -1, 1))


_TINY = 1e-6
"""What two quantiles that cross are parted by, of the distance of the outermost ones."""


class VaeQr(LearningMethod):
    """The method. Scores: `rank`, minus the decimal logarithm of the fraction of the fold's sideband events that are at
    least as odd for their mass; `depth`, the same by the quantiles of the score at the event's mass.

    The networks learn the jets of `--background`, such as data of a control region, or else of the sidebands; the
    quantiles are always those of the data in the sidebands.
    """

    name: ClassVar[str] = "vae_qr"
    config: ClassVar[type[Card]] = VaeQrConfig
    _config: VaeQrConfig
    score_names: ClassVar[tuple[str, ...]] = ("rank", "depth")
    parts: ClassVar[tuple[str, ...]] = (PARTS[0], PARTS[2])
    may_have: ClassVar[tuple[str, ...]] = ("background",)

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        super().__init__(config, layout)
        self._jets = Jets.of(layout, self._config.jets)
        self._loss = FoldedLoss(self._config.network, self._jets.layout, self.name, _NETWORK, self._config.restarts)

    def check_folds(self, folds: int) -> None:
        """One fold is scored, one validated on, the others are trained on."""
        self._loss.check_folds(folds)

    def trainings(self, folds: int) -> tuple[Training, ...]:
        """The networks of each fold, and behind them its quantiles."""
        curves = (Training(f"{_CURVES}{fold}", self._loss.names(fold)) for fold in range(folds))
        return (*self._loss.trainings(folds), *curves)

    def train(self, training: Training, problem: Problem, given: Mapping[str, State], how: How) -> State:
        """Do one of them."""
        sides = problem.data.take(problem.sidebands)
        if training.name.startswith(_NETWORK):
            known = sides if problem.background is None else problem.background
            return self._loss.train(training, problem.folds, self._jets.apart(known), how)
        fold = int(training.name.removeprefix(_CURVES))
        losses = self._loss.gathered(problem.folds, given, [fold])
        seen = sides.without(fold)
        sample = (seen.mass, oddness(losses, self._jets, seen.events, fold), seen.events.weight)
        curves = QuantileCurves.of(self._config.quantiles, self._config.degree, sample)
        return {"coefficients": curves.coefficients, "range": np.array(curves.range)}

    def assembled(self, problem: Problem, trained: Mapping[str, State]) -> FittedVaeQr:
        """What they amount to; ranks are those among the sidebands."""
        losses = self._loss.gathered(problem.folds, trained)
        curves = tuple(self._curves(trained[f"{_CURVES}{fold}"]) for fold in range(problem.folds))
        fitted = FittedVaeQr(self.name, self._jets, losses, curves, ())
        sides = problem.data.take(problem.sidebands)
        return replace(fitted, references=Ranks.of_folds(sides, problem.folds, fitted.depth))

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedVaeQr:
        """What `state` of it gave; `CardError` that names what is missing, unknown or misshapen."""
        losses, rest = self._loss.restored(networks_of(state, self.name), state)
        folds = len(losses.of)
        shapes = {**networks_shapes(losses.networks), **Ranks.shapes(rest, folds)}
        size = (len(self._config.quantiles), self._config.degree + 1)
        for fold in range(folds):
            shapes |= {f"{_CURVES}{fold}/coefficients": size, f"{_CURVES}{fold}/range": (2,)}
        check_arrays(shapes, rest, f"state of {self.name}")
        parts = [{key: rest[f"{_CURVES}{fold}/{key}"] for key in ("coefficients", "range")} for fold in range(folds)]
        curves = tuple(self._curves(part) for part in parts)
        return FittedVaeQr(self.name, self._jets, losses, curves, Ranks.restored(rest, folds))

    def _curves(self, state: Mapping[str, npt.NDArray[Any]]) -> QuantileCurves:
        low, high = (float(edge) for edge in state["range"])
        return QuantileCurves(self._config.quantiles, np.asarray(state["coefficients"]), (low, high))


def oddness(losses: Losses, jets: Jets, batch: Batch, fold: int) -> _Floats:
    """The loss (n,) of the jet of each event that is known better, by what has not seen a fold."""
    return np.asarray(np.min([losses(jets.batch(batch, jet), fold) for jet in range(len(jets.names))], axis=0))


@dataclass(frozen=True)
class FittedVaeQr:
    """The networks and the quantiles of each fold."""

    method: str
    jets: Jets
    losses: Losses
    curves: tuple[QuantileCurves, ...]
    references: tuple[Ranks, ...]
    score_names: ClassVar[tuple[str, str]] = ("rank", "depth")

    @property
    def networks(self) -> tuple[Network, ...]:
        """All networks."""
        return self.losses.networks

    def scores(self, batch: Batch, folds: Folds) -> Scores:
        """Float32 scores of shape (n,); an event of no fold (-1) gets the mean over all of them."""
        return ranked_scores(self.score_names, self.references, batch, folds, self.depth, method=self.method)

    def depth(self, batch: Batch, fold: int) -> _Floats:
        """How deep in the tail at its mass an event is, (n,), by what has not seen a fold."""
        mass = np.asarray(batch.beside[MASS], dtype=np.float64)
        return self.curves[fold].depth(mass, oddness(self.losses, self.jets, batch, fold))

    def state(self) -> State:
        """All that was learned, as arrays."""
        found = self.losses.state()
        for fold, curves in enumerate(self.curves):
            found[f"{_CURVES}{fold}/coefficients"] = curves.coefficients.copy()
            found[f"{_CURVES}{fold}/range"] = np.array(curves.range)
        return {**found, **Ranks.state(self.references), **networks_state(self.networks)}
