"""As which kinds of files figures are written: the option --figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from hepad.errors import UsageError

__all__ = ["ALL_KINDS", "DEFAULT_FIGURES", "drawing", "figure_kinds", "parse_kinds"]

DEFAULT_FIGURES = "png"

ALL_KINDS = ("png", "pdf", "svg")
_KINDS: ContextVar[tuple[str, ...]] = ContextVar("figure_kinds", default=(DEFAULT_FIGURES,))


@contextmanager
def drawing(kinds: Sequence[str]) -> Iterator[None]:
    """Within the block figures are files of these kinds, `png`, `pdf` or `svg`; with none there are no figures."""
    token = _KINDS.set(tuple(kinds))
    try:
        yield
    finally:
        _KINDS.reset(token)


def figure_kinds() -> tuple[str, ...]:
    """The kinds of the block that we are in: PNG alone outside of any."""
    return _KINDS.get()


def parse_kinds(text: str) -> tuple[str, ...]:
    """The kinds of `png`, `pdf,svg` and the like, or `none`; `UsageError` for anything else."""
    if text == "none":
        return ()
    kinds = text.split(",")
    if not set(kinds) <= set(ALL_KINDS) or len(set(kinds)) < len(kinds):
        raise UsageError(f"--figures {text!r}: write png, pdf, svg, several as in png,pdf, or none")
    return tuple(kind for kind in ALL_KINDS if kind in kinds)
