"""The searches that ship with hepad, as HEPData asks tools to list what they implement: `analyses.json`, schema 1.0.0.

HEPData reads such a file from a web address, and links the record of each publication to the pages that it names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from string import Formatter
from typing import Any
from urllib.parse import urlsplit

import hepad
from hepad.cards.cite import CiteCard
from hepad.cards.hunt import HUNTS_FOLDER
from hepad.cards.plane import load_any_hunt
from hepad.cards.resolver import bundled_names
from hepad.cards.search import load_search, search_names
from hepad.errors import UsageError
from hepad.output.atomic import atomic_path, check_file
from hepad.provenance import command_line, provenance

__all__ = ["HepdataReport", "list_for_hepdata"]

SCHEMA_VERSION = "1.0.0"
_VERB = "analysis hepdata"
_PLACES = ("name", "path")
"""What an address may have in braces: keys of an implementation."""
_LICENSE = {"name": "BSD-3-Clause", "url": "https://spdx.org/licenses/BSD-3-Clause.html"}


@dataclass(frozen=True)
class HepdataReport:
    """The file: its searches by their number at INSPIRE, and those that are not in it, for want of one."""

    output: Path
    listed: dict[int, tuple[str, ...]]
    left_out: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        listed = [{"inspire_id": number, "names": list(names)} for number, names in self.listed.items()]
        return {"analyses": listed, "left_out": list(self.left_out), "output": str(self.output)}


def list_for_hepdata(
    output: Path, url: str, *, validation_url: str | None = None, date: str | None = None
) -> HepdataReport:
    """Write `analyses.json` of all searches and hunts that ship and whose publication has a known number at INSPIRE.

    `url` and `validation_url` are addresses of their pages with `{name}` or `{path}` in them; hepad has none of its
    own. `date` is when the file was made, now if it is not given. `UsageError` for an address or date that is none.
    """
    templates = {"main_url": _template("--url", url)}
    if validation_url is not None:
        templates["val_url"] = _template("--validation-url", validation_url)
    created = _moment(date)
    check_file(output, verb=_VERB)
    found: dict[int, list[dict[str, str]]] = {}
    titles: dict[int, str] = {}
    left_out = []
    for name, path, title, cite in _shipped():
        number = cite.inspire_id if cite is not None else None
        if number is None:
            left_out.append(name)
            continue
        found.setdefault(number, []).append({"name": name, "path": path})
        titles.setdefault(number, title)
    content = {
        "schema_version": SCHEMA_VERSION,
        "tool": "hepad",
        "version": hepad.__version__,
        "date_created": created,
        "implementations_description": "hepad analysis",
        "url_templates": templates,
        "analyses": [
            {"inspire_id": number, "pretty_name": titles[number], "implementations": found[number]}
            for number in sorted(found)
        ],
        "implementations_license": _LICENSE,
        "provenance": provenance(command_line(_VERB)),
    }
    with atomic_path(output, verb=_VERB) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    listed = {number: tuple(one["name"] for one in found[number]) for number in sorted(found)}
    return HepdataReport(output, listed, tuple(left_out))


def _shipped() -> Iterator[tuple[str, str, str, CiteCard | None]]:
    """Name, place in the repository, title and publication of each search and hunt."""
    for name in search_names():
        search, _ = load_search(name)
        yield name, f"analyses/{name}.yaml", search.title, search.cite
    for name in bundled_names(HUNTS_FOLDER):
        hunt = load_any_hunt(name)
        yield name, f"{HUNTS_FOLDER}/{name}.yaml", hunt.title, hunt.cite


def _template(option: str, url: str) -> str:
    """An address with a place for the name or the path of a search; `UsageError` if it is none."""
    try:
        places = {place for _, place, _, _ in Formatter().parse(url) if place is not None}
        parts = urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{option} {url!r} is no address: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.netloc or any(letter.isspace() for letter in url):
        raise UsageError(f"{option} {url!r} is no address: give one that begins with https://")
    if not places or not places <= set(_PLACES):
        raise UsageError(f"{option} {url!r} must have {{name}} or {{path}} where that of a search belongs, no other")
    return url


def _moment(date: str | None) -> str:
    """A moment in the form of RFC 3339; `UsageError` if it has no time zone or is none."""
    if date is None:
        return datetime.now(timezone.utc).isoformat(timespec="seconds")
    try:
        moment = datetime.fromisoformat(f"{date[:-1]}+00:00" if date.endswith("Z") else date)
        if moment.tzinfo is not None:
            return moment.astimezone(timezone.utc).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        pass
    raise UsageError(f"--date {date!r} is no moment with its time zone, such as 2026-03-01T12:00:00+00:00")
