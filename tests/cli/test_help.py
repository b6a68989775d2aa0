"""Every command explains itself: brackets in a help text are brackets, though typer takes them for markup."""

from __future__ import annotations

import inspect
import re

import pytest
import typer
from typer.testing import CliRunner

from hepad.cli.commands import COMMANDS
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


def test_the_list_of_commands_is_that_of_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines that stand apart from the commands, so that none is imported for them, are theirs."""
    made = {name: typer.main.get_command(app).commands[name] for name in COMMANDS}
    said = {name: inspect.cleandoc(command.help).split("\n\n")[0].replace("\n", " ") for name, command in made.items()}
    assert said == COMMANDS
    monkeypatch.setenv("COLUMNS", "90")
    short = CliRunner().invoke(app, ["--help"]).output
    monkeypatch.setattr("hepad.cli.main.listed", lambda: made)
    assert CliRunner().invoke(app, ["--help"]).output == short
    assert list(re.findall(r"│ ([a-z][\w-]+)  +[A-Z]", short)) == list(COMMANDS)


def test_names_and_options_are_completed() -> None:
    def completed(words: str) -> list[str]:
        environment = {
            "_HEPAD_COMPLETE": "complete_fish",
            "_TYPER_COMPLETE_ARGS": words,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
        output = CliRunner().invoke(app, prog_name="hepad", env=environment).output
        return [line.partition("\t")[0] for line in output.splitlines()]

    assert completed("hepad bump") == ["bumphunt", "bumphunt2d"]
    assert completed("hepad score --sel") == ["--selection"]
    assert "pack" in completed("hepad analysis ")


def test_there_are_commands_of_groups() -> None:
    assert ["analysis", "pack"] in commands()
    assert ["import-model"] in commands()
