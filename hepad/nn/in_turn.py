"""Training several models one after the other as if it were one training: one report, one kind of checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.train import TrainCard
from hepad.errors import CardError
from hepad.nn.scorer import Checkpoint, EpochEnd, FitReport, State, Trainable, TrainingData

__all__ = ["Stage", "fit_in_turn"]

_NOW = "now"
_DONE = "done"
_REPORT = "report"


@dataclass(frozen=True)
class Stage:
    """A model, its seed, and what it is trained on, which is made when the stages before are done.

    `options` are its own, None those of the whole.
    """

    scorer: Trainable
    data: Callable[[], TrainingData]
    seed: int
    options: TrainCard | None = None


def fit_in_turn(
    stages: Sequence[Stage],
    *,
    options: TrainCard,
    device: str,
    on_epoch: Callable[[EpochEnd], None] | None = None,
    resume: Checkpoint | None = None,
) -> FitReport:
    """Train stage after stage. The losses of the report are those of all stages, one after the other.

    A checkpoint holds the weights of the stages that are done, and the checkpoint of the one at work.
    """
    done, current = _restored(stages, resume)
    for place in range(len(done), len(stages)):
        stage = stages[place]
        watch = _Watch(stages, tuple(done), options, on_epoch)
        how = stage.options or options
        report = stage.scorer.fit(
            stage.data(), options=how, seed=stage.seed, device=device, on_epoch=watch, resume=current
        )
        done.append(report)
        current = None
    return _joined(done)


@dataclass(frozen=True)
class _Watch:
    """Tells of an epoch of one stage as of an epoch of the whole."""

    stages: Sequence[Stage]
    done: tuple[FitReport, ...]
    options: TrainCard
    on_epoch: Callable[[EpochEnd], None] | None

    def __call__(self, end: EpochEnd) -> None:
        if self.on_epoch is None:
            return
        before = sum(report.epochs for report in self.done)
        epochs = before + sum((stage.options or self.options).epochs for stage in self.stages[len(self.done) :])
        whole = replace(end, epoch=before + end.epoch, epochs=epochs, checkpoint=lambda: self._checkpoint(end))
        self.on_epoch(whole)

    def _checkpoint(self, end: EpochEnd) -> Checkpoint:
        now = end.checkpoint()
        tensors = {f"{_NOW}/{name}": array for name, array in now.tensors.items()}
        for place, (stage, report) in enumerate(zip(self.stages, self.done, strict=False)):
            tensors |= {f"{_DONE}{place}/{name}": array for name, array in stage.scorer.state().items()}
            kept = [report.epochs, report.best_epoch, float(report.stopped_early)]
            tensors[f"{_REPORT}{place}"] = np.array(kept, dtype=np.float32)
        train, validation = (
            tuple(loss for report in self.done for loss in getattr(report, name)) + getattr(now, name)
            for name in ("train_loss", "validation_loss")
        )
        return Checkpoint(len(train), tensors, train, validation, len(train) - now.epoch + now.best_epoch)


def _restored(stages: Sequence[Stage], resume: Checkpoint | None) -> tuple[list[FitReport], Checkpoint | None]:
    """The reports of the stages that were done, whose weights are put back, and the checkpoint of the next."""
    if resume is None:
        return [], None
    done: list[FitReport] = []
    first = 0
    while f"{_REPORT}{len(done)}" in resume.tensors and len(done) < len(stages):
        place = len(done)
        epochs, best, stopped = (int(value) for value in np.asarray(resume.tensors[f"{_REPORT}{place}"]))
        part = slice(first, first + epochs)
        done.append(FitReport(resume.train_loss[part], resume.validation_loss[part], best, bool(stopped)))
        stages[place].scorer.load_state(_part(resume.tensors, f"{_DONE}{place}/"))
        first += epochs
    if len(done) == len(stages):
        raise CardError("the checkpoint is of a model with more members")
    losses = (resume.train_loss[first:], resume.validation_loss[first:])
    now = Checkpoint(resume.epoch - first, _part(resume.tensors, f"{_NOW}/"), *losses, resume.best_epoch - first)
    return done, now


def _joined(reports: Sequence[FitReport]) -> FitReport:
    before = sum(report.epochs for report in reports[:-1])
    return FitReport(
        tuple(loss for report in reports for loss in report.train_loss),
        tuple(loss for report in reports for loss in report.validation_loss),
        before + reports[-1].best_epoch,
        any(report.stopped_early for report in reports),
        tuple(report.epochs for report in reports),
    )


def _part(tensors: Mapping[str, npt.NDArray[Any]], prefix: str) -> State:
    return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}
