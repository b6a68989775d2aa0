"""Every command explains itself: brackets in a help text are markup, and a wrong one is a fault."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from hepad.cli.main import app


def commands() -> list[list[str]]:
    """The words of each command, those of groups included."""
    found = []
    for name, command in typer.main.get_command(app).commands.items():
        found.append([name])
        found.extend([name, sub] for sub in getattr(command, "commands", {}))
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_help(words: list[str]) -> None:
    result = CliRunner().invoke(app, [*words, "-h"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output


def test_there_are_commands_of_groups() -> None:
    assert ["analysis", "pack"] in commands()
    assert ["import-model"] in commands()
