"""The gallery and the reference of JSON outputs: what the commands of `gallery.yaml` write and print, run now."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hepad_commands import commands, line, wrapped
from made import code, plain, table, write_pages
from output_pages import output_pages
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

_LOGGER = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Run:
    """Commands, one a line, of which the last is shown, and what is said of it."""

    command: str
    title: str = ""
    about: str = ""
    figures: tuple[str, ...] = ()
    page: str = ""

    @property
    def calls(self) -> list[list[str]]:
        """The words of each command, behind `hepad`."""
        return [shlex.split(line)[1:] for line in self.command.strip().splitlines()]

    @property
    def verb(self) -> str:
        """The command of the last line, with the one of its group if it is a group."""
        words = self.calls[-1]
        return " ".join(words[:2]) if words[0] == "analysis" else words[0]

    @property
    def name(self) -> str:
        """What the files of it are called."""
        return self.verb.replace(" ", "-")


def run(what: Run, into: Path) -> str:
    """Run commands in a folder of their own, and keep figures and JSON; what went wrong, or nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "examples").symlink_to(ROOT / "examples")
        done = None
        for words in what.calls:
            call = [sys.executable, "-m", "hepad", *words, "--json"]
            done = subprocess.run(  # noqa: S603  the commands of a file of this repository
                call, cwd=scratch, capture_output=True, text=True, check=False, timeout=300
            )
            if done.returncode:
                return f"{shlex.join(['hepad', *words])}: exit code {done.returncode}: {done.stderr.strip()[-300:]}"
        (into / f"{what.name}.json").write_text(done.stdout if done else "", encoding="utf-8")
        for figure in what.figures:
            if not (Path(scratch) / figure).is_file():
                return f"{what.command} did not write {figure}"
            shutil.copyfile(Path(scratch) / figure, into / f"{what.name}-{Path(figure).name}")
    return ""


def stamp() -> str:
    """Changes with hepad, what it ships with, and the commands."""
    found = hashlib.sha256()
    patterns = (
        "docs/_ext/hepad_*.py",
        "docs/gallery.yaml",
        "hepad/**/*.py",
        "analyses/**/*.yaml",
        "examples/data/*",
    )
    for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()):
        found.update(path.read_bytes())
    return found.hexdigest()


def processes() -> int:
    """How many commands run side by side."""
    return min(len(os.sched_getaffinity(0)), 4) if hasattr(os, "sched_getaffinity") else 2


def run_all(runs: list[Run], into: Path) -> None:
    """Run what is not there yet; each fault is a warning, which the build makes an error."""
    mark = into / "stamp"
    if mark.is_file() and mark.read_text(encoding="utf-8") == stamp():
        return
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    with ThreadPoolExecutor(processes()) as pool:
        faults = [fault for fault in pool.map(lambda what: run(what, into), runs) if fault]
    for fault in faults:
        _LOGGER.warning(fault, type="hepad_runs")
    if not faults:
        mark.write_text(stamp(), encoding="utf-8")


def keys(value: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """The keys of a JSON document, the kind of what stands there, and one such value; elements of a list are one."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from keys(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        merged: dict[str, tuple[set[str], str]] = {}
        for each in value:
            for key, kind, example in keys(each, f"{path}[]"):
                merged.setdefault(key, (set(), example))[0].add(kind)
        for key, (kinds, example) in merged.items():
            yield key, " or ".join(sorted(kinds)), example
    else:
        text = json.dumps(value, ensure_ascii=False)
        yield path, _kind(value), text if len(text) <= 48 else f"{text[:45]}..."


def _kind(value: Any) -> str:
    if isinstance(value, list):
        inner = sorted({_kind(each) for each in value})
        return f"list of {' or '.join(inner)}" if inner else "list"
    names = {dict: "object", str: "text", bool: "true or false", int: "integer", float: "number", type(None): "null"}
    return names[type(value)]


def _shown(what: Run) -> str:
    return "\n".join(["```sh", *(wrapped(line) for line in what.command.strip().splitlines()), "```"])


def _gallery(section: str, runs: list[Run]) -> list[str]:
    parts = [f"# {section}"]
    for what in runs:
        parts += [f"## {what.title}", f"{what.about} [More]({'../' + what.page})."]
        parts += [f"![{plain(what.title)}](runs/{what.name}-{Path(figure).name})" for figure in what.figures]
        parts.append(_shown(what))
    return parts


def _overview(drawn: dict[str, list[Run]]) -> list[str]:
    """The first figure of each entry, small, for `gallery.md`."""
    cards = [
        f":::{{grid-item-card}}\n:link: gallery/{_file(title).removesuffix('.md')}\n:link-type: doc\n"
        f":img-top: gallery/runs/{what.name}-{Path(what.figures[0]).name}\n:img-alt: {what.title}\n\n{what.title}\n:::"
        for title, runs in drawn.items()
        for what in runs
    ]
    return ["::::{grid} 2 2 3 3\n:gutter: 3", *cards, "::::"]


def _output(what: Run, into: Path) -> list[str]:
    content = json.loads((into / f"{what.name}.json").read_text(encoding="utf-8"))
    rows = [[code(key or "(all)"), kind, code(example)] for key, kind, example in keys(content)]
    words = (
        f"All of it: {{download}}`{what.name}.json <../../gallery/runs/{what.name}.json>`. Names of models, regions, "
        "samples and objects among the keys are those of this run; elements of a list stand together."
    )
    return [_shown(what), words, table(["key", "kind", "here"], rows)]


def check_complete(runs: list[Run], without: dict[str, str]) -> None:
    """Warn of commands with --json that are in neither list, or in both."""
    printing = {" ".join(words) for words, command in commands() if any(p.name == "json" for p in command.params)}
    shown = {what.verb for what in runs}
    for verb in sorted((printing - shown - set(without)) | (set(without) & shown) | (set(without) - printing)):
        _LOGGER.warning("gallery.yaml: %s wants one entry, or one line below `without`", verb, type="hepad_runs")


def make(app: Sphinx) -> None:
    """Run the commands and write the pages."""
    docs = Path(app.srcdir)
    content = yaml.safe_load((docs / "gallery.yaml").read_text(encoding="utf-8"))
    sections = {
        section["title"]: [Run(**{**each, "figures": tuple(each.get("figures", ()))}) for each in section["runs"]]
        for section in content["sections"]
    }
    runs = [what for section in sections.values() for what in section]
    check_complete(runs, content["without"])
    into = docs / "gallery/runs"
    run_all(runs, into)
    drawn = {title: found for title, found in sections.items() if all(what.figures for what in found)}
    pages: dict[str, str | list[str]] = {_file(title): _gallery(title, found) for title, found in drawn.items()}
    write_pages(docs / "gallery", {**pages, "overview.inc": _overview(drawn)})
    there = sorted((what for what in runs if (into / f"{what.name}.json").is_file()), key=lambda what: what.name)
    first = {" ".join(words): line(command) for words, command in commands()}
    outputs = output_pages(first, {what.verb: _output(what, into) for what in there})
    write_pages(docs / "reference/outputs", outputs)


def _file(title: str) -> str:
    return "_".join("".join(c for c in title.lower() if c.isalnum() or c == " ").split()) + ".md"


def setup(app: Sphinx) -> ExtensionMetadata:
    """Run before Sphinx looks for pages."""
    app.connect("builder-inited", make)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
