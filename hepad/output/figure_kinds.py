"""As which kinds of files figures are written, in which style, with which label: options of all verbs that draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from hepad.errors import UsageError

__all__ = [
    "ALL_KINDS",
    "DEFAULT_FIGURES",
    "DEFAULT_STYLE",
    "STYLES",
    "drawing",
    "drawing_options",
    "figure_kinds",
    "figure_label",
    "figure_style",
    "figure_titles",
    "parse_kinds",
    "parse_style",
    "parse_titles",
    "title_of",
    "titled",
    "unused_titles",
]

DEFAULT_FIGURES = "png"

ALL_KINDS = ("png", "pdf", "svg")

DEFAULT_STYLE = "hepad"

STYLES = ("hepad", "cms", "atlas")
"""How figures look: fonts, sizes and ticks. No style says that a figure is of an experiment."""


@dataclass(frozen=True)
class _Drawing:
    """How figures are drawn and written."""

    kinds: tuple[str, ...] = (DEFAULT_FIGURES,)
    style: str = DEFAULT_STYLE
    label: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)
    """What stood in figures before it got its title, where there are any."""


_PLAIN = _Drawing()
_DRAWING: ContextVar[_Drawing] = ContextVar("drawing", default=_PLAIN)


@contextmanager
def drawing(
    kinds: Sequence[str], *, style: str = DEFAULT_STYLE, label: str = "", titles: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Within the block figures are files of these kinds, `png`, `pdf` or `svg`; with none there are no figures.

    They have a style of `STYLES`, and the `label`, if it is not empty, in place of their own. Where a name of `titles`
    would stand, of a signal, say, there stands its title.
    """
    token = _DRAWING.set(_Drawing(tuple(kinds), style, label, dict(titles or {})))
    try:
        yield
    finally:
        _DRAWING.reset(token)


@contextmanager
def titled(titles: Mapping[str, str]) -> Iterator[None]:
    """Within the block figures have these titles too, where nobody has asked for others of the same names."""
    now = _DRAWING.get()
    token = _DRAWING.set(replace(now, titles={**titles, **now.titles}))
    try:
        yield
    finally:
        _DRAWING.reset(token)


def drawing_options() -> dict[str, Any]:
    """The arguments of `drawing` for a block as the one that we are in, for another process say."""
    now = _DRAWING.get()
    return {"kinds": now.kinds, "style": now.style, "label": now.label, "titles": dict(now.titles)}


def figure_kinds() -> tuple[str, ...]:
    """The kinds of the block that we are in: PNG alone outside of any."""
    return _DRAWING.get().kinds


def figure_style() -> str:
    """The style of the block that we are in."""
    return _DRAWING.get().style


def figure_label() -> str:
    """The label of the block that we are in, empty if figures have their own."""
    return _DRAWING.get().label


def figure_titles() -> Mapping[str, str]:
    """What stands in figures of the block that we are in where these names would."""
    return _DRAWING.get().titles


def title_of(text: str) -> str:
    """What stands in a figure for a text that is the whole name of something with a title; else the text itself."""
    now = _DRAWING.get()
    if now.titles:
        now.texts.add(text)
    return now.titles.get(text, text)


def unused_titles() -> list[str]:
    """The names with a title of which no figure had a text so far; none before the first figure."""
    now = _DRAWING.get()
    return [name for name in now.titles if name not in now.texts] if now.texts else []


def parse_kinds(text: str) -> tuple[str, ...]:
    """The kinds of `png`, `pdf,svg` and the like, or `none`; `UsageError` for anything else."""
    if text == "none":
        return ()
    kinds = text.split(",")
    if not set(kinds) <= set(ALL_KINDS) or len(set(kinds)) < len(kinds):
        raise UsageError(f"--figures {text!r}: write png, pdf, svg, several as in png,pdf, or none")
    return tuple(kind for kind in ALL_KINDS if kind in kinds)


def parse_style(text: str) -> str:
    """One of `STYLES`; `UsageError` for anything else."""
    if text not in STYLES:
        raise UsageError(f"--style {text!r}: choose {', '.join(STYLES[:-1])} or {STYLES[-1]}")
    return text


def parse_titles(texts: Sequence[str]) -> dict[str, str]:
    """The titles of `NAME=TEXT`, by name; `UsageError` for anything else."""
    titles: dict[str, str] = {}
    for text in texts:
        name, equals, title = text.partition("=")
        if not (name and equals and title) or name in titles:
            raise UsageError(f"--title {text!r}: write NAME=TEXT, once a name, for instance hplus='$H^+$'")
        titles[name] = title
    return titles
