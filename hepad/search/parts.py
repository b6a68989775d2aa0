"""The files that an analysis is made of, by their paths in an archive or an unpacked folder."""

from __future__ import annotations

from pathlib import Path

from hepad.bundles.files import CARD, GRAPH, WEIGHTS
from hepad.cards.analysis import load_analysis
from hepad.cards.fit import load_fit
from hepad.cards.resolver import resolve
from hepad.cards.search import SearchCard, is_path, located, search_files
from hepad.cards.selection import load_selection

__all__ = ["FOLDER", "Files", "add_bundle", "add_card", "search_parts"]

FOLDER = "analyses"
"""Where the card of an analysis is."""
_BUNDLE = (CARD, WEIGHTS, GRAPH, "loss.png")

Files = dict[str, Path]
"""Files by their path in the archive."""


def search_parts(card: SearchCard, folder: Path, model: str | None = None) -> Files:
    """The selections, fits and bundles that a search names, and the files below its folder, each loaded or there.

    `model` takes the place of its bundle.
    """
    files: Files = {}
    for category in card.categories:
        for name in (category.selection, *category.other_selections):
            load_selection(located(folder, "selections", name))
            add_card(files, "selections", folder, name)
        if category.network is not None:
            load_analysis(located(folder, FOLDER, category.network))
            add_card(files, FOLDER, folder, category.network)
        if category.bundle is not None:
            add_bundle(files, folder, category.bundle, model)
    for name in dict.fromkeys((*card.fits, *(fit for channel in card.channels.values() for fit in channel.fits))):
        load_fit(located(folder, "fits", name))
        add_card(files, "fits", folder, name)
    for name in search_files(card):
        source = folder / name
        for path in sorted(source.rglob("*")) if source.is_dir() else (source,):
            if not path.is_dir():
                files[f"{FOLDER}/{path.relative_to(folder).as_posix()}"] = path
    return files


def add_card(files: Files, kind: str, folder: Path, name: str) -> None:
    """A card by its name goes to the folder of its kind, one by a path below the analysis stays there."""
    files[f"{FOLDER}/{name}" if is_path(name) else f"{kind}/{name}.yaml"] = Path(located(folder, kind, name))


def add_bundle(files: Files, folder: Path, name: str, model: str | None) -> None:
    """The files of a bundle; `model` is another one in its place."""
    place = f"{FOLDER}/{name}" if is_path(name) else f"bundles/{name}"
    bundle = resolve("bundles", model or located(folder, "bundles", name))
    for file in _BUNDLE:
        if (bundle / file).is_file():
            files[f"{place}/{file}"] = bundle / file
