"""Every command explains itself: brackets in a help text are brackets, though typer takes them for markup."""

from __future__ import annotations

import re

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
def test_help(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    command = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    monkeypatch.setenv("COLUMNS", "160")
    result = CliRunner().invoke(app, [*words, "-h"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output
    said = "".join(result.output.replace("│", " ").split())
    for item in (command, *command.params):
        for bracket in re.findall(r"\S*\[[^\]]*\]", item.help or ""):
            assert "".join(bracket.replace("\\[", "[").split()) in said


def test_brackets_are_in_some_help() -> None:
    output = CliRunner().invoke(app, ["train", "-h"]).output
    assert "hepad[dask]" in "".join(output.replace("│", " ").split())


def test_there_are_commands_of_groups() -> None:
    assert ["analysis", "pack"] in commands()
    assert ["import-model"] in commands()
