"""`python -m hepad` is the `hepad` command.

Processes that a command starts import its main module: this one costs them nothing.
"""

from __future__ import annotations


def main() -> None:
    """Run the command."""
    from hepad.cli.late import load_when_used
    from hepad.cli.process import collect_late

    load_when_used()
    with collect_late():
        from hepad.cli.main import main as run

        run()


def command() -> None:
    """Run the command, and end the process."""
    from hepad.cli.leave import leave_at_once

    leave_at_once(main)


if __name__ == "__main__":
    command()
