"""`hepad explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common

if TYPE_CHECKING:
    from hepad.pipeline.explain.objects import ExplainReport
    from hepad.pipeline.explain.report import MapsReport


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
    score: Annotated[
        str | None, typer.Option("--score", help="Which score, of a model of images.", show_default="the model's first")
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            help="Of images: only events in this region, NAME of the bundle's or NAME=... as for 'hepad score'.",
            show_default="all selected events",
        ),
    ] = None,
    mean_of: Annotated[int, typer.Option(min=1, help="Of images: most events in the mean map, evenly spaced.")] = 200,
    simulated: common.Simulated = True,
    step_size: common.StepSize = 100_000,
    max_events: common.MaxEvents = None,
    json: common.Json = False,
) -> None:
    """Show which objects, or pixels of an image, carry the anomaly score, in tables, maps and figures.

    Example: hepad explain examples/data/h0.h5 --model snn_ae -o why
    """
    from hepad.pipeline.explain.options import ExplainOptions
    from hepad.pipeline.explain.run import explain as run

    regions = common.parse_regions([region]) if region and "=" in region else {}
    with common.event_progress("explaining") as on_events:
        options = ExplainOptions(
            output=output,
            top=top,
            selection=selection,
            score=score,
            region=next(iter(regions), region),
            regions=regions,
            mean_of=mean_of,
            simulation=simulated,
            step_size=step_size,
            max_events=max_events,
            on_events=on_events,
        )
        report = run(common.parse_files(files), model, options=options)
    if json:
        common.print_json(report.to_json())
        return
    _print(report)
    common.say_wrote(report.output)


def _print(report: ExplainReport | MapsReport) -> None:
    from hepad.pipeline.explain import maps_output, objects, objects_output

    if isinstance(report, objects.ExplainReport):
        shares, events = objects_output.shares_table(report, brief=True), objects_output.events_table(report)
        common.print_table("Share of the reconstruction error", shares.header, shares.rows)
        common.print_table("The most anomalous events", events.header, events.rows, numbers_from=9)
        return
    channels, top = maps_output.channels_table(report), maps_output.top_table(report)
    how = "exactly" if report.method == "exact" else "along a path from the empty image"
    common.print_table(f"{report.score} shared out among pixels, {how}", channels.header, channels.rows)
    common.print_table("The events of the highest scores", top.header, top.rows, numbers_from=9)
