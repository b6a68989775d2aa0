"""`hepad schema`: the tables of keys are those of the models, and the documentation holds them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hepad import registry
from hepad.cards.base import known_keys, read_yaml
from hepad.cards.resolver import bundled_names, resolve
from hepad.errors import UsageError
from hepad.pipeline.schemas import SCHEMAS, card_of, json_schema, markdown, settings, tables

DOCS = Path(__file__).parents[2] / "docs"
MARK = re.compile(r"<!-- hepad schema (\S+) --markdown -->\n\n")


def test_the_documentation_has_the_keys_of_every_card() -> None:
    seen = []
    for page in (DOCS / "models.md", DOCS / "cards.md", DOCS / "hunt.md"):
        text = page.read_text(encoding="utf-8")
        for mark in MARK.finditer(text):
            name = mark[1]
            seen.append(name)
            assert text.startswith(markdown(name) + "\n", mark.end()), f"{page.name}: hepad schema {name} --markdown"
    assert sorted(seen) == sorted([*SCHEMAS, *settings()])


def test_the_example_in_the_documentation_is_a_card(tmp_path: Path) -> None:
    text = (DOCS / "models.md").read_text(encoding="utf-8")
    (tmp_path / "my.yaml").write_text(text.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    card = card_of("analysis").model_validate(read_yaml(tmp_path / "my.yaml"))
    assert {name: region.efficiency for name, region in card.regions.items()} == {
        "loose": 0.01,
        "l1": pytest.approx(0.5 / 30),
        "gold": 0.0025,
        "cut": None,
    }


@pytest.mark.parametrize("name", [*SCHEMAS, *settings()])
def test_the_tables_have_all_keys(name: str) -> None:
    card = card_of(name)
    first = tables(name)[0]
    assert {key.key for key in first.keys} == set(known_keys(card, ()))
    for key in first.keys:
        assert key.value
        assert (key.default == "needed") == (key.key in json_schema(name).get("required", []))


def test_bounds_and_choices_are_said() -> None:
    rows = {(table.name, key.key): key for table in tables("analysis") for key in table.keys}
    assert rows["TrainCard", "validation_fraction"].value == "number above 0 below 1"
    assert rows["TrainCard", "epochs"].default == "100"
    assert rows["RegionSpec", "background_efficiency"].value == "number above 0 at most 1"
    assert rows["RegionSpec", "rate"].value == "as on the command line"
    assert rows["RmmCard", "counts"].value.endswith("whole number at least 1 at most 50")
    assert rows["AnalysisCard", "name"].value == "name"
    assert rows["AnalysisCard", "fidelity"].value == "`exact` or `approximate` or `inspired`"


def test_the_bundled_cards_obey_the_json_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    for name in bundled_names("analyses"):
        content = dict(read_yaml(resolve("analyses", name)))
        kind = str(content["schema"]).removesuffix("/1")
        jsonschema.validate(json.loads(json.dumps(content)), json_schema(kind))
    for name in bundled_names("analyses/methods"):
        content = read_yaml(resolve("analyses/methods", name))
        jsonschema.validate(json.loads(json.dumps(content)), json_schema("method"))
    for name in bundled_names("analyses/menus"):
        jsonschema.validate(json.loads(json.dumps(read_yaml(resolve("analyses/menus", name)))), json_schema("menu"))
    words = {"rate": "0.5/30"}, {"efficiency": 0.01}, "rate:0.5/30", {"cross_section": 10}
    schema = {"$defs": json_schema("analysis")["$defs"], "$ref": "#/$defs/RegionSpec"}
    for region in words:
        jsonschema.validate(region, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"speed": 1}, schema)


def test_the_command(run) -> None:
    assert {row["name"] for row in json.loads(run("schema", "--json").stdout)} == {*SCHEMAS, *settings()}
    assert "model.vae" in run("schema").stdout
    assert json.loads(run("schema", "analysis/1", "--json").stdout) == json_schema("analysis")
    shown = run("schema", "selection").stdout
    assert "WideJetRule" in shown
    assert run("schema", "selection", "--markdown").stdout.strip() == markdown("selection")
    assert "choose one of selection" in run("schema", "things", code=2).stderr
    assert "not both" in run("schema", "fit", "--json", "--markdown", code=2).stderr
    with pytest.raises(UsageError):
        card_of("model.none")
    assert set(settings()) == {
        *(f"model.{name}" for name in registry.SCORERS),
        *(f"method.{name}" for name in registry.METHODS),
    }
