"""`hepad limit`: an upper limit on a signal from yields or spectra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli.common import Json, Output, Seed, print_json, stderr, stdout

if TYPE_CHECKING:
    from hepad.pipeline.limit import LimitReport

__all__ = ["limit"]

_YIELD = "a number of events, or file.root:histogram, file.json:histogram, file.csv"


def limit(
    signal: Annotated[str, typer.Option("--signal", help=f"Signal: {_YIELD}.", show_default=False)],
    background: Annotated[str, typer.Option("--background", help=f"Background: {_YIELD}.", show_default=False)],
    data: Annotated[
        str | None, typer.Option("--data", help=f"Data: {_YIELD}. Without it: expected only.", show_default=False)
    ] = None,
    background_error: Annotated[
        float, typer.Option("--background-error", min=0.0, help="Relative error of the background.")
    ] = 0.0,
    signal_error: Annotated[float, typer.Option("--signal-error", min=0.0, help="Relative error of the signal.")] = 0.0,
    luminosity_error: Annotated[
        float, typer.Option("--luminosity-error", min=0.0, help="Relative error of the luminosity, on the signal.")
    ] = 0.0,
    cross_section: Annotated[
        float | None,
        typer.Option("--cross-section", help="Cross section (pb) of the signal yield: limits in pb too."),
    ] = None,
    toys: Annotated[
        int, typer.Option("--toys", min=0, help="Pseudo-experiments per hypothesis; 0 for asymptotic formulae.")
    ] = 0,
    seed: Seed = 0,
    output: Output = None,
    json: Json = False,
) -> None:
    """Set an upper limit at 95 % CL on a signal with the CLs method.

    Example: hepad limit --signal 1 --background 0.5 --background-error 0.4 --data 0 --toys 5000 -o limit
    """
    from hepad.pipeline.limit import LimitOptions
    from hepad.pipeline.limit import limit as run

    options = LimitOptions(
        background_error=background_error,
        signal_error=signal_error,
        luminosity_error=luminosity_error,
        cross_section=cross_section,
        toys=toys,
        seed=seed,
        output=output,
    )
    report = run(signal, background, data, options=options)
    for warning in report.result.warnings:
        stderr().print(f"hepad: warning: {warning}", markup=False)
    if json:
        print_json(report.to_json())
    else:
        _print(report)


def _print(report: LimitReport) -> None:
    scales = [("mu", 1.0)] + ([] if report.cross_section is None else [("pb", report.cross_section)])
    console = stdout()
    for unit, scale in scales:
        expected = [f"{value * scale:.4g}" for value in report.result.expected]
        if report.result.observed is not None:
            console.print(f"observed  {report.result.observed * scale:.4g} {unit}", markup=False)
        bands = f"1 sigma {expected[1]} to {expected[3]}, 2 sigma {expected[0]} to {expected[4]}"
        console.print(f"expected  {expected[2]} {unit} ({bands})", markup=False)
