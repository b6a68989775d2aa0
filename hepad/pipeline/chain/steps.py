"""A step of a chain by its name: a model in a region, a search, a selection, or the selection of a hunt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from hepad.bundles.bundle import load_bundle
from hepad.bundles.files import CARD
from hepad.cards.analysis import RegionSpec, region_keys
from hepad.cards.base import read_yaml, validation_summary
from hepad.cards.hunt import HUNTS_FOLDER, is_hunt
from hepad.cards.plane import load_any_hunt
from hepad.cards.resolver import bundled_names, resolve
from hepad.cards.search import ALL, is_search, search_names
from hepad.cards.selection import load_selection
from hepad.errors import CardError, UsageError
from hepad.search.any_analysis import search_of_bundle, search_of_selection
from hepad.search.search import Search, prepare_search

__all__ = ["ChainStep", "prepare_step"]

_GIVEN = "given"
"""What a region is called that the command line sets."""


@dataclass(frozen=True)
class ChainStep:
    """A step: its level, what it is called, and the search and region whose events pass it.

    `threshold` is that of the score in the region, None for a selection and for several categories.
    """

    level: str
    name: str
    search: Search
    region: str

    @property
    def threshold(self) -> float | None:
        """The threshold on the score, None where there is none or there are several."""
        found = [category.regions.get(self.region) for category in self.search.categories]
        return found[0].threshold if len(found) == 1 and found[0] is not None else None


def prepare_step(level: str, text: str) -> ChainStep:
    """The step of `NAME` or `NAME@REGION`; `CardError` if nothing has that name, `UsageError` if it has no such region.

    NAME is a bundled model or a bundle folder, which need a region; a search, whose region is by default that of its
    limits; a selection, or a hunt, whose selection it is: bundled ones or cards. REGION is the name of one, or a new
    one as for `hepad score`, `threshold:415` for instance.
    """
    name, setting = _split(text)
    region, spec = _region(level, text, setting)
    extra = {} if spec is None else {_GIVEN: spec}
    if _is_bundle(name):
        search = search_of_bundle(load_bundle(name), extra)
        if region is None:
            raise UsageError(f"--{level} {text}: say where, as {name}@REGION: {_listed(search)} or threshold:X")
    elif _is_search(name):
        search = prepare_search(name, region=None if spec is None else (_GIVEN, spec))
        region = region or search.signal_region
    else:
        search = _selection(level, text, name)
        region = region or ALL
    if region not in search.regions:
        raise UsageError(f"--{level} {text}: {name} has no region {region!r}: {_listed(search)} or threshold:X")
    words = Path(name).name.removesuffix(".yaml")
    return ChainStep(level, words if setting is None else f"{words}@{setting}", search, region)


def _split(text: str) -> tuple[str, str | None]:
    """The name and the region: the longest part before an @ that is there, as names of bundles may have one."""
    ends = [i for i, letter in enumerate(text) if letter == "@"]
    for end in reversed(ends):
        if _known(text[:end]):
            return text[:end], text[end + 1 :]
    if _known(text) or not ends:
        return text, None
    return text[: ends[0]], text[ends[0] + 1 :]


def _known(name: str) -> bool:
    folders = ("bundles", "analyses", "selections", HUNTS_FOLDER)
    return Path(name).exists() or any(name in bundled_names(folder) for folder in folders)


def _region(level: str, text: str, setting: str | None) -> tuple[str | None, RegionSpec | None]:
    if setting is None or ":" not in setting:
        return setting, None
    try:
        return _GIVEN, RegionSpec(**region_keys(setting))
    except ValidationError as error:
        raise UsageError(f"--{level} {text}: {validation_summary(error)}") from error
    except ValueError as error:
        raise UsageError(f"--{level} {text}: {error}") from error


def _is_bundle(name: str) -> bool:
    return (Path(name) / CARD).is_file() or (not Path(name).exists() and name in bundled_names("bundles"))


def _is_search(name: str) -> bool:
    return is_search(read_yaml(Path(name))) if Path(name).is_file() else name in search_names()


def _selection(level: str, text: str, name: str) -> Search:
    if is_hunt(name):
        name = load_any_hunt(name).selection
    elif not Path(name).is_file() and name not in bundled_names("selections"):
        raise CardError(
            f"--{level} {text}: there is no model, search, selection or hunt {name!r}: see 'hepad list', or give the "
            "path of a bundle or card"
        )
    return search_of_selection(load_selection(name), resolve("selections", name))


def _listed(search: Search) -> str:
    names = [region for region in search.regions if region != ALL]
    return f"it has {', '.join(names)}," if names else "it has none,"
