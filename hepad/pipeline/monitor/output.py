"""A report on runs for people and machines: HTML, Markdown, JSON, a table, figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.output.atomic import atomic_folder
from hepad.output.closing import write_page
from hepad.output.csv_rows import write_csv
from hepad.output.document import Answer, Block, Figure, Heading, Table, Text, to_markdown
from hepad.output.figure_context import simulated
from hepad.output.figure_kinds import figure_kinds, titled
from hepad.output.figures import save_figure, save_figures
from hepad.output.json_text import json_text
from hepad.output.quantity_titles import quantity_titles
from hepad.pipeline.monitor.figures import map_of, run_figures
from hepad.pipeline.monitor.report import MonitorReport, QuantityRow, RunRow

__all__ = ["formatted_runs", "summary", "write_report"]

_SHOWN = 15
_FILES = (
    ("report.md", "this page for a terminal"),
    ("report.json", "all numbers, and the provenance"),
    ("shifts.csv", "all quantities of all runs"),
)

Table_ = tuple[list[str], list[list[str]]]


def formatted_runs(report: MonitorReport) -> Table_:
    """Header and rows: events, how many quantities shifted, and the least probable one."""
    rows = []
    for run in report.runs:
        first = run.quantities[0]
        rows.append(
            [
                run.name,
                str(run.events),
                f"{len(run.shifted)} of {len(run.quantities)}",
                first.quantity,
                f"{first.distance:.3f}",
                f"{first.p_value:.2g}",
                f"{first.adjusted:.2g}",
            ]
        )
    return ["run", "events", "shifted", "least probable", "distance", "p", "p (all tests)"], rows


def summary(report: MonitorReport) -> str:
    """What came out, in a sentence."""
    shifted = [run.name for run in report.runs if run.shifted]
    names = ": " + ", ".join(shifted) if shifted else ""
    least = f" and a distance of at least {report.min_distance:g}" if report.min_distance else ""
    return (
        f"{len(shifted)} of {len(report.runs)} runs have shifted against {report.reference_events} events of the "
        f"reference{names} (p < {report.alpha:g} after {report.tests} tests{least})."
    )


def write_report(
    report: MonitorReport,
    columns: Mapping[str, Mapping[str, npt.NDArray[np.float64]]],
    output: Path,
    *,
    simulation: bool,
    record: Mapping[str, Any],
) -> None:
    """Write the folder `output`; `record` is its provenance, `simulation` labels the figures."""
    with atomic_folder(output, verb="monitor") as folder:
        names = ["run", "quantity", "distance", "p_value", "adjusted", "mean", "reference_mean", "shifted"]
        rows = ([run.name, *vars(row).values()] for run in report.runs for row in run.quantities)
        write_csv(folder / "shifts.csv", [names, *rows])
        context = simulated(simulation)
        with titled(quantity_titles(columns["reference"])):
            if figure_kinds():
                save_figure(map_of(report, context=context), folder / "shifts", numbers=False)
            save_figures(
                ((f"run_{name}", figure) for name, figure in run_figures(report, columns, context=context)), folder
            )
        blocks = _blocks(report)
        (folder / "report.md").write_text(to_markdown(blocks), encoding="utf-8")
        write_page(folder, blocks, record, _FILES)
        content = {**report.to_json(), "provenance": record}
        (folder / "report.json").write_text(json_text("monitor/report.json", content), encoding="utf-8")


def _blocks(report: MonitorReport) -> list[Block]:
    blocks: list[Block] = [
        Heading("Runs beside the reference", 1),
        _answer(report),
        *(Text(f"Left out: {one.reason}") for one in report.skipped),
        Table(*formatted_runs(report)),
        Text(
            "The distance is the largest difference of the cumulative distributions. p is the chance of one as large "
            "if run and reference are draws of one distribution."
        ),
    ]
    for run in report.runs:
        blocks += [
            Heading(f"Run {run.name}"),
            Text(f"{run.events} events, {len(run.shifted)} of {len(run.quantities)} quantities shifted."),
            _table(run),
            Figure(f"run_{run.name}.png", f"Run {run.name}: the score and the least probable quantities."),
        ]
    return blocks


def _answer(report: MonitorReport) -> Answer:
    """Whether runs have shifted, and the least probable quantity of all."""
    run = min(report.runs, key=lambda run: run.quantities[0].adjusted)
    first = run.quantities[0]
    numbers = [
        (f"{sum(bool(each.shifted) for each in report.runs)} of {len(report.runs)}", "runs have shifted"),
        (f"{first.adjusted:.2g}", f"least p of all tests: {first.quantity} in run {run.name}"),
        (f"{first.distance:.3f}", "its distance from the reference"),
    ]
    figure = Figure("shifts.png", "p-values after adjustment for all tests (Holm), as minus their decimal logarithms.")
    return Answer(summary(report), numbers, figure, "yes" if report.passed else "no")


def _table(run: RunRow) -> Table:
    header = ["quantity", "distance", "p", "p (all tests)", "mean", "in the reference", "shifted"]
    return Table(header, [_cells(row) for row in run.quantities[:_SHOWN]])


def _cells(row: QuantityRow) -> list[str]:
    numbers = [f"{row.distance:.3f}", f"{row.p_value:.2g}", f"{row.adjusted:.2g}"]
    return [row.quantity, *numbers, f"{row.mean:.4g}", f"{row.reference_mean:.4g}", "yes" if row.shifted else ""]
