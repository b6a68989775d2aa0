"""Options that were renamed are taken under both names, and each of today's words means one thing."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from hepad.cli.main import app
from hepad.pipeline.replay.former import FORMER, of_today


@cache
def options(verb: str) -> dict[str, Any]:
    """The options of a verb by their names."""
    command = typer.main.get_command(app).commands[verb]
    return {name: param for param in command.params for name in (*param.opts, *param.secondary_opts)}


@pytest.mark.parametrize(
    ("verb", "old", "new"), [(verb, *pair) for verb, names in FORMER.items() for pair in names.items()]
)
def test_a_former_name_is_no_option_and_stands_for_one(verb: str, old: str, new: str) -> None:
    assert old not in options(verb)
    assert new in options(verb)


def test_words_are_renamed_where_options_stand() -> None:
    words = ["a=data.h5", "--data=x", "--label", "data", "--database", "--", "--data"]
    assert of_today("study", words) == (
        ["a=data.h5", "--samples=x", "--label", "data", "--database", "--", "--data"],
        {"--data": "--samples"},
    )
    assert of_today("limit", ["--data", "5"]) == (["--data", "5"], {})


def test_a_former_name_works_and_is_said_once() -> None:
    """What follows is that of the new name: the file that is not there is looked for."""
    words = ("study", "adc2021", "-o", "out", "--quick")
    old, new = (CliRunner().invoke(app, [*words, option, "nowhere"]) for option in ("--data", "--samples"))
    assert (old.exit_code, old.stdout) == (new.exit_code, new.stdout) == (4, "")
    assert old.stderr == "hepad: of hepad study, --data is --samples now\n" + new.stderr
    assert "nowhere is not a folder; --samples names" in new.stderr


def test_what_the_words_mean() -> None:
    """`--data` is what was observed, `--events` are events; neither is a flag, or a folder of simulation."""
    verbs = typer.main.get_command(app).commands
    assert [verb for verb in verbs if "--data" in options(verb)] == ["limit", "discovery", "abcd"]
    assert [verb for verb in verbs if "--events" in options(verb)] == ["bumphunt"]
    flags = {
        param for verb in verbs for name in ("--data", "--signal", "--region") if (param := options(verb).get(name))
    }
    assert not [param for param in flags if param.is_flag]
