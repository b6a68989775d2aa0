"""CWoLa hunting: a classifier of the window against its sidebands finds what is only in the window.

Metodiev, Nachman, Thaler, "Classification without labels", JHEP 10 (2017) 174, arXiv:1708.02949: the best classifier of
two mixtures of the same classes is the best classifier of the classes. Collins, Howe, Nachman, Phys. Rev. Lett. 121
(2018) 241803, arXiv:1805.02664, and Phys. Rev. D 99 (2019) 014038, arXiv:1902.02634: the mixtures are a window and its
sidebands, in nested folds. It looks for a bump where there is none if the inputs follow the mass: choose those that do
not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hepad.cards.base import Card, parse_card
from hepad.cards.train import TrainCard
from hepad.errors import CardError, UsageError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base import Folds, Network, Window, check_data
from hepad.nn.arrays import check_arrays
from hepad.nn.scorer import Checkpoint, EpochEnd, FitReport, Scores, State, TrainingData, finite_scores
from hepad.stats.scores.regions import background_quantiles

if TYPE_CHECKING:
    from hepad.nn.classifier import Classifier

__all__ = ["Cwola", "CwolaConfig"]

SHARES = {"lower sideband": 0.25, "window": 0.5, "upper sideband": 0.25}
"""Of the weight of a training: the classes count equally, and so do the sides: no slope tells the window."""

_Parts = Mapping[str, npt.NDArray[np.bool_]]


class CwolaConfig(Card):
    """`layers`: widths of the hidden layers. For each fold `rotations` of the others are validated on in turn, and of
    `restarts` networks that differ in their seed the one of lowest validation loss is kept; the mean of those kept
    scores the fold. The authors have 4 and 20, in five folds.
    """

    layers: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(default=(64, 32, 16, 4), min_length=1)
    rotations: int = Field(default=4, ge=1, le=98)
    restarts: int = Field(default=2, ge=1, le=1000)


class Cwola:
    """The method. Scores: `rank`, minus the decimal logarithm of the fraction of the fold's sideband events that look
    at least as much like the window, so that a region has the same efficiency in each fold; `log_odds`, the mean of
    the networks, the logarithm of the ratio of the densities in the window and in the sidebands.
    """

    name: ClassVar[str] = "cwola"
    input_kinds: ClassVar[tuple[str, ...]] = ("event_features",)
    score_names: ClassVar[tuple[str, ...]] = ("rank", "log_odds")

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._config = parse_card(CwolaConfig, dict(config), f"method {self.name}")
        self.layout = layout

    def check_folds(self, folds: int) -> None:
        """One fold is scored, one validated on, the others are trained on."""
        if folds < max(3, self._config.rotations + 1):
            raise UsageError(f"{folds} folds are too few for {self._config.rotations} rotations: one more at least")

    def fit(
        self,
        data: Batch,
        folds: Folds,
        window: Window,
        *,
        background: Batch | None = None,
        options: TrainCard,
        seed: int,
        device: str = "cpu",
        on_epoch: Callable[[EpochEnd], None] | None = None,
        resume: Checkpoint | None = None,
    ) -> FittedCwola:
        """Train the networks of all folds, one after the other; see `hepad.methods.base.Method`."""
        from hepad.nn.in_turn import Stage, fit_in_turn

        if background is not None:
            raise UsageError(f"{self.name} learns from the data alone: it takes no background")
        parts = check_data(self, self.layout, data, folds, window)
        plan = self._plan(int(folds.max()) + 1)
        stages = []
        for fold, validation, restart in plan:
            train = (folds >= 0) & (folds != fold) & (folds != validation)
            made = _Rows(data, parts, train, folds == validation)
            stages.append(Stage(self._classifier(), made, _seed(seed, fold, validation, restart)))
        report = fit_in_turn(stages, options=options, device=device, on_epoch=on_epoch, resume=resume)
        networks = _networks(plan, report, options)
        kept = {(n.fold, n.validation): s.scorer for n, s in zip(networks, stages, strict=True) if n.kept}
        fitted = FittedCwola(networks, kept, ())  # type: ignore[arg-type]  # these are classifiers
        sidebands = parts["lower sideband"] | parts["upper sideband"]
        references = [_reference(fitted, data.take(sidebands & (folds == fold)), fold) for fold in fitted.folds]
        return replace(fitted, references=tuple(references))

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedCwola:
        """What `FittedCwola.state` gave; `CardError` that names what is missing, unknown or misshapen."""
        table = np.asarray(state.get("networks", np.empty(0)))
        if table.ndim != 2 or table.shape[1] != 6 or not np.isfinite(table).all():
            raise CardError(f"{self.name}: tensor 'networks' must be a table of 6 columns")
        networks = tuple(Network(int(a), int(b), int(c), int(d), float(e), bool(f)) for a, b, c, d, e, f in table)
        kept = {(n.fold, n.validation): self._classifier() for n in networks if n.kept}
        fitted = FittedCwola(networks, kept, ())
        shapes = {
            f"{fold}.{other}/{name}": array.shape
            for (fold, other), network in kept.items()
            for name, array in network.state().items()
        }
        shapes["networks"] = table.shape
        for fold in fitted.folds:
            size = np.asarray(state.get(f"reference{fold}/log_odds", np.empty(0))).shape[:1]
            shapes |= {f"reference{fold}/{name}": size for name in ("log_odds", "rank")}
        check_arrays(shapes, state, f"state of {self.name}")
        for (fold, other), network in kept.items():
            network.load_state({name: state[f"{fold}.{other}/{name}"] for name in network.state()})
        references = (
            _Reference(*(np.asarray(state[f"reference{fold}/{name}"]) for name in ("log_odds", "rank")))
            for fold in fitted.folds
        )
        return replace(fitted, references=tuple(references))

    def _classifier(self) -> Classifier:
        from hepad.nn.classifier import Classifier

        return Classifier(self.layout, self._config.layers)

    def _plan(self, folds: int) -> list[tuple[int, int, int]]:
        """Fold, fold to validate on and restart of each network."""
        self.check_folds(folds)
        return [
            (fold, (fold + 1 + rotation) % folds, restart)
            for fold in range(folds)
            for rotation in range(self._config.rotations)
            for restart in range(self._config.restarts)
        ]


@dataclass(frozen=True)
class _Reference:
    """The sideband events of a fold: rising log odds, and minus the decimal logarithm of the fraction from there on."""

    log_odds: npt.NDArray[np.float64]
    rank: npt.NDArray[np.float64]


@dataclass(frozen=True)
class FittedCwola:
    """The networks that are kept, by the fold that they score and that which they were validated on."""

    networks: tuple[Network, ...]
    kept: Mapping[tuple[int, int], Classifier]
    references: tuple[_Reference, ...]
    score_names: ClassVar[tuple[str, ...]] = Cwola.score_names

    @property
    def folds(self) -> range:
        """The folds."""
        return range(max((fold for fold, _ in self.kept), default=-1) + 1)

    def scores(self, batch: Batch, folds: Folds) -> Scores:
        """Float32 scores of shape (n,); an event of no fold (-1) gets the mean over all of them."""
        if len(folds) != len(batch) or folds.max(initial=-1) > self.folds[-1] or folds.min(initial=-1) < -1:
            raise UsageError(f"the method was fitted in {len(self.folds)} folds; these events are of others")
        found = {name: np.zeros(len(batch)) for name in self.score_names}
        for fold in self.folds:
            share = np.where(folds == fold, 1.0, np.where(folds < 0, 1 / len(self.folds), 0.0))
            rows = share > 0
            log_odds = self.log_odds(batch.take(rows), fold)
            reference = self.references[fold]
            found["rank"][rows] += share[rows] * np.interp(log_odds, reference.log_odds, reference.rank)
            found["log_odds"][rows] += share[rows] * log_odds
        return finite_scores(Cwola.name, {name: values.astype(np.float32) for name, values in found.items()})

    def log_odds(self, batch: Batch, fold: int) -> npt.NDArray[np.float64]:
        """The mean of the networks that have not seen a fold, for any events."""
        each = [network.scores(batch)["log_odds"] for (of, _), network in self.kept.items() if of == fold]
        return np.asarray(np.mean(each, axis=0, dtype=np.float64))

    def state(self) -> State:
        """All that was learned, as arrays."""
        state = {
            f"{fold}.{other}/{name}": array
            for (fold, other), network in self.kept.items()
            for name, array in network.state().items()
        }
        for fold, reference in enumerate(self.references):
            state |= {f"reference{fold}/{name}": values.copy() for name, values in vars(reference).items()}
        return {**state, "networks": np.array([astuple(network) for network in self.networks], dtype=np.float64)}


@dataclass(frozen=True)
class _Rows:
    """The events that a network is trained and validated on, made when it is its turn."""

    data: Batch
    parts: _Parts
    train: npt.NDArray[np.bool_]
    validation: npt.NDArray[np.bool_]

    def __call__(self) -> TrainingData:
        return TrainingData(self._of(self.train), self._of(self.validation))

    def _of(self, wanted: npt.NDArray[np.bool_]) -> Batch:
        """The events of the window and the sidebands, with labels and balanced weights."""
        from hepad.nn.supervised import LABEL

        weight = np.zeros(len(self.data))
        for part, share in SHARES.items():
            rows = self.parts[part] & wanted
            weight[rows] = self.data.weight[rows] * (share / self.data.weight[rows].sum())
        rows = weight > 0
        label = self.parts["window"][rows].astype(np.float32)
        return replace(self.data.take(rows), weight=weight[rows], beside={LABEL: label})


def _networks(plan: list[tuple[int, int, int]], report: FitReport, options: TrainCard) -> tuple[Network, ...]:
    """All networks with their validation losses, the best restart of each fold and rotation kept."""
    ends = np.cumsum(report.stages)
    losses = [report.validation_loss[end - epochs : end] for end, epochs in zip(ends, report.stages, strict=True)]
    found = [
        Network(*place, epochs=len(each), loss=min(each) if options.keeps_best else each[-1], kept=False)
        for place, each in zip(plan, losses, strict=True)
    ]
    best = {(n.fold, n.validation): n for n in sorted(found, key=lambda n: (n.loss, n.restart), reverse=True)}
    return tuple(replace(network, kept=best[network.fold, network.validation] is network) for network in found)


def _reference(fitted: FittedCwola, sidebands: Batch, fold: int) -> _Reference:
    log_odds = fitted.log_odds(sidebands, fold)
    table = background_quantiles(log_odds.astype(np.float32), sidebands.weight)
    return _Reference(table.threshold[::-1].copy(), -np.log10(table.efficiency[::-1]))


def _seed(seed: int, *place: int) -> int:
    """Seeds that no two networks share."""
    return int(np.random.SeedSequence([seed % 2**64, *place]).generate_state(1, np.uint32)[0])
