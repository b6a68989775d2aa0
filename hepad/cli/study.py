"""`hepad study`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common
from hepad.cli.progress import counts
from hepad.errors import UsageError

if TYPE_CHECKING:
    from hepad.cards.sensitivity import SensitivityCard
    from hepad.nn.scorer import EpochEnd
    from hepad.pipeline.study.plan import PlannedTraining
    from hepad.pipeline.study.report import StudyReport
    from hepad.pipeline.study.sensitivity.run import SensitivityOptions


def study(
    card: Annotated[str, typer.Argument(help="A bundled study ('hepad list studies') or a card.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The study folder; an interrupted study goes on.", show_default=False),
    ],
    samples: Annotated[
        Path | None,
        typer.Option(
            "--samples", metavar="FOLDER", help="With event files of the names in the card.", show_default=False
        ),
    ] = None,
    background: Annotated[
        list[str] | None,
        typer.Option("--background", "-b", help="Background to train on.", show_default="from --samples"),
    ] = None,
    evaluation_background: Annotated[
        list[str] | None,
        typer.Option(help="Background to measure on.", show_default="from --samples, or a part of --background"),
    ] = None,
    signal: Annotated[
        list[str] | None,
        typer.Option("--signal", help="NAME=FILE, may be repeated.", show_default="from --samples"),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="Of a study of sensitivity, beside the classical ones; may be repeated.",
            show_default="the card's",
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small version, to see that all works.")] = False,
    scans: Annotated[bool, typer.Option("--scans/--no-scans", help="Also train the scans of the card.")] = True,
    workers: Annotated[int, typer.Option(min=1, help="Trainings side by side; each takes one core.")] = 1,
    device: common.Device = "cpu",
    step_size: common.StepSize = 100_000,
    json: common.Json = False,
) -> None:
    """Train the models of a published study over seeds, and report beside its numbers; run it again to go on.

    Example: hepad study adc2021 --samples examples/data --quick -o report
    """
    from hepad.cards.sensitivity import SensitivityCard, load_any_study

    chosen = load_any_study(card)
    if isinstance(chosen, SensitivityCard):
        if evaluation_background or not scans:
            raise UsageError(f"{chosen.name} is of mock data: it has no --evaluation-background and no scans")
        from hepad.execution.executor import Execution
        from hepad.pipeline.study.sensitivity.run import SensitivityOptions

        own = SensitivityOptions(
            output=output,
            data=samples,
            background=background or (),
            signals=common.parse_signals(signal),
            methods=method or (),
            quick=quick,
            device=device,
            step_size=step_size,
            execution=Execution(workers=workers),
        )
        _sensitivity(card, chosen, own, json=json)
        return
    if method:
        raise UsageError(f"--method is of studies of sensitivity; {chosen.name} has the analyses of its card")
    from hepad.pipeline.study.run import StudyOptions
    from hepad.pipeline.study.run import study as run

    with _progress() as (on_training, on_epoch):
        options = StudyOptions(
            output=output,
            data=samples,
            background=background or (),
            evaluation_background=evaluation_background or (),
            signals=common.parse_signals(signal),
            quick=quick,
            scans=scans,
            workers=workers,
            device=device,
            step_size=step_size,
            on_training=on_training,
            on_epoch=on_epoch,
        )
        report = run(card, options=options)
    if json:
        common.print_json(report.to_json())
    else:
        _print(report)


OnTraining = Callable[[int, int, "PlannedTraining"], None]
OnEpoch = Callable[["EpochEnd"], None]


@contextmanager
def _progress() -> Iterator[tuple[OnTraining, OnEpoch]]:
    with counts("trainings", "epochs") as (trainings, epochs):

        def begin(place: int, total: int, training: PlannedTraining) -> None:
            trainings.set(place - 1, total)
            epochs.set(0, training.train.epochs, what=training.name)

        yield begin, lambda end: epochs.set(end.epoch)


def _print(report: StudyReport) -> None:
    from hepad.pipeline.study.page import formatted_losses, formatted_table

    losses, numbers = (make(report.card, report.results) for make in (formatted_losses, formatted_table))
    for title, table in (("Losses", losses), ("Mean ± standard deviation over trainings", numbers)):
        common.show(title, table)
    kept = len(report.results.trainings) - report.trained
    remark = f", {kept} were there" if kept else ""
    common.stdout().print(f"{report.trained} trainings{remark}; wrote {report.output}/report.html")


def _sensitivity(name: str, card: SensitivityCard, options: SensitivityOptions, *, json: bool) -> None:
    """Run a study of sensitivity and say what it found."""
    from hepad.pipeline.study.sensitivity.page import gains_table, sensitivities_table
    from hepad.pipeline.study.sensitivity.run import sensitivity_study

    with counts("points") as (points,):
        report = sensitivity_study(name, card, options=replace(options, on_point=points.set))
    if json:
        common.print_json(report.to_json())
        return
    found, gains = sensitivities_table(report.results), gains_table(report.results)
    for title, table in (("Limits and discoveries", found), ("Improvements over the best classical method", gains)):
        common.show(title, table)
    for point, why in report.results.failed.items():
        common.print_lines(f"left out: {point}: {why}")
    common.stdout().print(f"{report.made} points; wrote {report.output}/report.html")
