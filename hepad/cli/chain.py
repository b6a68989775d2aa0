"""`hepad chain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common

if TYPE_CHECKING:
    from hepad.pipeline.chain.report import ChainReport

_STEP = "MODEL@REGION, MODEL@threshold:X, a search, a selection or a hunt; several: an event passes any of them."


def chain(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Event files; NAME=FILE makes several samples, without a NAME they are one.",
            show_default=False,
        ),
    ],
    l1: Annotated[list[str] | None, typer.Option("--l1", help=f"First level: {_STEP}", show_default=False)] = None,
    hlt: Annotated[list[str] | None, typer.Option("--hlt", help=f"Second level: {_STEP}", show_default=False)] = None,
    offline: Annotated[
        list[str] | None, typer.Option("--offline", help=f"Behind the trigger: {_STEP}", show_default=False)
    ] = None,
    menu: Annotated[
        str | None,
        typer.Option("--menu", help="Ordinary triggers to compare with ('hepad list menus') or a card."),
    ] = None,
    sqrt_s: Annotated[
        float | None,
        typer.Option("--sqrt-s", help="Collision energy of the samples in GeV.", show_default="the files'"),
    ] = None,
    output: common.Output = None,
    simulated: common.Simulated = True,
    step_size: common.StepSize = 100_000,
    max_events: common.MaxEvents = None,
    workers: common.Workers = 1,
    executor: common.Executor = "local",
    scheduler: common.Scheduler = None,
    skip_bad_files: common.SkipBadFiles = False,
    force: common.Force = False,
    json: common.Json = False,
) -> None:
    """Send samples through trigger levels and an offline selection: one cut flow, beside ordinary triggers.

    Example: hepad chain examples/data/w_lnu.root --l1 dnn_ae@threshold:0.0005 --offline lepton_jets
    """
    from hepad.pipeline.chain.options import ChainOptions
    from hepad.pipeline.chain.run import chain as run

    with common.event_progress("reading") as on_events:
        options = ChainOptions(
            output=output,
            l1=tuple(l1 or ()),
            hlt=tuple(hlt or ()),
            offline=tuple(offline or ()),
            menu=menu,
            sqrt_s_gev=sqrt_s,
            simulation=simulated,
            step_size=step_size,
            max_events=max_events,
            execution=common.execution(workers, executor, scheduler, skip_bad_files, force),
            on_events=on_events,
        )
        report = run(common.parse_files(files), options=options)
    common.print_made(report, lambda: _print(report), json=json)


def _print(report: ChainReport) -> None:
    from hepad.pipeline.chain import output as tables

    common.print_warnings(report.remarks)
    common.show("Steps", tables.steps_table(report))
    for sample in report.samples:
        common.show(f"{sample.sample}: {sample.events} events", tables.levels_table(sample))
        if sample.triggers:
            common.show(f"{sample.sample}: events of the last level, menu {report.menu}", tables.triggers_table(sample))
    if not report.complete_before:
        common.say_wrote(report.output)
