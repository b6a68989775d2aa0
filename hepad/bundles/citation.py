"""What to cite for something that ships with hepad: its reference, that of its selection, and hepad."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hepad.bundles.files import read_card
from hepad.cards.analysis import load_analysis
from hepad.cards.base import read_yaml
from hepad.cards.cite import CiteCard
from hepad.cards.method import load_method
from hepad.cards.resolver import bundled_names, citation_file, resolve
from hepad.cards.search import is_search, load_search, located
from hepad.cards.selection import SelectionCard, load_selection
from hepad.cards.sensitivity import SensitivityCard, load_any_study
from hepad.errors import HepadError, UsageError

__all__ = ["Citation", "arxiv", "citations", "experiment", "references", "shipped_citations", "source_of"]

_ARXIV = re.compile(r"arXiv:\s*(\d{4}\.\d{4,5})", re.IGNORECASE)
_NUMBER = re.compile(r"\b\d{4}\.\d{4,5}\b")
_NAMED = re.compile(r"\d{4}|^[A-Z][\w-]*( et al\.)?, ")
"""What the reference of a publication has, a number or a year or authors before a title, and a remark has not."""
_EXPERIMENT = re.compile(r"(ATLAS|CMS|LHCb|ALICE)\b")


@dataclass(frozen=True)
class Citation:
    """One thing to cite: what it is for, its reference as text, and as a BibTeX entry."""

    what: str
    text: str
    bibtex: str


def arxiv(reference: str) -> str:
    """The first arXiv number of a reference, nothing if it has none."""
    found = _ARXIV.search(reference)
    return found.group(1) if found else ""


def experiment(reference: str) -> str:
    """The experiment that a reference begins with, nothing if that is none."""
    found = _EXPERIMENT.match(reference)
    return found.group(1) if found else ""


def source_of(reference: str) -> str:
    """Where a reference is published, as short as it can be said: its arXiv number, else all of it."""
    number = arxiv(reference)
    return f"arXiv:{number}" if number else reference


def citations(kind: str, name: str) -> list[Citation]:
    """What to cite for `name` of a kind in `CATALOGUES`; `CardError` if there is no such thing.

    `UsageError` for a kind without references. The text is the `reference` of the card as it stands there. The entry
    of a card with the key `cite` has what that says; of any other, the text as a note and its arXiv number as a field.
    Left out are remarks that name no publication, and selections that name none but those before.
    """
    if kind not in _REFERENCES:
        raise UsageError(f"{kind} have no references; choose one of {', '.join(_REFERENCES)}")
    found: list[Citation] = []
    for what, key, text, cite in dict.fromkeys(_REFERENCES[kind](name)):
        numbers = set(_ARXIV.findall(text))
        known = {number for one in found for number in _NUMBER.findall(one.bibtex)}
        repeats = numbers <= known if numbers else text in {one.text for one in found}
        if (cite or _NAMED.search(text)) and not (repeats and what.startswith("selection ")):
            found.append(Citation(what, text, _publication(key, text, cite)))
    return [*found, _hepad()]


def shipped_citations(kind: str, folder: str, name: str) -> list[tuple[str, str]]:
    """Text and entry of what to cite for a thing that ships in `folder`, once each; none for one of somebody's own."""
    found: dict[str, str] = {}
    for one in citations(kind, name) if name in bundled_names(folder) else []:
        found.setdefault(one.text, one.bibtex)
    return list(found.items())


def references(analysis: str, reference: str) -> list[Citation]:
    """What to cite for an analysis whose card has this reference, be it one that ships or somebody's own."""
    try:
        found = citations("analyses", analysis)
    except HepadError:
        found = []
    if any(citation.text == reference for citation in found):
        return found
    return [Citation(f"analysis {analysis}", reference, _publication(analysis, reference, None)), _hepad()]


Reference = tuple[str, str, str, CiteCard | None]
"""What for, the key of the entry, the text, and the card's key `cite`."""


def _model(name: str) -> list[Reference]:
    card = read_card(resolve("bundles", name))
    return [(f"model {card.name}", card.name, card.reference, None), _selection(card.selection)]


def _analysis(name: str) -> list[Reference]:
    if is_search(read_yaml(resolve("analyses", name))):
        search, folder = load_search(name)
        selections = [load_selection(located(folder, "selections", c.selection)) for c in search.categories]
        return [(f"analysis {search.name}", search.name, search.reference, search.cite), *map(_selection, selections)]
    card = load_analysis(name)
    return [(f"analysis {card.name}", card.name, card.reference, None), _selection(load_selection(card.selection))]


def _study(name: str) -> list[Reference]:
    card = load_any_study(name)
    of = _method if isinstance(card, SensitivityCard) else _analysis
    systems = [reference for system in card.systems for reference in of(system)]
    return [(f"study {card.name}", f"study-{card.name}", card.reference, None), *systems]


def _method(name: str) -> list[Reference]:
    card = load_method(name)
    return [(f"method {card.name}", card.name, card.reference, None), _selection(load_selection(card.selection))]


def _fit(name: str) -> list[Reference]:
    from hepad.cards.fit import load_fit

    card = load_fit(name)
    return [(f"fit {card.name}", card.name, card.reference, None)]


def _hunt(name: str) -> list[Reference]:
    from hepad.cards.plane import load_any_hunt

    card = load_any_hunt(name)
    return [(f"hunt {card.name}", card.name, card.reference, card.cite)]


def _budget(name: str) -> list[Reference]:
    from hepad.cards.budget import load_budget

    card = load_budget(name)
    return [(f"budget {card.name}", card.name, card.reference, None)]


def _menu(name: str) -> list[Reference]:
    from hepad.cards.menu import load_menu

    card = load_menu(name)
    return [(f"menu {card.name}", card.name, card.reference, None)]


def _selection(card: SelectionCard) -> Reference:
    return f"selection {card.name}", f"selection-{card.name}", card.reference, None


_REFERENCES: dict[str, Callable[[str], list[Reference]]] = {
    "models": _model,
    "analyses": _analysis,
    "methods": _method,
    "studies": _study,
    "selections": lambda name: [_selection(load_selection(name))],
    "fits": _fit,
    "hunts": _hunt,
    "budgets": _budget,
    "menus": _menu,
}


def _hepad() -> Citation:
    card = read_yaml(citation_file())
    authors = " and ".join(author["name"] for author in card["authors"])
    text = f"{authors}, {card['title']}, version {card['version']}"
    fields = {"author": f"{{{authors}}}", "title": f"{{{card['title']}}}", "version": str(card["version"])}
    return Citation("software", text, _entry("hepad", fields, "software"))


def _publication(key: str, text: str, cite: CiteCard | None) -> str:
    """The entry of a reference: an article if its journal is known. The text is a note unless title and authors are."""
    if cite is None:
        number = arxiv(text)
        told = {"note": text} | ({"eprint": number, "archivePrefix": "arXiv"} if number else {})
    else:
        told = dict(cite.fields())
        if not {"author", "title"} <= told.keys():
            told["note"] = text
    return _entry(key, told, "article" if "journal" in told else "misc")


def _entry(key: str, fields: Mapping[str, str], kind: str) -> str:
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}}}"
