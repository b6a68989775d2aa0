"""A report as a list of blocks, written as Markdown or as one HTML file that needs no other."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "Code", "Figure", "Heading", "Table", "Text", "to_html", "to_markdown"]


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
    """A picture: a PNG file at `path` relative to the report, and what it shows."""

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
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def to_html(blocks: Sequence[Block], folder: Path) -> str:
    """The report as one HTML file; the figures are read from `folder` and put into it."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), "Report")
    body = "\n".join(_html(block, folder) for block in blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {block.text}"
    if isinstance(block, Text):
        return block.text
    if isinstance(block, Figure):
        return f"![{Path(block.path).stem}]({block.path})\n\n{block.caption}"
    if isinstance(block, Code):
        return f"```\n{block.text.rstrip()}\n```"
    ruler = ["---:" if i >= block.numbers_from else "---" for i in range(len(block.header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (block.header, ruler, *block.rows))


def _html(block: Block, folder: Path) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{html.escape(block.text)}</h{block.level}>"
    if isinstance(block, Text):
        return f"<p>{html.escape(block.text)}</p>"
    if isinstance(block, Figure):
        data = base64.b64encode((folder / block.path).read_bytes()).decode()
        caption = html.escape(block.caption)
        picture = f'<img src="data:image/png;base64,{data}" alt="{html.escape(block.path)}">'
        return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"
    if isinstance(block, Code):
        return f"<pre>{html.escape(block.text)}</pre>"
    rows = [_html_row(row, "td", block.numbers_from) for row in block.rows]
    return f"<table>\n{_html_row(block.header, 'th', block.numbers_from)}\n{chr(10).join(rows)}\n</table>"


def _html_row(cells: Sequence[str], tag: str, numbers_from: int) -> str:
    marks = ['class="number"' if i >= numbers_from else "" for i in range(len(cells))]
    parts = [f"<{tag} {mark}>{html.escape(cell)}</{tag}>" for mark, cell in zip(marks, cells, strict=True)]
    return f"<tr>{''.join(parts)}</tr>"
