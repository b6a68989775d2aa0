"""`hepad evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common

if TYPE_CHECKING:
    from hepad.pipeline.evaluate import EvaluateReport


def evaluate(
    background: Annotated[
        list[str],
        typer.Option("--background", "-b", help="Background files the models have not seen.", show_default=False),
    ],
    signal: Annotated[list[str], typer.Option("--signal", help="NAME=FILE, may be repeated.", show_default=False)],
    model: Annotated[
        list[str],
        typer.Option("--model", "-m", help="A bundled model or a bundle folder, may be repeated.", show_default=False),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The report folder to write.", show_default=False)],
    selection: common.Selection = None,
    rejection_at: Annotated[
        float, typer.Option(min=0, max=1, help="Signal efficiency at which 1/eps_b is quoted.")
    ] = 0.3,
    bootstrap: Annotated[int, typer.Option(min=2, help="Bootstrap replicas.")] = 200,
    seed: common.Seed = 1,
    simulation: Annotated[bool, typer.Option("--simulation/--data", help="Label figures as simulation.")] = True,
    step_size: common.StepSize = 100_000,
    max_events: common.MaxEvents = None,
    json: common.Json = False,
) -> None:
    """Measure how well models part signals from background: AUC, 1/eps_b, ROC and score figures.

    Example: hepad evaluate --background examples/data/background.h5 --signal a4l=examples/data/a4l.h5
    --model snn_ae -o report
    """
    from hepad.pipeline.evaluate import EvaluateOptions
    from hepad.pipeline.evaluate import evaluate as run

    options = EvaluateOptions(
        output=output,
        selection=selection,
        rejection_at=rejection_at,
        replicas=bootstrap,
        seed=seed,
        simulation=simulation,
        step_size=step_size,
        max_events=max_events,
    )
    report = run(background, common.parse_signals(signal), model, options=options)
    if json:
        common.print_json(report.to_json())
    else:
        _print(report)


def _print(report: EvaluateReport) -> None:
    from hepad.pipeline.evaluate import formatted_metrics, formatted_regions

    for warning in report.warnings:
        common.stderr().print(f"warning: {warning}")
    header, rows = formatted_metrics(report)
    common.print_table("Models", header, rows, numbers_from=3)
    header, rows = formatted_regions(report)
    common.print_table("Fraction of each sample in the regions", header, rows, numbers_from=2)
    common.stdout().print(f"wrote {report.output}")
