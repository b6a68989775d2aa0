"""The folder of `hepad latency`: the report, and what a processor does with batches as a table and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hepad.bundles.bundle import load_bundle
from hepad.cards.budget import BudgetCard, load_budget
from hepad.io.reader import expand_files
from hepad.output.atomic import atomic_folder, check_folder
from hepad.output.closing import write_page
from hepad.output.csv_rows import csv_records
from hepad.output.figure_context import FigureContext
from hepad.output.figures import save_figure
from hepad.output.json_text import json_text
from hepad.pipeline.latency.options import LatencyOptions
from hepad.pipeline.latency.page import latency_blocks
from hepad.pipeline.latency.report import BUSY_WORDS, LatencyReport
from hepad.provenance import command_line, event_records, provenance

__all__ = ["check_output", "write_output"]


def check_output(folder: Path) -> None:
    """`OutputError` if no folder can be written there: ask before the work, not after."""
    check_folder(folder, verb="latency")


def write_output(report: LatencyReport, events: Sequence[str], folder: Path, *, options: LatencyOptions) -> None:
    """Write page and JSON; with timings `throughput.csv`, a row each, and with batches of several sizes the figure."""
    timings: list[dict[str, Any]] = report.details["timings"]
    bundle = load_bundle(report.model)
    record = provenance(
        _command(report, options),
        inputs=event_records(expand_files(events)) if events else [],
        cards={bundle.card.name: bundle.sha256},
        seed=options.seed,
    )
    with atomic_folder(folder, verb="latency") as scratch:
        text = json_text("latency/latency.json", {**report.to_json(), "provenance": record})
        (scratch / "latency.json").write_text(text, encoding="utf-8")
        if timings:
            (scratch / "throughput.csv").write_text(csv_records(timings), encoding="utf-8", newline="")
        drawn = len({timing["batch"] for timing in timings}) > 1
        budget = None if report.budget is None else load_budget(report.budget)
        if drawn:
            _write_figure(report, budget, scratch / "throughput")
        files = [("latency.json", "all numbers, and the provenance")]
        files += [("throughput.csv", "the timings, a row each")] if timings else []
        write_page(scratch, latency_blocks(report, budget, drawn=drawn), record, files)


def _command(report: LatencyReport, options: LatencyOptions) -> str:
    measure = options.measure
    words = command_line(
        "latency",
        model=report.model,
        budget=report.budget,
        tier=tuple(report.tiers),
        bits=",".join(f"{name}={value}" for name, value in options.bits.items()),
        score=report.details["score"],
        part=options.part,
        cutoff=options.cutoff,
        threads=",".join(map(str, measure.threads)),
        batch=",".join(map(str, measure.batches)) or None,
        seconds=measure.seconds,
        repeat=measure.repetitions,
        max_events=options.max_events,
    )
    return words + (" --shallow" if options.shallow else "")


def _write_figure(report: LatencyReport, budget: BudgetCard | None, stem: Path) -> None:
    from hepad.plot.throughput import ThroughputPoint, throughput_figure

    points = [
        ThroughputPoint(
            t["backend"],
            t["threads"],
            t["batch"],
            t["events_per_second"],
            t["events_per_second_error"],
            t["p99_ns"],
            t["p99_error_ns"],
        )
        for t in report.details["timings"]
    ]
    limits = {}
    if budget is not None and budget.device is None:
        limits = {f"{budget.name}: {budget.latency_ns / 1e6:g} ms": budget.latency_ns}
        limits[f"whole event: {budget.total_latency_ns / 1e6:g} ms"] = budget.total_latency_ns
    figure = throughput_figure(
        points, title=f"{report.model}, {report.details['score']}", caption=report.details["processor"]["name"],
        limits=limits, warning=BUSY_WORDS if any(r.startswith(BUSY_WORDS) for r in report.remarks) else "",
        context=FigureContext(),
    )  # fmt: skip
    save_figure(figure, stem, numbers=False)  # all are in the table of the timings
