"""`hepad fit`: the background of a spectrum."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli.common import (
    Json,
    Output,
    Seed,
    parse_range,
    print_json,
    print_table,
    print_warnings,
    say_wrote,
    stdout,
    toys_progress,
)
from hepad.errors import UsageError

if TYPE_CHECKING:
    from hepad.pipeline.fit.report import Background

__all__ = ["MassRange", "fit"]

MassRange = Annotated[
    str | None, typer.Option("--range", help="LOW:HIGH in GeV; whole bins within it.", show_default=False)
]


def fit(
    spectrum: Annotated[
        str, typer.Argument(help="file.root:histogram, file.json:histogram (UHI) or file.csv.", show_default=False)
    ],
    function: Annotated[
        list[str] | None,
        typer.Option(
            "--function",
            help="A bundled name ('hepad list fits'), a fit card, or gp, a Gaussian process. May be repeated.",
            show_default="dijet3 with --order auto",
        ),
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(
            "--order",
            help="Number of parameters in the function's family; auto: the fewest that one more does not improve at "
            "the 5 % level.",
            show_default="the function's own",
        ),
    ] = None,
    mass_range: MassRange = None,
    toys: Annotated[
        int | None,
        typer.Option(
            "--toys",
            min=0,
            help="Pseudo-experiments for the goodness of fit and --order auto.",
            show_default="1000 for the goodness if a bin expects fewer than 5 events, else none",
        ),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option("--window", min=1, help="Sliding-window fit with so many bins either side.", show_default=False),
    ] = None,
    window_signal: Annotated[
        float | None,
        typer.Option(
            "--window-signal",
            metavar="X",
            max=1.0,
            help="Relative width of a signal component in each window.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    output: Output = None,
    json: Json = False,
) -> None:
    """Fit background functions to a mass spectrum: errors, order, goodness of fit.

    Example: hepad fit examples/data/atlas_dijet_139fb.csv --function dijet3 --order auto --toys 1000 -o fit
    """
    from hepad.pipeline.fit.run import FitOptions, fit_spectrum

    if function is None and order is None and window is None:
        order = "auto"
    options = FitOptions(
        functions=tuple(function or ["dijet3"]),
        order=_order(order),
        mass_range=parse_range(mass_range),
        toys=toys,
        seed=seed,
        window=window,
        window_signal=window_signal,
        output=output,
    )
    with toys_progress() as on_toys:
        report = fit_spectrum(spectrum, options=replace(options, on_toys=on_toys))
    print_warnings(report.warnings)
    if json:
        print_json(report.to_json())
        return
    for background in report.backgrounds:
        _print(background)
    say_wrote(output)


def _order(text: str | None) -> int | None:
    if text is None:
        return None
    if text == "auto":
        return 0
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise UsageError(f"--order is auto or a number of parameters, found {text!r}")


def _print(background: Background) -> None:
    console, good = stdout(), background.goodness
    ndf = "" if good.ndf is None else f" for {good.ndf:.4g} degrees of freedom"
    p = "" if good.p_value is None else f", p = {good.p_value:.4g}"
    toys = "" if good.p_toys is None else f", p = {good.p_toys:.4g} by {good.toys} toys"
    console.print(f"{background.name} ({background.kind}): deviance {good.deviance:.2f}{ndf}{p}{toys}")
    ks = "" if good.ks_p_toys is None else f", p = {good.ks_p_toys:.4g} by toys"
    console.print(f"Kolmogorov-Smirnov distance {good.ks:.4g}{ks}; Pearson's chi-square {good.pearson:.2f}")
    for step in background.steps:
        if step.fall is None:
            console.print(f"order: {step.richer} could not be fitted")
            continue
        by_toys = "" if step.p_toys is None else f", {step.p_toys:.3g} by toys"
        console.print(
            f"order: {step.richer} lowers the deviance of {step.simpler} by {step.fall:.2f} (p = {step.p_value:.3g}"
            f"{by_toys}): {'kept' if step.kept else 'not needed'}"
        )
    if background.process is not None:
        process = background.process
        console.print(
            f"amplitude {process.amplitude:.3g}, length {process.length:.3g} in ln m, "
            f"{process.n_effective:.2f} effective parameters"
        )
    if background.fit is not None and background.minos is not None:
        rows = [
            [name, f"{value:.6g}", f"{error:.3g}", f"{low:+.3g}", f"{high:+.3g}"]
            for name, value, error, (low, high) in zip(
                background.fit.function.parameter_names,
                background.fit.parameters,
                background.fit.errors,
                background.minos,
                strict=True,
            )
        ]
        print_table("Parameters", ["", "value", "error", "MINOS down", "MINOS up"], rows)
