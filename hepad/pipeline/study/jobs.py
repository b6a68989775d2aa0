"""Jobs of a study in processes of their own, side by side."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from hepad.errors import FitFailedError, HepadError, InterruptedRunError, UsageError
from hepad.nn.scorer import EpochEnd
from hepad.output.figure_kinds import drawing, drawing_options

__all__ = ["Job", "run_jobs"]

Job = Callable[[Callable[[EpochEnd], None]], Any]
"""What a process can be handed: it gets a function to be called now and then, and what it gives is handed back."""


def run_jobs(jobs: Iterable[Job], workers: int) -> list[Any]:
    """What each job gives, in their order; up to `workers` processes are busy.

    The first that fails stops the others, which are told to save what they have; its error is raised.
    """
    idle: list[Connection] = []
    busy: dict[Connection, int] = {}
    found: dict[int, Any] = {}
    with _processes() as processes:
        for place, job in enumerate(jobs):
            if not idle and len(processes) < workers:
                connection, processes[connection] = _start()
                idle.append(connection)
            elif not idle:
                idle += _answered(processes, busy, found)
            connection = idle.pop()
            connection.send(job)
            busy[connection] = place
        while busy:
            _answered(processes, busy, found)
    return [found[place] for place in sorted(found)]


def _start() -> tuple[Connection, BaseProcess]:
    context = multiprocessing.get_context("spawn")  # a fork of a process with torch's threads, or CUDA, can hang
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, drawing_options()), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _work(jobs: Connection, options: Mapping[str, Any]) -> None:
    """What a process does: one job after the other, until there are no more or the parent is gone.

    Its answer to each is what the job gives, alone in a tuple, or name, text and exit code of a hepad error.
    """
    # Ctrl-C goes to all processes of a terminal's group; the parent passes on one signal, so that none gets two.
    os.setpgrp()
    parent = multiprocessing.parent_process()

    def watch(_: EpochEnd) -> None:
        if parent is None or not parent.is_alive():  # nobody waits for us any more, and the next run may do the same
            raise InterruptedRunError("the study was killed")

    with drawing(**options), suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            job: Job = jobs.recv()
            try:
                answer: tuple[Any, ...] = (job(watch),)
            except HepadError as error:
                answer = (type(error).__name__, str(error), error.exit_code)
            jobs.send(answer)


def _answered(
    processes: Mapping[Connection, BaseProcess], busy: dict[Connection, int], found: dict[int, Any]
) -> list[Connection]:
    """Wait for at least one process to answer, and note what it found; raise the error of one whose job failed."""
    done = [connection for connection in wait(list(busy)) if isinstance(connection, Connection)]
    for connection in done:
        try:
            answer = connection.recv()
        except (EOFError, OSError):
            processes[connection].join()
            code = processes[connection].exitcode
            answer = (
                "",
                f"a process of the study ended without a word (exit {code}); run the same command to go on",
                6,
            )
        if len(answer) > 1:
            raise _error(*answer)
        found[busy.pop(connection)] = answer[0]
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
