"""`hepad inject`: injected signals and what the fit makes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli.common import Json, Output, Seed, parse_range, print_json, print_table, print_warnings, say_wrote, stdout
from hepad.cli.fit import MassRange
from hepad.cli.progress import counts
from hepad.errors import UsageError

if TYPE_CHECKING:
    from hepad.stats.fits.injection import Injection

__all__ = ["inject"]

_FLOATING = {"none": (), "mass": ("mass",), "width": ("width",), "mass,width": ("mass", "width")}


def inject(
    spectrum: Annotated[
        str, typer.Argument(help="file.root:histogram, file.json:histogram (UHI) or file.csv.", show_default=False)
    ],
    mass: Annotated[float, typer.Option("--mass", help="Of the signal, GeV.", show_default=False)],
    width: Annotated[
        float, typer.Option("--width", help="Standard deviation of the Gaussian signal over its mass.")
    ] = 0.05,
    events: Annotated[
        list[float] | None,
        typer.Option("--yield", min=0, help="Signal events. May be repeated.", show_default=False),
    ] = None,
    function: Annotated[
        str, typer.Option("--function", help="Background function of the fit: a bundled name or a fit card.")
    ] = "dijet4",
    truth: Annotated[
        str | None,
        typer.Option(
            "--truth", help="Background of the experiments: a function, gp, or spectrum.", show_default="--function"
        ),
    ] = None,
    floating: Annotated[
        str, typer.Option("--float", help="What floats beside the yield: mass,width, mass, width or none.")
    ] = "mass,width",
    search: Annotated[
        str | None,
        typer.Option(
            "--search",
            metavar="LOW:HIGH",
            help="In GeV, where a mass is sought.",
            show_default="the spectrum",
        ),
    ] = None,
    mass_range: MassRange = None,
    experiments: Annotated[int, typer.Option("--experiments", min=2, help="Pseudo-experiments a yield.")] = 500,
    seed: Seed = 0,
    output: Output = None,
    json: Json = False,
) -> None:
    """Inject a Gaussian signal into the background of a spectrum and recover yield, mass and width, with their pulls.

    Example: hepad inject examples/data/atlas_dijet_139fb.csv --function dijet5 --mass 2500 --width 0.03 --yield 5000
    """
    from hepad.pipeline.inject import InjectOptions, inject_signals

    if not events:
        raise UsageError("give --yield, the number of signal events")
    if floating not in _FLOATING:
        raise UsageError(f"--float is one of {', '.join(_FLOATING)}, found {floating!r}")
    options = InjectOptions(
        mass=mass,
        width=width,
        yields=tuple(events),
        function=function,
        truth=truth,
        floating=_FLOATING[floating],
        mass_range=parse_range(mass_range),
        search=parse_range(search),
        experiments=experiments,
        seed=seed,
        output=output,
    )
    with counts("fits") as (done,):
        report = inject_signals(spectrum, options=replace(options, on_fits=done.set))
    print_warnings(report.warnings)
    if json:
        print_json(report.to_json())
        return
    for injection in report.injections:
        _print(injection)
    say_wrote(output)


def _print(injection: Injection) -> None:
    from hepad.pipeline.inject import HEADER, formatted_rows

    print_table("Injected signal", HEADER, formatted_rows(injection))
    there = int(injection.found.sum())
    stdout().print(
        f"{injection.experiments} experiments: {there} found the signal, {len(injection.found) - there} "
        f"something elsewhere, {injection.failed} failed"
    )
