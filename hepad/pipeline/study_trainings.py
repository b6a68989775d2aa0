"""Run the trainings of a study; those that are there are not repeated, an interrupted one goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hepad.errors import InterruptedRunError, UsageError
from hepad.io.bundle import CARD
from hepad.nn.scorer import EpochEnd
from hepad.pipeline.study_data import StudyData
from hepad.pipeline.study_plan import Plan, PlannedTraining
from hepad.pipeline.train import TrainOptions, train

__all__ = ["TRAININGS", "OnTraining", "run_trainings"]

TRAININGS = "trainings"

OnTraining = Callable[[int, int, PlannedTraining], None]
"""Called before each training that is run, with its place from 1, how many there are, and what it is."""


def run_trainings(
    plan: Plan,
    data: StudyData,
    output: Path,
    *,
    on_training: OnTraining | None = None,
    on_epoch: Callable[[EpochEnd], None] | None = None,
) -> int:
    """Train what is missing in `output/trainings`; returns how many trainings were run.

    Each becomes a bundle of its own, renamed into place when complete. `InterruptedRunError` on Ctrl-C or SIGTERM:
    the finished bundles and a checkpoint of the current training stay, and the next run goes on from them.
    """
    folder = output / TRAININGS
    folder.mkdir(exist_ok=True)
    run = 0
    for place, training in enumerate(plan.trainings.values(), start=1):
        if (folder / training.name / CARD).is_file():
            continue
        if on_training:
            on_training(place, len(plan.trainings), training)
        _train(training, data, folder / training.name, on_epoch)
        run += 1
    return run


def _train(
    training: PlannedTraining, data: StudyData, output: Path, on_epoch: Callable[[EpochEnd], None] | None
) -> None:
    checkpoint = output.with_name(f"{output.name}.checkpoint")
    options = TrainOptions(
        output=output,
        seed=training.seed,
        train=training.train,
        regions=training.regions,
        step_size=data.step_size,
        max_events=data.max_background(training.recipe),
        set_aside=data.set_aside,
        resume=checkpoint.exists(),
        on_epoch=on_epoch,
    )
    try:
        train([str(path) for path in data.files.background], training.recipe, options=options)
    except InterruptedRunError as error:
        what = str(error).partition(":")[0]
        raise InterruptedRunError(
            f"{training.name}: {what}; run the same command to go on, finished trainings are kept",
            error.exit_code - 128,
        ) from error
    except UsageError as error:
        if options.resume and checkpoint.exists():
            raise UsageError(f"{error} (in a study: remove {checkpoint})") from error
        raise
