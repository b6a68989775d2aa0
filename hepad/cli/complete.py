"""What the shell offers for the name of something that ships with hepad, beside files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["completion"]

_FOLDERS = {
    "analysis": "analyses",
    "budget": "budgets",
    "function": "fits",
    "menu": "analyses/menus",
    "method": "analyses/methods",
    "model": "bundles",
    "selection": "selections",
    ("hunt", "analysis"): "analyses/hunts",
    ("list_", "kind"): "",
    ("show", "name"): "",
    ("reinterpret", "analysis"): "analyses analyses/hunts",
    ("study", "card"): "analyses/studies",
    ("train", "model"): "analyses",
}
"""The folders of the cards that a parameter names, for one command or for all."""

Completion = Callable[[str], list[str]]


def completion(command: str, parameter: str) -> Completion | None:
    """What to offer for a parameter of a command (both as Python names); None if it names nothing that ships."""
    folder = _FOLDERS.get((command, parameter), _FOLDERS.get(parameter))
    if folder is None:
        return None
    if (command, parameter) == ("reinterpret", "analysis"):
        return _names(folder, also=("all",))
    return _names(folder) if folder else _catalogued(whole=parameter == "name")


def _catalogued(*, whole: bool) -> Completion:
    def complete(incomplete: str) -> list[str]:
        from hepad.pipeline.catalogue import overview

        found = overview()
        known = {*found}
        if whole:
            known = {name for _, names in found.values() for name in names}
            known |= {f"{kind}/{name}" for kind, (_, names) in found.items() for name in names if "/" in incomplete}
        return sorted(name for name in known if name.startswith(incomplete))

    return complete


def _names(folder: str, also: tuple[str, ...] = ()) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        from hepad.cards.resolver import bundled_names

        known = {name for each in folder.split() for name in bundled_names(each)}
        known = {name for name in {*known, *also} if name.startswith(incomplete)}
        return [*sorted(known), *_paths(incomplete)]

    return complete


def _paths(incomplete: str) -> list[str]:
    folder, slash, begin = incomplete.rpartition("/")
    try:
        found = [path for path in Path(folder or slash or ".").iterdir() if path.name.startswith(begin)]
    except OSError:
        return []
    shown = [path for path in found if begin.startswith(".") or not path.name.startswith(".")]
    return sorted(f"{folder}{slash}{path.name}{'/' if path.is_dir() else ''}" for path in shown)
