"""What the process of the command sees to before and after: standard streams and environment variables."""

from __future__ import annotations

import codecs
import gc
import logging
import os
import signal
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from hepad.errors import OutputError, UsageError
from hepad.printable import printable

__all__ = ["check_environment", "collect_late", "pipes_may_close", "prepare_process"]

_PLAIN = {"\xb1": "+-", "\xb5": "u", "\xb7": ".", "\u2026": "...", "\u2013": "-", "\u2192": "->", "\u2212": "-"}
"""What stands for a character where a stream has none for it."""

_PIPE_CLOSED = 128 + signal.SIGPIPE

_THREADS = "NUMBA_NUM_THREADS"

_IMPORTED = 130_000
"""Objects that a command on event files has made by the time that it reads the first: few of them ever go."""


def prepare_process() -> None:
    """Make the standard streams fit to be written to, and draw to files whatever else was asked for.

    Closed streams are taken for /dev/null: else the next file that is opened would get their number.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    codecs.register_error("hepad", _plain)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="hepad")  # type: ignore[union-attr]
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("hepad: warning: %(message)s"))
    logging.getLogger("hepad").addHandler(handler)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of folders for its caches that it cannot write
    # A notebook sets its own for what it starts, which need not be there: figures are files here.
    os.environ["MPLBACKEND"] = "Agg"
    # Pydantic would ask all installed packages for plugins of its own.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


@contextmanager
def collect_late() -> Iterator[None]:
    """Let the garbage collector begin when what is imported is there, and never look at that.

    It would go through all modules dozens of times while they are loaded, and once more at the end of the process: a
    fourth of a short command. What is there when its first collection begins is left out of that too; of 130 000
    objects it would free 700. From then on it is as it was.
    """
    before = gc.get_threshold()

    def begins(_phase: str, _info: dict[str, int]) -> None:
        gc.callbacks.remove(begins)
        gc.set_threshold(*before)
        gc.freeze()

    gc.callbacks.append(begins)
    gc.set_threshold(_IMPORTED, *before[1:])
    try:
        yield
    finally:
        gc.freeze()


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), lines=record.exc_info is not None)


def check_environment() -> None:
    """Raise `UsageError` for what would stop a library in the middle of the work."""
    value = os.environ.get(_THREADS)
    if value is not None and not (value.isdecimal() and int(value) > 0):
        raise UsageError(f"{_THREADS}={value!r} in the environment: a number of threads above 0 is needed; unset it")


@contextmanager
def pipes_may_close() -> Iterator[None]:
    """End as a process does that writes to a pipe whose reader has left, without a word and with its exit code."""
    before, stdout = os.fstat(1), sys.stdout
    code: str | int | None = None
    try:
        yield
    except BrokenPipeError:
        code = _PIPE_CLOSED
    except SystemExit as end:
        # Rich and typer make it 1, and let what is left go nowhere: by the descriptor, or by another stream.
        gone = sys.stdout is not stdout or not os.path.samestat(before, os.fstat(1))
        code = _PIPE_CLOSED if gone and end.code == 1 else end.code
    try:
        sys.stdout.flush()
    except OSError as error:
        _redirect(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"hepad: cannot write to the standard output: {error.strerror or error}\n")
        code = code or (_PIPE_CLOSED if isinstance(error, BrokenPipeError) else OutputError.exit_code)
    raise SystemExit(code)


def _redirect(stream: TextIO) -> None:
    """Let what is left in the stream go nowhere, or the interpreter complains of it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or _ascii(c) for c in found), error.end


def _ascii(character: str) -> str:
    """A raised or lowered character as it is on the line, the name of a Greek letter, else the number."""
    name, _, letter = unicodedata.name(character, "").rpartition(" LETTER ")
    plain = letter.lower() if name in {"GREEK SMALL", "GREEK CAPITAL"} else unicodedata.normalize("NFKD", character)
    return plain if plain.isascii() else character.encode("ascii", "backslashreplace").decode()
