"""Everything that is wrong with a card, at once: its keys, what they name, and whether all of it goes together."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from hepad.bundles.bundle import load_bundle
from hepad.cards.analysis import load_analysis
from hepad.cards.base import Fault, card_faults
from hepad.cards.budget import load_device
from hepad.cards.document import Document, read_yaml
from hepad.cards.fit import load_fit
from hepad.cards.hunt import HuntCard
from hepad.cards.method import load_method
from hepad.cards.plane import PlaneCard, load_any_hunt
from hepad.cards.resolver import resolve
from hepad.cards.search import is_path, located
from hepad.cards.selection import load_selection
from hepad.errors import CardError, CheckFailedError, HepadError
from hepad.pipeline.schemas import SCHEMAS, card_of
from hepad.search.search import prepare_search

__all__ = ["CardReport", "check_card"]

_FOLDERS = (
    *("analyses", "selections", "fits", "analyses/methods", "analyses/hunts", "analyses/studies"),
    *("analyses/menus", "budgets", "budgets/devices"),
)
"""Where a bare name is looked for."""

_LOADERS: dict[str, Callable[[str], object]] = {
    "selections": load_selection,
    "bundles": load_bundle,
    "fits": load_fit,
    "analyses": load_analysis,
    "analyses/methods": load_method,
    "analyses/hunts": load_any_hunt,
    "budgets/devices": load_device,
}
_FILE = "a file"

_EACH = "*"
_NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "search": (
        ("categories.*.selection", "selections"),
        ("categories.*.other_selections.*", "selections"),
        ("categories.*.bundle", "bundles"),
        ("categories.*.network", "analyses"),
        ("fits.*", "fits"),
        ("channels.*.fits.*", "fits"),
        ("background_events", _FILE),
        ("vectors", _FILE),
        ("simultaneous.yields", _FILE),
        ("simultaneous.observed", _FILE),
        ("channels.*.observed", _FILE),
        ("channels.*.background", _FILE),
        ("channels.*.published", _FILE),
    ),
    "analysis": (("selection", "selections"),),
    "method": (("selection", "selections"),),
    "hunt": (("selection", "selections"), ("methods.*", "analyses/methods"), ("functions.*", "fits")),
    "plane": (("selection", "selections"), ("functions.*", "fits")),
    "study": (("analyses.*", "analyses"),),
    "sensitivity": (
        ("hunt", "analyses/hunts"),
        ("table.selection", "selections"),
        ("methods.*", "analyses/methods"),
        ("classical.*", "analyses/methods"),
        ("knows_signal.*", "analyses/methods"),
    ),
    "budget": (("device", "budgets/devices"),),
}
"""The keys of each kind of card that name something else, and where that is found."""

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class CardReport:
    """What is wrong with a card; nothing if it is right."""

    card: Path
    kind: str
    faults: tuple[Fault, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it in JSON types."""
        return {"card": str(self.card), "kind": self.kind, "faults": [asdict(fault) for fault in self.faults]}

    def check(self) -> None:
        """`CheckFailedError` if something is wrong."""
        if self.faults:
            count = len(self.faults)
            raise CheckFailedError(f"{self.card} has {count} fault{'s' if count > 1 else ''}")


def check_card(name: str) -> CardReport:
    """What is wrong with a card of any kind, by a path or the name of one that ships with hepad, in order of its lines.

    What a card names is loaded too. Rules about several keys are looked at once each key alone is right, and whether a
    search or a hunt can be run once nothing else is wrong. `CardError` if there is no such card.
    """
    path = _found(name)
    try:
        content = read_yaml(path)
    except CardError as error:
        return CardReport(path, "", (Fault(None, "", str(error)),))
    kind = str(content.get("schema", "")).removesuffix("/1")
    if kind not in SCHEMAS:
        return CardReport(path, "", (_no_kind(content),))
    found = [*_schema_faults(kind, content), *_named_faults(kind, content, path.parent)]
    if kind == "search" and not found:
        found += _search_faults(str(path))
    if kind == "hunt" and not found:
        found += _hunt_faults(content)
    if kind == "plane" and not found:
        found += _plane_faults(content)
    return CardReport(path, kind, tuple(sorted(found, key=lambda fault: fault.line or 0)))


