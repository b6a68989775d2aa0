"""Model-independent limits of signal regions as a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepad.cards.regions import RegionCount, RegionsCard, load_regions
from hepad.errors import UsageError
from hepad.output.atomic import atomic_path, check_file
from hepad.pipeline.limit.result import DEFAULT_TOYS, check_calculator, write_json
from hepad.provenance import command_line, provenance, sha256_file
from hepad.stats.limits.discovery_table import DiscoveryLimits, discovery_limits

__all__ = ["DiscoveryOptions", "DiscoveryReport", "discovery", "one_region"]


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

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"regions": [row.to_json() for row in self.rows], "confidence_level": 0.95, "seed": self.seed}


def discovery(regions: Path | RegionsCard, *, options: DiscoveryOptions | None = None) -> DiscoveryReport:
    """Visible cross section, S95, CLb and p0 of each region of a card (`schema: regions/1`), or of a file with one.

    `options.luminosity` replaces that of the card.
    """
    options = options or DiscoveryOptions()
    calculator = check_calculator(options.calculator, options.toys)
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
        _write(report, regions, options, options.output)
    return report


def one_region(observed: float, background: float, relative_error: float) -> RegionsCard:
    """A card of a single region; the error of the background is relative."""
    values = {"data": observed, "background": background, "background error": relative_error}
    for what, value in values.items():
        if not 0 <= value < float("inf"):
            raise UsageError(f"the {what} is finite and not negative, found {value:g}")
    count = RegionCount(observed=observed, background=background, background_error=relative_error * background)
    return RegionsCard(schema_="regions/1", regions={"region": count})


def _write(report: DiscoveryReport, regions: Path | RegionsCard, options: DiscoveryOptions, output: Path) -> None:
    command = command_line(
        "discovery",
        luminosity=options.luminosity,
        calculator=options.calculator,
        toys=options.toys,
        seed=options.seed,
    )
    record = provenance(
        command,
        inputs=[regions] if isinstance(regions, Path) else [],
        seed=options.seed,
        cards={regions.name: sha256_file(regions)} if isinstance(regions, Path) else None,
    )
    with atomic_path(output, verb="discovery") as temporary:
        write_json(temporary, {**report.to_json(), "provenance": record})
