"""`hepad schema output.VERB`: every command with --json has a schema of what it prints.

That what is printed and written keeps to it is seen in all other tests: `check_output` in `conftest` is asked there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from hepad.cli.commands import COMMANDS, command_app
from hepad.errors import UsageError
from hepad.output.json_text import CHECKS
from hepad.pipeline.catalogue import catalogue
from hepad.pipeline.schemas import json_schema, markdown
from hepad.pipeline.schemas.outputs import TYPES, output_schema

jsonschema = pytest.importorskip("jsonschema")


def printing() -> Iterator[str]:
    """The words of all commands with --json."""
    for name in COMMANDS:
        command = typer.main.get_command(command_app(name))
        within = getattr(command, "commands", None)
        for words, one in {f"{name} {k}": v for k, v in within.items()}.items() if within else [(name, command)]:
            if any(parameter.name == "json" for parameter in one.params):
                yield words


def test_every_command_with_json_has_a_schema() -> None:
    assert {*printing(), "progress"} == {name for name in TYPES if "/" not in name}


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """All parts of a schema that have keys."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from objects(part)


@pytest.mark.parametrize("name", TYPES)
def test_a_schema_names_all_keys_and_says_what_things_are(name: str) -> None:
    schema = json_schema(f"output.{name}")
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:hepad:output.{name.replace(' ', '-')}"
    shown = markdown(f"output.{name}")
    for part in objects(schema):
        assert part["description"]
        assert part["additionalProperties"] is False
        assert set(part.get("required", ())) <= set(part["properties"])
        for key in part["properties"]:
            assert f"| `{key}` |" in shown


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda said: said.pop("seed"), "'seed' is a required property"),
        (lambda said: said.update(colour=3), "'colour' was unexpected"),
        (lambda said: said.update(toys="many"), "'many' is not of type 'integer'"),
        (lambda said: said["cls"].update(expected=[["x"]]), "'x' is not"),
    ],
)
def test_a_document_that_is_otherwise_is_found(run, change, word: str) -> None:
    (check,) = CHECKS
    said = json.loads(run("limit", "--signal", 9, "--background", 50, "--data", 55, "--json").stdout)
    check("limit", json.dumps(said))
    change(said)
    with pytest.raises(AssertionError, match=r"output\.limit") as found:
        check("limit", json.dumps(said))
    of_counts = jsonschema.Draft202012Validator({**output_schema("limit"), "anyOf": [{"$ref": "#/$defs/OfCounts"}]})
    assert any(word in fault.message for one in of_counts.iter_errors(said) for fault in one.context), str(found.value)


def test_rows_of_a_list_have_the_keys_of_their_kind() -> None:
    (check,) = CHECKS
    rows = catalogue("budgets")
    check("list", json.dumps(rows))
    for wrong in ({**rows[0], "colour": "red"}, {key: rows[0][key] for key in rows[0] if key != "device"}):
        with pytest.raises(AssertionError, match=r"output\.list"):
            check("list", json.dumps([wrong]))


def test_keys_and_records_have_their_words() -> None:
    schema = json_schema("output.hist")
    assert schema["properties"]["events"]["description"] == "Events that were read."
    assert schema["$defs"]["Skipped"]["description"].startswith("A file that was left out")


def test_what_is_no_output_is_refused() -> None:
    with pytest.raises(UsageError, match="no output 'things'"):
        json_schema("output.things")
