"""How a chain is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hepad.execution.executor import Execution
from hepad.execution.run import OnEvents
from hepad.io.reader import DEFAULT_STEP_SIZE

__all__ = ["LEVELS", "ChainOptions"]

LEVELS = ("l1", "hlt", "offline")
"""The levels in the order in which events go through them."""


@dataclass(frozen=True, kw_only=True)
class ChainOptions:
    """Options of `chain`: what each level asks for, a menu of ordinary triggers, and how files are read.

    A step is `NAME` or `NAME@REGION`, see `steps.prepare_step`; an event passes a level that passes any of its steps.
    `sqrt_s_gev` is the collision energy that inputs are normalised to, None for the files'.
    """

    output: Path | None = None
    l1: tuple[str, ...] = ()
    hlt: tuple[str, ...] = ()
    offline: tuple[str, ...] = ()
    menu: str | None = None
    sqrt_s_gev: float | None = None
    simulation: bool = True
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    execution: Execution = field(default_factory=Execution)
    on_events: OnEvents | None = None

    @property
    def steps(self) -> list[tuple[str, str]]:
        """Level and text of all steps, in order."""
        return [(level, text) for level in LEVELS for text in getattr(self, level)]
