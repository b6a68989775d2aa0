"""The kinds of cards, the JSON files that hepad writes, and the tables of their keys: `hepad schema`, and the docs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hepad import registry
from hepad.cards.analysis import AnalysisCard
from hepad.cards.base import Card
from hepad.cards.budget import BudgetCard, DeviceCard
from hepad.cards.bundle import BundleCard
from hepad.cards.export import ExportCard
from hepad.cards.fit import FitCard
from hepad.cards.hunt import HuntCard
from hepad.cards.keys import CardKeys, Key, card_keys
from hepad.cards.menu import MenuCard
from hepad.cards.method import MethodCard
from hepad.cards.plane import PlaneCard
from hepad.cards.regions import RegionsCard
from hepad.cards.search import SearchCard
from hepad.cards.selection import SelectionCard
from hepad.cards.sensitivity import SensitivityCard
from hepad.cards.study import StudyCard
from hepad.cards.vectors import VectorsCard
from hepad.errors import UsageError
from hepad.io.exchange.archive import Manifest
from hepad.output.atomic import atomic_folder
from hepad.pipeline.schemas.outputs import PREFIX, TYPES, about, output_schema, output_tables

__all__ = [
    "OUTPUTS",
    "SCHEMAS",
    "card_of",
    "columns",
    "json_schema",
    "markdown",
    "names",
    "schema_file",
    "settings",
    "tables",
    "write_schemas",
]

SCHEMAS: dict[str, tuple[type[Card], str]] = {
    "selection": (SelectionCard, "objects, counts and requirements: --selection"),
    "analysis": (AnalysisCard, "a model to train: hepad train --model"),
    "method": (MethodCard, "a data-driven method: hepad hunt --method"),
    "hunt": (HuntCard, "windows and methods of a search for resonances: hepad hunt --analysis"),
    "plane": (PlaneCard, "regions and windows of a search in the plane of two masses: hepad hunt --analysis"),
    "search": (SearchCard, "a published search: hepad reinterpret --analysis"),
    "fit": (FitCard, "a background function: hepad fit --function"),
    "study": (StudyCard, "trainings over seeds, and scans: hepad study"),
    "sensitivity": (SensitivityCard, "signals hidden in mock data, and who finds them: hepad study"),
    "regions": (RegionsCard, "observed and expected events of regions: hepad discovery"),
    "budget": (BudgetCard, "what a trigger leaves to an algorithm: hepad latency --budget"),
    "menu": (MenuCard, "seeds of a trigger: hepad rates --menu"),
    "device": (DeviceCard, "what a chip holds: device of a budget"),
}
"""The cards that one writes, and what for."""

OUTPUTS: dict[str, tuple[type[Card], str]] = {
    "bundle": (BundleCard, "card.json of a trained model: hepad train"),
    "vectors": (VectorsCard, "vectors.json: hepad analysis vectors"),
    "archive": (Manifest, "manifest.json of an archive: hepad analysis pack"),
    "export": (ExportCard, "export.json: hepad export"),
}
"""The JSON files that hepad writes and others may read, and where from."""

_TOLD_ONCE = ("analysis", "selection")
"""Schemas whose cards are within others, which do not repeat their keys."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_CONFIGURED = {"model": "ModelCard", "method": "MethodKeys"}
"""The cards within others that name a model or a method."""

_SETTINGS = {"model": registry.SCORERS, "method": registry.METHODS}


def settings() -> dict[str, registry.Entry]:
    """The models and methods, which have keys of their own beside `name`: `model.vae`."""
    return {f"{kind}.{name}": table[name] for kind, table in _SETTINGS.items() for name in table}


def card_of(name: str) -> type[Card]:
    """The card of a schema (`analysis`, `analysis/1`), or of a model's own keys (`model.vae`); `UsageError` if none.

    The JSON files of `OUTPUTS` are cards too.
    """
    kind = name.removesuffix("/1")
    if kind in {**SCHEMAS, **OUTPUTS}:
        return {**SCHEMAS, **OUTPUTS}[kind][0]
    if kind in settings():
        config: type[Card] = registry.load_config(settings()[kind])
        return config
    raise UsageError(f"no schema {name!r}: choose one of {', '.join(names())}")


def tables(name: str) -> list[CardKeys]:
    """The keys of a schema and of the cards within it."""
    return output_tables(name) if name.startswith(PREFIX) else card_keys(card_of(name))


