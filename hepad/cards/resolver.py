"""Where cards and bundles are found: an explicit path, then the package's data, then the repository.

Within `unpacked`, the folder of an analysis that somebody packed comes before the package's data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from hepad.errors import CardError

__all__ = ["bundled_names", "citation_file", "resolve", "shipped", "shipped_file", "shipped_folder", "unpacked"]

_PACKAGE_DATA = Path(__file__).resolve().parent.parent / "data"
_REPOSITORY = Path(__file__).resolve().parent.parent.parent
_SINGULAR = {
    "analyses": "analysis",
    "selections": "selection",
    "fits": "fit",
    "bundles": "model",
    "analyses/studies": "study",
    "analyses/methods": "method",
    "analyses/hunts": "hunt",
    "analyses/menus": "menu",
    "budgets": "budget",
    "budgets/devices": "device",
}
_ROOT: ContextVar[Path | None] = ContextVar("_ROOT", default=None)
_MANIFEST = "manifest.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@+-]*")


def resolve(folder: str, name: str) -> Path:
    """The path of the card (or bundle) `name` of a folder such as `selections`.

    A name that has a slash or a YAML ending, or that is an existing file (for bundles: file or bundle folder), is
    taken as a path. `CardError` lists the bundled names if nothing is found.
    """
    path = Path(name)
    if "/" in name or path.suffix in {".yaml", ".yml"}:
        if _exists(path):
            return path
        raise CardError(f"{name} does not exist")
    # A folder that happens to be called like a card, say an output of an earlier command, does not hide the card.
    if _exists(path) and (path.is_file() or (folder == "bundles" and (path / "card.json").is_file())):
        return path
    return shipped(folder, name)


def shipped(folder: str, name: str) -> Path:
    """The path of the card (or bundle) `name` that ships with hepad, or is in the folder of `unpacked`.

    The working directory is not looked at: what a card names must not depend on where a command is run.
    """
    for candidate in _candidates(folder):
        found = candidate / (name if folder == "bundles" else f"{name}.yaml")
        if _NAME.fullmatch(name) and _exists(found):
            return found
    known = ", ".join(bundled_names(folder)) or "none"
    raise CardError(f"no {_SINGULAR.get(folder, folder)} named {name!r}: bundled are {known}; or give a path")


@contextmanager
def unpacked(name: str) -> Iterator[str]:
    """Yield what to load for an analysis that may be a folder which `hepad analysis unpack` made.

    For such a folder it is the path of its card, and until the end of the block the selections, fits and bundles that
    cards name are looked for in the folder first. Any other name is yielded as it is.
    """
    root = Path(name)
    if not _exists(root / _MANIFEST):
        yield name
        return
    card = _card_of(root)
    token = _ROOT.set(root)
    try:
        yield str(card)
    finally:
        _ROOT.reset(token)


def _card_of(root: Path) -> Path:
    try:
        card = root / str(json.loads((root / _MANIFEST).read_text(encoding="utf-8"))["card"])
        inside = card.is_file() and card.resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CardError(f"{root / _MANIFEST} is not the manifest of an unpacked analysis ({error})") from error
    if not inside:
        raise CardError(f"{root / _MANIFEST}: its card {card} is not there; unpack the archive again")
    return card


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # not permitted, or a name longer than the file system takes
        raise CardError(f"cannot look for {path}: {error.strerror}") from error


def bundled_names(folder: str) -> list[str]:
    """Names of the cards or bundles that ship with hepad."""
    names: set[str] = set()
    for candidate in _candidates(folder):
        if candidate.is_dir():
            if folder == "bundles":
                names.update(p.name for p in candidate.iterdir() if (p / "card.json").is_file())
            else:
                names.update(p.stem for p in candidate.glob("*.yaml"))
    return sorted(names)


def citation_file() -> Path:
    """hepad's own CITATION.cff; `CardError` if the installation lacks it."""
    return shipped_file("CITATION.cff")


def shipped_file(name: str) -> Path:
    """A file that ships with hepad, by its path in the repository; `CardError` if the installation lacks it."""
    for folder in (_PACKAGE_DATA, _REPOSITORY):
        if (folder / name).is_file():
            return folder / name
    raise CardError(f"{name} is missing from this installation of hepad; install it again")


def shipped_folder(name: str) -> Path:
    """A folder that ships with hepad, by its path in the repository; `CardError` if the installation lacks it."""
    for folder in (_PACKAGE_DATA, _REPOSITORY):
        if (folder / name).is_dir():
            return folder / name
    raise CardError(f"{name} is missing from this installation of hepad; install it again")


def _candidates(folder: str) -> tuple[Path, ...]:
    # A wheel carries the cards as package data; an editable install finds them in the checkout.
    root = _ROOT.get()
    own = () if root is None else (root / folder,)
    return (*own, _PACKAGE_DATA / folder, _REPOSITORY / folder)
