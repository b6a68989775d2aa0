"""`hepad abcd`: background estimate, excess and limit of the ABCD method."""

from __future__ import annotations

from typing import Annotated

import typer

from hepad.cli.common import CalculatorOption, Json, Output, Seed, print_json, stderr, stdout
from hepad.errors import UsageError

__all__ = ["abcd"]


def abcd(
    counts: Annotated[
        str,
        typer.Option("--counts", help="A,B,C,D: events; A is the signal region, '-' if blinded.", show_default=False),
    ],
    nonclosure: Annotated[
        float, typer.Option("--nonclosure", min=0.0, help="Relative error of A = B C / D, log-normal.")
    ] = 0.0,
    signal: Annotated[
        str | None,
        typer.Option("--signal", help="A,B,C,D: signal events at mu = 1.", show_default="1,0,0,0"),
    ] = None,
    calculator: CalculatorOption = "auto",
    toys: Annotated[
        int,
        typer.Option("--toys", min=0, help="Pseudo-experiments; a number asks for toys.", show_default="4000"),
    ] = 0,
    seed: Seed = 0,
    output: Output = None,
    json: Json = False,
) -> None:
    """Estimate the background of region A as B C / D in one likelihood, with non-closure and signal everywhere.

    Example: hepad abcd --counts 35,100,80,400 --nonclosure 0.2 --signal 10,2,1,0.5 -o abcd
    """
    from hepad.cli.limit_print import print_limits
    from hepad.pipeline.abcd import AbcdOptions
    from hepad.pipeline.abcd import abcd as run

    wanted = None if signal is None else [value or 0.0 for value in _four("--signal", signal, blind=False)]
    options = AbcdOptions(
        nonclosure=nonclosure, signal=wanted, calculator=calculator, toys=toys, seed=seed, output=output
    )
    report = run(_four("--counts", counts, blind=True), options=options)
    for warning in report.result.warnings:
        stderr().print(f"hepad: warning: {warning}")
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
