"""`hepad discovery`: model-independent limits of signal regions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli.common import CalculatorOption, Json, Output, Seed, print_json, print_table, print_warnings, stdout
from hepad.errors import UsageError

if TYPE_CHECKING:
    from hepad.pipeline.discovery import DiscoveryReport
    from hepad.stats.limits.discovery_table import DiscoveryLimits

__all__ = ["discovery"]


def discovery(
    regions: Annotated[
        Path | None, typer.Argument(help="A card of regions (schema: regions/1).", show_default=False)
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="N|FILE",
            help="Observed events of one region; of an --analysis a CSV with category,bin,observed, without which "
            "limits are expected.",
            show_default=False,
        ),
    ] = None,
    background: Annotated[float | None, typer.Option("--background", help="Its expected background.")] = None,
    background_error: Annotated[
        float, typer.Option("--background-error", min=0.0, help="Its relative error (in a card: in events).")
    ] = 0.0,
    analysis: Annotated[
        str | None,
        typer.Option(
            "--analysis", help="A search whose bins are fitted together, in place of a card.", show_default=False
        ),
    ] = None,
    luminosity: Annotated[
        float | None, typer.Option("--luminosity", help="In fb-1, for the visible cross section.")
    ] = None,
    calculator: CalculatorOption = "auto",
    toys: Annotated[
        int,
        typer.Option("--toys", min=0, help="Pseudo-experiments; a number asks for toys.", show_default="10000"),
    ] = 0,
    seed: Seed = 0,
    output: Output = None,
    json: Json = False,
) -> None:
    """Visible cross section, S95, CLb and discovery p-value of signal regions, as collaborations tabulate them.

    Example: hepad discovery --data 34 --background 28 --background-error 0.14 --luminosity 139
    """
    from hepad.pipeline.discovery import DiscoveryOptions, discovery_of_search, one_region
    from hepad.pipeline.discovery import discovery as run

    options = DiscoveryOptions(luminosity=luminosity, calculator=calculator, toys=toys, seed=seed, output=output)
    if analysis is not None:
        counts = None if data is None else Path(data)
        _show(discovery_of_search(analysis, observed=counts, options=options), json)
        return
    if regions is not None:
        _show(run(regions, options=options), json)
        return
    if data is None:
        raise UsageError("give a card of regions, --data and --background of one, or an --analysis")
    if background is None:
        raise UsageError("--data needs a --background")
    _show(run(one_region(_events(data), background, background_error), options=options), json)


def _events(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"--data of one region is a number of events, found {text!r}") from error


def _show(report: DiscoveryReport, json: bool) -> None:
    print_warnings(f"{name}: left out, as no simulated background is in it" for name in report.left_out)
    print_warnings(f"{row.name}: {warning}" for row in report.rows for warning in row.limit.warnings)
    if json:
        print_json(report.to_json())
    else:
        _print(report)


def _print(report: DiscoveryReport) -> None:
    from hepad.stats.limits.cls import known

    rows = []
    for row in report.rows:
        limit = row.limit
        _, low, median, high, _ = limit.expected
        error = "" if known(limit.observed_error) is None else f" ± {limit.observed_error:.1g}"
        p0, z = ("undefined", "") if row.excess is None else row.excess.words()
        rows.append(
            [
                row.name,
                "" if row.observed is None else f"{row.observed:g}",
                f"{row.background:.6g} ± {row.background_error:.3g}",
                _visible(row),
                "" if limit.observed is None else f"{limit.observed:.3g}{error}",
                f"{median:.3g} +{high - median:.2g} -{median - low:.2g}",
                "" if row.clb is None else f"{row.clb:.2f}" if row.clb >= 0.005 else f"{row.clb:.1g}",
                "" if row.observed is None else f"{p0} ({z})" if z else p0,
            ]
        )
    header = ["region", "data", "background", "vis. [fb]", "S95 obs", "S95 exp", "CLb", "p0 (Z)"]
    print_table("Model-independent limits at 95 % CL", header, rows)
    for row in report.rows:
        stdout().print(f"{row.name}: from {row.limit.reason or row.limit.calculator}")


def _visible(row: DiscoveryLimits) -> str:
    """The visible cross section, the expected one without data."""
    value = row.visible_expected_fb if row.observed is None else row.visible_fb
    return "" if value is None else f"{value:.3g}"
