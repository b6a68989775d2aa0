"""What one job, one upload and all of them may take."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GB", "Limits"]

GB = 1_000_000_000


@dataclass(frozen=True)
class Limits:
    """Bytes, seconds, days and numbers that the server grants."""

    jobs: int = 1
    """Jobs that run side by side."""
    waiting: int = 100
    """Jobs that wait or run, all together."""
    memory: int = 8 * GB
    """Address space of the process of a job."""
    seconds: int = 3600
    """Processor time of a job's step; as much again may be spent waiting for disks."""
    upload: int = 2 * GB
    """Bytes of one form with its files."""
    uploads: int = 16
    """Forms that are taken in side by side; others wait."""
    quota: int = 20 * GB
    """Bytes of all jobs on disk together."""
    reserve: int = GB // 2
    """Bytes of the disk that are left free."""
    idle: float = 30.0
    """Seconds in which something of an upload must come."""
    upload_seconds: float = 3600.0
    """Seconds in which all of an upload must have come."""
    rate: float = 10_000.0
    """Bytes a second that an upload must come with."""
    days: int = 30
    """Days after which a job that has ended is deleted."""

    @property
    def wall_seconds(self) -> int:
        """Seconds from the start of a step to its end."""
        return 2 * self.seconds
