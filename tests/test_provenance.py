"""What a record of a command holds, and that it leads back to the same files."""

from __future__ import annotations

import inspect
import json
import typing
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from hepad.cli.arguments import PATHS, PLAIN, WITHOUT_EFFECT, invocation
from hepad.cli.commands import COMMANDS, command_app
from hepad.cli.main import app
from hepad.errors import InputDataError
from hepad.pipeline.replay.inputs import find_inputs, stage
from hepad.provenance import (
    Invocation,
    Together,
    event_records,
    file_record,
    folder_record,
    provenance,
    recording,
    sha256_bytes,
)


def writers() -> dict[str, Any]:
    """The functions of all commands with an option --output that names what they write, by their words."""
    found: dict[str, Any] = {}
    for name in COMMANDS:
        group = command_app(name)
        for info in group.registered_commands:
            own = info.name or info.callback.__name__
            if "output" in inspect.signature(info.callback).parameters and name != "replay":
                found[name if own == name else f"{name} {own}"] = info.callback
    return found


def command_of(words: str) -> Any:
    command: Any = typer.main.get_command(app)
    for word in words.split():
        command = command.commands[word]
    return command


def value_for(hint: Any, default: Any) -> Any:
    """A value of the type, other than the default."""
    if typing.get_origin(hint) is typing.Literal:
        return next(one for one in typing.get_args(hint) if one != default)
    kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
    if typing.get_origin(hint) is list:
        return [value_for(kinds[0], None)]
    if kinds:
        return value_for(kinds[0], default)
    if hint is bool:
        return not default
    known = default if isinstance(default, int | float) else 0
    return hint("text") if hint in (str, Path) else hint(known + 7)


@pytest.mark.parametrize("words", writers())
def test_every_option_that_changes_the_result_is_recorded(words: str) -> None:
    """Who adds an option says in hepad.cli.arguments what its text means; the rest goes by itself."""
    hints = typing.get_type_hints(writers()[words])
    parameters = inspect.signature(writers()[words]).parameters
    given = {name: value_for(hints[name], parameter.default) for name, parameter in parameters.items()}
    for name, value in given.items():
        kinds = [kind for kind in (PATHS, PLAIN, WITHOUT_EFFECT) if name in kind]
        if isinstance(value[0] if isinstance(value, list) else value, str | Path):
            assert len(kinds) == 1, f"say in hepad.cli.arguments what {name} of hepad {words} means"
    command = command_of(words)
    parent = None
    for name in ["hepad", *words.split()]:
        parent = SimpleNamespace(parent=parent, info_name=name, command=command, params=given)
    found = invocation(parent)
    assert found.verb == words
    flat = ["".join(map(str, word)) for word in found.words]
    for param in command.params:
        if param.name in given and param.name not in WITHOUT_EFFECT:
            value = given[param.name]
            shown = str(value[0] if isinstance(value, list) else value)
            name = param.opts[0] if value is not False else param.secondary_opts[0]
            if name.startswith("-"):
                at = flat.index(name)
                assert isinstance(value, bool) or flat[at + 1] == shown
            else:
                assert shown in flat


def test_options_without_effect_are_few_and_known() -> None:
    known = ["check", "debug", "executor", "force", "help", "json", "output", "progress", "quiet", "restart", "resume"]
    assert sorted(WITHOUT_EFFECT) == [*known, "scheduler", "step_size", "workers"]


