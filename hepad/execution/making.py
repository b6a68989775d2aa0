"""The life of an output that is made of event files, once for all verbs.

It is complete before, made by the same call of the same inputs, and then nothing is done; or it is worked on, what is
done is kept in `OUTPUT.run`, from where the same call goes on, and at the end it says what it was made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hepad.errors import CardError, InputDataError
from hepad.execution.store import RunFolder
from hepad.output.complete import would_be_same
from hepad.paths import InputPath
from hepad.provenance import FileRecords

__all__ = ["Making"]

Report = TypeVar("Report")
Describe = Callable[[Sequence[dict[str, Any]]], dict[str, Any]]

_SOMETHING_ELSE = (AttributeError, CardError, InputDataError, KeyError, OSError, TypeError, ValueError)
"""What is raised by reading an output that is not what it would be now: it will be replaced."""


@dataclass(frozen=True)
class Making:
    """An output that is to be made; `described` gives what it says of itself for the records of its input files.

    `again` makes it anew though it be complete, and forgets what an interrupted run has done. `output` None is for a
    result that stays in memory.
    """

    output: Path | None
    records: FileRecords
    described: Describe
    again: bool = False

    @classmethod
    def of(
        cls, output: Path | None, inputs: Sequence[InputPath], described: Describe, *, again: bool = False
    ) -> Making:
        """Begin to hash the input files, in another thread."""
        return cls(output, FileRecords(inputs), described, again)

    def before(self, *outputs: Path, read: Callable[[Path], tuple[Any, Report]]) -> Report | None:
        """The report of the outputs (by default the one) if all are there and what would be made now; else None.

        `read` gives what a complete output says of itself, without its report, and the report.
        """
        targets = outputs or (() if self.output is None else (self.output,))
        if self.again or not targets or not all(target.exists() for target in targets):
            return None
        try:
            found = [read(target) for target in targets]
        except _SOMETHING_ELSE:
            return None
        now = self.described(self.records.as_they_are())
        return found[-1][1] if all(would_be_same(stored, now) for stored, _ in found) else None

    def run_folder(self) -> AbstractContextManager[RunFolder]:
        """The folder `OUTPUT.run`: see `RunFolder.of`."""
        assert self.output is not None  # noqa: S101  else there is nothing to keep
        return RunFolder.of(self.output, force=self.again)

    def description(
        self, reasons: Mapping[int, str] | None = None, whole: Mapping[int, str] | None = None
    ) -> dict[str, Any]:
        """What the output says of itself, with the reasons why files, by their place, were left out or read whole."""
        return self.described(self.records.wait(reasons, whole))
