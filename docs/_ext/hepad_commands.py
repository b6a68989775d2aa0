"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from made import code, linked, plain, table, toctree, write_pages
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from hepad.cli.commands import ALIASES, COMMANDS, PANELS
from hepad.cli.main import app as hepad

_CALL = re.compile(r"^(?P<before>.*?:)?\s*(?P<call>hepad [a-z].*)$", re.DOTALL)
"""A paragraph that ends in a call, with or without words before."""

_HEADER = ("command", "what it does")


def commands() -> Iterator[tuple[list[str], Any]]:
    """The words of each command and the command, those of groups after their group."""
    root = typer.main.get_command(hepad)
    for name in (name for names in PANELS.values() for name in names.split()):
        command = root.commands[name]
        yield [name], command
        for sub, inner in getattr(command, "commands", {}).items():
            yield [name, sub], inner


def paragraphs(text: str) -> Iterator[tuple[str, str]]:
    """The paragraphs of a help text: words, and the call that follows them if there is one."""
    for paragraph in inspect.cleandoc(text.replace("\\[", "[")).split("\n\n"):
        match = _CALL.match(paragraph)
        if match is None:
            yield " ".join(paragraph.split()), ""
        else:
            yield " ".join((match["before"] or "").split()), " ".join(match["call"].split())


def line(command: Any) -> str:
    """The first line of a help text."""
    return next(words for words, _ in paragraphs(command.help))


def wrapped(call: str, width: int = 84) -> str:
    """A call over as many lines as it needs, to be pasted as it is; an option and its value stay together."""
    parts: list[str] = []
    for word in call.split():
        if parts and parts[-1].startswith("-") and " " not in parts[-1] and not word.startswith("-"):
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + 1 + len(part) > width:
            lines.append(f"    {part}")
        else:
            lines[-1] += f" {part}"
    return " \\\n".join(lines)


def _description(text: str) -> Iterator[str]:
    for words, call in paragraphs(text):
        if words:
            yield plain(words)
        if call:
            yield f"```sh\n{wrapped(call)}\n```"


def _parameters(words: list[str], command: Any) -> Iterator[str]:
    context = command.make_context(f"hepad {' '.join(words)}", [], resilient_parsing=True)
    panels: dict[str, list[list[str]]] = {}
    for param in command.get_params(context):
        record = param.get_help_record(context)
        if record is None or param.name == "help":
            continue
        argument = param.param_type_name == "argument"
        panel = "Arguments" if argument else getattr(param, "rich_help_panel", None) or "Options"
        text, _, extra = record[1].replace("\\[", "[").partition("  [")
        default, limits = _extra(extra.removesuffix("]"))
        about = " ".join([plain(text), *([f"({code(limits)})"] if limits else [])])
        panels.setdefault(panel, []).append([code(record[0].strip()), about, default])
    for panel in sorted(panels, key=lambda panel: panel != "Arguments"):
        yield f"## {panel}"
        yield table(["option" if panel != "Arguments" else "argument", "what it is", "default"], panels[panel])


def _extra(text: str) -> tuple[str, str]:
    """What stands in brackets after a help text: the default, in Markdown, and what a number may be."""
    parts = [part for part in text.split("; ") if part]
    default = next((part.removeprefix("default: ") for part in parts if part.startswith("default: ")), "")
    limits = ", ".join(part for part in parts if not part.startswith("default: ") and part != "required")
    if "required" in parts:
        return "needed", limits
    in_words = default.startswith("(")  # a default that is worked out
    return plain(default[1:-1]) if in_words else code(default) if default else "", limits


def page(words: list[str], command: Any) -> list[str]:
    """The page of one command."""
    call = f"hepad {' '.join(words)}"
    context = command.make_context(call, [], resilient_parsing=True)
    pieces = [piece.replace("{", "").replace("}", "").upper() for piece in command.collect_usage_pieces(context)]
    parts = [f"(cli-{'-'.join(words)})=", f"# {call}", f"```text\n{call} {' '.join(pieces)}\n```"]
    parts += _description(command.help or "")
    others = [name for name, meant in ALIASES.items() if [meant] == words]
    parts += [f"Also spelled {', '.join(code(f'hepad {name}') for name in others)}."] if others else []
    inner = getattr(command, "commands", {})
    if inner:
        rows = [[f"[{call} {name}]({words[0]}-{name}.md)", plain(line(sub))] for name, sub in inner.items()]
        parts += [table(_HEADER, rows), toctree((f"{words[0]}-{name}" for name in inner), hidden=True)]
    return [*parts, *_parameters(words, command)]


def _contents() -> list[str]:
    parts = ["# Commands", "`hepad -h` lists them, and `-h` after any of them shows what stands on its page here."]
    for panel, names in PANELS.items():
        parts.append(f"## {panel}")
        parts.append(linked({name: COMMANDS[name] for name in names.split()}, _HEADER, called="hepad {}"))
    parts += ["## Options of hepad itself", "They stand before the command: `hepad --debug score ...`."]
    parts += [part for part in _parameters([], typer.main.get_command(hepad)) if not part.startswith("#")]
    return [*parts, toctree((name for names in PANELS.values() for name in names.split()), hidden=True)]


def make(app: Sphinx) -> None:
    """Write the pages."""
    pages: dict[str, list[str]] = {"index.md": _contents()}
    pages |= {f"{'-'.join(words)}.md": page(words, command) for words, command in commands()}
    write_pages(Path(app.srcdir) / "reference/commands", pages)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Make the pages before Sphinx looks for them."""
    app.connect("builder-inited", make)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
