"""What to verify, and from what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["VerifyOptions"]


@dataclass(frozen=True)
class VerifyOptions:
    """Options of `verify`.

    `data` are folders in which the files of studies are looked for by the names in their cards, after them the examples
    that ship with hepad; `trained` are folders that `hepad study` wrote. With `quick` only what ships is used. Errors
    of what is measured on events are of `replicas` bootstrap samples, of hunts of `toys` pseudo-experiments.
    """

    data: Sequence[Path] = ()
    trained: Sequence[Path] = ()
    quick: bool = False
    output: Path | None = None
    replicas: int = 200
    toys: int = 2000
    seed: int = 1
    on_step: Callable[[int, int], None] | None = None