def test_a_record_leads_back_to_the_files(tmp_path: Path) -> None:
    """Files of one name in two folders, a folder, files that belong together; braces stay braces."""
    for folder, text in (("a", "1"), ("b", "2")):
        (tmp_path / folder / "bundle").mkdir(parents=True)
        for name in ("x.h5", "y.h5", "bundle/card.json"):
            (tmp_path / folder / name).write_text(text + name)
    a, b = tmp_path / "a", tmp_path / "b"
    some = [a / "x.h5", b / "x.h5", b / "y.h5"]
    words = (
        ("signal=", b / "x.h5"),
        (Together((a / "y.h5",), ("y.h5",)), "/*.h5=2"),
        (Together((a / "x.h5", b / "x.h5"), ("x.h5", "x.h5")), "/*.h5=3"),
        (b / "bundle",),
        ("{0}",),
    )
    with recording(Invocation("score", words)):
        record = provenance("hepad score", inputs=some)
        assert "arguments" not in provenance("hepad train", inputs=some), "made by way of another command"
    assert "arguments" not in provenance("hepad score", inputs=some)
    assert record["arguments"]["words"] == ["score", "signal={1}", "{3,}/*.h5=2", "{0,1}/*.h5=3", "{4}", "{{0}}"]
    assert [one["name"] for one in record["arguments"]["files"]] == ["y.h5", "bundle"]
    assert str(tmp_path) not in json.dumps(record)
    records = [*record["inputs"], *record["arguments"]["files"]]
    paths = find_inputs(records, [tmp_path], [b, a])
    assert paths == [*some, a / "y.h5", b / "bundle"]
    (tmp_path / "staged").mkdir()
    _, signal, one, two, bundle, braces = stage(record["arguments"]["words"], records, paths, tmp_path / "staged")
    assert Path(signal.removeprefix("signal=")).read_text() == "2x.h5"
    assert [path.read_text() for path in matched(one.removesuffix("=2"), tmp_path)] == ["1y.h5"]
    assert [path.read_text() for path in matched(two.removesuffix("=3"), tmp_path)] == ["1x.h5", "2x.h5"]
    assert Path(signal.removeprefix("signal=")) in matched(two.removesuffix("=3"), tmp_path)
    assert (Path(bundle) / "card.json").read_text() == "2bundle/card.json"
    assert braces == "{0}"


def matched(pattern: str, folder: Path) -> list[Path]:
    """The staged files that a pattern of a cross section stands for."""
    files = sorted(path for path in (folder / "staged").rglob("*") if path.is_file())
    return [path for path in files if fnmatchcase(str(path), pattern)]


def test_an_input_is_not_hashed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x.h5"
    file.write_text("1")
    record = file_record(file)
    monkeypatch.setattr("hepad.provenance.sha256_file", None)
    with recording(Invocation("score", ((file,),))):
        assert provenance("hepad score", inputs=[record])["arguments"] == {"words": ["score", "{0}"], "files": []}


def test_events_that_count_twice_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = [tmp_path / name for name in "abcd"]
    for path, content in zip(paths, ("1", "2", "1", "3"), strict=True):
        path.write_text(content)
    records = event_records([*paths, paths[1]])  # the same file may stand for two samples
    assert [record["name"] for record in records] == ["a", "b", "c", "d", "b"]
    assert caplog.messages == ["a, c have the same content: their events count as often"]


def test_folders_are_told_apart_by_all_their_files(tmp_path: Path) -> None:
    (tmp_path / "f" / "g").mkdir(parents=True)
    (tmp_path / "f" / "g" / "x").write_text("1")
    (tmp_path / "f" / "y").write_text("22")
    lines = f"{sha256_bytes(b'1')}  g/x\n{sha256_bytes(b'22')}  y\n"
    expected = {"name": "f", "folder": True, "bytes": 3, "sha256": sha256_bytes(lines.encode())}
    assert folder_record(tmp_path / "f") == expected


def test_inputs_that_changed_or_are_gone_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_text("1")
    record = file_record(tmp_path / "x.h5")
    (tmp_path / "x.h5").write_text("2")
    with pytest.raises(InputDataError, match=r"x\.h5 has sha256 d4735e3a265e\.\.\., not 6b86b273ff34\.\.\. as then"):
        find_inputs([record], [tmp_path])
    with pytest.raises(InputDataError, match=r"z\.h5 is in none of .*--inputs"):
        find_inputs([{**record, "name": "z.h5"}], [tmp_path])
