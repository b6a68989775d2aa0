"""Outputs that are there and complete: a command that would make the same again does nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hepad.cards.selection import SelectionCard
from hepad.provenance import provenance, sha256_bytes

__all__ = ["finished", "made_with", "selection_hash", "would_be_same"]


def would_be_same(stored: Any, now: Mapping[str, Any]) -> bool:
    """Whether what an output says of itself is what it would say if it were made now.

    Both are provenance records, or hold one as `provenance`, and have no report in them. Which files were left out is
    no part of the comparison: the same files would be.
    """
    return bool(_without_reasons(stored) == _without_reasons(now))


def finished(record: Path, now: Mapping[str, Any], files: Sequence[str] = ()) -> dict[str, Any] | None:
    """The content of a folder's record in JSON, if it is what we were about to make; else None.

    `now` is the provenance that would be written, `files` are others that the folder must hold.
    """
    try:
        content: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        same = would_be_same(content["provenance"], now)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # something else, which will be replaced
        return None
    return content if same and all((record.parent / name).is_file() for name in files) else None


def made_with(**what: Any) -> dict[str, Any]:
    """What the parts of an interrupted run depend on: the versions of hepad and others, and `what` besides."""
    record = provenance("")
    return {**{name: record[name] for name in ("hepad", "python", "packages")}, **what}


def selection_hash(selection: SelectionCard) -> dict[str, str]:
    """The sha256 of a selection card's content by the card's name, for provenance: a name alone tells too little."""
    content = json.dumps(selection.model_dump(mode="json", by_alias=True, exclude_none=True), sort_keys=True)
    return {f"selection {selection.name}": sha256_bytes(content.encode())}


def _without_reasons(content: Any) -> Any:
    """A copy in JSON types, without the reasons for which inputs were left out."""
    copy = json.loads(json.dumps(content))
    record = copy.get("provenance", copy) if isinstance(copy, dict) else {}
    for each in record.get("inputs", []) if isinstance(record, dict) else []:
        if isinstance(each, dict):
            each.pop("skipped", None)
    return copy
