"""A process that reads damaged files with bounded memory and time, and says how each one ended."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from fuzz_targets import Target

from hepad.errors import HepadError

__all__ = ["MEMORY", "SECONDS", "Outcome", "Worker"]

MEMORY = 2 << 30
"""Address space in bytes that one reading may take beyond that of the libraries."""
SECONDS = 60.0
"""What one reading may take, on a clock; what is reported is processor time."""

_CONTEXT = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Outcome:
    """`same`, `other answer`, `error` or `fault`; what was said, and the processor time it took."""

    kind: str
    said: str
    seconds: float


class Worker:
    """One process for many readings; a new one takes its place if it dies or hangs."""

    def __init__(self, target: Target, data: bytes, folder: Path) -> None:
        self._target, self._path = target, folder / target.file
        self.peak_mb = 0.0
        self.reference = ""
        self._start()
        outcome = self.read(data)
        self.said = outcome.said
        self.reference = outcome.said if outcome.kind == "other answer" else ""

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def read(self, data: bytes) -> Outcome:
        """Write the bytes where the target expects them and read them."""
        self._path.write_bytes(data)
        self._pipe.send(str(self._path))
        peak, seconds = 0.0, SECONDS
        try:
            kind, said, peak, seconds = self._pipe.recv() if self._pipe.poll(SECONDS) else ("hung", "", peak, seconds)
        except EOFError:
            self._process.join(5)
            kind, said = "fault", f"process died with {self._process.exitcode}"
            self._stop()
            self._start()
        if kind == "hung":
            self._stop()
            self._start()
            kind, said = "fault", f"more than {SECONDS:g} s"
        self.peak_mb = max(self.peak_mb, peak)
        if kind == "answer":
            kind = "same" if said == self.reference and said else "other answer"
        return Outcome(kind, said, seconds)

    def _start(self) -> None:
        self._pipe, other = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(self._target, other, self._pipe), daemon=True)
        self._process.start()
        other.close()

    def _stop(self) -> None:
        self._pipe.close()
        if self._process.is_alive():
            self._process.kill()
        self._process.join(10)


def _serve(target: Target, pipe: Connection, parents: Connection) -> None:
    parents.close()
    os.environ["OMP_NUM_THREADS"] = "1"
    target.read(Path(__file__).parent / "none", warm=True)
    start = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (start + MEMORY, start + MEMORY))
    while True:
        try:
            path = Path(pipe.recv())
        except EOFError:
            return
        begin = time.process_time()
        kind, said = _attempt(target, path)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        pipe.send((kind, said, peak, time.process_time() - begin))


def _attempt(target: Target, path: Path) -> tuple[str, str]:
    try:
        return "answer", target.read(path)
    except HepadError as error:
        text = str(error)
        if _is_memory(error):
            return "fault", f"more memory than allowed: {text}"
        if not text or text.count("\n") > 1 or len(text) > 1500:
            return "fault", f"not a clear error: {text[:300]!r}"
        if target.names_file and path.name not in text and path.parent.name not in text:
            return "fault", f"an error that does not name the file: {text}"
        return "error", text
    except BaseException as error:  # noqa: BLE001  whatever it is, it is a fault
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f"{Path(f.filename).name}:{f.lineno}" for f in frames if "hepad" in f.filename]
        return "fault", f"{type(error).__name__}: {str(error)[:200]!r} at {ours[-1] if ours else '?'}"


def _is_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False
