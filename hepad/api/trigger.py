"""`latency`: whether a model fits the budget of a trigger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepad.api.events import as_files
from hepad.api.models import Model, as_model
from hepad.api.record import Record, Row
from hepad.errors import UsageError
from hepad.pipeline.latency.options import LatencyOptions
from hepad.pipeline.latency.report import Check, LatencyReport, Tier, TierName

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LatencyRecord", "latency"]


@dataclass(frozen=True, repr=False)
class LatencyRecord(Record):
    """What a model takes in a trigger, by each way of knowing (`tiers`), held against a budget (`checks`)."""

    report: LatencyReport

    @property
    def passed(self) -> bool | None:
        """Whether it is within the budget; None without one."""
        return self.report.passed

    @property
    def tiers(self) -> dict[TierName, Tier]:
        """Latency in ns, logic, and events compared bit by bit, by tier."""
        return self.report.tiers

    @property
    def checks(self) -> tuple[Check, ...]:
        """Each quantity of a tier against its limit."""
        return self.report.checks

    def to_json(self) -> dict[str, Any]:
        """As `hepad latency --json`."""
        return self.report.to_json()

    def _remarks(self) -> Sequence[str]:
        return self.report.remarks

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        header = ["tier", "quantity", "value", "limit", "left"]
        rows = [
            [c.tier, c.quantity, f"{c.value:.5g}", f"{c.limit:.5g}", f"{c.margin:.0%}"] for c in self.report.checks
        ] or [[name, "latency_ns", f"{tier.latency_ns:.5g}", "", ""] for name, tier in self.report.tiers.items()]
        held = {None: "", True: f": within {self.report.budget}", False: f": not within {self.report.budget}"}
        return f"{self.report.model}, score {self.report.details['score']}{held[self.passed]}", header, rows

    def _draw(self, ax: Axes) -> None:
        from hepad.plot.budget import draw_budget

        if not self.report.checks:
            raise UsageError("without a budget there is nothing to draw; give one")
        shares = [
            (f"{check.tier}, {check.quantity}", check.value / check.limit if check.limit else float(check.value))
            for check in self.report.checks
        ]
        draw_budget(ax, shares, self.report.budget or "")


def latency(
    model: str | Path | Model,
    events: Any = None,
    *,
    budget: str | None = None,
    tiers: str | Sequence[str] = (),
    bits: Mapping[str, int] | None = None,
    score: str | None = None,
    shallow: bool = False,
    max_events: int | None = None,
    seed: int = 0,
) -> LatencyRecord:
    """Say whether a model fits a trigger's budget, by how much, and how that is known.

    `events`, files or arrays in memory as in `hepad.load_events`, are what logic and emulation are compared on; without
    them random inputs. `budget` is a bundled one (`hepad list budgets`) or a card. `tiers` are "estimated",
    "synthesised", "simulated", "measured" or "all"; none: the quickest that the budget can be held against. `bits` are
    widths by name (`{"weight": 6}`), `score` is which score, and `shallow` logic has fewer adders in a row and more of
    them. A model that does not fit is no error: `passed` is False.

    `MissingExtraError` if a tool of a tier is missing (logic needs `hepad[trigger]`), `CardError` for a model without
    logic.

    >>> import hepad
    >>> found = hepad.latency("snn_ae", budget="cms-l1", max_events=100)
    >>> found.passed
    True
    """
    from hepad.pipeline.latency.run import latency_of

    options = LatencyOptions(
        budget=budget,
        tiers=(tiers,) if isinstance(tiers, str) else tuple(tiers),
        bits=dict(bits or {}),
        score=score,
        shallow=shallow,
        max_events=max_events,
        seed=seed,
    )
    report = latency_of([] if events is None else as_files(events), as_model(model).bundle, options=options)
    return LatencyRecord(report)
