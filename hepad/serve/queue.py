"""The queue: jobs one after another, or several side by side, in the order in which they came."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from pathlib import Path

from hepad.printable import printable
from hepad.serve import answers
from hepad.serve.commands import RESULTS, run_words
from hepad.serve.process import Outcome, Progress, command_words, end_leftover, run_process, whole
from hepad.serve.store import ENDED, Job, Step, Store, size_of

__all__ = ["Queue"]

_log = logging.getLogger(__name__)

_ATTEMPTS = 3
"""How often a job is begun whose server is killed while it runs."""
_BETWEEN = 600.0
"""Seconds between two looks for jobs that are too old."""


class Queue:
    """Runs the jobs of a store, and knows how far those are that run."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._progress: dict[str, Progress] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()
        self._come = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Take up what a server before left, and work."""
        self._recover()
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self.store.limits.jobs)]
        self._tasks.append(asyncio.create_task(self._clean()))

    async def stop(self) -> None:
        """End all processes; their jobs wait for the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def waiting(self) -> list[Job]:
        """The jobs that wait, the first to come first."""
        return [job for job in reversed(list(self.store)) if job.state == "queued"]

    def active(self) -> int:
        """How many jobs wait or run."""
        return sum(job.state in ("queued", "running") for job in self.store)

    def progress(self, job: Job) -> Progress | None:
        """How far a job that runs is, if it says so."""
        return self._progress.get(job.id)

    async def submit(self) -> None:
        """Say that a job was added to the store."""
        async with self._come:
            self._come.notify()

    async def cancel(self, job: Job) -> None:
        """End a job; nothing happens to one that has ended."""
        current = self.store.get(job.id)
        if current is None:
            return
        if current.state == "queued":
            self.store.update(_ended(current, "cancelled", "it was cancelled before it began"))
        elif current.id in self._running:
            self._cancelled.add(current.id)
            task = self._running[current.id]
            task.cancel()
            await asyncio.wait([task])

    def _recover(self) -> None:
        """Queue again what ran when the server stopped: the commands of hepad begin anew or go on by themselves."""
        for job in list(self.store):
            if job.state != "running":
                continue
            if end_leftover(self.store.path(job, "logs", "lock")):
                _log.warning("job %s still ran without its server: it was ended, and begins again", job.id)
            if job.attempts >= _ATTEMPTS:
                self.store.update(_ended(job, "failed", f"the server stopped {job.attempts} times while it ran"))
            else:
                self.store.update(requeued(job))

    async def _work(self) -> None:
        while True:
            async with self._come:
                while not (waiting := self.waiting()):
                    await self._come.wait()
                job = self._begun(waiting[0])
            task = asyncio.create_task(self._run(job))
            self._running[job.id] = task
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:  # the server stops
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                raise
            finally:
                self._running.pop(job.id, None)
                self._progress.pop(job.id, None)
                self._cancelled.discard(job.id)
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.error("job %s", job.id, exc_info=error)
                await self._end(job, "failed", "a fault of the server ended it; its log says more")

    def _begun(self, job: Job) -> Job:
        changes = {"state": "running", "started": time.time(), "attempts": job.attempts + 1}
        return self.store.update(job.model_copy(update=changes))

    async def _run(self, job: Job) -> None:
        try:
            for place in range(len(job.steps)):
                if job.steps[place].state == "queued":
                    job = await self._step(job, place)
                if job.steps[place].state == "failed":
                    break
            await whole(self._end(job, *outcome(job)))
        except asyncio.CancelledError:
            found = self.store.get(job.id) or job
            if job.id in self._cancelled and found.state not in ENDED:
                await whole(self._end(found, "cancelled", "it was cancelled while it ran"))
            elif found.state not in ENDED:
                self.store.update(requeued(found).model_copy(update={"attempts": job.attempts - 1}))
            raise

    async def _step(self, job: Job, place: int) -> Job:
        step = job.steps[place]
        job = self.store.update(job.with_step(place, state="running"))
        self._progress.pop(job.id, None)
        begin = time.monotonic()

        def on_progress(found: Progress) -> None:
            self._progress[job.id] = found

        folder, limits = self.store.path(job), self.store.limits
        try:
            words = command_words(run_words(step.words), folder, limits)
            found = await run_process(words, folder, place + 1, limits, on_progress)
        except OSError as error:
            found = Outcome(1, f"it could not be started: {error.strerror or error}")
        good = found.exit_code in RESULTS[step.verb]
        return self.store.update(
            job.with_step(
                place,
                state="done" if good else "failed",
                exit_code=found.exit_code,
                reason=found.reason,
                found=await asyncio.to_thread(_said, step, folder / "logs" / f"{place + 1}.out") if good else "",
                seconds=round(time.monotonic() - begin, 1),
            )
        )

    async def _end(self, job: Job, state: str, reason: str) -> None:
        size = await asyncio.to_thread(_swept, self.store.path(job))
        if self.store.get(job.id) is not None:
            self.store.update(_ended(job, state, reason).model_copy(update={"size": size}))

    async def _clean(self) -> None:
        while True:
            for job in self.store.old():
                folder = self.store.forget(job)
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
                _log.info("job %s was deleted, it is older than %d days", job.id, self.store.limits.days)
            await asyncio.sleep(_BETWEEN)


def _swept(folder: Path) -> int:
    """Delete the temporary files of a job that has ended; the bytes of the others."""
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    return size_of(folder)


def _said(step: Step, path: Path) -> str:
    return printable(answers.short(step, answers.printed(path)))[:300]


def requeued(job: Job) -> Job:
    """The job as it waits to be begun again; steps that have ended keep what they found."""
    steps = tuple(s.model_copy(update={"state": "queued"}) if s.state == "running" else s for s in job.steps)
    return job.model_copy(update={"state": "queued", "steps": steps})


def outcome(job: Job) -> tuple[str, str]:
    """The state of a job whose steps have ended, and why: each needs what those before it made."""
    failed = next((step for step in job.steps if step.state == "failed"), None)
    return ("done", "") if failed is None else ("failed", failed.reason)


def _ended(job: Job, state: str, reason: str) -> Job:
    steps = tuple(
        s.model_copy(update={"state": "cancelled"}) if s.state in ("queued", "running") else s for s in job.steps
    )
    return job.model_copy(update={"state": state, "reason": reason, "steps": steps, "ended": time.time()})
