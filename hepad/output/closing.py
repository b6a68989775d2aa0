"""How a report ends: what to cite, what it is not, and how it is made again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hepad.output.document import Block, Code, Files, Heading, Text
from hepad.output.figure_kinds import figure_kinds
from hepad.output.latex import TABLES, TABLES_FILE, to_latex
from hepad.output.page import to_html

__all__ = ["closing", "command_of", "write_page"]

_FOLDER = "FOLDER"


def closing(record: Mapping[str, Any], *, cite: Sequence[tuple[str, str]] = (), is_not: str = "") -> list[Block]:
    """The last blocks of a report with this provenance; `cite` are references and their BibTeX entries."""
    found: list[Block] = []
    if is_not:
        found += [Heading("What this is not"), Text(is_not)]
    if cite:
        found += [Heading("How to cite"), *(Text(text) for text, _ in cite)]
        found.append(Code("\n\n".join(entry for _, entry in cite), folded="BibTeX"))
    found += [
        Heading("Make it again"),
        Code(command_of(record)),
        *_held(record),
        Text("Or let hepad replay do it in a copy of its inputs, and compare every file."),
        Code(_provenance(record), folded="Versions, inputs and their hashes"),
    ]
    return found


def command_of(record: Mapping[str, Any]) -> str:
    """The words of the command that made an output, with the names of its inputs; where it wrote to is left open.

    Files that belong in one folder are named from there, and the folder itself is FOLDER.
    """
    given, names = _arguments(record)

    def filled(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0][0]
        if "," in found[1]:
            return "" if found[2] else _FOLDER
        return f"{names[int(found[1])]}{found[2]}"

    words = [re.sub(r"\{\{|\}\}|\{([\d,]+)\}(/?)", filled, word) for word in given]
    return f"{shlex.join(['hepad', *words])} -o OUTPUT" if words else str(record["command"])


def _held(record: Mapping[str, Any]) -> list[Block]:
    """What FOLDER has, if the command names one."""
    words, names = _arguments(record)
    wholes = [found for word in words for found in re.findall(r"^\{([\d,]*,[\d,]*)\}$", word)]
    held = dict.fromkeys(names[int(number)] for whole in wholes for number in whole.split(",") if number)
    return [Text(f"{_FOLDER} has {', '.join(held)}.")] if held else []


def _arguments(record: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The words of the command, none if they are not known, and the names of the files that their numbers stand for."""
    arguments = record.get("arguments") or {"words": [], "files": []}
    return arguments["words"], [item["name"] for item in (*record["inputs"], *arguments["files"])]


def _provenance(record: Mapping[str, Any]) -> str:
    lines = [f"hepad {record['hepad']}, Python {record['python']}"]
    lines += [f"{name} {version}" for name, version in record["packages"].items()]
    lines += [f"{item['name']} {item['bytes']} bytes sha256 {item['sha256']}" for item in record["inputs"]]
    lines += [f"{name} sha256 {sha}" for name, sha in record["cards"].items()]
    return "\n".join(lines)


def write_page(
    folder: Path,
    blocks: Sequence[Block],
    record: Mapping[str, Any],
    files: Sequence[tuple[str, str]],
    *,
    cite: Sequence[tuple[str, str]] = (),
    is_not: str = "",
) -> None:
    """Write `report.html` of blocks and a closing into a folder that has figures and `files`, with what each is.

    Beside it the tables of the blocks, if there are any, in LaTeX. `cite` and `is_not` are of the closing. The tables,
    and those of the figures' numbers, are among the files without being named.
    """
    tables = to_latex(blocks)
    if tables:
        (folder / TABLES).write_text(tables, encoding="utf-8")
    page = [
        *blocks,
        Heading("Files"),
        Files([*files, *([TABLES_FILE] if tables else []), *_numbers(folder, {name for name, _ in files})]),
        *closing(record, cite=cite, is_not=is_not),
    ]
    (folder / "report.html").write_text(to_html(page, folder), encoding="utf-8")


def _numbers(folder: Path, named: set[str]) -> list[tuple[str, str]]:
    """The tables beside figures, but for those that have a name of their own."""
    tables = [path for path in sorted(folder.glob("*.csv")) if path.name not in named]
    drawn = [path for path in tables if any(path.with_suffix(f".{kind}").exists() for kind in figure_kinds())]
    return [(path.name, "the numbers of the figure") for path in drawn]
