"""The reference of the Python API: the public names, and the records that they return."""

from __future__ import annotations

import dataclasses
import inspect
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from made import linked, toctree, write_pages
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import ExtensionMetadata

import hepad
from hepad import errors, testing

_OTHER_MODULES: dict[str, Any] = {"testing": testing, "errors": errors}


def _first(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ").replace("`", "")


def _directive(kind: str, name: str, *options: str) -> str:
    body = "\n".join([f".. auto{kind}:: {name}", *(f"   :{option}:" for option in options)])
    return f"```{{eval-rst}}\n{body}\n```"


def records(module: ModuleType) -> list[str]:
    """The classes that the module of a verb makes public beside it: what it returns."""
    found = ((name, getattr(module, name)) for name in module.__all__)
    return [name for name, thing in found if inspect.isclass(thing) and dataclasses.is_dataclass(thing)]


def _verb(name: str) -> list[str]:
    thing = getattr(hepad, name)
    parts = [f"# hepad.{name}"]
    if inspect.isclass(thing):
        return [*parts, _directive("exception", f"hepad.{name}", "members", "show-inheritance")]
    return [*parts, _directive("function", f"hepad.{name}")]


def _record_pages() -> dict[str, tuple[str, list[str]]]:
    """The first line and the page of each record, once, though several verbs may share a module."""
    pages = {}
    for name in (name for name in _verbs() if inspect.isfunction(getattr(hepad, name))):
        module = import_module(getattr(hepad, name).__module__)
        for each in records(module):
            directive = _directive("class", f"{module.__name__}.{each}", "members", "inherited-members")
            pages[each] = _first(getattr(module, each)), [f"# {each}", directive]
    return pages


def _verbs() -> list[str]:
    return [name for name in hepad.__all__ if not name.startswith("_")]


def _module(name: str) -> list[str]:
    module = _OTHER_MODULES[name]
    title = module.__name__
    parts = [f"# {title}", _directive("module", title, "no-members")]
    for each in module.__all__:
        thing = getattr(module, each)
        kind = "function" if inspect.isfunction(thing) else "exception" if issubclass(thing, Exception) else "class"
        parts.append(_directive(kind, f"{title}.{each}", *(["members"] if kind == "class" else [])))
    return parts


def make(app: Sphinx) -> None:
    """Write one page a name."""
    verbs, others = _verbs(), _record_pages()
    parts = [
        "# Python API",
        "The names of `import hepad`; [The Python API](../../python.md) says how they go together.",
        linked({name: _first(getattr(hepad, name)) for name in verbs}, ["name", "what it does"], called="`{}`"),
        "## What they return",
        linked({name: first for name, (first, _) in others.items()}, ["record", "what it is"], called="`{}`"),
        "## For packages of your own",
        linked(
            {each: _first(module) for each, module in _OTHER_MODULES.items()},
            ["module", "what it is"],
            called="`hepad.{}`",
        ),
        toctree([*verbs, *others, *_OTHER_MODULES], hidden=True),
    ]
    pages: dict[str, list[str]] = {"index.md": parts} | {f"{name}.md": _verb(name) for name in verbs}
    pages |= {f"{name}.md": page for name, (_, page) in others.items()}
    pages |= {f"{name}.md": _module(name) for name in _OTHER_MODULES}
    write_pages(Path(app.srcdir) / "reference/api", pages)


def known_error(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contents: nodes.TextElement
) -> nodes.Element | None:
    """The errors of hepad are named without their module in docstrings."""
    target = node.get("reftarget")
    if node.get("refdomain") != "py" or target not in errors.__all__:
        return None
    document, full = node["refdoc"], f"hepad.errors.{target}"
    return env.domains.python_domain.resolve_xref(env, document, app.builder, "obj", full, node, contents)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Make the pages before Sphinx looks for them."""
    app.connect("builder-inited", make)
    app.connect("missing-reference", known_error)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
