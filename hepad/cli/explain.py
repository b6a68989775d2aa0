"""`hepad explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hepad.cli import common
from hepad.printable import NAME


def explain(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Event files; NAME=FILE makes samples that are shown side by side, without a NAME they are one.",
            show_default=False,
        ),
    ],
    model: common.Model,
    output: common.ReportFolder,
    top: Annotated[int, typer.Option(min=1, help="Events of the highest score to explain one by one.")] = 20,
    selection: common.Selection = None,
    simulation: common.Simulation = True,
    step_size: common.StepSize = 100_000,
    max_events: common.MaxEvents = None,
    json: common.Json = False,
) -> None:
    """Show which objects carry the anomaly score: shares of the reconstruction error as tables and figures.

    Example: hepad explain examples/data/h0.h5 --model snn_ae -o why
    """
    from hepad.pipeline import explain as pipeline

    with common.event_progress("explaining") as on_events:
        options = pipeline.ExplainOptions(
            output=output,
            top=top,
            selection=selection,
            simulation=simulation,
            step_size=step_size,
            max_events=max_events,
            on_events=on_events,
        )
        report = pipeline.explain(_samples(files), model, options=options)
    if json:
        common.print_json(report.to_json())
        return
    common.print_table("Share of the reconstruction error", *pipeline.formatted_shares(report, brief=True))
    common.print_table("The most anomalous events", *pipeline.formatted_events(report), numbers_from=9)
    common.stdout().print(f"wrote {report.output}")


def _samples(texts: list[str]) -> dict[str, list[str]]:
    import re

    from hepad.io.remote.urls import is_url

    samples: dict[str, list[str]] = {}
    for text in texts:
        plain = is_url(text) or Path(text).exists()
        match = None if plain else re.fullmatch(rf"({NAME})=(.+)", text)
        name, file = match.groups() if match else ("events", text)
        samples.setdefault(name, []).append(file)
    return samples
