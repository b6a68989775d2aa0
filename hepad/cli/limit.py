"""`hepad limit`: an upper limit on a signal from yields or spectra, against the mass, or from a workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli.common import CalculatorOption, Json, Output, Seed, parse_range, print_json, print_warnings, say_wrote
from hepad.cli.limit_print import print_limits, print_masses
from hepad.cli.progress import counts
from hepad.errors import UsageError

if TYPE_CHECKING:
    from hepad.pipeline.limit.mass_report import MassLimitOptions
    from hepad.pipeline.limit.run import LimitOptions
    from hepad.pipeline.limit.workspace import WorkspaceLimitOptions

__all__ = ["limit"]

_YIELD = "a number of events, or file.root:histogram, file.json:histogram, file.csv"
_YIELDS, _SPECTRUM, _WORKSPACE = "Yields", "A resonance in a spectrum", "A workspace"

_Background = Annotated[
    str | None,
    typer.Option("--background", help=f"Background: {_YIELD}.", show_default=False, rich_help_panel=_YIELDS),
]


def limit(
    signal: Annotated[
        str | None,
        typer.Option("--signal", help=f"Signal: {_YIELD}.", show_default=False, rich_help_panel=_YIELDS),
    ] = None,
    background: _Background = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data", help=f"Data: {_YIELD}. Without it: expected only.", show_default=False, rich_help_panel=_YIELDS
        ),
    ] = None,
    background_error: Annotated[
        float,
        typer.Option("--background-error", min=0.0, help="Relative error of the background.", rich_help_panel=_YIELDS),
    ] = 0.0,
    cross_section: Annotated[
        float | None,
        typer.Option(
            "--cross-section",
            help="Cross section (pb) of the signal yield: limits in pb too.",
            rich_help_panel=_YIELDS,
        ),
    ] = None,
    spectrum: Annotated[
        str | None,
        typer.Option(
            "--spectrum",
            help="Data: file.root:histogram, file.json:histogram (UHI) or file.csv.",
            show_default=False,
            rich_help_panel=_SPECTRUM,
        ),
    ] = None,
    function: Annotated[
        str, typer.Option("--function", help="Background function, as in bumphunt.", rich_help_panel=_SPECTRUM)
    ] = "auto",
    signal_shape: Annotated[
        list[str] | None,
        typer.Option(
            "--signal-shape",
            help="gauss:MASS,WIDTH or dscb:MASS,WIDTH,AL,NL,AR,NR (double-sided Crystal Ball; WIDTH relative to the "
            "mass; no MASS with --mass) or hist:FILE:HISTOGRAM. May be repeated.",
            show_default=False,
            rich_help_panel=_SPECTRUM,
        ),
    ] = None,
    mass: Annotated[
        str | None,
        typer.Option(
            "--mass",
            help="LOW:HIGH:STEP or M1,M2,... in GeV: the shape is moved there.",
            show_default=False,
            rich_help_panel=_SPECTRUM,
        ),
    ] = None,
    mass_range: Annotated[
        str | None,
        typer.Option(
            "--range",
            help="LOW:HIGH in GeV; whole bins within it are fitted.",
            show_default=False,
            rich_help_panel=_SPECTRUM,
        ),
    ] = None,
    luminosity: Annotated[
        float | None,
        typer.Option("--luminosity", help="In fb-1: limits in pb too.", rich_help_panel=_SPECTRUM),
    ] = None,
    acceptance: Annotated[
        float,
        typer.Option("--acceptance", help="Acceptance times efficiency, for limits in pb.", rich_help_panel=_SPECTRUM),
    ] = 1.0,
    spurious: Annotated[
        float,
        typer.Option(
            "--spurious", min=0.0, help="Spurious signal of the function, in events.", rich_help_panel=_SPECTRUM
        ),
    ] = 0.0,
    global_toys: Annotated[
        int,
        typer.Option(
            "--global-toys",
            min=0,
            help="Scans of background alone for the global p-value; 0: local only.",
            rich_help_panel=_SPECTRUM,
        ),
    ] = 200,
    workspace: Annotated[
        str | None,
        typer.Option(
            "--workspace",
            help="pyhf workspace: file.json or ARCHIVE.tar.gz:FOLDER/FILE.json.",
            show_default=False,
            rich_help_panel=_WORKSPACE,
        ),
    ] = None,
    patch: Annotated[
        list[str] | None,
        typer.Option(
            "--patch",
            help="JSON patch, PATCHSET.json:NAME of a patch set, or either in an archive. May be repeated.",
            show_default=False,
            rich_help_panel=_WORKSPACE,
        ),
    ] = None,
    measurement: Annotated[
        str | None,
        typer.Option(
            "--measurement", help="Measurement of the workspace.", show_default="the first", rich_help_panel=_WORKSPACE
        ),
    ] = None,
    signal_error: Annotated[float, typer.Option("--signal-error", min=0.0, help="Relative error of the signal.")] = 0.0,
    luminosity_error: Annotated[
        float, typer.Option("--luminosity-error", min=0.0, help="Relative error of the luminosity, on the signal.")
    ] = 0.0,
    calculator: CalculatorOption = "auto",
    toys: Annotated[
        int,
        typer.Option(
            "--toys",
            min=0,
            help="Pseudo-experiments per hypothesis and tested mu; a number asks for toys.",
            show_default="10000 of yields, 2000 at each mass, 500 of workspaces",
        ),
    ] = 0,
    seed: Seed = 0,
    output: Output = None,
    json: Json = False,
) -> None:
    """Set an upper limit at 95 % CL on a signal with the CLs method.

    From yields, in a spectrum (--spectrum), or from a published likelihood (--workspace).

    Example: hepad limit --spectrum examples/data/cms_dijet_137fb.csv --signal-shape gauss:0.05
    --mass 2000:6000:50 -o limit
    """
    if workspace is not None:
        from hepad.pipeline.limit.workspace import WorkspaceLimitOptions

        of_workspace = WorkspaceLimitOptions(
            patches=tuple(patch or ()),
            measurement=measurement,
            calculator=calculator,
            toys=toys,
            seed=seed,
            output=output,
        )
        _from_workspace(workspace, of_workspace, json)
    elif spectrum is not None:
        from hepad.pipeline.limit.mass_report import MassLimitOptions

        of_masses = MassLimitOptions(
            function=function,
            masses=mass,
            mass_range=parse_range(mass_range),
            luminosity=luminosity,
            acceptance=acceptance,
            signal_error=signal_error,
            luminosity_error=luminosity_error,
            spurious=spurious,
            calculator=calculator,
            toys=toys,
            global_toys=global_toys,
            seed=seed,
            output=output,
        )
        _of_masses(spectrum, signal_shape or [], of_masses, json)
    elif signal is not None:
        from hepad.pipeline.limit.run import LimitOptions

        of_yields = LimitOptions(
            background_error=background_error,
            signal_error=signal_error,
            luminosity_error=luminosity_error,
            cross_section=cross_section,
            calculator=calculator,
            toys=toys,
            seed=seed,
            output=output,
        )
        _of_yields((signal, background, data), of_yields, json)
    else:
        raise UsageError("give --signal and --background, or --spectrum, or --workspace; found none of them")


def _of_yields(given: tuple[str, str | None, str | None], options: LimitOptions, json: bool) -> None:
    from hepad.pipeline.limit.run import limit as run

    signal, background, data = given
    if background is None:
        raise UsageError("a limit on --signal needs a --background")
    report = run(signal, background, data, options=options)
    print_warnings(report.result.warnings)
    if json:
        print_json(report.to_json())
        return
    scales = [("mu", 1.0)] + ([] if report.cross_section is None else [("pb", report.cross_section)])
    print_limits(report.result, scales)
    say_wrote(options.output)


def _of_masses(spectrum: str, shapes: list[str], options: MassLimitOptions, json: bool) -> None:
    from hepad.pipeline.limit.mass import mass_limits

    if not shapes:
        raise UsageError("a limit in a --spectrum needs a --signal-shape, such as gauss:0.05 with --mass 2000:6000:100")
    with counts("limits") as (limits,):
        report = mass_limits(spectrum, shapes, options=options, progress=limits.set)
    print_warnings(report.warnings)
    if json:
        print_json(report.to_json())
        return
    print_masses(report)
    say_wrote(options.output)


def _from_workspace(workspace: str, options: WorkspaceLimitOptions, json: bool) -> None:
    from hepad.pipeline.limit.workspace import workspace_limits

    report = workspace_limits(workspace, options=options)
    print_warnings(report.result.warnings)
    if json:
        print_json(report.to_json())
        return
    print_limits(report.result, [(report.poi, 1.0)], report.cls_at_one)
    say_wrote(options.output)
