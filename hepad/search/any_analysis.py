"""An analysis of either kind made ready for events: a published search, or a model with its selection and regions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hepad.bundles.bundle import Bundle, load_bundle
from hepad.cards.analysis import AnalysisCard, RegionSpec, load_analysis
from hepad.cards.base import read_yaml
from hepad.cards.bundle import BundleCard, RegionCard
from hepad.cards.resolver import resolve
from hepad.cards.search import ALL, SCHEMA, SearchCard, is_search
from hepad.cards.selection import SelectionCard, load_selection
from hepad.errors import CardError
from hepad.provenance import sha256_file
from hepad.search.search import Category, Search, prepare_search

__all__ = ["SQRT_S_GEV", "prepare_analysis", "search_of_bundle", "search_of_selection"]

SQRT_S_GEV = 13_000.0
"""Collision energy for a model's card, which does not say one; only for inputs that need it and files without it."""


def prepare_analysis(name: str, *, model: str | None = None) -> Search:
    """A search, or the search of one category that an analysis card or a selection's card amounts to.

    A model's card takes the bundle `model`, else that of its name; its regions are those of the bundle.
    """
    path = resolve("analyses", name)
    content = read_yaml(path)
    if is_search(content):
        return prepare_search(name, model=model)
    if str(content.get("schema", "")).startswith("selection/"):
        if model is not None:
            raise CardError(f"{name} is a selection; it uses no model")
        return _of_one_category(path, load_selection(str(path)), None)
    recipe = load_analysis(name)
    bundle = load_bundle(model or recipe.name)
    return _of_one_category(path, bundle.card.selection, bundle, recipe)  # what its regions were set with


def search_of_bundle(bundle: Bundle, extra: Mapping[str, RegionSpec] | None = None) -> Search:
    """The search of one category that a bundle with its selection amounts to, with `extra` regions beside its own."""
    regions = bundle.regions(extra or {})
    return _of_one_category(bundle.path, bundle.card.selection, bundle, bundle.card, regions)


def search_of_selection(selection: SelectionCard, path: Path) -> Search:
    """The search of one category that a selection is."""
    return _of_one_category(path, selection, None)


def _of_one_category(
    path: Path,
    selection: SelectionCard,
    bundle: Bundle | None,
    source: AnalysisCard | SelectionCard | BundleCard | None = None,
    every: Mapping[str, RegionCard] | None = None,
) -> Search:
    source = source or selection
    regions = dict(every or ({} if bundle is None else bundle.card.regions))
    card = SearchCard.model_validate(
        {
            "schema": SCHEMA,
            "name": source.name,
            "title": source.title,
            "reference": source.reference,
            "fidelity": "inspired",
            "fidelity_note": "not a published search",
            "sqrt_s_gev": SQRT_S_GEV,
            "categories": [
                {
                    "name": "events",
                    "title": source.title,
                    "selection": selection.name,
                    "bundle": None if bundle is None else bundle.card.name,
                }
            ],
            "regions": (ALL, *regions),
        }
    )
    category = Category(card.categories[0], selection, bundle, regions, {}, ())
    cards = {f"analysis {source.name}": sha256_file(path)} if path.is_file() else {}
    if bundle is not None:
        cards[f"bundle {bundle.card.name}"] = bundle.sha256
    return Search(card, path.parent, (category,), (ALL, *regions), ALL, cards, as_published=True)
