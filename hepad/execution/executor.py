"""Who does the units of a job: this process, several processes, or a Dask cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hepad.errors import UsageError
from hepad.execution.units import Job, Staffed

__all__ = ["Execution", "Executor", "make_executor"]


@dataclass(frozen=True)
class Execution:
    """How a job over events is run; none of it changes what comes out.

    `workers` is the number of processes. With executor `dask` the units go to the cluster at `scheduler`
    (`tcp://host:port`, or a scheduler file); None starts one of `workers` processes here. `skip_bad_files` leaves out
    files that cannot be read, `force` makes an output again that is complete already.
    """

    workers: int = 1
    executor: Literal["local", "dask"] = "local"
    scheduler: str | None = None
    skip_bad_files: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise UsageError(f"--workers {self.workers}: at least 1 is needed")
        if self.executor not in ("local", "dask"):
            raise UsageError(f"--executor {self.executor!r}: choose local or dask")
        if self.scheduler is not None and self.executor != "dask":
            raise UsageError("--scheduler goes with --executor dask")


class Executor(Protocol):
    """Does units of one job in any order. At most `capacity` units should be with it at a time."""

    @property
    def capacity(self) -> int:
        """So many units keep all workers busy."""
        ...

    def submit(self, unit: Any) -> None:
        """Take a unit."""
        ...

    def wait(self) -> Any:
        """Wait for any of the units taken, and give its outcome. Its errors are raised, except bad files'."""
        ...

    def close(self) -> None:
        """Give up what is not done and let the workers go."""
        ...


def make_executor(job: Job | Staffed, execution: Execution) -> Executor:
    """The executor that was asked for; `MissingExtraError` without the extra `dask`."""
    if execution.executor == "dask":
        from hepad.execution.dask_cluster import DaskExecutor

        return DaskExecutor(job, execution.scheduler, execution.workers)
    if execution.workers > 1:
        from hepad.execution.processes import ProcessExecutor

        return ProcessExecutor(job, execution.workers)
    from hepad.execution.serial import SerialExecutor

    return SerialExecutor(job)
