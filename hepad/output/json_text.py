"""JSON documents of hepad's as text: every one that is printed or written for others goes through here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["CHECKS", "json_text"]

CHECKS: list[Callable[[str, str], None]] = []
"""Called with the name of each document's schema and its text; the tests hold one against the other here."""


def json_text(schema: str | None, content: Mapping[str, Any] | Sequence[Any], *, indent: int | None = 1) -> str:
    """One JSON document; a NaN is a fault, never written.

    `schema` is its name in `hepad schema` after `output.`: a verb for what it prints, VERB/FILE for a file of it;
    None if it is in the form of somebody else, such as a workspace of pyhf.
    """
    text = json.dumps(content, indent=indent, allow_nan=False) + "\n"
    if schema is not None:
        for check in CHECKS:
            check(schema, text)
    return text
