"""The page of a latency report: whether a model fits the trigger, by how much, and how that is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from hepad.cards.budget import BudgetCard
from hepad.output.document import Answer, Block, Figure, Heading, Notes, Table, Text
from hepad.pipeline.latency.report import TIERS, LatencyReport, TierName
from hepad.pipeline.latency.tables import (
    checks_table,
    quantity_words,
    tier_time,
    tiers_table,
    time_words,
    timing_tables,
)

__all__ = ["latency_blocks"]

_KNOWN: Mapping[TierName, str] = {
    "estimated": "estimated from its adders and the clock of published designs",
    "synthesised": "from its synthesis, with the clock of published designs",
    "simulated": "from its simulation, with the clock of published designs",
    "measured": "measured on this processor, the 99th percentile of single events",
}


def latency_blocks(report: LatencyReport, budget: BudgetCard | None, *, drawn: bool) -> list[Block]:
    """The page; `drawn` says whether there is the figure `throughput`, `budget` is the report's."""
    details = report.details
    inputs = "random inputs" if details["random_inputs"] else "events"
    blocks: list[Block] = [
        Heading(f"Latency of {_name(report)}, score {details['score']}", 1),
        _answer(report, budget, drawn=drawn),
        *([Notes(report.remarks)] if report.remarks else []),
        Heading("How it is known"),
        tiers_table(report),
        Text(
            f"On {details['events']} {inputs}. A tier is a way of knowing: estimated from the logic, synthesised with "
            "a tool, simulated clock by clock, or measured on a processor. Exact: how many of the outputs are those "
            "of the emulation, bit by bit."
        ),
    ]
    if report.checks:
        blocks += [Heading(f"Budget {'' if budget is None else budget.name}"), checks_table(report)]
    if details.get("decisions"):
        rows = [
            [item["region"], f"{item['events']}", f"{item['flips']:.2%}", f"{item['flips_same_rate']:.2%}"]
            for item in details["decisions"]
        ]
        header = ["region", "events", "decisions that differ", "at the same rate"]
        blocks += [Heading("Decisions beside the model's"), Table(header, rows)]
    if details["timings"]:
        for title, table in timing_tables(details).items():
            blocks += [Heading(title), table]
    return blocks


def _answer(report: LatencyReport, budget: BudgetCard | None, *, drawn: bool) -> Answer:
    """Of the surest tier that says something of the budget, or of the surest of all."""
    tier = max({check.tier for check in report.checks} or report.tiers, key=TIERS.index)
    found, name = report.tiers[tier], _name(report)
    numbers = [(tier_time(found), f"latency, {tier}")]
    words = f"The latency of {name} is {tier_time(found)}"
    tone: Literal["yes", "no", "plain"] = "plain"
    if budget is not None:
        failed = [check for check in report.checks if not check.passed]
        fits, tone = ("does not fit", "no") if failed else ("fits", "yes")
        words = f"{name} {fits} budget {budget.name}{report.condition}"
        if failed:
            words += f": over its limits in {', '.join(dict.fromkeys(quantity_words(check) for check in failed))}"
        logic = found.clock_edges is not None
        limit = f"{budget.latency_ns:g} ns" if logic else time_words(budget.latency_ns)
        least = min((check for check in report.checks if check.limit), key=lambda check: check.margin)
        numbers += [(limit, "of the budget"), (f"{least.margin:.0%}", f"left of the scarcest: {quantity_words(least)}")]
    if found.lut is not None:
        numbers.append((f"{found.lut}", "LUT"))
    figure = Figure("throughput.png", "Events a second, and the 99th percentile of a call, by the size of a batch.")
    return Answer(f"{words}. The time is {_KNOWN[tier]}.", numbers, figure if drawn else None, tone)


def _name(report: LatencyReport) -> str:
    """The model without its folder."""
    return Path(report.model).name
