"""A report as a list of blocks, written as Markdown or as one HTML file that needs no other."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from hepad.output.figure_kinds import figure_kinds
from hepad.printable import markdown, printable

__all__ = [
    "Block",
    "Code",
    "Figure",
    "Heading",
    "Table",
    "Text",
    "table_lines",
    "to_html",
    "to_html_part",
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

    With --figures pdf the report names the PDF file in its place, with none it leaves the picture out.
    """

    path: str
    caption: str


@dataclass(frozen=True)
class Code:
    """Text to be shown as it is."""

    text: str


Block = Heading | Text | Table | Figure | Code

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid #ddd; text-align: left; }
th { border-bottom: 2px solid #888; }
.number { text-align: right; }
figure { margin: 1.5rem 0; } img { max-width: 100%; } figcaption { color: #555; font-size: 0.9rem; }
pre { background: #f5f5f5; padding: 0.8rem; overflow-x: auto; font-size: 0.8rem; }
"""


def to_markdown(blocks: Sequence[Block]) -> str:
    """The report as Markdown; figures are named by their relative paths."""
    return "\n\n".join(_markdown(block) for block in _shown(blocks)) + "\n"


def to_html(blocks: Sequence[Block], folder: Path) -> str:
    """The report as one HTML file; the figures are read from `folder` and put into it."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), "Report")
    body = "\n".join(_html(block, folder) for block in _shown(blocks))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{_escaped(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def to_html_part(blocks: Sequence[Block]) -> str:
    """Blocks without figures as HTML for a page of somebody else, a notebook say; all text is escaped."""
    return "\n".join(_html(block, Path()) for block in blocks)


def _shown(blocks: Sequence[Block]) -> list[Block]:
    """Without the pictures that are not drawn."""
    return [block for block in blocks if figure_kinds() or not isinstance(block, Figure)]


def _link(figure: Figure) -> str | None:
    """The PDF file of a picture that has no PNG file; else None."""
    return None if "png" in figure_kinds() else quote(str(Path(figure.path).with_suffix(".pdf")))


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {markdown(block.text)}"
    if isinstance(block, Text):
        return markdown(block.text)
    if isinstance(block, Figure):
        if link := _link(block):
            return f"[{markdown(block.caption)}]({link})"
        return f"![{markdown(Path(block.path).stem)}]({quote(block.path)})\n\n{markdown(block.caption)}"
    if isinstance(block, Code):
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", block.text)), 3)
        return f"{fence}\n{printable(block.text.rstrip(), lines=True)}\n{fence}"
    return "\n".join(table_lines(block.header, block.rows, numbers_from=block.numbers_from))


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers_from: int | None = None) -> list[str]:
    """The lines of a table in Markdown; columns from `numbers_from` on are aligned to the right."""
    ruler = ["---" if numbers_from is None or i < numbers_from else "---:" for i in range(len(header))]
    cells = ([markdown(cell) for cell in row] for row in rows)
    return [f"| {' | '.join(row)} |" for row in ([markdown(name) for name in header], ruler, *cells)]


def _html(block: Block, folder: Path) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{_escaped(block.text)}</h{block.level}>"
    if isinstance(block, Text):
        return f"<p>{_escaped(block.text)}</p>"
    if isinstance(block, Figure):
        if link := _link(block):
            return f'<p><a href="{_escaped(link)}">{_escaped(block.caption)}</a></p>'
        data = base64.b64encode((folder / block.path).read_bytes()).decode()
        caption = _escaped(block.caption)
        picture = f'<img src="data:image/png;base64,{data}" alt="{_escaped(block.path)}">'
        return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"
    if isinstance(block, Code):
        return f"<pre>{_escaped(block.text, lines=True)}</pre>"
    rows = [_html_row(row, "td", block.numbers_from) for row in block.rows]
    return f"<table>\n{_html_row(block.header, 'th', block.numbers_from)}\n{chr(10).join(rows)}\n</table>"


def _escaped(text: str, *, lines: bool = False) -> str:
    return html.escape(printable(text, lines=lines))


def _html_row(cells: Sequence[str], tag: str, numbers_from: int) -> str:
    marks = ['class="number"' if i >= numbers_from else "" for i in range(len(cells))]
    parts = [f"<{tag} {mark}>{_escaped(cell)}</{tag}>" for mark, cell in zip(marks, cells, strict=True)]
    return f"<tr>{''.join(parts)}</tr>"
