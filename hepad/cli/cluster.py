"""`hepad cluster`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hepad.cli import common

if TYPE_CHECKING:
    from hepad.pipeline.cluster.report import ClusterReport


def cluster(
    files: common.Files,
    model: common.Model,
    output: common.ReportFolder,
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            help="The region whose events are clustered: one of the model's, or NAME=efficiency:0.01 and so on as in "
            "'hepad score'.",
            show_default="all selected events",
        ),
    ] = None,
    background: Annotated[
        list[str] | None,
        typer.Option(
            "--background", "-b", help="What is expected: simulation, or data without a signal. May be repeated."
        ),
    ] = None,
    simulation: Annotated[
        list[str] | None,
        typer.Option(
            "--simulation",
            metavar="NAME=FILE",
            help="NAME=FILE, a process whose share of each cluster is told. May be repeated.",
        ),
    ] = None,
    selection: common.Selection = None,
    space: Annotated[
        Literal["latent", "input", "quantities"] | None,
        typer.Option(
            "--space",
            help="Where to look for clusters: latent, input (the model's) or quantities (numbers and sums of objects).",
            show_default="latent, else input",
        ),
    ] = None,
    components: Annotated[int, typer.Option(min=0, help="Principal components at most; 0 keeps all axes.")] = 10,
    min_size: Annotated[
        int | None,
        typer.Option(min=2, help="Least number of events of a cluster.", show_default="1 % of all, at least 10"),
    ] = None,
    toys: Annotated[int, typer.Option(min=100, help="Pseudo-experiments for the global p-value.")] = 10_000,
    seed: common.Seed = 1,
    simulated: common.Simulated = False,
    step_size: common.StepSize = 100_000,
    max_events: common.MaxEvents = None,
    workers: common.Workers = 1,
    executor: common.Executor = "local",
    scheduler: common.Scheduler = None,
    skip_bad_files: common.SkipBadFiles = False,
    force: common.Force = False,
    json: common.Json = False,
) -> None:
    """Cluster the events that a model keeps, compare the clusters with what is expected, and say what makes each.

    Example: hepad cluster examples/data/a4l.h5 --background examples/data/background.h5 --model vae
    --region kept=efficiency:0.1 --space quantities -o clusters
    """
    from hepad.pipeline.cluster.options import ClusterOptions
    from hepad.pipeline.cluster.run import cluster as run

    defined = region is not None and "=" in region
    with common.event_progress("scoring") as on_events:
        options = ClusterOptions(
            output=output,
            region=region.partition("=")[0] if region else None,
            regions=common.parse_regions([region] if region and defined else None),
            selection=selection,
            space=space,
            components=components,
            min_size=min_size,
            toys=toys,
            seed=seed,
            simulation=simulated,
            step_size=step_size,
            max_events=max_events,
            execution=common.execution(workers, executor, scheduler, skip_bad_files, force),
            on_events=on_events,
        )
        report = run(
            files,
            model,
            background=background or (),
            simulations=common.parse_samples("--simulation", simulation, reserved=("data", "background")),
            options=options,
        )
    common.print_made(report, lambda: _print(report), json=json)


def _print(report: ClusterReport) -> None:
    from hepad.pipeline.cluster.output import formatted_clusters, summary

    common.print_warnings(report.warnings)
    for line in summary(report):
        common.stdout().print(line)
    common.print_table("Clusters", *formatted_clusters(report))
    if report.complete_before is None:
        common.say_wrote(report.output)
