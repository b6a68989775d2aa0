"""The JSON that commands print with --json and write to files, and the JSON Schemas of it.

What a document holds is declared once, in the module of its verb beside this one: a `TypedDict` with words under each
key, or the record itself where its fields are what is written. Whatever a test makes hepad print or write is held
against these; a key that is not declared, or is missing, fails.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from hepad.cards.keys import CardKeys, Key
from hepad.errors import UsageError

__all__ = ["PREFIX", "TYPES", "about", "output_schema", "output_tables"]

PREFIX = "output."

TYPES: dict[str, str] = {
    "abcd": "abcd.Printed",
    "abcd/abcd.json": "abcd.Written",
    "abcd/closure.json": "abcd.WrittenOfClosure",
    "analysis background": "analysis.Background",
    "analysis background/background.json": "analysis.BackgroundFile",
    "analysis check": "analysis.Check",
    "analysis hepdata": "analysis.Hepdata",
    "analysis pack": "analysis.Package",
    "analysis unpack": "analysis.Package",
    "analysis validate": "analysis.Validate",
    "analysis validation": "analysis.Validation",
    "analysis validation/validation.json": "analysis.ValidationFile",
    "analysis vectors": "analysis.Vectors",
    "analysis workflow": "analysis.Workflow",
    "bumphunt": "bumphunt.Printed",
    "bumphunt/bumphunt.json": "bumphunt.Written",
    "bumphunt2d": "bumphunt2d.Printed",
    "bumphunt2d/plane.json": "bumphunt2d.Written",
    "chain": "chain.Printed",
    "chain/chain.json": "chain.Written",
    "cluster": "cluster.Printed",
    "cluster/report.json": "cluster.Written",
    "discovery": "discovery.Printed",
    "discovery/discovery.json": "discovery.Written",
    "evaluate": "evaluate.Printed",
    "evaluate/report.json": "evaluate.Written",
    "examples": "examples.Printed",
    "explain": "explain.Printed",
    "explain/explain.json": "explain.Written",
    "export": "export.Printed",
    "fit": "fit.Printed",
    "fit/fit.json": "fit.Written",
    "hist": "hist.Printed",
    "hunt": "hunt.Printed",
    "hunt/hunt.json": "hunt.WrittenOfAnalysis",
    "hunt/plane.json": "hunt.WrittenOfPlane",
    "hunt/replicas.json": "hunt.WrittenOfReplicas",
    "import-model": "import_model.Printed",
    "inject": "inject.Printed",
    "inject/inject.json": "inject.Written",
    "inspect": "inspect.Printed",
    "jets": "jets.Printed",
    "latency": "latency.Printed",
    "latency/latency.json": "latency.Written",
    "limit": "limit.Printed",
    "limit/limit.json": "limit.Written",
    "list": "list.Printed",
    "monitor": "monitor.Printed",
    "monitor/report.json": "monitor.Written",
    "progress": "progress.Line",
    "quantise": "quantise.Printed",
    "quantise/scan.json": "quantise.Written",
    "rates": "rates.Printed",
    "rates/report.json": "rates.Written",
    "reinterpret": "reinterpret.Printed",
    "reinterpret/ranking.json": "reinterpret.WrittenOfAll",
    "reinterpret/reinterpret.json": "reinterpret.Written",
    "replay": "replay.Printed",
    "schema": "schema.Printed",
    "score": "score.Printed",
    "show": "show.Printed",
    "spurious": "spurious.Printed",
    "spurious/spurious.json": "spurious.Written",
    "study": "study.Printed",
    "study/results.json": "study.Written",
    "train": "train.Printed",
    "vectorize": "vectorize.Printed",
    "verify": "verify.Printed",
    "verify/verify.json": "verify.Written",
}
"""Verbs, for what they print, and VERB/FILE, with the module here and the type in it; and the lines of progress."""


def about(name: str) -> str:
    """What a document of `TYPES` is."""
    if name == "progress":
        return "a line that --progress json writes to stderr"
    verb, _, file = name.partition("/")
    return f"{file}, which hepad {verb} writes" if file else f"what hepad {verb} prints with --json"


class _AsWritten(GenerateJsonSchema):
    """Schemas of what is written, where a record's defaults are no matter: all its fields are there."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Whether a key is always there: any of a record; of a card all but those that may be left out for None."""
        if field["type"] == "model-field":
            return bool(field["schema"].get("default", ...) is not None)
        return bool(field["type"] != "typed-dict-field" or field.get("required", total))

    def typed_dict_schema(self, schema: Any) -> JsonSchemaValue:
        """With the words under each key, those of classes that it inherits from too."""
        made = super().typed_dict_schema(schema)
        for key, words in _words_under(schema.get("cls")).items():
            made["properties"][key]["description"] = words
        return made

    def dataclass_schema(self, schema: Any) -> JsonSchemaValue:
        """With the words under its name, which pydantic itself keeps since 2.13."""
        return {"description": inspect.getdoc(schema["cls"]), **super().dataclass_schema(schema)}

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        """Without the default."""
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """Keys have no other names."""
        return False


