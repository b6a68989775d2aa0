"""A published search with the network that its own authors trained."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt
import yaml

from hepad.bundles.files import write_bundle_files
from hepad.cards.analysis import AnalysisCard
from hepad.cards.base import read_yaml
from hepad.cards.bundle import Imported
from hepad.cards.resolver import resolve, unpacked
from hepad.cards.search import CategoryCard, SearchCard, load_search, located
from hepad.errors import UsageError
from hepad.io.exchange.archive import write_manifest
from hepad.pipeline.import_model.parity import PARITY_TOLERANCE
from hepad.search.parts import FOLDER, search_parts
from hepad.search.search import prepare_search

__all__ = ["SearchSource", "fidelity", "note", "search_fidelity", "write_search"]


@dataclass(frozen=True)
class SearchSource:
    """A search that says what its authors' network is: `network` is the card for that, `path` the search's own."""

    card: SearchCard
    path: Path
    network: str

    @classmethod
    def of(cls, name: str) -> SearchSource:
        """The search of a bundled name or a path; `UsageError` if it names no network, or several."""
        card, folder = load_search(name)
        networks = {category.network for category in card.categories if category.network is not None}
        if len(networks) != 1:
            raise UsageError(
                f"the card of {card.name} names {len(networks) or 'no'} networks of its authors (key network of its "
                "categories), not one: import with --card, then give the bundle to --model"
            )
        return cls(card, resolve(FOLDER, name), located(folder, FOLDER, networks.pop()))


def fidelity(imported: Imported) -> Literal["exact", "approximate"]:
    """How near a network is to that of its authors: as near as somebody has checked, however much they allowed."""
    near = all(one.largest_difference <= PARITY_TOLERANCE for one in imported.parity)
    return "exact" if imported.parity_checked and near else "approximate"


def search_fidelity(bundle: Mapping[str, Any], categories: Sequence[CategoryCard]) -> dict[str, str]:
    """How near a search is to the reference: not more than its categories, some of which may keep networks of ours."""
    kept = [one.name for one in categories if one.network is None and one.bundle is not None]
    if not kept:
        return {"fidelity": bundle["fidelity"], "fidelity_note": bundle["fidelity_note"]}
    note = f"{bundle['fidelity_note']}; category {', '.join(kept)} is not of that network"
    return {"fidelity": "approximate", "fidelity_note": note}


def note(recipe: AnalysisCard, imported: Imported) -> str:
    """What that rests on."""
    where = f"the file {imported.file!r} (sha256 {imported.sha256[:12]})"
    if not imported.parity_checked:
        return f"{recipe.fidelity_note}; nobody has checked that {where} gives its authors' numbers (no --vectors)"
    largest = max(one.largest_difference for one in imported.parity)
    return f"{recipe.fidelity_note}; {where} gives its authors' numbers to {largest:.1g}"


def write_search(
    folder: Path, source: SearchSource, bundle: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]
) -> SearchCard:
    """Fill a folder with the search and the bundle, as `hepad analysis unpack` would have; the card that it has now.

    Simulated background and test vectors are left out: they hold the scores of another network.
    """
    name, own = bundle["name"], source.card.name
    place = folder / "bundles" / name
    place.mkdir(parents=True)
    write_bundle_files(place, bundle, tensors)
    scored = [category.network is not None for category in source.card.categories]
    rest = [
        category.model_copy(update={"bundle": None, "network": None} if theirs else {})
        for category, theirs in zip(source.card.categories, scored, strict=True)
    ]
    left_out = {"background_events": None, "vectors": None}
    card = source.card.model_copy(update={"categories": tuple(rest), **left_out})
    for path, file in search_parts(card, source.path.parent).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / path)
    content = {key: value for key, value in read_yaml(source.path).items() if key not in left_out}
    content |= search_fidelity(bundle, source.card.categories)
    content["categories"] = [
        {**{key: value for key, value in category.items() if key != "network"}, **({"bundle": name} if theirs else {})}
        for category, theirs in zip(content["categories"], scored, strict=True)
    ]
    (folder / FOLDER).mkdir(exist_ok=True)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    (folder / FOLDER / f"{own}.yaml").write_text(text, encoding="utf-8")
    write_manifest(folder, name=own, card=f"{FOLDER}/{own}.yaml", provenance=bundle["provenance"])
    with unpacked(str(folder)) as path:
        return prepare_search(path).card
