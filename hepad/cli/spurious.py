"""`hepad spurious`: signals that background functions fake."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from hepad.cli.common import Json, Output, Seed, parse_range, print_json, print_table, print_warnings, say_wrote
from hepad.cli.fit import MassRange
from hepad.cli.progress import counts
from hepad.errors import CheckFailedError

__all__ = ["spurious"]


def spurious(
    spectrum: Annotated[
        str, typer.Argument(help="file.root:histogram, file.json:histogram (UHI) or file.csv.", show_default=False)
    ],
    masses: Annotated[str, typer.Option("--masses", help="LOW:HIGH:STEP in GeV, or M1,M2,...", show_default=False)],
    function: Annotated[
        list[str], typer.Option("--function", help="A bundled name or a fit card. May be repeated.", show_default=False)
    ],
    width: Annotated[
        float, typer.Option("--width", help="Standard deviation of the Gaussian signal over its mass.")
    ] = 0.05,
    truth: Annotated[
        str, typer.Option("--truth", help="Background without signal: gp, a function, or spectrum.")
    ] = "gp",
    max_ratio: Annotated[
        float, typer.Option("--max-ratio", help="Largest spurious signal over its statistical error that passes.")
    ] = 0.2,
    check: Annotated[bool, typer.Option("--check", help="Exit with 7 if a function does not pass.")] = False,
    mass_range: MassRange = None,
    toys: Annotated[int, typer.Option("--toys", min=0, help="Pseudo-experiments of the truth a mass.")] = 0,
    seed: Seed = 0,
    output: Output = None,
    json: Json = False,
) -> None:
    """Fit signal and background where there is no signal, against mass: what does the function fake?

    Example: hepad spurious examples/data/atlas_dijet_139fb.csv --function dijet4 --masses 1500:6000:250 --truth dijet5
    """
    from hepad.pipeline.spurious import SpuriousOptions
    from hepad.pipeline.spurious import spurious as run
    from hepad.spectra.shapes import parse_masses

    options = SpuriousOptions(
        functions=tuple(function),
        masses=tuple(parse_masses(masses, "--masses")),
        width=width,
        truth=truth,
        max_ratio=max_ratio,
        mass_range=parse_range(mass_range),
        toys=toys,
        seed=seed,
        output=output,
    )
    with counts("masses") as (done,):
        report = run(spectrum, options=replace(options, on_masses=done.set))
    print_warnings(report.warnings)
    if json:
        print_json(report.to_json())
    else:
        rows = []
        for name, points in report.points.items():
            for p in points:
                toy = [] if p.toy_mean is None else [f"{p.toy_mean:.4g} ± {p.toy_error:.2g}", f"{p.pull_width:.2f}"]
                rows.append([name, f"{p.mass:g}", f"{p.spurious:.4g}", f"{p.error:.4g}", f"{p.ratio:+.3f}", *toy])
        header = ["function", "mass", "spurious", "error", "ratio", *(["mean of toys", "pull width"] if toys else [])]
        print_table("Spurious signals", header, [row + [""] * (len(header) - len(row)) for row in rows])
        verdicts = [
            [name, f"{report.largest(name).ratio:+.3f}", "passes" if report.passed(name) else "does not pass"]
            for name in report.points
        ]
        print_table(f"Criterion: at most {max_ratio:g} of the error", ["function", "largest", ""], verdicts)
        say_wrote(output)
    failed = [name for name in report.points if not report.passed(name)]
    if check and failed:
        raise CheckFailedError(f"{', '.join(failed)}: a spurious signal exceeds {max_ratio:g} of its statistical error")
