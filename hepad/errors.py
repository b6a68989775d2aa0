"""The errors that hepad raises on purpose.

All share one base, `HepadError`, which holds the exit code of the command line.
A message is one or two lines: which file, which branch or key, which value, what to do.
"""

from __future__ import annotations

__all__ = [
    "CardError",
    "CheckFailedError",
    "CountError",
    "FitFailedError",
    "HepadError",
    "InputDataError",
    "InterruptedRunError",
    "MissingExtraError",
    "NotStoredError",
    "OutputError",
    "UsageError",
    "WorkerError",
]


class HepadError(Exception):
    """Base of all errors that a user can mend; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(HepadError):
    """The command or function was called with arguments that do not fit together."""

    exit_code = 2


class OutputError(UsageError):
    """The output cannot be written where it was asked for (folder missing, disk full, not permitted)."""


class CardError(HepadError):
    """A card, bundle or configuration is invalid or cannot be found."""

    exit_code = 3


class InputDataError(HepadError):
    """An event file or spectrum cannot be read, or does not hold what is needed."""

    exit_code = 4


class NotStoredError(InputDataError):
    """A file does not store what is asked for, a column or a branch, and others of its kind hardly do.

    Unlike a damaged file it is none to be left out of many.
    """


class CompanionError(HepadError):
    """A file that goes with the events, as their scores do, is damaged or not theirs.

    Unlike an `InputDataError` about a file of events, it would not go away if that file were left out.
    """

    exit_code = 4


class MissingExtraError(HepadError):
    """An optional dependency is not installed."""

    exit_code = 5

    @classmethod
    def of(cls, error: ImportError, needs: str, package: str, extra: str) -> MissingExtraError:
        """What to say where the import of a package failed; `needs` is the beginning, "logic needs", say.

        A package that is there and does not import, as it does not fit another, is not to be installed once more.
        """
        if isinstance(error, ModuleNotFoundError) and (error.name or package).partition(".")[0] == package:
            return cls(f"{needs} the package {package}: pip install 'hepad[{extra}]'")
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return cls(
            f"{needs} the package {package}, which is here and cannot be imported ({type(error).__name__}: {reason}); "
            f"install hepad[{extra}] in an environment of its own"
        )


class FitFailedError(HepadError):
    """A fit or a training did not converge; there is no result."""

    exit_code = 6


class CheckFailedError(HepadError):
    """A check that was asked for did not pass."""

    exit_code = 7


class CountError(HepadError):
    """Events were lost or counted twice between two stages: a fault of hepad, or of the disk."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}; nothing was written, please report it")


class WorkerError(HepadError):
    """The processes that do the work died or cannot be reached."""


class InterruptedRunError(HepadError):
    """A signal stopped a run that can be resumed; the exit code is what shells report for it, 130 for Ctrl-C."""

    def __init__(self, message: str, signal: int = 2) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal
