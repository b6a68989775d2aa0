"""What a chain keeps: the records that are written to `chain.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hepad.execution.run import Skipped
from hepad.stats.scores.acceptance import Acceptance

__all__ = ["ChainReport", "LevelRow", "MenuRow", "SampleChain", "StepInfo"]


@dataclass(frozen=True)
class StepInfo:
    """A step as it was asked for: its level, name, region, and the threshold of its score or None."""

    level: str
    step: str
    region: str
    threshold: float | None


@dataclass(frozen=True)
class LevelRow:
    """A level, or one of its steps, as fractions of all generated events, but `of_before`.

    `alone` passes it, whatever the other levels say; `cumulative` all levels up to it, too; `of_before` is the fraction
    of what came to it, None if nothing did. `only` are those of `cumulative` that no other step of the level lets pass,
    None for a level of one step and for the level itself. `menu_too` are those that the ordinary menu keeps as well,
    None without a menu.
    """

    level: str
    step: str | None
    alone: Acceptance
    cumulative: Acceptance
    of_before: Acceptance | None
    only: Acceptance | None
    menu_too: Acceptance | None


@dataclass(frozen=True)
class MenuRow:
    """The events of the last level by what triggered them, as fractions of all generated events."""

    triggered_by: str
    fraction: Acceptance


@dataclass(frozen=True)
class SampleChain:
    """One sample: the events read, those generated, the sum of their weights, and what is kept of them."""

    sample: str
    events: int
    generated_events: int
    generated_weight: float
    levels: tuple[LevelRow, ...]
    triggers: tuple[MenuRow, ...]


@dataclass(frozen=True)
class ChainReport:
    """The chain and all samples; `remarks` are for readers to know."""

    steps: tuple[StepInfo, ...]
    menu: str | None
    samples: tuple[SampleChain, ...]
    remarks: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()
    output: Path | None = None
    complete_before: bool = False

    def content(self) -> dict[str, Any]:
        """All numbers in JSON types, wherever they are written to."""
        parts = {name: value for name, value in asdict(self).items() if name not in {"output", "complete_before"}}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in parts.items()}

    def to_json(self) -> dict[str, Any]:
        """The same with the folder."""
        return {**self.content(), "output": None if self.output is None else str(self.output)}

    @classmethod
    def of_json(cls, content: Mapping[str, Any], output: Path) -> ChainReport:
        """What `content` made, of an output that was complete before."""
        return cls(
            tuple(StepInfo(**step) for step in content["steps"]),
            content["menu"],
            tuple(_sample(sample) for sample in content["samples"]),
            tuple(content["remarks"]),
            tuple(Skipped(**one) for one in content["skipped"]),
            output,
            complete_before=True,
        )


def _sample(content: Mapping[str, Any]) -> SampleChain:
    levels = tuple(_level(row) for row in content["levels"])
    triggers = tuple(MenuRow(row["triggered_by"], Acceptance(**row["fraction"])) for row in content["triggers"])
    return SampleChain(**{**content, "levels": levels, "triggers": triggers})


def _level(row: Mapping[str, Any]) -> LevelRow:
    whole = {name: Acceptance(**row[name]) for name in ("alone", "cumulative")}
    parts = {name: row[name] and Acceptance(**row[name]) for name in ("of_before", "only", "menu_too")}
    return LevelRow(row["level"], row["step"], **whole, **parts)