def _found(name: str) -> Path:
    if is_path(name) or Path(name).is_file():
        if Path(name).exists():
            return Path(name)
        raise CardError(f"{name} does not exist")
    for folder in _FOLDERS[1:]:
        try:
            return resolve(folder, name)
        except CardError:
            continue
    return resolve(_FOLDERS[0], name)


def _no_kind(content: Document) -> Fault:
    given = content.get("schema")
    known = [f"{kind}/1" for kind in SCHEMAS]
    close = difflib.get_close_matches(str(given), known, n=1)
    said = "is missing" if given is None else f"is {str(given)[:60]!r}"
    meant = f", did you mean {close[0]}?" if close else ""
    return Fault(content.line(("schema",)), "schema", f"{said}{meant} choose one of {', '.join(known)}")


def _schema_faults(kind: str, content: Document) -> list[Fault]:
    card = card_of(kind)
    try:
        card.model_validate(content)
    except ValidationError as error:
        return card_faults(error, card, content)
    except (OverflowError, RecursionError) as error:
        return [Fault(None, "", str(error))]
    return []


def _named_faults(kind: str, content: Document, folder: Path) -> Iterator[Fault]:
    """Of what the card names: it is not there, or is wrong itself. Each name once."""
    seen: dict[tuple[str, str], None] = {}
    for pattern, where in _NAMES.get(kind, ()):
        for place, value in _places(content, tuple(pattern.split("."))):
            if not isinstance(value, str) or (where, value) in seen:
                continue  # another type is a fault of the key
            seen[where, value] = None
            try:
                _load(kind, folder, where, value)
            except (HepadError, OSError) as error:
                yield Fault(content.line(place), ".".join(map(str, place)), str(error))


def _load(kind: str, folder: Path, where: str, name: str) -> None:
    if where == _FILE:
        file = name.rpartition(":")[0] if ":" in name and not (folder / name).exists() else name
        if not (folder / file).exists():
            raise CardError(f"{file} is not in {folder}")
    else:
        _LOADERS[where](located(folder, where, name) if kind == "search" else name)


def _places(content: Any, pattern: tuple[str, ...], place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """What stands where a pattern of keys points to; `*` is each key or item."""
    if not pattern:
        yield place, content
        return
    first, *others = pattern
    steps: list[Any] = []
    if first != _EACH:
        steps = [first] if isinstance(content, dict) and first in content else []
    elif isinstance(content, dict | list):
        steps = list(content if isinstance(content, dict) else range(len(content)))
    for step in steps:
        yield from _places(content[step], tuple(others), (*place, step))


def _search_faults(name: str) -> Iterator[Fault]:
    try:
        prepare_search(name)
    except HepadError as error:
        yield Fault(None, "", str(error))


def _hunt_faults(content: Document) -> Iterator[Fault]:
    """Of a mass and a shape that are not understood, and of windows that have no bins around."""
    from hepad.pipeline.hunt.mass import mass_of  # for hunts alone: it takes seconds
    from hepad.pipeline.hunt.windows import windows_of
    from hepad.pipeline.hunt.windows_scan import scan_shapes

    card = HuntCard.model_validate(content)

    def shapes() -> None:
        ranges = [(window.low, window.high) for _, window in windows_of(card)[0]]
        scan_shapes(card.shape, ranges, np.array(card.bins))

    looks = {
        "mass": lambda: mass_of(card.mass, card.input, allowed=True),
        "windows": lambda: windows_of(card),
        "shape": shapes,
    }
    yield from _looked_at(content, looks)


def _plane_faults(content: Document) -> Iterator[Fault]:
    """Of a mass, functions and a shape that are not understood."""
    from hepad.objects.kinematics import parse_mass
    from hepad.pipeline.hunt.windows import family_of
    from hepad.pipeline.hunt.windows_scan import scan_shapes

    card = PlaneCard.model_validate(content)
    looks = {
        "mass": lambda: parse_mass(card.mass),
        "functions": lambda: family_of(card),
        "shape": lambda: scan_shapes(card.shape, [(card.bins[1], card.bins[-2])], np.array(card.bins)),
    }
    yield from _looked_at(content, looks)


def _looked_at(content: Document, looks: Mapping[str, Callable[[], object]]) -> Iterator[Fault]:
    """The faults of keys that looks at them raise."""
    for key, look in looks.items():
        try:
            look()
        except HepadError as error:
            yield Fault(content.line((key,)), key, str(error))
            if key == "windows":
                break  # a shape is one in windows
