"""What a command says on stderr of how far it is: bars on a terminal, JSON lines for a program, or nothing.

How it is said is set once for the command that runs (`saying`, by `--progress` and `--quiet`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from hepad.errors import UsageError
from hepad.output.json_text import json_text
from hepad.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["DEFAULT_PROGRESS", "Count", "counts", "is_quiet", "saying"]

DEFAULT_PROGRESS = "auto"

_KINDS = (DEFAULT_PROGRESS, "bar", "json", "none")

_BETWEEN = 0.5
"""Seconds between two lines of JSON of one count, but for its last."""

_kind = DEFAULT_PROGRESS
_quiet = False


@contextmanager
def saying(kind: str, *, quiet: bool = False) -> Iterator[None]:
    """Within the block progress is said so, `auto` is bars on a terminal and nothing elsewhere; `quiet` has no bars."""
    global _kind, _quiet
    if kind not in _KINDS:
        raise UsageError(f"--progress {kind!r}: choose one of {', '.join(_KINDS)}")
    before = _kind, _quiet
    _kind, _quiet = "none" if quiet and kind == DEFAULT_PROGRESS else kind, quiet
    try:
        yield
    finally:
        _kind, _quiet = before


def is_quiet() -> bool:
    """Whether tables and remarks are not wanted."""
    return _quiet


class Count:
    """How much of something is done, of how much; whoever shows it is told at each change."""

    def __init__(self, what: str, show: Callable[[Count], None]) -> None:
        self.what = what
        self.done = 0
        self.total: int | None = None
        self.note = ""
        self._show = show

    def add(self, n: int, of: int | None = None) -> None:
        """So many more."""
        self.set(self.done + n, of)

    def set(self, done: int, of: int | None = None, *, what: str = "", note: str = "") -> None:
        """So many; a total that is not given stays as it was."""
        self.done, self.note, self.what = done, note, what or self.what
        self.total = self.total if of is None else of
        self._show(self)


@contextmanager
def counts(*names: str) -> Iterator[tuple[Count, ...]]:
    """Counts of things that a command does, shown while it does them."""
    with ExitStack() as stack:
        if _kind == "json":
            yield tuple(Count(name, _Lines()) for name in names)
        elif _kind == "bar" or (_kind == "auto" and sys.stderr.isatty()):
            shown = stack.enter_context(_bars())
            yield tuple(Count(name, _Bar(shown)) for name in names)
        else:
            yield tuple(Count(name, _nothing) for name in names)


def _nothing(_: Count) -> None:
    pass


class _Lines:
    """Writes a count as a line of JSON, not too often: `what`, `done`, `of`, `seconds` since its first line, `note`."""

    def __init__(self) -> None:
        self._begin: float | None = None
        self._last = 0.0

    def __call__(self, count: Count) -> None:
        now = time.monotonic()
        if self._begin is not None and now - self._last < _BETWEEN and count.done != count.total:
            return
        self._begin = now if self._begin is None else self._begin
        self._last = now
        line = {"progress": count.what, "done": count.done, "of": count.total, "seconds": round(now - self._begin, 1)}
        whole = line | ({"note": count.note} if count.note else {})
        sys.stderr.write(json_text("progress", whole, indent=None))
        sys.stderr.flush()


class _Bar:
    """Shows a count as a bar; there is none before the first change."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: Any = None
        self._what = ""

    def __call__(self, count: Count) -> None:
        if self._task is None or count.what != self._what:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._what = count.what
            self._task = self._progress.add_task(printable(count.what), total=count.total, note="")
        self._progress.update(
            self._task, completed=count.done, total=count.total, note=printable(count.note), refresh=count.done == 0
        )


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.text import Text

    from hepad.cli.terminal import Terminal

    class Done(ProgressColumn):
        """Done, of how much, and how fast."""

        def render(self, task: Any) -> Text:
            total = "" if task.total is None else f"/{task.total:.0f}"
            speed = task.finished_speed or task.speed
            return Text(f"{task.completed:.0f}{total}" + (f", {speed:.3g}/s" if speed else ""))

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        Done(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Terminal(to_stderr=True), transient=True) as progress:
        yield progress
