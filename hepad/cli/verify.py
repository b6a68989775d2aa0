"""`hepad verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common
from hepad.cli.progress import counts

if TYPE_CHECKING:
    from hepad.pipeline.verify.report import VerifyReport


def verify(
    cards: Annotated[
        list[str] | None,
        typer.Argument(help="Analyses, searches and studies, paths of their cards, or bundles.", show_default="all"),
    ] = None,
    samples: Annotated[
        list[Path] | None,
        typer.Option(
            "--samples",
            metavar="FOLDER",
            help="With event files of the names in the cards of studies. May be repeated.",
            show_default="the examples",
        ),
    ] = None,
    trained: Annotated[
        list[Path] | None,
        typer.Option(
            "--trained",
            metavar="FOLDER",
            help="What hepad study wrote, for numbers of networks that are trained. May be repeated.",
            show_default=False,
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only what ships with hepad: less than a minute.")] = False,
    bootstrap: Annotated[int, typer.Option(min=2, help="Bootstrap samples for errors over events.")] = 200,
    toys: Annotated[int, typer.Option(min=1, help="Pseudo-experiments for p-values.")] = 2000,
    seed: common.Seed = 1,
    output: common.Output = None,
    json: common.Json = False,
) -> None:
    """Hold every published number of a card against ours: published, measured, difference, and why.

    The exit code is 7 if a number of a card that claims to be exact is off.

    Example: hepad verify --quick -o report
    """
    from hepad.pipeline.verify.options import VerifyOptions
    from hepad.pipeline.verify.run import verify as run

    with counts("cards") as (done,):
        options = VerifyOptions(
            data=tuple(samples or ()),
            trained=tuple(trained or ()),
            quick=quick,
            output=output,
            replicas=bootstrap,
            toys=toys,
            seed=seed,
            on_step=done.set,
        )
        report = run(cards or (), options=options)
    if json:
        common.print_json(report.to_json())
    else:
        _print(report)
    report.check()


def _print(report: VerifyReport) -> None:
    from hepad.pipeline.verify.page import formatted_checks, formatted_missing

    common.print_table("Published numbers beside ours", *formatted_checks(report), numbers_from=3)
    missing = formatted_missing(report)
    if missing[1]:
        common.print_table("Not measured", *missing, numbers_from=2)
    common.say_wrote(report.output)
