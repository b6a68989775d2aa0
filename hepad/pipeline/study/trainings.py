"""Run the trainings of a study; those that are there are not repeated, an interrupted one goes on."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from hepad.bundles.files import CARD
from hepad.errors import FitFailedError, HepadError, InterruptedRunError, UsageError
from hepad.io.remote.path import as_given
from hepad.nn.scorer import EpochEnd
from hepad.pipeline.study.data import StudyData
from hepad.pipeline.study.plan import Plan, PlannedTraining
from hepad.pipeline.train.run import TrainOptions, train

__all__ = ["TRAININGS", "OnTraining", "run_trainings"]

TRAININGS = "trainings"

OnTraining = Callable[[int, int, PlannedTraining], None]
"""Called before each training that is run, with its place from 1, how many there are, and what it is."""


@dataclass(frozen=True)
class _Job:
    """One training and where it goes; small enough to be handed to another process."""

    training: PlannedTraining
    files: tuple[str, ...]
    options: TrainOptions


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
    run side by side in processes of their own; then `on_epoch` is not called. `InterruptedRunError` on Ctrl-C or
    SIGTERM: the finished bundles and the checkpoints of the current trainings stay, and the next run goes on from them.
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
        _run_beside(announced(), workers)
    else:
        for job in announced():
            _train(replace(job, options=replace(job.options, on_epoch=on_epoch)))
    return len(jobs)


def _job(training: PlannedTraining, data: StudyData, output: Path, device: str) -> _Job:
    options = TrainOptions(
        output=output,
        seed=training.seed,
        train=training.train,
        regions=training.regions,
        step_size=data.step_size,
        max_events=data.max_background(training.recipe),
        set_aside=data.set_aside,
        device=device,
    )
    return _Job(training, tuple(as_given(path) for path in data.files.background), options)


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


def _run_beside(jobs: Iterator[_Job], workers: int) -> None:
    """Keep up to `workers` processes busy; the first that fails stops the others, which save their checkpoints."""
    idle: list[Connection] = []
    with _processes() as processes:
        for job in jobs:
            if not idle and len(processes) < workers:
                connection, processes[connection] = _start()
                idle.append(connection)
            elif not idle:
                idle += _answered(processes)
            idle.pop().send(job)
        busy = {connection: process for connection, process in processes.items() if connection not in idle}
        while busy:
            for connection in _answered(busy):
                del busy[connection]


def _start() -> tuple[Connection, BaseProcess]:
    context = multiprocessing.get_context("spawn")  # a fork of a process with torch's threads can hang
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, os.getpid()), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _work(jobs: Connection, parent: int) -> None:
    """What a process does: one training after the other, until there are no more or the parent is gone.

    Its answer to each is empty, or name, text and exit code of a hepad error.
    """
    # Ctrl-C goes to all processes of a terminal's group; the parent passes on one signal, so that none gets two.
    os.setpgrp()

    def watch(_: EpochEnd) -> None:
        if os.getppid() != parent:  # nobody waits for us any more, and the next run may train the same
            raise InterruptedRunError("the study was killed")

    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            job: _Job = jobs.recv()
            try:
                _train(replace(job, options=replace(job.options, on_epoch=watch)))
            except HepadError as error:
                jobs.send((type(error).__name__, str(error), error.exit_code))
            else:
                jobs.send(())


def _answered(processes: Mapping[Connection, BaseProcess]) -> list[Connection]:
    """Wait for at least one process to answer; raise the error of one whose training failed."""
    done = [connection for connection in wait(list(processes)) if isinstance(connection, Connection)]
    for connection in done:
        try:
            answer = connection.recv()
        except (EOFError, OSError):
            processes[connection].join()
            code = processes[connection].exitcode
            answer = ("", f"a training process ended without a word (exit {code}); run the same command to go on", 6)
        if answer:
            raise _error(*answer)
    return done


def _error(name: str, text: str, code: int) -> HepadError:
    if name == InterruptedRunError.__name__:
        return InterruptedRunError(text, code - 128)
    kinds: Sequence[type[HepadError]] = [*HepadError.__subclasses__(), *UsageError.__subclasses__()]
    return next((kind(text) for kind in kinds if kind.__name__ == name), FitFailedError(text))


@contextmanager
def _processes() -> Iterator[dict[Connection, BaseProcess]]:
    """Processes by the connection to them; ended with the block, on an error told to save and stop."""
    processes: dict[Connection, BaseProcess] = {}
    try:
        yield processes
    except BaseException as error:
        for process in processes.values():
            process.terminate()
        if isinstance(error, KeyboardInterrupt | SystemExit):
            code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 130
            raise InterruptedRunError(
                "interrupted; run the same command to go on, finished trainings are kept", code - 128
            ) from error
        raise
    finally:
        for connection, process in processes.items():
            connection.close()
            process.join()
