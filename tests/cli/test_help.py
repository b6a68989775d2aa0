"""Every command explains itself: brackets in a help text are brackets, though typer takes them for markup."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperOption
from typer.testing import CliRunner

from hepad.cli.commands import COMMANDS, PANELS, listed
from hepad.cli.help import ALWAYS, RUNNING
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


def test_a_command_without_what_it_needs_says_so() -> None:
    root, asked = typer.main.get_command(app), 0
    for name, command in root.commands.items():
        if any(param.required for param in command.params):
            result = CliRunner().invoke(app, [name])
            assert (result.exit_code, "Missing" in result.output) == (2, True), (name, result.output)
            asked += 1
    assert asked > 20


def test_brackets_are_in_some_help() -> None:
    output = CliRunner().invoke(app, ["train", "-h"]).output
    assert "hepad[dask]" in "".join(output.replace("│", " ").split())


def test_the_list_of_commands_is_that_of_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines that stand apart from the commands, so that none is imported for them, are theirs."""
    made = {name: typer.main.get_command(app).commands[name] for panel in PANELS.values() for name in panel.split()}
    said = {name: inspect.cleandoc(command.help).split("\n\n")[0].replace("\n", " ") for name, command in made.items()}
    assert said == COMMANDS
    monkeypatch.setenv("COLUMNS", "90")
    short = CliRunner().invoke(app, ["--help"]).output
    shown = listed()
    for name, command in made.items():
        command.rich_help_panel = shown[name].rich_help_panel
    monkeypatch.setattr("hepad.cli.main.listed", lambda: made)
    assert CliRunner().invoke(app, ["--help"]).output == short
    assert list(re.findall(r"│ ([a-z][\w-]+)  +[A-Z]", short)) == list(made)
    assert [title for title in re.findall(r"─ ([A-Z][a-z ,]+) ─", short) if title != "Options"] == list(PANELS)


def test_names_and_options_are_completed(tmp_path: Path) -> None:
    def completed(words: str) -> list[str]:
        environment = {
            "_HEPAD_COMPLETE": "complete_fish",
            "_TYPER_COMPLETE_ARGS": words,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
        output = CliRunner().invoke(app, prog_name="hepad", env=environment).output
        return [line.partition("\t")[0] for line in output.splitlines()]

    assert completed("hepad bump") == ["bumphunt", "bumphunt2d"]
    assert completed("hepad score --model dnn") == ["dnn_ae", "dnn_ae@w6"]
    assert completed("hepad train --model dnn") == ["dnn_ae"]
    assert completed("hepad hunt --analysis cms_2024") == ["cms_2024_dijet_anomaly"]
    assert completed("hepad study l1_") == ["l1_triggers"]
    assert completed("hepad list st") == ["studies"]
    assert "dijet5_root" in completed("hepad fit --function dijet5")
    (tmp_path / "mine").mkdir()
    assert completed(f"hepad score --model {tmp_path}/m") == [f"{tmp_path}/mine/"]
    assert completed("hepad score --sel") == ["--selection"]
    assert "pack" in completed("hepad analysis ")


def test_there_are_commands_of_groups() -> None:
    assert ["analysis", "pack"] in commands()
    assert ["import-model"] in commands()


@pytest.mark.skipif(not hasattr(TyperOption, "display_type"), reason="older versions of typer have longer words")
def test_a_page_fits_a_terminal_and_says_values_in_short_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    score, limit = (CliRunner().invoke(app, [verb, "-h"]).output for verb in ("score", "limit"))
    for page in (score, limit):
        assert max(map(len, page.splitlines())) <= 80
        assert not re.search(r"^│ .*--[a-z-]+ .*<(str|int|float|bool|path|list)", page, re.MULTILINE)
        running = page[page.index(RUNNING) :].splitlines()[1:]
        assert all(re.match(r"│ --|╰─|$", line) for line in running)  # an option a line
    assert re.search(r"^│ +--step-size +N +Events at a time", score, re.MULTILINE)
    assert re.search(r"^│ +--cross-section +PB +Cross section", limit, re.MULTILINE)
    assert re.search(r"^│ +--background +FILE ", limit, re.MULTILINE)
    assert re.findall(r"^╭─ (.*?) ─", score, re.MULTILINE) == ["Arguments", "Options", RUNNING]
    panels = re.findall(r"^╭─ (.*?) ─", limit, re.MULTILINE)
    assert panels == ["Yields", "A resonance in a spectrum", "A workspace", ALWAYS, RUNNING]


def test_a_command_has_another_spelling() -> None:
    assert CliRunner().invoke(app, ["quantize", "-h"]).output == CliRunner().invoke(app, ["quantise", "-h"]).output
