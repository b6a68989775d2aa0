"""What the pages of a job show of it."""

from __future__ import annotations

import asyncio
import re
import shlex
import time
from pathlib import Path
from typing import Any

from hepad.output.page import to_html_part
from hepad.serve import answers
from hepad.serve.network import MADE
from hepad.serve.queue import Queue
from hepad.serve.store import ENDED, Job, Step, Store

__all__ = ["seen", "step_files"]


async def seen(store: Store, queue: Queue, job: Job, *, results: bool = True) -> dict[str, Any]:
    """How far a job is, and what each step came to, by the names that its templates have for them.

    Without `results` only what its status shows, which browsers ask for again and again: no report and no file.
    """
    waiting = [each.id for each in queue.waiting()]
    return {
        "job": job,
        "active": job.state not in ENDED,
        "steps": await asyncio.to_thread(_steps, store, job) if results else [],
        "reason": _named(job, job.reason),
        "commands": [f"hepad {shlex.join(step.words)}" for step in job.steps],
        "before": waiting.index(job.id) if job.id in waiting else 0,
        "progress": queue.progress(job),
        "elapsed": time.time() - job.started if job.started else 0.0,
    }


def _steps(store: Store, job: Job) -> list[dict[str, Any]]:
    return [_step(store, job, place) for place in range(len(job.steps))]


def _step(store: Store, job: Job, place: int) -> dict[str, Any]:
    step = job.steps[place]
    printed = answers.printed(store.path(job, "logs", f"{place + 1}.out")) if step.state == "done" else ""
    files = step_files(store, job, step) if step.state in ENDED else {}
    return {
        "title": step.title,
        "state": step.state,
        "prepares": step.prepares,
        "number": place + 1,
        "blocks": to_html_part(answers.answer(step, printed)),
        "report": "report.html" in files,
        "files": {name: path.stat().st_size for name, path in files.items()},
    }


def _named(job: Job, reason: str) -> str:
    """A reason with the names that the user gave to the files, as they are shown."""
    shown = {upload.name: upload.shown for upload in job.uploads}
    return re.sub(r"\b(?:events|spectrum|network)[-.\w]*\b", lambda found: shown.get(found[0], found[0]), reason)


def step_files(store: Store, job: Job, step: Step) -> dict[str, Path]:
    """What a step wrote, by name, and what the server made for it; no path is ever made of what somebody asks for.

    One that was cancelled may have written some of it: outputs come into being whole.
    """
    output = store.path(job, "files", step.output)
    made = {name: output.with_name(name) for name in MADE if step.prepares and name in step.words}
    if output.is_file() and not output.is_symlink():
        return {output.name: output}
    found = [path for path in output.rglob("*") if path.is_file() and not path.is_symlink()]
    return {**made, **{path.relative_to(output).as_posix(): path for path in sorted(found)}}
