"""Run the trainings of a study; those that are there are not repeated, an interrupted one goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hepad.bundles.files import CARD
from hepad.errors import InterruptedRunError, UsageError
from hepad.io.remote.path import as_given
from hepad.nn.scorer import EpochEnd
from hepad.pipeline.study.data import StudyData
from hepad.pipeline.study.jobs import run_jobs
from hepad.pipeline.study.output import TRAININGS
from hepad.pipeline.study.plan import Plan, PlannedTraining
from hepad.pipeline.train.run import TrainOptions, train

__all__ = ["OnTraining", "run_trainings"]

OnTraining = Callable[[int, int, PlannedTraining], None]
"""Called before each training that is run, with its place from 1, how many there are, and what it is."""


@dataclass(frozen=True)
class _Job:
    """One training and where it goes; small enough to be handed to another process."""

    training: PlannedTraining
    files: tuple[str, ...]
    options: TrainOptions

    def __call__(self, watch: Callable[[EpochEnd], None] | None) -> None:
        _train(replace(self, options=replace(self.options, on_epoch=watch)))


def run_trainings(
    plan: Plan,
    data: StudyData,
    output: Path,
    *,
    workers: int = 1,
    device: str = "cpu",
    on_training: OnTraining | None = None,
    on_epoch: Callable[[EpochEnd], None] | None = None,
) -> int:
    """Train what is missing in `output/trainings`; returns how many trainings were run.

    Each becomes a bundle of its own, renamed into place when complete. A training uses one core, so `workers` of them
    run side by side in processes of their own; then `on_epoch` is not called. `InterruptedRunError` if a signal
    ends it: the finished bundles and the checkpoints of the current trainings stay, and the next run goes on from them.
    """
    folder = output / TRAININGS
    folder.mkdir(exist_ok=True)
    jobs = []
    for place, training in enumerate(plan.trainings.values(), start=1):
        if not (folder / training.name / CARD).is_file():
            jobs.append((place, _job(training, data, folder / training.name, device)))

    def announced() -> Iterator[_Job]:
        for place, job in jobs:
            if on_training:
                on_training(place, len(plan.trainings), job.training)
            yield job

    if min(workers, len(jobs)) > 1:
        run_jobs(announced(), workers)
    else:
        for job in announced():
            job(on_epoch)
    return len(jobs)


def _job(training: PlannedTraining, data: StudyData, output: Path, device: str) -> _Job:
    options = TrainOptions(
        output=output,
        seed=training.seed,
        train=training.train,
        regions=training.regions,
        step_size=data.step_size,
        max_events=data.most_read(training.recipe, labelled=training.labelled),
        set_aside=data.kept_away(labelled=training.labelled),
        against=data.against(training.against),
        against_aside=data.kept_away(labelled=True) if training.against else None,
        device=device,
    )
    return _Job(training, tuple(as_given(path) for path in data.trained_on(labelled=training.labelled)), options)


def _train(job: _Job) -> None:
    output = job.options.folder
    checkpoint = output.with_name(f"{output.name}.checkpoint")
    resume = checkpoint.exists()
    try:
        train(job.files, job.training.recipe, options=replace(job.options, resume=resume))
    except InterruptedRunError as error:
        what = str(error).partition(":")[0]
        raise InterruptedRunError(
            f"{job.training.name}: {what}; run the same command to go on, finished trainings are kept",
            error.exit_code - 128,
        ) from error
    except UsageError as error:
        if resume and checkpoint.exists():
            raise UsageError(f"{error} (in a study: remove {checkpoint})") from error
        raise
