"""What ships with hepad: models, selections, analyses, background functions."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import yaml

from hepad import registry
from hepad.bundles.files import read_content
from hepad.cards.analysis import load_analysis
from hepad.cards.hunt import HUNTS_FOLDER, HuntCard
from hepad.cards.menu import MENUS_FOLDER, load_menu
from hepad.cards.method import METHODS_FOLDER, load_method
from hepad.cards.plane import load_any_hunt
from hepad.cards.resolver import bundled_names, resolve, shipped
from hepad.cards.search import SearchCard, load_search, search_names
from hepad.cards.selection import load_selection
from hepad.errors import CardError, UsageError

__all__ = ["CATALOGUES", "Thing", "catalogue", "overview", "shown"]


def _models() -> list[dict[str, Any]]:
    rows = []
    for name in bundled_names("bundles"):
        card = read_content(resolve("bundles", name))
        kind, shape = card["input"]["kind"], card.get("shape") or (len(card["columns"]),)
        rows.append(
            {
                "name": name,
                "title": card["title"],
                "selection": card["selection"]["name"],
                "input": f"{kind} ({' x '.join(map(str, shape))})",
                "scores": ", ".join(card["scores"]),
                "trained on": _named([source["name"] for source in card["provenance"].get("inputs", [])]),
                "fidelity": card["fidelity"],
                "reference": card["reference"],
            }
        )
    return rows


def _named(files: list[str]) -> str:
    """Files by their names; of more than six the first and the last."""
    return ", ".join(files) if len(files) <= 6 else f"{files[0]} to {files[-1]}, {len(files)} files"


def _analyses() -> list[dict[str, Any]]:
    """Models to train and published searches to hold a signal against: both are analyses."""
    return [_search(name) if name in search_names() else _recipe(name) for name in bundled_names("analyses")]


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


def _methods() -> list[dict[str, Any]]:
    cards = [load_method(name) for name in bundled_names(METHODS_FOLDER)]
    return [
        {
            "name": c.name,
            "title": c.title,
            "selection": c.selection,
            "method": c.method.name,
            "folds": c.folds,
            "fidelity": c.fidelity,
            "reference": c.reference,
        }
        for c in cards
    ]


def _hunts() -> list[dict[str, Any]]:
    cards = [load_any_hunt(name) for name in bundled_names(HUNTS_FOLDER)]
    return [
        {
            "name": c.name,
            "title": c.title,
            "methods": ", ".join(c.methods if isinstance(c, HuntCard) else c.regions),
            "windows": sum(len(edges) - 3 for edges in c.windows.values())
            if isinstance(c, HuntCard)
            else len(c.unknown.windows),
            "fidelity": c.fidelity,
            "reference": c.reference,
        }
        for c in cards
    ]


def _selections() -> list[dict[str, Any]]:
    cards = [load_selection(name) for name in bundled_names("selections")]
    return [{"name": c.name, "title": c.title, "reference": c.reference} for c in cards]


def _fits() -> list[dict[str, Any]]:
    from hepad.cards.fit import load_fit

    cards = [load_fit(name) for name in bundled_names("fits")]
    return [{"name": c.name, "title": c.title, "reference": c.reference} for c in cards]


def _studies() -> list[dict[str, Any]]:
    from hepad.cards.sensitivity import load_any_study

    cards = [load_any_study(name) for name in bundled_names("analyses/studies")]
    return [
        {"name": c.name, "title": c.title, "analyses": ", ".join(c.systems), "reference": c.reference} for c in cards
    ]


_TABLES = (registry.SCORERS, registry.INPUTS, registry.METHODS, registry.READERS)


def _kinds() -> list[dict[str, Any]]:
    """Models, inputs, methods and readers, and the packages that they are from; one that does not load says why."""
    return [_kind(table, name) for table in _TABLES for name in table]


def _kind(table: registry.Table, name: str) -> dict[str, Any]:
    try:
        entry = table[name]
    except CardError as error:
        return {"name": name, "kind": table.what, "title": str(error), "inputs": "", "from": table.package_of(name)}
    inputs = ", ".join(entry.inputs)
    return {"name": name, "kind": table.what, "title": entry.title, "inputs": inputs, "from": table.package_of(name)}


def _budgets() -> list[dict[str, Any]]:
    from hepad.cards.budget import load_budget

    cards = [load_budget(name) for name in bundled_names("budgets")]
    return [
        {
            "name": c.name,
            "title": c.title,
            "latency [ns]": f"{c.latency_ns:g}",
            "device": c.device or "processor",
            "reference": c.reference,
        }
        for c in cards
    ]


def _menus() -> list[dict[str, Any]]:
    cards = [load_menu(name) for name in bundled_names(MENUS_FOLDER)]
    return [{"name": c.name, "title": c.title, "seeds": str(len(c.seeds)), "reference": c.reference} for c in cards]


CATALOGUES = {
    "models": _models,
    "analyses": _analyses,
    "methods": _methods,
    "hunts": _hunts,
    "studies": _studies,
    "selections": _selections,
    "fits": _fits,
    "budgets": _budgets,
    "menus": _menus,
    "kinds": _kinds,
}

_FOLDERS = {
    "models": ("bundles", "networks with weights, for score, evaluate, rates, latency"),
    "analyses": ("analyses", "recipes for train, and published searches for reinterpret"),
    "methods": (METHODS_FOLDER, "ways for hunt to find a resonance"),
    "hunts": (HUNTS_FOLDER, "searches in windows, for hunt --analysis"),
    "studies": ("analyses/studies", "published studies that study repeats"),
    "selections": ("selections", "cuts on events, for --selection"),
    "fits": ("fits", "background functions, for fit, bumphunt, limit"),
    "budgets": ("budgets", "what a trigger affords, for latency"),
    "menus": (MENUS_FOLDER, "ordinary triggers beside which rates looks"),
    "kinds": ("", "models, inputs, methods and readers that a card can name"),
}
"""Where the cards of a kind are, and what they are for."""

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
    return CATALOGUES[kind]()


def overview() -> dict[str, tuple[str, list[str]]]:
    """For each kind what it is for, and the names."""
    return {kind: (what, _names(kind)) for kind, (_, what) in _FOLDERS.items()}


def _names(kind: str) -> list[str]:
    if folder := _FOLDERS[kind][0]:
        return bundled_names(folder)
    return [name for table in _TABLES for name in table]


def shown(name: str) -> list[Thing]:
    """All that is called so, of one kind if the name is KIND/NAME; `UsageError` if nothing is."""
    kind, slash, rest = name.partition("/")
    wanted, kinds = (rest, [kind]) if slash and kind in CATALOGUES else (name, [*CATALOGUES])
    found = [_thing(kind, wanted) for kind in kinds if wanted in _names(kind)]
    if not found:
        near = get_close_matches(wanted, {each for kind in kinds for each in _names(kind)}, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "hepad list KIND has the names"
        raise UsageError(f"nothing that ships with hepad is called {name!r}; {hint}")
    return found


def _thing(kind: str, name: str) -> Thing:
    row = next(row for row in catalogue(kind) if row["name"] == name)
    folder = _FOLDERS[kind][0]
    if kind == "models":
        card = {key: value for key, value in read_content(shipped(folder, name)).items() if key not in _LONG}
        card["training"] = {key: value for key, value in card["training"].items() if not isinstance(value, list)}
        return Thing(kind, name, row, yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=100))
    return Thing(kind, name, row, shipped(folder, name).read_text(encoding="utf-8") if folder else "")
