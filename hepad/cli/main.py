"""The `hepad` command: its subcommands, and how errors become exit codes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hepad import __version__
from hepad.cli.commands import ALIASES, Commands, listed
from hepad.cli.help import shortened
from hepad.cli.process import check_environment, pipes_may_close, prepare_process
from hepad.errors import HepadError, OutputError
from hepad.printable import printable

__all__ = ["app", "main"]

_DISK_FULL = (28, 122)  # ENOSPC, EDQUOT


class HepadGroup(TyperGroup):
    """Imports a command when it is asked for, and turns errors into one line on stderr and the exit code of the error.

    What only lists the commands, the help and the completion of a name, imports none.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Commands(self.commands)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of a name, or of another spelling of it."""
        return super().resolve_command(ctx, [ALIASES.get(args[0], args[0]), *args[1:]])

    def get_params(self, ctx: Any) -> Any:
        """The options of all commands, as help shows them."""
        return shortened(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The page with one line for each command."""
        with self._listed():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Names of commands, or of options."""
        with self._listed():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _listed(self) -> Iterator[None]:
        commands, self.commands = self.commands, listed()
        try:
            yield
        finally:
            self.commands = commands

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Commands in the order of the work, not of the alphabet."""
        return list(self.commands)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; with --debug errors keep their traceback."""
        if ctx.params.get("debug"):
            return super().invoke(ctx)
        try:
            check_environment()
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, BrokenPipeError):  # of a closed pipe, as with `| head`, `main` says it
            raise
        except KeyboardInterrupt as error:
            _report("interrupted; nothing half-written is left")
            raise typer.Exit(130) from error
        except Exception as error:
            if type(error).__module__.startswith(("typer.", "click.")):  # usage errors print themselves
                if isinstance(message := getattr(error, "message", None), str):
                    error.message = printable(message, lines=True)  # type: ignore[attr-defined]
                raise
            raise _failed(error) from error


def _failed(error: Exception) -> typer.Exit:
    """Say what went wrong; the way to end."""
    if isinstance(error, HepadError):
        _report(str(error))
        return typer.Exit(error.exit_code)
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        _report(f"the disk is full ({error.filename or 'output'}); free some space and run again")
        return typer.Exit(OutputError.exit_code)
    return _internal(error)


def _internal(error: Exception) -> typer.Exit:
    _report(
        f"internal fault ({type(error).__name__}: {error}); run 'hepad --debug ...' for the traceback and report it"
    )
    return typer.Exit(1)


def _report(message: str) -> None:
    sys.stderr.write(f"hepad: {printable(message)}\n")


app = typer.Typer(
    cls=HepadGroup,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Anomaly detection at the LHC, from a ROOT file to a limit.\n\nStart: hepad inspect FILE, "
    "hepad score FILE --model NAME, hepad reinterpret FILE --analysis NAME.",
)


def _show_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"hepad {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of all commands; `HepadGroup` reads `debug` itself."""


def main() -> None:
    """Entry point of the console script."""
    signal.signal(signal.SIGTERM, _terminate)  # batch systems evict with it: half-written files must go
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # a terminal or a connection is closed, without nohup
        signal.signal(signal.SIGHUP, _terminate)
    prepare_process()
    with pipes_may_close():
        app()


def _terminate(number: int, _frame: FrameType | None) -> None:
    if number == signal.SIGHUP:  # the shell and the kernel send one each: the second is not to stop the clearing up
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)
