"""`hepad score`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common

if TYPE_CHECKING:
    from hepad.pipeline.score import ScoreReport


def score(
    files: common.Files,
    model: common.Model,
    output: common.Output = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="root, parquet, rntuple.", show_default="the output's ending, else root"),
    ] = None,
    selection: common.Selection = None,
    region: common.Regions = None,
    device: common.Device = "cpu",
    step_size: common.StepSize = 100_000,
    max_events: common.MaxEvents = None,
    workers: common.Workers = 1,
    executor: common.Executor = "local",
    scheduler: common.Scheduler = None,
    skip_bad_files: common.SkipBadFiles = False,
    force: common.Force = False,
    json: common.Json = False,
) -> None:
    """Score events: one row an input event, with its regions.

    Example: hepad score examples/data/w_lnu.root --model snn_ae
    """
    from hepad.heap import keep_freed_memory
    from hepad.io.tables.scores import check_format
    from hepad.pipeline.score import ScoreOptions
    from hepad.pipeline.score import score as run

    keep_freed_memory()
    with common.event_progress("scoring") as on_events:
        options = ScoreOptions(
            output=output,
            format=check_format(format_, output),
            selection=selection,
            regions=common.parse_regions(region),
            step_size=step_size,
            max_events=max_events,
            device=device,
            execution=common.execution(workers, executor, scheduler, skip_bad_files, force),
            on_events=on_events,
        )
        report = run(files, model, options=options)
    common.print_made(report, lambda: _print(report), json=json)


def _print(report: ScoreReport) -> None:
    common.print_cutflow(report.cutflow, report.selection)
    quantiles = [[f"{q:.1%}", f"{value:.5g}"] for q, value in report.quantiles.items()]
    common.print_table(f"Score of {report.model}, selected events", ["quantile", "score"], quantiles)
    regions = [
        [name, r.score, f"{r.threshold:.5g}", f"{r.selected}", f"{r.fraction:.3%}"]
        for name, r in report.regions.items()
    ]
    common.print_table("Regions", ["region", "score", "threshold", "events", "of selected"], regions, numbers_from=2)
    if not report.complete_before:
        common.say_wrote(report.output)
