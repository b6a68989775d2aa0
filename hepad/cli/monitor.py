"""`hepad monitor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common

if TYPE_CHECKING:
    from hepad.pipeline.monitor.report import MonitorReport


def monitor(
    reference: common.Files,
    run: Annotated[
        list[str],
        typer.Option(
            "--run",
            help="NAME=FILE, or FILE for a run of that name without its ending; several files of one NAME are one run. "
            "May be repeated.",
            show_default=False,
        ),
    ],
    model: common.Model,
    output: common.ReportFolder,
    selection: common.Selection = None,
    alpha: Annotated[float, typer.Option(help="Least probability, over all tests, that counts as no shift.")] = 0.01,
    min_distance: Annotated[
        float, typer.Option(help="Least distance of cumulative distributions that counts as a shift.")
    ] = 0.0,
    toys: Annotated[int, typer.Option(min=100, help="Random relabellings behind each p-value.")] = 2000,
    check: Annotated[bool, typer.Option("--check", help="Exit with code 7 if a run has shifted.")] = False,
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
    """Compare runs with a reference: scores, regions, objects and inputs of a model, and what has shifted.

    Example: hepad monitor examples/data/background.h5 --run late=examples/data/h0.h5 --model snn_ae -o shifts
    """
    from hepad.pipeline.monitor.options import MonitorOptions
    from hepad.pipeline.monitor.run import monitor as compare

    with common.event_progress("scoring") as on_events:
        options = MonitorOptions(
            output=output,
            selection=selection,
            alpha=alpha,
            min_distance=min_distance,
            toys=toys,
            check=check,
            seed=seed,
            simulation=simulated,
            step_size=step_size,
            max_events=max_events,
            execution=common.execution(workers, executor, scheduler, skip_bad_files, force),
            on_events=on_events,
        )
        report = compare(reference, _runs(run), model, options=options)
    if json:
        common.print_json(report.to_json())
    else:
        _print(report)
    if report.complete_before is not None:
        common.print_complete(report.output)
    if check and not report.passed:
        from hepad.errors import CheckFailedError

        shifted = ", ".join(one.name for one in report.runs if one.shifted)
        raise CheckFailedError(f"--check: {shifted} shifted against the reference; see {output}")
    common.print_skipped(report.skipped)


def _runs(texts: list[str]) -> dict[str, list[str]]:
    """The files of the runs by name."""
    named = [
        text if "=" in Path(text).name or "=" in text.partition("/")[0] else f"{Path(text).stem}={text}"
        for text in texts
    ]
    return common.parse_samples("--run", named, reserved=("reference",))


def _print(report: MonitorReport) -> None:
    from hepad.pipeline.monitor.output import formatted_runs, summary

    common.stdout().print(summary(report))
    common.print_table("Runs", *formatted_runs(report))
    if report.complete_before is None:
        common.say_wrote(report.output)
