"""What ships with hepad: models, selections, analyses, background functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from hepad import registry
from hepad.bundles.files import CARD as BUNDLE_CARD
from hepad.bundles.files import read_content
from hepad.cards.analysis import load_analysis
from hepad.cards.base import read_yaml
from hepad.cards.hunt import HUNTS_FOLDER, HuntCard
from hepad.cards.menu import MENUS_FOLDER, load_menu
from hepad.cards.method import METHODS_FOLDER, load_method
from hepad.cards.plane import load_any_hunt
from hepad.cards.resolver import bundled_names, resolve, shipped
from hepad.cards.search import SearchCard, is_search, load_search
from hepad.cards.selection import load_selection
from hepad.errors import CardError

__all__ = ["CATALOGUES", "Thing", "catalogue", "overview", "shown"]


def _model(name: str) -> dict[str, Any]:
    card = read_content(resolve("bundles", name))
    kind, shape = card["input"]["kind"], card.get("shape") or (len(card["columns"]),)
    return {
        "name": card["name"],
        "title": card["title"],
        "selection": card["selection"]["name"],
        "input": f"{kind} ({' x '.join(map(str, shape))})",
        "scores": ", ".join(card["scores"]),
        "trained on": _named([source["name"] for source in card["provenance"].get("inputs", [])]),
        "fidelity": card["fidelity"],
        "reference": card["reference"],
    }


def _named(files: list[str]) -> str:
    """Files by their names; of more than six the first and the last."""
    return ", ".join(files) if len(files) <= 6 else f"{files[0]} to {files[-1]}, {len(files)} files"


def _analysis(name: str) -> dict[str, Any]:
    """A model to train or a published search to hold a signal against: both are analyses."""
    return _search(name) if is_search(read_yaml(resolve("analyses", name))) else _recipe(name)


def _recipe(name: str) -> dict[str, Any]:
    card = load_analysis(name)
    return {
        "name": card.name,
        "kind": "model",
        "title": card.title,
        "selection": card.selection,
        "model": card.model.name,
        "fidelity": card.fidelity,
        "reference": card.reference,
    }


def _search(name: str) -> dict[str, Any]:
    card, _ = load_search(name)
    return {
        "name": card.name,
        "kind": "search",
        "title": card.title,
        "selection": _selection(card),
        "model": ", ".join(dict.fromkeys(c.bundle for c in card.categories if c.bundle)),
        "fidelity": card.fidelity,
        "reference": card.reference,
    }


def _selection(card: SearchCard) -> str:
    names = list(dict.fromkeys(category.selection for category in card.categories))
    return names[0] if len(names) == 1 else f"{len(names)} selections"


def _method(name: str) -> dict[str, Any]:
    card = load_method(name)
    return {
        "name": card.name,
        "title": card.title,
        "selection": card.selection,
        "method": card.method.name,
        "folds": card.folds,
        "fidelity": card.fidelity,
        "reference": card.reference,
    }


def _hunt(name: str) -> dict[str, Any]:
    card = load_any_hunt(name)
    if isinstance(card, HuntCard):
        methods, windows = card.methods, sum(len(edges) - 3 for edges in card.windows.values())
    else:
        methods, windows = tuple(card.regions), len(card.unknown.windows)
    return {
        "name": card.name,
        "title": card.title,
        "methods": ", ".join(methods),
        "windows": windows,
        "fidelity": card.fidelity,
        "reference": card.reference,
    }


def _selection_row(name: str) -> dict[str, Any]:
    card = load_selection(name)
    return {"name": card.name, "title": card.title, "reference": card.reference}


def _fit(name: str) -> dict[str, Any]:
    from hepad.cards.fit import load_fit

    card = load_fit(name)
    return {"name": card.name, "title": card.title, "reference": card.reference}


def _study(name: str) -> dict[str, Any]:
    from hepad.cards.sensitivity import load_any_study

    card = load_any_study(name)
    return {
        "name": card.name,
        "title": card.title,
        "analyses": ", ".join(card.systems),
        "reference": card.reference,
    }


def _budget(name: str) -> dict[str, Any]:
    from hepad.cards.budget import load_budget

    card = load_budget(name)
    return {
        "name": card.name,
        "title": card.title,
        "latency [ns]": f"{card.latency_ns:g}",
        "device": card.device or "processor",
        "reference": card.reference,
    }


def _menu(name: str) -> dict[str, Any]:
    card = load_menu(name)
    return {"name": card.name, "title": card.title, "seeds": str(len(card.seeds)), "reference": card.reference}


_TABLES = (registry.SCORERS, registry.INPUTS, registry.METHODS, registry.READERS)


def _kind(name: str) -> dict[str, Any]:
    """A model, input, method or reader, and the package that it is from; one that does not load says why."""
    table = next(table for table in _TABLES if name in table)
    try:
        entry = table[name]
    except CardError as error:
        return {"name": name, "kind": table.what, "title": str(error), "inputs": "", "from": table.package_of(name)}
    inputs = ", ".join(entry.inputs)
    return {"name": name, "kind": table.what, "title": entry.title, "inputs": inputs, "from": table.package_of(name)}


@dataclass(frozen=True)
class Catalogue:
    """Where the cards of a kind are ("" for what has none), what they are for, and the row of one of them."""

    folder: str
    what: str
    row: Callable[[str], dict[str, Any]]


CATALOGUES = {
    "models": Catalogue("bundles", "networks with weights, for score, evaluate, rates, latency", _model),
    "analyses": Catalogue("analyses", "recipes for train, and published searches for reinterpret", _analysis),
    "methods": Catalogue(METHODS_FOLDER, "ways for hunt to find a resonance", _method),
    "hunts": Catalogue(HUNTS_FOLDER, "searches in windows, for hunt --analysis", _hunt),
    "studies": Catalogue("analyses/studies", "published studies that study repeats", _study),
    "selections": Catalogue("selections", "cuts on events, for --selection", _selection_row),
    "fits": Catalogue("fits", "background functions, for fit, bumphunt, limit", _fit),
    "budgets": Catalogue("budgets", "what a trigger affords, for latency", _budget),
    "menus": Catalogue(MENUS_FOLDER, "ordinary triggers beside which rates looks", _menu),
    "kinds": Catalogue("", "models, inputs, methods and readers that a card can name", _kind),
}

_LONG = ("columns", "hashes", "scale")
"""What of a bundle's card nobody reads."""


