"""Former names of options, under which they are still taken: from records, scripts and habits.

`--data` was a flag of figures, the folder of a study's events and what was observed; each has its own word now.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["FORMER", "of_today", "record_of_today"]

_LABEL = {"--simulation": "--simulated", "--data": "--recorded"}

FORMER: Mapping[str, Mapping[str, str]] = {
    "chain": _LABEL,
    "cluster": {"--data": "--recorded"},
    "discovery": {"--observed": "--data"},
    "evaluate": _LABEL,
    "explain": _LABEL,
    "monitor": {"--data": "--recorded"},
    "quantise": _LABEL,
    "rates": _LABEL,
    "serve": {"--data": "--folder"},
    "study": {"--data": "--samples"},
    "verify": {"--data": "--samples"},
}
"""The former names of options by verb, and what they are called now."""


def of_today(verb: str, words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The words that follow a verb with its options as they are called now, and which former names were among them."""
    names = FORMER.get(verb, {})
    found, used = [], {}
    options = True
    for word in words:
        options = options and word != "--"
        name, equals, value = word.partition("=")
        if options and name in names:
            used[name] = names[name]
            found.append(names[name] + equals + value)
        else:
            found.append(word)
    return found, used


def record_of_today(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of a whole command, in its words and in its text, with the names of today."""
    verb, *words = record["arguments"]["words"]
    renamed, used = of_today(verb, words)
    command = str(record.get("command", ""))
    for old, new in used.items():
        command = re.sub(rf"(?<!\S){old}(?![^\s=])", new, command)
    return {**record, "command": command, "arguments": {**record["arguments"], "words": [verb, *renamed]}}
