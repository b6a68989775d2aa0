"""A report as a list of blocks, and those as Markdown; `hepad.output.page` makes an HTML file of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from hepad.output.figure_kinds import figure_kinds
from hepad.printable import markdown, printable

__all__ = [
    "Answer",
    "Block",
    "Code",
    "Figure",
    "Files",
    "Heading",
    "Links",
    "Notes",
    "Table",
    "Text",
    "address",
    "excess_tone",
    "file_of",
    "merged",
    "shown",
    "table_lines",
    "to_markdown",
]


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the title."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table; columns from `numbers_from` on are aligned to the right."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers_from: int = 1


@dataclass(frozen=True)
class Figure:
    """A picture: a PNG file at `path` relative to the report, and what it shows.

    With --figures svg or pdf the report shows or names that file in its place, with none it leaves the picture out.
    """

    path: str
    caption: str


@dataclass(frozen=True)
class Code:
    """Text to be shown as it is, under a line that unfolds it if there is one."""

    text: str
    folded: str = ""


@dataclass(frozen=True)
class Answer:
    """What the reader came for: words, a few numbers with what they are, and one figure.

    `tone` is how it came out: yes, no, open if that cannot be said, or plain where that is not the question.
    """

    words: str
    numbers: Sequence[tuple[str, str]] = ()
    figure: Figure | None = None
    tone: Literal["yes", "no", "open", "plain"] = "plain"


@dataclass(frozen=True)
class Notes:
    """Remarks, folded away; what is said of several things is said once."""

    texts: Sequence[str]
    what: str = "note"


@dataclass(frozen=True)
class Files:
    """Files beside the report, relative to it, and what is in each."""

    files: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Links:
    """Pages elsewhere, which a reader may follow: what each is called, and its https address."""

    pages: Sequence[tuple[str, str]]


_EVIDENCE = 1.35e-3
"""The global p-value of 3 standard deviations."""


def excess_tone(global_p: float | None) -> Literal["yes", "open", "plain"]:
    """The tone of a hunt's answer: evidence for an excess, nobody knows, or nothing out of the ordinary."""
    return "open" if global_p is None else "yes" if global_p < _EVIDENCE else "plain"


Block = Heading | Text | Table | Figure | Code | Answer | Notes | Files | Links


def to_markdown(blocks: Sequence[Block]) -> str:
    """The report as Markdown; figures are named by their relative paths."""
    return "\n\n".join(_markdown(block) for block in shown(blocks)) + "\n"


def shown(blocks: Sequence[Block]) -> list[Block]:
    """Without the pictures that are not drawn."""
    return [block for block in blocks if figure_kinds() or not isinstance(block, Figure)]


def file_of(path: str) -> str:
    """The file of a picture that a page can show, by what --figures says: SVG rather than PNG; else the PDF file."""
    kind = next(kind for kind in ("svg", "png", "pdf") if kind in figure_kinds())
    return str(Path(path).with_suffix(f".{kind}"))


def _markdown(block: Block) -> str:
    return _MARKDOWN[type(block)](block)


def _markdown_code(block: Code) -> str:
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", block.text)), 3)
    return f"{fence}\n{printable(block.text.rstrip(), lines=True)}\n{fence}"


def _markdown_answer(block: Answer) -> str:
    numbers = "\n".join(f"- **{markdown(value)}** {markdown(what)}" for value, what in block.numbers)
    picture = _markdown_figure(block.figure) if block.figure and figure_kinds() else ""
    return "\n\n".join(part for part in (f"**{markdown(block.words)}**", numbers, picture) if part)


def _markdown_figure(block: Figure) -> str:
    path, caption = file_of(block.path), markdown(block.caption)
    link = f"[{caption}]({quote(path)})"
    return link if path.endswith(".pdf") else f"!{link}\n\n{caption}"


_MARKDOWN: dict[type, Callable[[Any], str]] = {
    Heading: lambda block: f"{'#' * block.level} {markdown(block.text)}",
    Text: lambda block: markdown(block.text),
    Table: lambda block: "\n".join(table_lines(block.header, block.rows, numbers_from=block.numbers_from)),
    Figure: _markdown_figure,
    Code: _markdown_code,
    Answer: _markdown_answer,
    Notes: lambda block: "\n".join(f"- {markdown(text)}" for text in merged(block.texts)),
    Files: lambda block: "\n".join(
        f"- [{markdown(name)}]({quote(name)}): {markdown(what)}" for name, what in block.files
    ),
    Links: lambda block: ", ".join(f"[{markdown(name)}]({address(url)})" for name, url in block.pages) + ".",
}


def address(url: str) -> str:
    """A web address as it can stand in a page; `ValueError` for any other, which could be a script."""
    if not url.startswith("https://"):
        raise ValueError(f"{url!r} is no https address")
    return quote(url, safe=":/?=&#%+-.,;_~")


def merged(texts: Sequence[str]) -> list[str]:
    """Texts that are said of several things, NAME: TEXT, once with all of the names; others as they are."""
    names: dict[str, list[str]] = {}
    for text in texts:
        name, colon, rest = text.partition(": ")
        alone = not colon or " " in name
        names.setdefault(text if alone else rest, []).extend([] if alone else [name])
    return [f"{', '.join(dict.fromkeys(of))}: {text}" if of else text for text, of in names.items()]


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers_from: int | None = None) -> list[str]:
    """The lines of a table in Markdown; columns from `numbers_from` on are aligned to the right."""
    ruler = ["---" if numbers_from is None or i < numbers_from else "---:" for i in range(len(header))]
    cells = ([markdown(cell) for cell in row] for row in rows)
    return [f"| {' | '.join(row)} |" for row in ([markdown(name) for name in header], ruler, *cells)]