@dataclass(frozen=True)
class Thing:
    """Something that ships: its kind and name, its row of the catalogue, and its card as text (YAML)."""

    kind: str
    name: str
    row: dict[str, Any]
    card: str


def catalogue(kind: str) -> list[dict[str, Any]]:
    """One row a bundled thing of a kind in `CATALOGUES`."""
    return [CATALOGUES[kind].row(name) for name in _names(kind)]


def overview() -> dict[str, tuple[str, list[str]]]:
    """For each kind what it is for, and the names."""
    return {kind: (found.what, _names(kind)) for kind, found in CATALOGUES.items()}


def _names(kind: str) -> list[str]:
    if folder := CATALOGUES[kind].folder:
        return bundled_names(folder)
    return [name for table in _TABLES for name in table]


def shown(name: str) -> list[Thing]:
    """All that ships and is called so, of one kind if the name is KIND/NAME, or the bundle in a folder of that path.

    `CardError` if there is none.
    """
    kind, slash, rest = name.partition("/")
    wanted, kinds = (rest, [kind]) if slash and kind in CATALOGUES else (name, [*CATALOGUES])
    found = [_thing(kind, wanted) for kind in kinds if wanted in _names(kind)]
    if not found and (Path(name) / BUNDLE_CARD).exists():
        return [_thing("models", name)]
    if not found:
        near = get_close_matches(wanted, {each for kind in kinds for each in _names(kind)}, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "hepad list KIND has the names"
        raise CardError(f"nothing that ships with hepad is called {name!r}; {hint}")
    return found


def _thing(kind: str, name: str) -> Thing:
    row, folder = CATALOGUES[kind].row(name), CATALOGUES[kind].folder
    if kind == "models":
        card = {key: value for key, value in read_content(resolve(folder, name)).items() if key not in _LONG}
        if training := card.get("training"):  # what was imported has none
            card["training"] = {key: value for key, value in training.items() if not isinstance(value, list)}
        return Thing(kind, row["name"], row, yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=100))
    return Thing(kind, name, row, shipped(folder, name).read_text(encoding="utf-8") if folder else "")
