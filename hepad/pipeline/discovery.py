"""Model-independent limits of signal regions as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepad.cards.regions import RegionCount, RegionsCard, load_regions
from hepad.cards.resolver import unpacked
from hepad.errors import UsageError
from hepad.output.atomic import atomic_path, check_file
from hepad.pipeline.limit.result import DEFAULT_TOYS, check_calculator, write_json
from hepad.provenance import command_line, provenance, sha256_file
from hepad.search.search import prepare_search
from hepad.search.together import bin_label, fitted_bins
from hepad.stats.limits.cls import Calculator
from hepad.stats.limits.discovery_table import DiscoveryLimits, discovery_limits, fitted_limits
from hepad.stats.limits.published import numpy_backend
from hepad.stats.limits.simultaneous import predicted

__all__ = ["DiscoveryOptions", "DiscoveryReport", "discovery", "discovery_of_search", "one_region"]

_FITTED_TOYS = 1000
"""Pseudo-experiments of a simultaneous fit, if toys are asked for without a number."""


@dataclass(frozen=True, kw_only=True)
class DiscoveryOptions:
    """How to calculate, as in `LimitOptions`; `output` is a JSON file."""

    luminosity: float | None = None
    calculator: str = "auto"
    toys: int = 0
    seed: int = 0
    output: Path | None = None


@dataclass(frozen=True)
class DiscoveryReport:
    """One row by region, in the order given."""

    rows: tuple[DiscoveryLimits, ...]
    seed: int
    left_out: tuple[str, ...] = ()
    """Regions without simulated background."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rows = [row.to_json() for row in self.rows]
        return {"regions": rows, "left_out": list(self.left_out), "confidence_level": 0.95, "seed": self.seed}


def discovery(regions: Path | RegionsCard, *, options: DiscoveryOptions | None = None) -> DiscoveryReport:
    """Visible cross section, S95, CLb and p0 of each region of a card (`schema: regions/1`), or of a file with one.

    `options.luminosity` replaces that of the card.
    """
    options = options or DiscoveryOptions()
    calculator = _checked(options)
    if options.output is not None:
        check_file(options.output, verb="discovery", inputs=[regions] if isinstance(regions, Path) else [])
    card = load_regions(regions) if isinstance(regions, Path) else regions
    rows = tuple(
        discovery_limits(
            name,
            observed=count.observed,
            background=count.background,
            background_error=count.background_error,
            luminosity=options.luminosity if options.luminosity is not None else card.luminosity_fb,
            calculator=calculator,
            toys=options.toys or DEFAULT_TOYS,
            seed=options.seed,
        )
        for name, count in card.regions.items()
    )
    report = DiscoveryReport(rows, options.seed)
    if options.output is not None:
        file = regions if isinstance(regions, Path) else None
        _write(report, file, options, options.output, cards={file.name: sha256_file(file)} if file else None)
    return report


def discovery_of_search(
    analysis: str, *, observed: Path | None = None, options: DiscoveryOptions | None = None
) -> DiscoveryReport:
    """The same of the discovery regions of a search whose bins are fitted together (`simultaneous` on its card).

    Each region, with one event of signal in it, is fitted with all control bins and the less anomalous bins of its
    category. `observed` is a table of counts with the header `category,bin,observed`; without any there are expected
    limits. Regions without simulated background are left out, `report.left_out`. `options.luminosity` scales yields.
    """
    options = options or DiscoveryOptions()
    calculator = _checked(options)
    if options.output is not None:
        check_file(options.output, verb="discovery", inputs=[] if observed is None else [observed])
    with unpacked(analysis) as card:
        search = prepare_search(card, luminosity_fb=options.luminosity)
        fitted = fitted_bins(search, observed)
    if fitted is None:
        raise UsageError(f"{search.card.name} has no yields: make them with 'hepad analysis background'")
    rows, left_out = [], []
    with numpy_backend():
        for region in fitted.regions:
            if not any(one in fitted.bins for one in fitted.merged(region)):
                left_out.append(bin_label(region))
                continue
            bins = fitted.of_region(region)
            row = fitted_limits(
                bin_label(region),
                fitted.experiment(bins),
                observed=bins[0].observed,
                background=predicted(bins, fitted.processes, luminosity_error=fitted.luminosity_error),
                luminosity=fitted.luminosity_fb,
                calculator=calculator,
                toys=options.toys or _FITTED_TOYS,
                seed=options.seed,
            )
            rows.append(row)
    report = DiscoveryReport(tuple(rows), options.seed, tuple(left_out))
    if options.output is not None:
        _write(report, observed, options, options.output, cards=search.cards, analysis=search.card.name)
    return report


def one_region(observed: float, background: float, relative_error: float) -> RegionsCard:
    """A card of a single region; the error of the background is relative."""
    values = {"data": observed, "background": background, "background error": relative_error}
    for what, value in values.items():
        if not 0 <= value < float("inf"):
            raise UsageError(f"the {what} is finite and not negative, found {value:g}")
    count = RegionCount(observed=observed, background=background, background_error=relative_error * background)
    return RegionsCard(schema_="regions/1", regions={"region": count})


def _checked(options: DiscoveryOptions) -> Calculator:
    """The calculator; `UsageError` for numbers that stand for nothing, before anything is read."""
    if options.luminosity is not None and not 0 < options.luminosity < math.inf:
        raise UsageError(f"the luminosity is positive, found {options.luminosity:g} fb-1")
    return check_calculator(options.calculator, options.toys)


def _write(
    report: DiscoveryReport,
    file: Path | None,
    options: DiscoveryOptions,
    output: Path,
    *,
    cards: Mapping[str, str] | None,
    analysis: str | None = None,
) -> None:
    command = command_line(
        "discovery",
        analysis=analysis,
        luminosity=options.luminosity,
        calculator=options.calculator,
        toys=options.toys,
        seed=options.seed,
    )
    record = provenance(command, inputs=[file] if file else [], seed=options.seed, cards=cards)
    with atomic_path(output, verb="discovery") as temporary:
        write_json(temporary, {**report.to_json(), "provenance": record}, schema="discovery/discovery.json")
