"""The pages: templates that share their look with the reports of hepad."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from time import gmtime, strftime
from typing import TYPE_CHECKING, Any

from hepad import __version__
from hepad.printable import printable
from hepad.serve.commands import KINDS

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["asset", "render"]

_HERE = Path(__file__).parent / "templates"
_ASSETS = {
    "style.css": (Path(__file__).parents[1] / "output" / "style.css", _HERE / "serve.css"),
    "script.js": (_HERE / "script.js",),
}


def render(name: str, base: str, **content: Any) -> str:
    """A page; all that is put into it is escaped."""
    return _environment().get_template(name).render(base=base, version=__version__, kinds=KINDS, **content)


@cache
def asset(name: str) -> str:
    """The style, that of reports and what forms need beside it, or the script."""
    return "\n".join(path.read_text(encoding="utf-8") for path in _ASSETS[name])


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters: Mapping[str, Any] = {"printable": printable, "when": _when, "bytes": _bytes, "took": _took}
    environment.filters.update(filters)
    return environment


def _when(seconds: float) -> str:
    return strftime("%Y-%m-%d %H:%M UTC", gmtime(seconds))


def _bytes(size: float) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:.0f} bytes"


def _took(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
