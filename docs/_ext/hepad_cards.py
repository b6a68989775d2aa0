"""The reference of cards, as `hepad schema` has it."""

from __future__ import annotations

import json
from pathlib import Path

from made import code, plain, table, toctree, write_pages
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from hepad.pipeline import schemas


def _page(name: str, about: str) -> list[str]:
    kind = f"`schema: {name}/1`" if name in schemas.SCHEMAS else f"keys of `{name.partition('.')[0]}` beside `name`"
    return [
        f"(card-{name})=",
        f"# {name}",
        f"{plain(about)}; {kind}.",
        f"From the command line: `hepad schema {name}`. JSON Schema: {{download}}`{name}.schema.json`.",
        schemas.markdown(name),
    ]


def make(app: Sphinx) -> None:
    """Write one page a kind of card, one for each model and method that has keys of its own, and their JSON Schemas."""
    kinds = {name: about for name, (_, about) in schemas.SCHEMAS.items()}
    own = {name: entry.title for name, entry in schemas.settings().items()}
    contents = [
        "# Cards",
        "What a card is, and one of each: [The keys of all cards](../../cards.md).",
        table(["card", "what for"], [[f"[{name}]({name}.md)", plain(about)] for name, about in kinds.items()]),
        "## Keys of models and methods",
        table(["in a card", ""], [[f"[{code(name)}]({name}.md)", plain(title)] for name, title in own.items()]),
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
