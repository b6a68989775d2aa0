"""What a step found, in blocks as reports have them, from the JSON that its command printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hepad.output.document import Answer, Block, Table
from hepad.serve.store import Step

__all__ = ["answer", "printed", "short"]

_PRINTED = 5_000_000
"""Bytes of what a command printed that are read."""

Result = Mapping[str, Any]
_Told = TypeVar("_Told")


def answer(step: Step, printed: str) -> list[Block]:
    """The blocks of a step that came to a result and has no report of its own; empty if there are none."""
    return _told(_BLOCKS.get(step.verb), printed) or []


def short(step: Step, printed: str) -> str:
    """What a step found, in a few words for a list; empty if that is not known."""
    return _told(_SHORT.get(step.verb), printed) or ""


def printed(path: Path) -> str:
    """What a command printed; nothing if that is not there, or too much for a result."""
    try:
        return path.read_text(encoding="utf-8", errors="replace") if path.stat().st_size <= _PRINTED else ""
    except OSError:
        return ""


def _told(tell: Callable[[Result], _Told] | None, printed: str) -> _Told | None:
    """What is made of a result; None of one that cannot be read, as an older hepad may have printed it."""
    if tell is None:
        return None
    try:
        return tell(json.loads(printed))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _score(result: Result) -> list[Block]:
    steps = [
        (step["name"], f"{step['events']}", f"{step['events'] / max(result['events'], 1):.2%}")
        for step in result["cutflow"]
    ]
    regions = [
        (name, r["score"], f"{r['threshold']:.5g}", f"{r['selected']}", f"{r['fraction']:.3%}")
        for name, r in result["regions"].items()
    ]
    quantiles = [(f"{float(q):.1%}", f"{value:.5g}") for q, value in result["quantiles"].items()]
    numbers = [(f"{result['selected']}", "selected"), *((row[3], f"in region {row[0]}") for row in regions)]
    return [
        Answer(f"{result['events']} events were scored by {result['model']}.", numbers),
        Table(("region", "score", "threshold", "events", "of selected"), regions, 2),
        Table((f"step of {result['selection']}", "events", "of all"), steps),
        Table(("quantile of the selected", "score"), quantiles),
    ]


def _verdict(result: Result) -> str:
    """Of one search, or in the words of the ranking of all."""
    found = result["verdict"]
    return str(found) if isinstance(found, str) else f"{found['status']}: {found['reason']}"


def _latency(result: Result) -> str:
    checks = {True: "fits", False: "does not fit", None: "no budget"}
    return checks[result["passed"]]


_BLOCKS: Mapping[str, Callable[[Result], list[Block]]] = {"score": _score}

_SHORT: Mapping[str, Callable[[Result], str]] = {
    "analysis": lambda result: f"fidelity: {result['fidelity']}; {len(result['samples'])} samples tried",
    "reinterpret": _verdict,
    "score": lambda result: f"{result['selected']} of {result['events']} events selected",
    "bumphunt": lambda result: (
        f"{result['window'][0]:g} to {result['window'][1]:g} GeV, "
        + (
            "local p " + f"{result['local_p']:.3g}"
            if result["global_p"] is None
            else f"global p {result['global_p']:.3g}"
        )
    ),
    "latency": _latency,
}
