"""The reference of JSON outputs, as `hepad schema output.VERB` has it, with what a run of the gallery printed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from made import code, linked, table, toctree

from hepad.cards.keys import CardKeys
from hepad.pipeline import schemas
from hepad.pipeline.schemas.outputs import PREFIX, TYPES, about

Page = list[str]

_ABOUT = """What commands print with `--json`, and the JSON files that they write, key by key. From the command line:
`hepad schema output.limit`, `hepad schema output.limit/limit.json`, with `--json` as JSON Schema; all of them with
`hepad schema -o FOLDER`. What hepad prints and writes in its tests is held against these schemas. A number that does
not exist or is not finite is `null`."""


def output_pages(first_lines: Mapping[str, str], shown: Mapping[str, Page]) -> dict[str, str | Page]:
    """One page a command with what it prints and writes, the JSON Schemas, and a list of all.

    `first_lines` says what each command does, `shown` has what an example of it printed.
    """
    verbs = [name for name in TYPES if "/" not in name and name in first_lines]
    pages: dict[str, str | Page] = {_file(verb): _page(verb, shown.get(verb, [])) for verb in verbs}
    for name in TYPES:
        full = f"{PREFIX}{name}"
        pages[schemas.schema_file(full)] = json.dumps(schemas.json_schema(full), indent=1)
    pages["progress.md"] = ["# Lines of progress", *_declared("progress", set())]
    pages["index.md"] = [
        "# JSON outputs",
        _ABOUT,
        linked({verb: first_lines[verb] for verb in verbs}, ["command", "what it does"], called="hepad {}"),
        "What `--progress json` writes to stderr: [lines of progress](progress.md).",
        toctree([*(f"hepad {verb} <{_name(verb)}>" for verb in verbs), "progress"], hidden=True),
    ]
    return pages


def _page(verb: str, shown: Page) -> Page:
    told: set[str] = set()
    files = [name for name in TYPES if name.startswith(f"{verb}/")]
    parts = [
        f"(output-{_name(verb)})=",
        f"# Output of hepad {verb}",
        f"What [hepad {verb}](../commands/{_name(verb)}.md) prints with `--json`"
        + (f", and {' and '.join(code(name.partition('/')[2]) for name in files)}, which it writes." if files else "."),
        "## With --json",
        *_declared(verb, told),
    ]
    for name in files:
        parts += [f"## {name.partition('/')[2]}", *_declared(name, told)]
    return [*parts, *(["## An example", *shown] if shown else [])]


def _declared(name: str, told: set[str]) -> Iterator[str]:
    """The keys of an output and its parts, but for those that were `told` on the page."""
    full = f"{PREFIX}{name}"
    whole, *parts = schemas.tables(full)
    words = f"{about(name)}: `hepad schema {full}`, JSON Schema {{download}}`{schemas.schema_file(full)}`."
    yield words[0].upper() + words[1:]
    known = {part.name for part in parts}
    yield from _table(whole, known)
    for part in parts:
        if part.name not in told:
            told.add(part.name)
            yield f"### {part.name}"
            yield from _table(part, known)


def _table(part: CardKeys, known: set[str]) -> Iterator[str]:
    def link(match: re.Match[str]) -> str:
        return f"keys of [{match[1]}](#{match[1].lower()})" if match[1] in known else match[0]

    yield part.about
    rows = [[code(key.key), re.sub(r"keys of (\w+)", link, key.value), key.default] for key in part.keys]
    yield table(["key", "value", "what it is"], rows)


def _name(verb: str) -> str:
    return verb.replace(" ", "-")


def _file(verb: str) -> str:
    return f"{_name(verb)}.md"