def _words_under(kind: Any) -> dict[str, str]:
    """The texts under the keys of a `TypedDict`, by key."""
    found: dict[str, str] = {}
    for base in getattr(kind, "__orig_bases__", ()):
        found |= _words_under(base)
    written = _classes(kind.__module__).get(kind.__name__) if isinstance(kind, type) else None
    for key, text in pairwise(written.body if written is not None else ()):
        if isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name) and isinstance(text, ast.Expr):
            found[key.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return found


@cache
def _classes(module: str) -> dict[str, ast.ClassDef]:
    tree = ast.parse(inspect.getsource(import_module(module)))
    return {part.name: part for part in tree.body if isinstance(part, ast.ClassDef)}


def output_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of one of `TYPES`, with or without `PREFIX`; `UsageError` if there is none."""
    name = name.removeprefix(PREFIX)
    if name not in TYPES:
        raise UsageError(f"no output {name!r}: choose one of {', '.join(TYPES)}")
    module, _, kind = TYPES[name].partition(".")
    declared = getattr(import_module(f"hepad.pipeline.schemas.{module}"), kind)
    made = TypeAdapter(declared).json_schema(mode="serialization", schema_generator=_AsWritten, by_alias=True)
    defs = made.pop("$defs", {})
    made.pop("title", None)
    for part in (made, *defs.values()):
        if "properties" in part:
            _close(part)
    head = {"$id": f"urn:hepad:{PREFIX}{name.replace(' ', '-')}", "title": about(name)}
    return {**head, **made, **({"$defs": defs} if defs else {})}


def _close(part: dict[str, Any]) -> None:
    """Let there be no other keys, and let one with a star stand for all that match, as rejection_at_* does."""
    starred = {key: part["properties"].pop(key) for key in [*part["properties"]] if "*" in key}
    if starred:
        part["patternProperties"] = {f"^{key.replace('*', '.+')}$": value for key, value in starred.items()}
        part["required"] = [key for key in part["required"] if key not in starred]
    part["additionalProperties"] = False


def output_tables(name: str) -> list[CardKeys]:
    """The keys of a document and of the parts of it, each with what stands there, and what it is."""
    schema = output_schema(name)
    parts = {PREFIX + name.removeprefix(PREFIX): schema, **_in_order(schema)}
    return [
        CardKeys(part, " ".join(content.get("description", "").split()), tuple(_keys(content)))
        for part, content in parts.items()
        if "properties" in content or "anyOf" in content or "items" in content
    ]


def _in_order(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The parts of a schema, each behind the first that names it."""
    defs, found = schema.get("$defs", {}), {}
    ahead = re.findall(_PART, json.dumps({**schema, "$defs": {}}))
    while ahead:
        name = ahead.pop(0)
        if name not in found:
            found[name] = defs[name]
            ahead = [*re.findall(_PART, json.dumps(defs[name])), *ahead]
    return found


_PART = r'"#/\$defs/([^"]+)"'


def _keys(schema: dict[str, Any]) -> Iterator[Key]:
    if "properties" not in schema:
        yield Key("(all)", _words(schema), "")
    for pattern, value in schema.get("patternProperties", {}).items():
        yield Key(pattern.strip("^$").replace(".+", "*"), _words(value), "")
    for key, value in schema.get("properties", {}).items():
        words = _words(value) + ("" if key in schema.get("required", ()) else ", not always there")
        yield Key(key, words, " ".join(value.get("description", "").split()))


_PLAIN = {
    "number": "number",
    "integer": "whole number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
    "object": "object",
}


def _words(schema: dict[str, Any]) -> str:  # noqa: PLR0911  one line a kind
    """What may stand at a key, in words."""
    if "$ref" in schema:
        return f"keys of {schema['$ref'].rpartition('/')[2]}"
    if "anyOf" in schema:
        return " or ".join(map(_words, schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        if "prefixItems" in schema:
            return f"list of {len(schema['prefixItems'])}: {', '.join(map(_words, schema['prefixItems']))}"
        inner = _words(schema.get("items", {}))
        return f"list of ({inner})" if " or " in inner else f"list of {inner}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"for each name: {_words(schema['additionalProperties'])}"
    return _PLAIN.get(schema.get("type", ""), "anything")
