"""`hepad bumphunt`: the most significant excess in a spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from hepad.cli.common import Json, Output, Seed, print_json, stderr, stdout
from hepad.errors import UsageError

if TYPE_CHECKING:
    from hepad.pipeline.bumphunt import BumpHuntReport

__all__ = ["BumpHuntCommand", "bumphunt"]

_Function = Annotated[
    str,
    typer.Option(
        "--function",
        help="Background function: a bundled name (dijet3 to dijet6, ua2, ua2_3), a fit card, or auto: "
        "the fewest dijet parameters that one more does not improve at the 5 % level.",
    ),
]


class BumpHuntCommand(TyperCommand):
    """Lets `--reference` stand alone for `--reference column`, which typer cannot express."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default value behind a bare `--reference` at the end or before another option."""
        filled = []
        for word, following in zip(args, [*args[1:], "-"], strict=True):
            filled.append(word)
            if word == "--reference" and following.startswith("-"):
                filled.append("column")
        return super().parse_args(ctx, filled)


def bumphunt(
    spectrum: Annotated[
        str, typer.Argument(help="file.root:histogram, file.json:histogram (UHI) or file.csv.", show_default=False)
    ],
    function: _Function = "auto",
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            help="Expected background in place of a fit: alone or 'column', the file's fourth; or another spectrum.",
            show_default=False,
        ),
    ] = None,
    mass_range: Annotated[
        str | None, typer.Option("--range", help="LOW:HIGH in GeV; whole bins within it.", show_default=False)
    ] = None,
    width_min: Annotated[int, typer.Option("--width-min", min=1, help="Narrowest window in bins.")] = 2,
    width_max: Annotated[
        int | None, typer.Option("--width-max", min=1, help="Widest window in bins.", show_default="half the bins")
    ] = None,
    width_step: Annotated[int, typer.Option("--width-step", min=1, help="Step of the width in bins.")] = 1,
    scan_step: Annotated[int, typer.Option("--scan-step", min=1, help="Step of the position in bins.")] = 1,
    toys: Annotated[int, typer.Option("--toys", min=0, help="Pseudo-experiments for the global p-value.")] = 10_000,
    refit: Annotated[
        bool | None,
        typer.Option(
            "--refit/--no-refit", help="Fit each pseudo-experiment anew.", show_default="refit if a function is fitted"
        ),
    ] = None,
    seed: Seed = 0,
    output: Output = None,
    json: Json = False,
) -> None:
    """Find the most significant excess in a mass spectrum, and how often background alone gives one like it.

    Example: hepad bumphunt examples/data/atlas_dijet_139fb.csv --function dijet5 -o bump
    """
    from hepad.pipeline.bumphunt import BumpHuntOptions
    from hepad.pipeline.bumphunt import bumphunt as run
    from hepad.stats.bumphunt import ScanOptions

    options = BumpHuntOptions(
        function=function,
        reference=reference,
        mass_range=_parse_range(mass_range),
        scan=ScanOptions(width_min, width_max, width_step, scan_step),
        toys=toys,
        seed=seed,
        refit=refit,
        output=output,
    )
    report = run(spectrum, options=options)
    for warning in report.warnings:
        stderr().print(f"hepad: warning: {warning}", markup=False)
    if json:
        print_json(report.to_json())
    else:
        _print(report)


def _parse_range(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    low, colon, high = text.partition(":")
    try:
        if colon:
            return float(low), float(high)
    except ValueError:
        pass
    raise UsageError(f"--range is LOW:HIGH in GeV, found {text!r}")


def _print(report: BumpHuntReport) -> None:
    hunt, console = report.hunt, stdout()
    result = report.to_json()
    lines = []
    if report.fit is not None:
        fit = report.fit
        lines.append(f"fit       {fit.function.name}, deviance {fit.deviance:.2f} for {fit.ndf} degrees of freedom")
    lines.append(f"window    {hunt.window[0]:g} to {hunt.window[1]:g} GeV, the best of {hunt.windows}")
    lines.append(f"events    {hunt.observed:g} observed, {hunt.expected:.6g} expected")
    z = "" if hunt.local_z is None else f" ({hunt.local_z:.2f} sigma)"
    p = f"{hunt.local_p:.4g}" if hunt.local_p > 0 else f"10^{result['log10_local_p']:.1f}"
    lines.append(f"local p   {p}{z}")
    if hunt.global_p is not None:
        how = "each refitted" if hunt.refit else "not refitted" if report.fit is not None else "reference held fixed"
        lines.append(f"global p  {hunt.global_p:.4g} ± {hunt.global_p_error:.2g} ({hunt.toys} toys, {how})")
    for line in lines:
        console.print(line, markup=False)
