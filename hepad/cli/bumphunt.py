"""`hepad bumphunt`: the most significant excess in a spectrum."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from hepad.cli.common import (
    Json,
    Output,
    Seed,
    parse_range,
    print_json,
    print_warnings,
    say_wrote,
    stdout,
    toys_progress,
)
from hepad.errors import UsageError

if TYPE_CHECKING:
    from hepad.pipeline.bumphunt.options import BumpHuntOptions, Injection
    from hepad.pipeline.bumphunt.report import BumpHuntReport, TrialsReport
    from hepad.stats.bumphunt import Sensitivity

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
        for word, following in zip(args, [*args[1:], "-"], strict=False):
            filled.append(word)
            if word == "--reference" and following.startswith("-"):
                filled.append("column")
        return super().parse_args(ctx, filled)


def bumphunt(
    spectra: Annotated[
        list[str],
        typer.Argument(
            help="file.root:histogram, file.json:histogram (UHI) or file.csv; of several the same window in all.",
            show_default=False,
        ),
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
    exact_reference: Annotated[
        bool, typer.Option("--exact-reference", help="Leave out the reference's own uncertainty.")
    ] = False,
    mass_range: Annotated[
        str | None, typer.Option("--range", help="LOW:HIGH in GeV; whole bins within it.", show_default=False)
    ] = None,
    width_min: Annotated[int, typer.Option("--width-min", min=1, help="Narrowest window in bins.")] = 2,
    width_max: Annotated[
        int | None, typer.Option("--width-max", min=1, help="Widest window in bins.", show_default="half the bins")
    ] = None,
    width_step: Annotated[int, typer.Option("--width-step", min=1, help="Step of the width in bins.")] = 1,
    scan_step: Annotated[int, typer.Option("--scan-step", min=1, help="Step of the position in bins.")] = 1,
    direction: Annotated[str, typer.Option("--direction", help="excess, deficit or both.")] = "excess",
    sideband_veto: Annotated[
        float | None,
        typer.Option(
            "--sideband-veto",
            help="Skip windows with a sideband of a p-value at most this; arXiv:1101.0390 uses 0.001.",
            show_default=False,
        ),
    ] = None,
    toys: Annotated[int, typer.Option("--toys", min=0, help="Pseudo-experiments for the global p-value.")] = 10_000,
    refit: Annotated[
        bool | None,
        typer.Option(
            "--refit/--no-refit", help="Fit each pseudo-experiment anew.", show_default="refit if a function is fitted"
        ),
    ] = None,
    inject: Annotated[
        str | None,
        typer.Option(
            "--inject",
            help="MASS:WIDTH[:YIELD...]: expected significance of a Gaussian signal, mass in GeV, width a share of it.",
            show_default=False,
        ),
    ] = None,
    trials: Annotated[
        bool, typer.Option("--trials", help="Hunt in each spectrum alone; one global p-value over all.")
    ] = False,
    events: Annotated[
        str | None,
        typer.Option(
            "--events",
            help="With --trials: file.root:tree, .parquet or .npz with a mass of each event in each spectrum, NaN if "
            "none; a column has the name of its histogram or file.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    output: Output = None,
    json: Json = False,
) -> None:
    """Find the most significant excess in a mass spectrum, and how often background alone gives one like it.

    Example: hepad bumphunt examples/data/atlas_dijet_139fb.csv --function dijet5 -o bump
    """
    from hepad.pipeline.bumphunt.options import BumpHuntOptions
    from hepad.pipeline.bumphunt.report import TrialsReport
    from hepad.stats.bumphunt import ScanOptions

    options = BumpHuntOptions(
        function=function,
        reference=reference,
        exact_reference=exact_reference,
        mass_range=parse_range(mass_range),
        scan=ScanOptions(width_min, width_max, width_step, scan_step, direction, sideband_veto),  # type: ignore[arg-type]
        toys=toys,
        seed=seed,
        refit=refit,
        inject=_parse_injection(inject),
        output=output,
    )
    with toys_progress() as on_toys:
        report = _hunt(spectra, replace(options, on_toys=on_toys), trials=trials, events=events)
    print_warnings(report.warnings)
    if json:
        print_json(report.to_json())
    else:
        for line in _trial_lines(report) if isinstance(report, TrialsReport) else _lines(report):
            stdout().print(line, markup=False)
        say_wrote(output)


def _hunt(
    spectra: list[str], options: BumpHuntOptions, *, trials: bool, events: str | None
) -> BumpHuntReport | TrialsReport:
    if trials:
        from hepad.pipeline.bumphunt.trials import bumphunt_trials

        return bumphunt_trials(spectra, events, options=options)
    from hepad.pipeline.bumphunt.run import bumphunt as run

    return run(spectra, options=options)


def _parse_injection(text: str | None) -> Injection | None:
    from hepad.pipeline.bumphunt.options import Injection

    if text is None:
        return None
    try:
        mass, width, *yields = (float(part) for part in text.split(":"))
        if width > 0 and all(y >= 0 for y in yields):
            return Injection(mass, width, tuple(sorted(yields)))
    except ValueError:
        pass
    raise UsageError(f"--inject is MASS:WIDTH[:YIELD...] of positive numbers, found {text!r}")


def _lines(report: BumpHuntReport) -> list[str]:
    hunt, result = report.hunt, report.to_json()
    lines = [
        f"fit       {b.fit.function.name}, deviance {b.fit.deviance:.2f} for {b.fit.ndf} degrees of freedom"
        for b in report.backgrounds
        if b.fit is not None
    ]
    vetoed = f", {result['vetoed_windows']} vetoed" if result["vetoed_windows"] else ""
    lines.append(f"window    {hunt.window[0]:g} to {hunt.window[1]:g} GeV, the best of {hunt.windows}{vetoed}")
    lines.append(f"events    {hunt.observed:g} observed, {hunt.expected:.6g} expected: {hunt.direction}")
    z = "" if hunt.local_z is None else f" ({hunt.local_z:.2f} sigma)"
    p = f"{hunt.local_p:.4g}" if hunt.local_p > 0 else f"10^{result['log10_local_p']:.1f}"
    lines.append(f"local p   {p}{z}")
    if hunt.global_p is not None:
        how = "each refitted" if hunt.refit else "not refitted" if report.fit is not None else "reference held fixed"
        how = "reference fluctuates too" if hunt.counted_reference else how
        lines.append(f"global p  {hunt.global_p:.4g} ± {hunt.global_p_error:.2g} ({hunt.toys} toys, {how})")
    if hunt.estimated_global_p is not None:
        estimate = f"{hunt.estimated_global_p:.3g} ± {hunt.estimated_global_p_error:.1g}"
        lines.append(f"          {estimate} (toys with a signal, weighted to none)")
    if report.sensitivity is not None:
        lines.extend(_sensitivity_lines(report.sensitivity))
    return lines


def _sensitivity_lines(found: Sensitivity) -> list[str]:
    lines = ["injected  median global significance, -1 to +1 sigma"]
    for amount, z in zip(found.yields, found.z, strict=True):
        median, low, high = (f"{'>' if v >= found.ceiling else ''}{v:.2f}" for v in (z[2], z[1], z[3]))
        lines.append(f"{amount:>8.4g}  {median}, {low} to {high}")
    for level in (3.0, 5.0):
        needed = found.needed(level)
        if needed is not None:
            lines.append(f"{needed:>8.4g}  events for a median of {level:g} sigma")
    lines.append(f"          {found.ceiling:.2f} sigma is the most that the pseudo-experiments tell")
    return lines


def _trial_lines(report: TrialsReport) -> list[str]:
    result = report.to_json()
    lines = [
        f"{s['name']}: {s['window'][0]:g} to {s['window'][1]:g} GeV, {s['observed']:g} observed, "
        f"{s['expected']:.6g} expected, local p {s['local_p']:.4g}, global p {s['global_p']:.4g}"
        for s in result["spectra"]
    ]
    effective = result["effective_spectra"]
    lines.append(
        f"global p over all {result['global_p']:.4g} ± {result['global_p_error']:.2g} ({result['toys']} toys"
        f"{'' if effective is None else f', as of {effective:.3g} independent spectra'})"
    )
    return lines
