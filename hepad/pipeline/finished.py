"""Outputs that are folders with a record in JSON: whether one is there and complete, so that nothing need be done."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["finished"]


def finished(
    record: Path, describe: Callable[[Mapping[int, str]], Mapping[str, Any]], files: Sequence[str] = ()
) -> dict[str, Any] | None:
    """The content of the record of an output, if it is what we were about to make; None if it is not, or not there.

    `describe` gives the provenance that would be written now, if the files at some places among the inputs were left
    out for some reasons. `files` are others that the folder must hold.
    """
    try:
        content: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        written = content["provenance"]
        reasons = {place: item["skipped"] for place, item in enumerate(written["inputs"]) if "skipped" in item}
    except (OSError, ValueError, KeyError, TypeError):  # something else, which will be replaced
        return None
    if not all((record.parent / name).is_file() for name in files):
        return None
    try:
        now = json.loads(json.dumps(describe(reasons)))
    except OSError:  # an input cannot be read any more: its reader will say so
        return None
    return content if written == now else None
