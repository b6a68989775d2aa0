"""`hepad hist`."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from hepad.cli import common


def hist(
    files: common.Files,
    mass: Annotated[
        list[str],
        typer.Option("--mass", help="Objects to sum, for instance jet1+jet2. May be repeated.", show_default=False),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="NAME.root, NAME.json, or NAME for both.", show_default=False)
    ],
    scores: Annotated[
        str | None,
        typer.Option("--scores", help="A file that 'hepad score' wrote from the same events.", show_default=False),
    ] = None,
    selection: Annotated[
        str | None,
        typer.Option("--selection", "-s", help="A bundled selection or a card.", show_default="that of the scores"),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option("--region", metavar="NAME", help="Of the score file. May be repeated.", show_default="all"),
    ] = None,
    bins: Annotated[int, typer.Option(min=1, max=100_000, help="Number of bins of equal width.")] = 100,
    range_: Annotated[str, typer.Option("--range", help="LOW:HIGH in GeV.")] = "0:2000",
    edges: Annotated[
        str | None,
        typer.Option(
            "--edges", help="Comma-separated bin edges in GeV, instead of --bins and --range.", show_default=False
        ),
    ] = None,
    cross_section: Annotated[
        float | None, typer.Option("--cross-section", min=0, help="Of all events in the files, pb.", show_default=False)
    ] = None,
    luminosity: Annotated[
        float | None, typer.Option("--luminosity", min=0, help="To scale to, in 1/fb.", show_default=False)
    ] = None,
    step_size: common.StepSize = 100_000,
    workers: common.Workers = 1,
    executor: common.Executor = "local",
    scheduler: common.Scheduler = None,
    skip_bad_files: common.SkipBadFiles = False,
    force: common.Force = False,
    json: common.Json = False,
) -> None:
    """Fill masses of selected events, in all of them and in each region, into ROOT TH1 and UHI JSON.

    Example: hepad hist examples/data/w_lnu.root --selection adc2021 --mass jet1+jet2 --range 0:500 --bins 25 -o spectra
    """
    from hepad.io.remote.path import input_path
    from hepad.pipeline.hist.run import HistOptions, fill_histograms

    with common.event_progress("filling") as on_events:
        options = HistOptions(
            output=output,
            masses=tuple(mass),
            edges=_edges(edges, bins, range_),
            scores=input_path(scores) if scores else None,
            selection=selection,
            regions=None if region is None else tuple(region),
            cross_section_pb=cross_section,
            luminosity_fb=luminosity,
            step_size=step_size,
            execution=common.execution(workers, executor, scheduler, skip_bad_files, force),
            on_events=on_events,
        )
        report = fill_histograms(files, options=options)
    result = report.to_json()
    if json:
        common.print_json(result)
    else:
        _print(result, complete_before=report.complete_before)
    if report.complete_before:
        common.print_complete(*report.outputs)
    common.print_skipped(report.skipped)


def _print(result: dict[str, Any], *, complete_before: bool) -> None:
    rows = [[name, f"{h['sum']:.6g}", f"{h['underflow_overflow']:.6g}"] for name, h in result["histograms"].items()]
    common.print_table("Histograms", ["name", "events", "outside the range"], rows)
    if not complete_before:
        common.stdout().print(f"wrote {', '.join(result['output'])}")


def _edges(edges: str | None, bins: int, range_: str) -> tuple[float, ...]:
    from hepad.errors import UsageError
    from hepad.pipeline.hist.fill import equal_bins

    try:
        if edges is not None:
            values = tuple(float(part) for part in edges.split(","))
        else:
            low, high = (float(part) for part in range_.split(":"))
            values = equal_bins(low, high, bins)
    except ValueError as error:
        raise UsageError(f"cannot read the binning ({error}): write --range LOW:HIGH or --edges E0,E1,E2") from error
    if len(values) < 2 or not all(math.isfinite(value) for value in values) or any(b <= a for a, b in pairwise(values)):
        raise UsageError("bin edges must be finite and rise, and there must be two at least")
    return values
