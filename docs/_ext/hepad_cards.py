"""The reference of cards, as `hepad schema` has it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from made import linked, plain, toctree, write_pages
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from hepad.pipeline import schemas


def _keys(name: str) -> str:
    """The tables of `hepad schema NAME --markdown` with a heading each, to which values that are such keys link."""
    text = re.sub(r"^\*\*(\w+)\*\*: ", r"## \1\n\n", schemas.markdown(name), flags=re.MULTILINE)
    headings = set(re.findall(r"^## (\w+)$", text, flags=re.MULTILINE))

    def link(match: re.Match[str]) -> str:
        return f"keys of [{match[1]}](#{match[1].lower()})" if match[1] in headings else match[0]

    return re.sub(r"keys of (\w+)", link, text)


def _page(name: str, about: str) -> list[str]:
    kind = f"`schema: {name}/1`" if name in schemas.SCHEMAS else f"Keys of `{name.partition('.')[0]}` beside `name`"
    return [
        f"(card-{name})=",
        f"# {name}",
        f"{kind}: {plain(about)}.",
        f"From the command line: `hepad schema {name}`. JSON Schema: {{download}}`{name}.schema.json`.",
        _keys(name),
    ]


def make(app: Sphinx) -> None:
    """Write one page a kind of card, one for each model and method that has keys of its own, and their JSON Schemas."""
    kinds = {name: about for name, (_, about) in schemas.SCHEMAS.items()}
    own = {name: entry.title for name, entry in schemas.settings().items()}
    contents = [
        "# Cards",
        "What a card is, and one of each: [The keys of all cards](../../cards.md).",
        linked(kinds, ["card", "what for"], called="`{}`"),
        "## Keys of models and methods",
        linked(own, ["in a card", "what it is"], called="`{}`"),
        toctree([*kinds, *own], hidden=True),
    ]
    pages: dict[str, str | list[str]] = {"index.md": contents}
    for name, about in {**kinds, **own}.items():
        pages[f"{name}.md"] = _page(name, about)
        pages[f"{name}.schema.json"] = json.dumps(schemas.json_schema(name), indent=1)
    write_pages(Path(app.srcdir) / "reference/cards", pages)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Make the pages before Sphinx looks for them."""
    app.connect("builder-inited", make)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
