"""Outputs that are there and complete: a command that would make the same again does nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hepad.cards.base import Card
from hepad.cards.selection import SelectionCard
from hepad.errors import InputDataError
from hepad.provenance import provenance, sha256_bytes

__all__ = ["card_hash", "made_with", "selection_hash", "stored_record", "would_be_same"]


def would_be_same(stored: Any, now: Mapping[str, Any]) -> bool:
    """Whether what an output says of itself is what it would say if it were made now.

    Both are provenance records, or hold one as `provenance`, and have no report in them. Which files were left out, or
    read as a whole, is no part of the comparison: the same files would be.
    """
    return bool(_without_reasons(stored) == _without_reasons(now))


def stored_record(record: Path, files: Sequence[str] = ()) -> tuple[Any, dict[str, Any]]:
    """The provenance and the whole content of a folder's record in JSON.

    `InputDataError` if the folder lacks one of the other `files`; what else is wrong is raised as it comes.
    """
    content: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    for name in files:
        if not (record.parent / name).is_file():
            raise InputDataError(f"{record.parent} has no {name}")
    return content["provenance"], content


def made_with(**what: Any) -> dict[str, Any]:
    """What the parts of an interrupted run depend on: the versions of hepad and others, and `what` besides."""
    record = provenance("")
    return {**{name: record[name] for name in ("hepad", "python", "packages")}, **what}


def selection_hash(selection: SelectionCard) -> dict[str, str]:
    """The sha256 of a selection card's content by the card's name, for provenance: a name alone tells too little."""
    return card_hash("selection", selection.name, selection)


def card_hash(kind: str, name: str, card: Card) -> dict[str, str]:
    """The same of any card."""
    content = json.dumps(card.model_dump(mode="json", by_alias=True, exclude_none=True), sort_keys=True)
    return {f"{kind} {name}": sha256_bytes(content.encode())}


def _without_reasons(content: Any) -> Any:
    """A copy in JSON types, without the reasons for which inputs were left out or read as a whole."""
    copy = json.loads(json.dumps(content))
    record = copy.get("provenance", copy) if isinstance(copy, dict) else {}
    for each in record.get("inputs", []) if isinstance(record, dict) else []:
        if isinstance(each, dict):
            each.pop("skipped", None)
            each.pop("whole", None)
    return copy
