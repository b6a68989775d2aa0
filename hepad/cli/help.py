"""How the help of a command looks: short words for values, and what says how a command runs in a panel of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeVar

__all__ = ["ALWAYS", "RUNNING", "escaped", "joined", "shortened"]

RUNNING = "How it runs, and what it prints"
"""The panel of options that do not change the result."""

ALWAYS = "In every case"
"""The panel of the other options of a command that has panels for what it can do."""

_RUNNING = frozenset(
    {"device", "executor", "figures", "force", "json", "label", "progress", "quiet", "restart", "resume", "style"}
    | {"scheduler", "skip_bad_files", "step_size", "title", "workers"}
)

_KINDS = {"bool": "", "int": "N", "float": "X", "str": "TEXT", "path": "PATH", "Path": "PATH"}
"""Words for values of a type, where the name of the option does not say more."""

_WORDS = {
    "CARD": "budget card menu method selection",
    "EXPRESSION": "plane",
    "FILE": "against background data evaluation_background files patch reference scores signal simulation spectra "
    "spectrum test workspace",
    "KIND": "calculator device direction executor format_ input_ progress",
    "LOW:HIGH": "mass_range range_ sidebands window",
    "MASS=FILE": "point",
    "NAME": "analysis event_score function measurement model part region score search space",
}
_NAMED = {name: word for word, names in _WORDS.items() for name in names.split()}
_REPEATED = {"cross_section": "FILE=PB", "region": "NAME=CUT", "signal": "NAME=FILE"}
"""Where an option that may be repeated means something else than the one that may not."""
_UNITS = {"cross_section": "PB", "luminosity": "1/FB", "min_pt": "GEV", "xsec": "PB"}
"""Words for numbers."""

_MARKUP = re.compile(r"(\[[a-z#/@][^\[]*?\])")
"""What rich takes for a tag."""

ParamT = TypeVar("ParamT")


def joined(text: str) -> str:
    """A help text whose paragraphs are a line each, which the terminal breaks where it is full, examples too."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text)


def escaped(text: str) -> str:
    """A help text in which brackets are brackets: typer takes those of hepad[dask] for rich's markup."""
    return _MARKUP.sub(r"\\\1", text)


def shortened(params: Iterable[ParamT]) -> list[ParamT]:
    """The parameters of a command, with a short word for each value, and those that only say how it runs apart."""
    found = list(params)
    panels = {panel for param in found if (panel := getattr(param, "rich_help_panel", None)) not in (None, RUNNING)}
    for param in found:
        _shorten(param, ALWAYS if panels else None)
    return found


def _shorten(param: Any, panel: str | None) -> None:
    if param.opts[0].startswith("-") and getattr(param, "rich_help_panel", "") is None:
        param.rich_help_panel = RUNNING if param.name in _RUNNING else panel
    if not hasattr(param, "display_type"):  # an older typer, or no parameter of ours
        return
    if not param.opts[0].startswith("-"):
        param.display_type = lambda _: ""  # the name of an argument says what it is
        return
    if param.metavar is None:
        param.metavar = _word(param)
    if _is_plain_range(param):  # which its word says already, and columns of text are dear
        param._get_number_range_help_str = str  # noqa: SLF001


def _is_plain_range(param: Any) -> bool:
    """Whether a number has no other bound than that it is not negative, or not 0."""
    return getattr(param, "min", None) in (0, 1) and getattr(param, "max", None) is None


def _word(param: Any) -> str:
    kind = re.sub(r"^<|>$| range", "", param.display_type(None))
    repeated = kind.startswith("list[")
    kind = re.sub(r"^list\[|\]$", "", kind)
    if kind not in _KINDS:
        return "KIND" if "|" in kind else kind  # of a choice, which its help names
    words = {**_NAMED, **(_REPEATED if repeated else {})} if kind in ("str", "path", "Path") else _UNITS
    return words.get(param.name, _KINDS[kind])
