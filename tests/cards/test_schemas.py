"""`hepad schema`: the tables of keys are those of the models, and the documentation holds them."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hepad import registry
from hepad.cards.base import known_keys, read_yaml
from hepad.cards.resolver import bundled_names, resolve, shipped_folder
from hepad.errors import UsageError
from hepad.pipeline.schemas import (
    OUTPUTS,
    SCHEMAS,
    card_of,
    json_schema,
    markdown,
    names,
    schema_file,
    settings,
    tables,
)
from hepad.pipeline.schemas.outputs import TYPES

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

    @cache
    def validator(kind: str) -> Any:
        jsonschema.Draft202012Validator.check_schema(json_schema(kind))
        return jsonschema.Draft202012Validator(json_schema(kind))

    for folder in ("analyses", "analyses/methods", "analyses/menus"):
        for name in bundled_names(folder):
            content = dict(read_yaml(resolve(folder, name)))
            validator(str(content["schema"]).removesuffix("/1")).validate(json.loads(json.dumps(content)))
    content = {**read_yaml(resolve("analyses", "vae")), "model": {"name": "vae", "latnt": 3}}
    with pytest.raises(jsonschema.ValidationError, match="'latnt' was unexpected"):
        validator("analysis").validate(json.loads(json.dumps(content)))
    words = {"rate": "0.5/30"}, {"efficiency": 0.01}, "rate:0.5/30", {"cross_section": 10}
    schema = {"$defs": json_schema("analysis")["$defs"], "$ref": "#/$defs/RegionSpec"}
    for region in words:
        jsonschema.validate(region, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"speed": 1}, schema)


@pytest.mark.parametrize(
    ("kind", "folder", "names", "file"),
    [
        ("bundle", "bundles", ("snn_ae", "atlas_ad_rmm", "cicada"), "card.json"),
        ("vectors", "analyses", ("vectors/snn_ae", "vectors/cms_2019_dijet"), "vectors.json"),
    ],
)
def test_files_that_hepad_wrote_obey_their_json_schema(
    kind: str, folder: str, names: tuple[str, ...], file: str
) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for name in names:
        content = json.loads((shipped_folder(folder) / name / file).read_text(encoding="utf-8"))
        validator.validate(content)
        assert not validator.is_valid({**content, "colour": 3})
        assert not validator.is_valid({key: value for key, value in content.items() if key != "provenance"})


def test_the_json_schemas_of_all_cards_are_written_for_editors(run, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    assert "card.schema.json" in run("schema", "-o", "made").stdout
    made = {path.name: json.loads(path.read_text()) for path in (tmp_path / "made").glob("*.schema.json")}
    assert set(made) == {f"{name}.schema.json" for name in (*SCHEMAS, *OUTPUTS, "card")} | {
        schema_file(f"output.{name}") for name in TYPES
    }
    assert made["fit.schema.json"] == json_schema("fit")
    known = referencing.Registry().with_resources(
        (name, referencing.Resource.from_contents(schema)) for name, schema in made.items()
    )
    any_card = jsonschema.Draft202012Validator(made["card.schema.json"], registry=known)
    fit = dict(read_yaml(resolve("fits", "dijet3")))
    any_card.validate(fit)
    for wrong in ({**fit, "colour": 3}, {**fit, "schema": "fits/1"}, {"name": "x"}):
        with pytest.raises(jsonschema.ValidationError):
            any_card.validate(wrong)
    assert "give nothing beside it" in run("schema", "fit", "-o", "other", code=2).stderr


def test_the_command(run) -> None:
    assert {row["name"] for row in json.loads(run("schema", "--json").stdout)} == {*names()}
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
