"""`hepad vectorize`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common

if TYPE_CHECKING:
    from hepad.pipeline.vectorize import VectorizeReport


def vectorize(
    files: common.Files,
    output: Annotated[Path, typer.Option("--output", "-o", help="A .npz, .h5 or .parquet file.", show_default=False)],
    selection: Annotated[str, typer.Option("--selection", "-s", help="A bundled selection or a card.")] = "adc2021",
    input_: Annotated[str, typer.Option("--input", help="The input kind.")] = "l1_vector",
    features: Annotated[
        str | None,
        typer.Option("--features", help="Of each object: any of pt,eta,phi (l1_vector).", show_default="pt"),
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(
            "--order",
            help="Collections and their multiplicities, in order (l1_vector).",
            show_default="jets:10,muons:4,electrons:4,met",
        ),
    ] = None,
    step_size: common.StepSize = 100_000,
    max_events: common.MaxEvents = None,
    workers: common.Workers = 1,
    executor: common.Executor = "local",
    scheduler: common.Scheduler = None,
    skip_bad_files: common.SkipBadFiles = False,
    force: common.Force = False,
    json: common.Json = False,
) -> None:
    """Write what a network sees: x, columns, file, entry and weight of the selected events, unscaled.

    Example: hepad vectorize examples/data/w_lnu.root --selection adc2021 --input l1_vector -o w_lnu.npz
    """
    from hepad.pipeline.vectorize import VectorizeOptions
    from hepad.pipeline.vectorize import vectorize as run

    names, counts = (None, None) if order is None else _parse_order(order)
    with common.event_progress("reading") as on_events:
        options = VectorizeOptions(
            selection=selection,
            input=input_,
            features=None if features is None else tuple(filter(None, features.split(","))),
            order=names,
            counts=counts,
            step_size=step_size,
            max_events=max_events,
            execution=common.execution(workers, executor, scheduler, skip_bad_files, force),
            on_events=on_events,
        )
        report = run(files, output, options=options)
    common.print_made(report, lambda: _print(report, selection), json=json)


def _print(report: VectorizeReport, selection: str) -> None:
    common.print_cutflow(report.cutflow, selection)
    if not report.complete_before:
        common.stdout().print(
            f"wrote {report.output}: {report.cutflow.selected.events} rows of {len(report.columns)} columns"
        )


def _parse_order(text: str) -> tuple[tuple[str, ...], dict[str, int]]:
    from hepad.errors import UsageError

    names, counts = [], {}
    for part in text.split(","):
        name, colon, number = part.strip().partition(":")
        names.append(name)
        if name == "met" and not colon:
            continue
        if name == "met" or not number.isdigit():
            raise UsageError(f"--order {part!r}: write COLLECTION:NUMBER, for instance jets:10, or met")
        counts[name] = int(number)
    return tuple(names), counts
