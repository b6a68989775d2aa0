"""What `hepad monitor` found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hepad.execution.run import Skipped

__all__ = ["MonitorReport", "QuantityRow", "RunRow"]


@dataclass(frozen=True)
class QuantityRow:
    """A quantity of a run against the reference: distance, p-value, that adjusted for all tests, and both means."""

    quantity: str
    distance: float
    p_value: float
    adjusted: float
    mean: float
    reference_mean: float
    shifted: bool


@dataclass(frozen=True)
class RunRow:
    """A run: its selected events and its quantities, the least probable first."""

    name: str
    events: int
    quantities: tuple[QuantityRow, ...]

    @property
    def shifted(self) -> tuple[QuantityRow, ...]:
        """The quantities that have shifted."""
        return tuple(row for row in self.quantities if row.shifted)


@dataclass(frozen=True)
class MonitorReport:
    """All runs against the reference; `tests` is their number, by which p-values are adjusted."""

    model: str
    reference_events: int
    tests: int
    alpha: float
    min_distance: float
    runs: tuple[RunRow, ...]
    output: Path | None = None
    skipped: tuple[Skipped, ...] = ()
    complete_before: Mapping[str, Any] | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing has shifted."""
        return not any(run.shifted for run in self.runs)

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        if self.complete_before is not None:
            return dict(self.complete_before)
        content = asdict(self)
        del content["complete_before"], content["output"]
        content["skipped"] = [vars(skipped) for skipped in self.skipped]
        return {**content, "passed": self.passed}

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> MonitorReport:
        """The report that `to_json` gave."""
        runs = tuple(
            RunRow(run["name"], run["events"], tuple(QuantityRow(**row) for row in run["quantities"]))
            for run in content["runs"]
        )
        kept = {key: value for key, value in content.items() if key != "passed"}
        skipped = tuple(Skipped(**one) for one in content["skipped"])
        return cls(**{**kept, "runs": runs, "skipped": skipped, "complete_before": dict(content)})
