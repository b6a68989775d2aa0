"""One step of a job: its process, what it says while it runs, how it ended, and how it is made to end."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hepad
from hepad.printable import printable
from hepad.serve.limits import GB, Limits

__all__ = ["Outcome", "Progress", "command_words", "end_group", "end_leftover", "last_reason", "run_process", "whole"]

TERM_SECONDS = 5.0
"""How long a process may take to end itself."""
_KEPT = 200
"""Lines of what a command says that are looked at for the reason."""
_LINE = 20_000
"""Characters of a line that are looked at."""

_BOX = re.compile(r"[\u2500-\u257f]")
_MEMORY = re.compile(
    r"MemoryError|bad_alloc|[Cc]annot allocate memory|failed to map segment|can't start new thread|Unable to allocate"
)


@dataclass(frozen=True)
class Progress:
    """How far a command is: what it does, how much of how much is done."""

    what: str
    done: float
    of: float | None = None


@dataclass(frozen=True)
class Outcome:
    """How a process ended, and in one line why, if it did not end well."""

    exit_code: int
    reason: str = ""


def command_words(words: Iterable[str], folder: Path, limits: Limits) -> list[str]:
    """The words of the process that runs a step with its limits."""
    granted = f"{limits.memory},{limits.seconds},{limits.quota},{os.getpid()},{folder / 'logs' / 'lock'}"
    return [sys.executable, "-m", "hepad.serve.limited", granted, *words]


def _environment(folder: Path) -> dict[str, str]:
    """One thread a job, temporary files in the job's folder, and this hepad, wherever it is."""
    paths = [str(Path(hepad.__file__).resolve().parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONSAFEPATH": "1",  # nothing in the folder of a job is ever imported
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "TMPDIR": str(folder / "tmp"),
        "COLUMNS": "200",
    }


async def run_process(
    words: list[str], folder: Path, number: int, limits: Limits, on_progress: Callable[[Progress], None]
) -> Outcome:
    """Run a step in the job's `files`; what it prints is in `logs`. If cancelled, it ends with all it started first."""
    (folder / "tmp").mkdir(exist_ok=True)
    with (folder / "logs" / f"{number}.out").open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=asyncio.subprocess.PIPE,
            cwd=folder / "files",
            env=_environment(folder),
            start_new_session=True,
            limit=_LINE,
        )
    try:
        code, lines = await asyncio.wait_for(_heard(process, on_progress), limits.wall_seconds)
    except asyncio.TimeoutError:
        return Outcome(124, f"it took more than {limits.wall_seconds:g} s, which is all that a job may take here")
    finally:
        await whole(end_group(process))
    with suppress(OSError):
        (folder / "logs" / f"{number}.err").write_text("\n".join(lines), encoding="utf-8", errors="replace")
    return Outcome(code, "" if code == 0 else _why(code, lines, limits))


async def whole(work: Coroutine[Any, Any, None]) -> None:
    """Do something to its end, however often one is cancelled meanwhile."""
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def _heard(
    process: asyncio.subprocess.Process, on_progress: Callable[[Progress], None]
) -> tuple[int, Sequence[str]]:
    """The exit code of a process when it has ended, and of what it said the last lines that are no progress."""
    lines: deque[str] = deque(maxlen=_KEPT)
    stream = process.stderr
    assert stream is not None  # noqa: S101  a pipe was asked for
    while True:
        try:
            raw = await stream.readline()
        except ValueError:  # longer than a line may be
            continue
        if not raw:
            return await process.wait(), lines
        text = raw.decode("utf-8", "replace").rstrip("\n")
        found = parse_progress(text)
        if found is not None:
            on_progress(found)
        elif text.strip():
            lines.append(text)


def parse_progress(line: str) -> Progress | None:
    """The progress that a line of `--progress json` tells of; None for another line."""
    if not line.startswith('{"progress"'):
        return None
    try:
        found = json.loads(line)
        of = found["of"]
        return Progress(printable(str(found["progress"])), float(found["done"]), None if of is None else float(of))
    except (ValueError, KeyError, TypeError):
        return None


def last_reason(lines: Iterable[str]) -> str:
    """The last line that says why: of hepad's own if there is one, without the frames of usage errors."""
    texts = [text for line in lines if (text := _BOX.sub("", line).strip())]
    own = [text.removeprefix("hepad: ") for text in texts if text.startswith("hepad: ")]
    return printable((own or texts or [""])[-1])[:1000]


def _why(code: int, lines: Sequence[str], limits: Limits) -> str:
    if code == -signal.SIGXCPU:
        return f"it took more than {limits.seconds:g} s of processor time, which is all that a job may take here"
    if any(_MEMORY.search(line) for line in lines):
        return f"it needed more than {limits.memory / GB:g} GB of memory, which is all that a job may take here"
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return f"its process was ended by the signal {name}; if the machine ran out of memory, ask for less at a time"
    return last_reason(lines) or f"it ended with exit code {code} and no word"


async def end_group(process: asyncio.subprocess.Process) -> None:
    """End a process and all that it started, first with a signal that lets it clean up."""
    ended = asyncio.ensure_future(_wait(process))
    if process.returncode is None:
        _signal(process.pid, signal.SIGTERM)
        await asyncio.wait([ended], timeout=TERM_SECONDS)
    _signal(process.pid, signal.SIGKILL)  # what is left of the group
    await ended


async def _wait(process: asyncio.subprocess.Process) -> None:
    if process.stderr is not None:  # a full pipe would hold it up
        with suppress(ValueError):
            while await process.stderr.read(65536):
                pass
    await process.wait()


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def end_leftover(lock: Path) -> bool:
    """End the process of a server that was killed, which holds its job's lock; whether there was one."""
    text = lock.read_text(encoding="ascii", errors="replace") if lock.is_file() else ""
    if not text.isdecimal() or int(text) <= 1 or not _is_locked(lock):
        return False
    _signal(int(text), signal.SIGKILL)
    end = time.monotonic() + TERM_SECONDS
    while _is_locked(lock) and time.monotonic() < end:  # or the next process finds it so
        time.sleep(0.01)
    return True


def _is_locked(path: Path) -> bool:
    with path.open("r+b") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
