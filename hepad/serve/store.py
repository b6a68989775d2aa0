"""Jobs on disk, a folder each: `job.json`, written in one piece, beside the folder in which the commands run.

    DATA/jobs/ID/job.json
    DATA/jobs/ID/files/     inputs, and what the commands write
    DATA/jobs/ID/logs/      what the commands print: `1.out`, `1.err`
    DATA/arriving/          uploads that are not complete
    DATA/secret             from which token, cookie and the keys of shared links are made

What is known of jobs is in memory while the server runs, and on disk as soon as there is room for it.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hepad.errors import HepadError, OutputError
from hepad.output.atomic import atomic_path
from hepad.serve.limits import Limits

__all__ = ["ENDED", "Job", "State", "Step", "Store", "Upload", "new_id", "size_of"]

_log = logging.getLogger(__name__)

_Kind = Literal["bumphunt", "latency", "reinterpret", "score", "validation"]
State = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED = frozenset({"done", "failed", "cancelled"})


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Upload(_Record):
    """A file of a job: the name that the user gave, to be shown and never used as a path, and the one that it has."""

    shown: str
    name: str
    size: int


class Step(_Record):
    """One command: its words after `hepad`, as one can type them in the job's folder, and how it came out."""

    title: str
    words: tuple[str, ...] = Field(min_length=1)
    output: str
    """What it writes, a name in the folder where it runs."""
    prepares: bool = False
    """Whether it makes what the next one needs, and is no result by itself."""
    state: State = "queued"
    exit_code: int | None = None
    reason: str = ""
    found: str = ""
    """What it found, in a few words."""
    seconds: float | None = None

    @property
    def verb(self) -> str:
        """The command of hepad."""
        return self.words[0]


class Job(_Record):
    """What somebody asked for; it is done if one of its steps is."""

    id: str
    kind: _Kind
    title: str
    created: float
    steps: tuple[Step, ...]
    uploads: tuple[Upload, ...] = ()
    state: State = "queued"
    reason: str = ""
    started: float | None = None
    ended: float | None = None
    attempts: int = 0
    size: int = 0
    """Bytes on disk when it was last looked at."""

    @property
    def found(self) -> str:
        """What came of it, in a few words; empty before it is done."""
        return self.steps[-1].found if self.state == "done" else ""

    def with_step(self, place: int, **changes: object) -> Job:
        """The job with one step changed."""
        steps = list(self.steps)
        steps[place] = steps[place].model_copy(update=changes)
        return self.model_copy(update={"steps": tuple(steps)})


class Store:
    """The jobs of a folder."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self._jobs: dict[str, Job] = {}
        for name in ("jobs", "arriving"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._empty(folder / "arriving")
        self._read()

    def _read(self) -> None:
        for folder in sorted((self.folder / "jobs").iterdir()):
            try:
                job = Job.model_validate_json((folder / "job.json").read_bytes())
                if job.id != folder.name:
                    raise ValueError(f"it is of the job {job.id}")
            except (OSError, ValidationError, ValueError) as error:
                reason = str(error).splitlines()[0]
                _log.warning("%s is left as it is, it has no job that can be read: %s", folder, reason)
                continue
            self._jobs[job.id] = job

    def __iter__(self) -> Iterator[Job]:
        """The jobs, the newest first."""
        return iter(sorted(self._jobs.values(), key=lambda job: (-job.created, job.id)))

    def get(self, name: str) -> Job | None:
        """The job of that id; any text may be asked for."""
        return self._jobs.get(name)

    def path(self, job: Job, *names: str) -> Path:
        """A path in the folder of a job."""
        return self.folder.joinpath("jobs", job.id, *names)

    def arriving(self) -> Path:
        """A new folder for an upload."""
        path = self.folder / "arriving" / secrets.token_hex(8)
        path.mkdir()
        return path

    def add(self, job: Job, arrived: Path) -> Job:
        """Take in a new job with the files of its upload; all or nothing is there afterwards."""
        folder = self.folder / "jobs" / job.id
        new = arrived.with_name(f"{arrived.name}.new")
        try:
            (new / "logs").mkdir(parents=True)
            arrived.rename(new / "files")
            job = job.model_copy(update={"size": size_of(new)})
            (new / "job.json").write_text(job.model_dump_json(indent=1), encoding="utf-8")
            new.rename(folder)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        self._jobs[job.id] = job
        return job

    def update(self, job: Job) -> Job:
        """Keep what is new of a job; a full disk is said in the log, and does not stop the work."""
        self._jobs[job.id] = job
        try:
            with atomic_path(self.path(job, "job.json")) as path:
                path.write_text(job.model_dump_json(indent=1), encoding="utf-8")
        except (HepadError, OSError) as error:
            _log.warning("job %s is not kept on disk: %s", job.id, error)
        return job

    def forget(self, job: Job) -> Path:
        """Forget a job that has ended; its folder, which is to be deleted."""
        if job.state not in ENDED:
            raise OutputError(f"job {job.id} has not ended; cancel it first")
        self._jobs.pop(job.id, None)
        return self.path(job)

    def old(self) -> list[Job]:
        """The jobs that ended too long ago."""
        before = time.time() - 86400 * self.limits.days
        return [job for job in self._jobs.values() if job.state in ENDED and (job.ended or job.created) < before]

    def size(self) -> int:
        """Bytes of all jobs."""
        return sum(job.size for job in self._jobs.values())

    def lack_of_room(self, more: int, written: int = 0) -> str:
        """Why so many bytes more, and those that are on the disk by now, cannot be taken in; empty if they can."""
        limits = self.limits
        if self.size() + more + written > limits.quota:
            return f"all jobs together may take {limits.quota / 1e9:g} GB on this server; delete some that have ended"
        if shutil.disk_usage(self.folder).free - more < limits.reserve:
            return "the disk of the server is full; delete jobs that have ended, or ask who runs it"
        return ""

    @staticmethod
    def _empty(folder: Path) -> None:
        for path in folder.iterdir():
            shutil.rmtree(path, ignore_errors=True)


def new_id() -> str:
    """A name for a job that nobody guesses."""
    return secrets.token_urlsafe(12)


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder; links have none."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_symlink() and path.is_file())
