"""Pages that are made while the site is built: written where Sphinx finds them, and only if they have changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|$~])")


def plain(text: str) -> str:
    """A text in which nothing is markup."""
    return _MARKUP.sub(r"\\\1", text)


def code(text: str) -> str:
    """A text as code, in a table too."""
    return f"`{text}`".replace("|", "\\|")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace(chr(10), ' ') for cell in line)} |" for line in lines)


def linked(names: Mapping[str, str], header: Sequence[str], *, called: str = "{}") -> str:
    """A table of pages beside this one, by name, and a line in plain text on each; `called` is how the link reads."""
    return table(
        header, [[f"[{called.format(name)}]({name.replace(' ', '-')}.md)", plain(line)] for name, line in names.items()]
    )


def toctree(names: Iterable[str], *, hidden: bool = False) -> str:
    """The pages below one, in this order."""
    options = ":hidden:\n\n" if hidden else ":maxdepth: 1\n\n"
    return "```{toctree}\n" + options + "\n".join(names) + "\n```"


def write_pages(folder: Path, pages: Mapping[str, str | Sequence[str]]) -> None:
    """Write pages into a folder, and take away those that were there and are no more; parts are paragraphs."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, parts in pages.items():
        text = (parts if isinstance(parts, str) else "\n\n".join(part for part in parts if part)) + "\n"
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in folder.iterdir():
        if path.is_file() and path.name not in pages:
            path.unlink()
