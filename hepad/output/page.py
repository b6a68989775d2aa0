"""A report as one HTML file that needs no other: the answer, then contents, tables and figures."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hepad import __version__
from hepad.output.document import (
    Answer,
    Block,
    Code,
    Figure,
    Files,
    Heading,
    Links,
    Notes,
    Table,
    address,
    file_of,
    merged,
    shown,
)
from hepad.output.figure_kinds import figure_kinds
from hepad.printable import printable

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["to_html", "to_html_part"]

_MARKS = {"yes": "\N{CHECK MARK}", "no": "\N{MULTIPLICATION X}", "open": "?", "plain": ""}
_TYPES = {".png": "image/png", ".svg": "image/svg+xml"}


def to_html(blocks: Sequence[Block], folder: Path) -> str:
    """The report as one HTML file; the figures are read from `folder` and put into it. All text is escaped."""
    made = list(_made(shown(blocks), folder))
    title = next((block["text"] for block in made if block["kind"] == "Heading"), "Report")
    headings = [(block["text"], block["id"]) for block in made if block["kind"] == "Heading" and block["level"] == 2]
    first = 1 + max((i for i, block in enumerate(made) if _is_first(block)), default=-1)
    page = _template("page.html").render(
        title=title, first=made[:first], rest=made[first:], headings=headings, version=__version__
    )
    return f"{page}\n"


def _is_first(block: Mapping[str, Any]) -> bool:
    """Whether the contents come after this: the title, or the answer."""
    return bool(block["kind"] == "Answer" or (block["kind"] == "Heading" and block["level"] == 1))


def to_html_part(blocks: Sequence[Block]) -> str:
    """Blocks without figures as HTML for a page of somebody else, a notebook say; all text is escaped."""
    return _template("part.html").render(blocks=list(_made(blocks, Path())))


@cache
def _template(name: str) -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template(name)


def _made(blocks: Sequence[Block], folder: Path) -> Iterator[dict[str, Any]]:
    """The blocks as the template wants them, with all text printable."""
    ids: set[str] = set()
    for block in blocks:
        made = {field.name: _printable(getattr(block, field.name)) for field in fields(block)}
        yield {"kind": type(block).__name__, **made, **_more(block, folder, ids)}


def _more(block: Block, folder: Path, ids: set[str]) -> Mapping[str, Any]:
    """What the template wants of a block beside its own fields."""
    if isinstance(block, Heading):
        return {"id": _new_id(block.text, ids)}
    if isinstance(block, Figure):
        return {"picture": _picture(block, folder)}
    if isinstance(block, Answer):
        figure = block.figure if figure_kinds() else None
        picture = {"picture": figure and _picture(figure, folder), "caption": figure and printable(figure.caption)}
        return {"mark": _MARKS[block.tone], **picture}
    return _MORE[type(block)](block) if type(block) in _MORE else {}


def _notes(block: Notes) -> Mapping[str, Any]:
    texts = [printable(text) for text in merged(block.texts)]
    return {"texts": texts, "title": f"{len(texts)} {block.what}{'s' if len(texts) > 1 else ''}"}


_MORE: dict[type, Callable[[Any], Mapping[str, Any]]] = {
    Notes: _notes,
    Files: lambda block: {"files": [(printable(name), quote(name), printable(what)) for name, what in block.files]},
    Links: lambda block: {"pages": [(printable(name), address(url)) for name, url in block.pages]},
    Code: lambda block: {"text": printable(block.text, lines=True)},
    Table: lambda block: {"header": [printable(cell) for cell in block.header] if any(block.header) else []},
}
"""Of blocks that are put into words, in whole."""


def _printable(value: object) -> object:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Sequence):
        return [_printable(item) for item in value]
    return value


def _new_id(text: str, ids: set[str]) -> str:
    """A name for a heading by which links find it."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "part"
    found = next(each for each in (name, *(f"{name}-{i}" for i in range(2, len(ids) + 3))) if each not in ids)
    ids.add(found)
    return found


def _picture(figure: Figure, folder: Path) -> Mapping[str, str]:
    """The picture itself, or the link to what a page cannot show."""
    path = file_of(figure.path)
    kind = _TYPES.get(Path(path).suffix)
    if kind is None:
        return {"data": "", "link": quote(path)}
    return {"data": f"data:{kind};base64,{base64.b64encode((folder / path).read_bytes()).decode()}", "link": ""}
