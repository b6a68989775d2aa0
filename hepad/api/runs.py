"""`monitor`: whether runs look like a reference, in all that a model sees and says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepad.api.events import as_files
from hepad.api.models import Model, as_model
from hepad.api.record import Record, Row
from hepad.errors import UsageError
from hepad.pipeline.monitor.options import MonitorOptions
from hepad.pipeline.monitor.report import MonitorReport, RunRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MonitorRecord", "monitor"]


@dataclass(frozen=True, repr=False)
class MonitorRecord(Record):
    """Runs beside a reference: scores, regions, objects and inputs, and which of them have shifted."""

    report: MonitorReport

    @property
    def passed(self) -> bool:
        """Whether nothing has shifted."""
        return self.report.passed

    @property
    def runs(self) -> tuple[RunRow, ...]:
        """`run.events`, `run.quantities` with distance, p-value and means, the least probable first, `run.shifted`."""
        return self.report.runs

    def __getitem__(self, name: str) -> RunRow:
        """A run by name; `KeyError` if there is none."""
        return {run.name: run for run in self.report.runs}[name]

    def to_json(self) -> dict[str, Any]:
        """As `hepad monitor --json`."""
        return self.report.to_json()

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        from hepad.pipeline.monitor.output import formatted_runs

        return f"Runs of {self.report.model} beside the reference", *formatted_runs(self.report)

    def _draw(self, ax: Axes) -> None:
        from hepad.pipeline.monitor.figures import map_of

        map_of(self.report, ax=ax)
        ax.set_xlabel("Quantity")


def monitor(
    reference: Any,
    runs: Mapping[str, Any],
    model: str | Path | Model,
    *,
    selection: str | None = None,
    alpha: float = 0.01,
    min_distance: float = 0.0,
    toys: int = 2000,
    seed: int = 1,
    max_events: int | None = None,
) -> MonitorRecord:
    """Compare runs with a reference: scores, regions, objects and inputs of a model, and what has shifted.

    `reference` and each of the `runs`, by name, are files or arrays in memory as in `hepad.load_events`. A quantity has
    shifted if its p-value, adjusted for all tests of all runs, is below `alpha`, and the largest difference of its
    cumulative distributions is at least `min_distance`. `toys` are the random relabellings behind each p-value. A shift
    is no error: `passed` is False.

    `UsageError` for no run, or one that is the reference, `InputDataError` for events that cannot be used or of which
    none is selected.

    >>> import hepad
    >>> h0, background = "examples/data/h0.h5", "examples/data/background.h5"
    >>> found = hepad.monitor(background, {"late": h0}, "dnn_ae", max_events=500, toys=300)
    >>> found.passed, "score mse" in {row.quantity for row in found["late"].shifted}
    (False, True)
    """
    from hepad.pipeline.monitor.run import REFERENCE, monitor_in_memory

    if REFERENCE in runs:
        raise UsageError(f"no run is called {REFERENCE}: that is what they are compared with")
    options = MonitorOptions(
        selection=selection,
        alpha=alpha,
        min_distance=min_distance,
        toys=toys,
        seed=seed,
        max_events=max_events,
    )
    files = {name: as_files(given) for name, given in runs.items()}
    return MonitorRecord(monitor_in_memory(as_files(reference), files, as_model(model).bundle, options=options))
