"""`hepad abcd`: background estimate, excess and limit of the ABCD method, and whether it closes on two scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli.common import (
    CalculatorOption,
    Json,
    Output,
    Seed,
    print_json,
    print_table,
    print_warnings,
    say_wrote,
    stdout,
)
from hepad.errors import UsageError

if TYPE_CHECKING:
    from hepad.pipeline.closure import ClosureReport

__all__ = ["abcd"]


def abcd(
    counts: Annotated[
        str | None,
        typer.Option("--counts", help="A,B,C,D: events; A is the signal region, '-' if blinded.", show_default=False),
    ] = None,
    nonclosure: Annotated[
        float, typer.Option("--nonclosure", min=0.0, help="Relative error of A = B C / D, log-normal.")
    ] = 0.0,
    signal: Annotated[
        str | None,
        typer.Option("--signal", metavar="A,B,C,D", help="A,B,C,D: signal events at mu = 1.", show_default="1,0,0,0"),
    ] = None,
    calculator: CalculatorOption = "auto",
    toys: Annotated[
        int,
        typer.Option("--toys", min=0, help="Pseudo-experiments; a number asks for toys.", show_default="4000"),
    ] = 0,
    seed: Seed = 0,
    scores: Annotated[
        str | None,
        typer.Option("--scores", help="Background that 'hepad score' scored: test the closure.", show_default=False),
    ] = None,
    plane: Annotated[
        str | None,
        typer.Option("--plane", help="SCORE,SCORE: the two to cut on.", show_default="the first two"),
    ] = None,
    efficiency: Annotated[
        list[float] | None,
        typer.Option(
            "--efficiency", help="Background left in A. May be repeated.", show_default="0.005, 0.01, ... 0.05"
        ),
    ] = None,
    min_events: Annotated[int, typer.Option("--min-events", min=1, help="Least events of each region.")] = 100,
    data: Annotated[
        str | None,
        typer.Option("--data", help="A score file to count at the same cuts.", show_default=False),
    ] = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Estimate the background of region A as B C / D in one likelihood, with non-closure and signal everywhere.

    Example: hepad abcd --counts 35,100,80,400 --nonclosure 0.2 --signal 10,2,1,0.5 -o abcd

    Does it close on a background? hepad abcd --scores background.scores.root --plane mse1,mse2 -o closure
    """
    if scores is not None:
        report = _closure(scores, plane, efficiency, min_events, data, output)
        if json:
            print_json(report.to_json())
        else:
            _print_closure(report, output)
        return
    if counts is None:
        raise UsageError("give --counts A,B,C,D, or --scores FILE to test the closure; see hepad abcd --help")
    _estimate(counts, nonclosure, signal, calculator, toys, seed, output, json=json)


def _closure(
    scores: str,
    plane: str | None,
    efficiency: list[float] | None,
    min_events: int,
    data: str | None,
    output: Path | None,
) -> ClosureReport:
    from hepad.io.remote.path import input_path
    from hepad.pipeline.closure import EFFICIENCIES, ClosureOptions, abcd_closure

    names = None if plane is None else [name.strip() for name in plane.split(",")]
    if names is not None and len(names) != 2:
        raise UsageError(f"--plane is two scores, SCORE,SCORE, found {plane!r}")
    options = ClosureOptions(
        plane=names,
        efficiencies=tuple(efficiency or EFFICIENCIES),
        min_events=min_events,
        data=input_path(data) if data else None,
        output=output,
    )
    return abcd_closure(input_path(scores), options=options)


def _print_closure(report: ClosureReport, output: Path | None) -> None:
    for what, points in (("of the background", report.background), ("of the data at the same cuts", report.data)):
        rows = []
        for point in points:
            (predicted, predicted_error), (ratio, error) = point.predicted, point.ratio
            counts = [f"{count:.6g}" for count in point.counts]
            expected = f"{predicted:.4g} ± {predicted_error:.2g}"
            rows.append(
                [f"{point.efficiency:g}", *counts, expected, f"{ratio:.3f} ± {error:.3f}", f"{point.pull:+.2f}"]
            )
        if rows:
            header = ["efficiency", "A", "B", "C", "D", "B C / D", "A D / (B C)", "pull"]
            print_table(f"Regions {what}, {report.scores[0]} and {report.scores[1]}", header, rows)
    if report.left_out:
        left_out = ", ".join(f"{value:g}" for value in report.left_out)
        print_warnings([f"too few events in a region at efficiency {left_out}"])
    stdout().print(f"non-closure at most {report.nonclosure:.3f} (--nonclosure of hepad abcd --counts)")
    say_wrote(output)


def _estimate(
    counts: str,
    nonclosure: float,
    signal: str | None,
    calculator: str,
    toys: int,
    seed: int,
    output: Path | None,
    *,
    json: bool,
) -> None:
    from hepad.cli.limit_print import print_limits
    from hepad.pipeline.abcd import AbcdOptions
    from hepad.pipeline.abcd import abcd as run

    wanted = None if signal is None else [value or 0.0 for value in _four("--signal", signal, blind=False)]
    options = AbcdOptions(
        nonclosure=nonclosure, signal=wanted, calculator=calculator, toys=toys, seed=seed, output=output
    )
    report = run(_four("--counts", counts, blind=True), options=options)
    print_warnings(report.result.warnings)
    if json:
        print_json(report.to_json())
        return
    console = stdout()
    estimate, error = report.model.predicted
    console.print(f"B C / D   {estimate:.4g} ± {error:.2g} events expected in A from B, C and D alone")
    console.print(f"fitted    {report.background_only[0]:.4g} without signal, {report.with_signal[0]:.4g} with")
    if report.excess is not None:
        console.print(f"p0        {report.excess.words()[0]} ({report.excess.words()[1]} sigma)")
    print_limits(report.result, [("mu", 1.0)])


def _four(option: str, text: str, *, blind: bool) -> list[float | None]:
    parts = [part.strip() for part in text.split(",")]
    try:
        values = [None if blind and i == 0 and part == "-" else float(part) for i, part in enumerate(parts)]
    except ValueError as error:
        raise UsageError(f"{option} is A,B,C,D, four numbers, found {text!r}") from error
    if len(values) != 4:
        raise UsageError(f"{option} is A,B,C,D, four numbers, found {len(values)}")
    return values