def columns(name: str) -> list[str]:
    """The heads of these tables, whose last is of each key of a card its default, and of an output what it is."""
    return ["key", "value", "what it is" if name.startswith(PREFIX) else "default"]


def names() -> dict[str, str]:
    """All schemas, and what of."""
    cards = {name: what for name, (_, what) in {**SCHEMAS, **OUTPUTS}.items()}
    own = {name: entry.title for name, entry in settings().items()}
    return {**cards, **own, **{f"{PREFIX}{name}": about(name) for name in TYPES}}


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a card, for editors that check YAML, or of an output."""
    if name.startswith(PREFIX):
        return {"$schema": DIALECT, **output_schema(name)}
    schema = card_of(name).model_json_schema(by_alias=True)
    for kind, table in _SETTINGS.items():
        _tell_settings(schema.get("$defs", {}), kind, table)
    return {"$schema": DIALECT, **schema}


def _tell_settings(cards: dict[str, Any], kind: str, table: registry.Table) -> None:
    """The keys beside a model's or method's `name`, which depend on it, for an editor that completes them."""
    card = cards.get(_CONFIGURED[kind])
    if card is None:
        return
    card["properties"]["name"] |= {"enum": sorted(table)}
    card["allOf"] = []
    for name, entry in sorted(table.items()):
        keys = registry.load_config(entry).model_json_schema(
            by_alias=True, ref_template=f"#/$defs/{kind}.{name}.{{model}}"
        )
        cards |= {f"{kind}.{name}.{inner}": part for inner, part in keys.pop("$defs", {}).items()}
        own = {"name": True, **keys.get("properties", {})}
        then = {"properties": own, "required": keys.get("required", []), "additionalProperties": False}
        card["allOf"].append({"if": {"properties": {"name": {"const": name}}}, "then": then})


def any_schema() -> dict[str, Any]:
    """The JSON Schema of a card of any kind, by its key `schema`, in the folder of `write_schemas`."""
    kinds = [
        {
            "if": {"properties": {"schema": {"const": f"{name}/1"}}, "required": ["schema"]},
            "then": {"$ref": schema_file(name)},
        }
        for name in SCHEMAS
    ]
    known = {"schema": {"enum": [f"{name}/1" for name in SCHEMAS]}}
    start = {"$schema": DIALECT, "title": "A card of hepad"}
    return {**start, "type": "object", "required": ["schema"], "properties": known, "allOf": kinds}


def write_schemas(folder: Path) -> None:
    """Write the JSON Schema of each kind of card and output into a folder, and `card.schema.json`, of all cards."""
    kinds = (*SCHEMAS, *OUTPUTS, *(f"{PREFIX}{name}" for name in TYPES))
    with atomic_folder(folder, verb="schema") as made:
        contents = {schema_file(name): json_schema(name) for name in kinds} | {"card.schema.json": any_schema()}
        for name, schema in contents.items():
            (made / name).write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")


def schema_file(name: str) -> str:
    """The file of a schema in the folder of `write_schemas`."""
    return f"{name.removesuffix('.json').replace('/', '.').replace(' ', '-')}.schema.json"


def markdown(name: str) -> str:
    """The keys of a schema in Markdown; cards within it that an analysis or a selection has too are not repeated."""
    if name.startswith(PREFIX):
        return "\n\n".join(_table(table, columns(name)) for table in tables(name))
    first, *others = tables(name)
    known = {kind: {table.name for table in tables(kind)} for kind in _TOLD_ONCE}
    of_kind = next((i for i, kind in enumerate(_TOLD_ONCE) if first.name == card_of(kind).__name__), len(_TOLD_ONCE))
    before = {table: kind for kind in reversed(_TOLD_ONCE[:of_kind]) for table in known[kind]}
    own = (first, *(other for other in others if other.name not in before))
    parts = [_table(table, columns(name)) for table in own]
    told = {before[other.name] for other in others if other.name in before}
    if told:
        where = " and ".join(f"`hepad schema {kind}`" for kind in _TOLD_ONCE if kind in told)
        parts.append(f"The keys of other cards are as in {where}.")
    return "\n\n".join(parts)


def _table(table: CardKeys, header: list[str]) -> str:
    rows = [
        f"| `{key.key}` | {key.value} | {_default(key) if 'default' in header else key.default} |" for key in table.keys
    ]
    return "\n".join([f"**{table.name}**: {table.about}", "", f"| {' | '.join(header)} |", "|---|---|---|", *rows])


def _default(key: Key) -> str:
    return f"`{key.default}`" if key.default not in {"", "needed", "its defaults"} else key.default
