"""Efficiency maps: what each region and channel keeps of the signal at each mass, for programs that interpolate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from hepad.io.exchange.hepdata import Axis, HepDataTable, Values
from hepad.output.csv_rows import write_csv
from hepad.pipeline.reinterpret.answer import Answer
from hepad.pipeline.reinterpret.report import PointRow, Result, SampleRow
from hepad.stats.scores.acceptance import Acceptance

__all__ = ["EFFICIENCY_MAP", "REGIONS", "counted_regions", "map_table", "regions_table", "write_maps"]

EFFICIENCY_MAP = "efficiency_map.csv"
REGIONS = "signal_regions.csv"

_MAP = "mass_gev,region,category,efficiency,error,low,high,upper_95,simulated_events,cross_section_pb,expected_events"


@dataclass(frozen=True)
class CountedRegion:
    """A region that counts: expected background with its error, observed events, limits on the visible cross section.

    `observed_fb` and `expected_fb` are upper limits at 95 % CL on cross section times efficiency in this region alone.
    """

    name: str
    background: float
    background_error: float
    observed: int | None
    observed_fb: float | None
    expected_fb: float | None
    source: str


def counted_regions(answer: Answer) -> list[CountedRegion]:
    """The categories of a search that count, in the region of the limits."""
    if answer.limits is None:
        return []
    found = []
    for category in answer.search.categories:
        count = category.card.counts.get(answer.search.signal_region)
        limit = answer.limits.channels.get(category.name)
        if count is None or limit is None:
            continue
        visible = 1000 * answer.limits.inputs.yields.reference_pb * limit.acceptance.value
        result = limit.result
        observed = None if result is None or result.observed is None else result.observed * visible
        expected = None if result is None else float(result.expected[2]) * visible
        found.append(
            CountedRegion(
                category.name,
                count.background,
                count.background_error,
                count.observed,
                observed,
                expected,
                count.source,
            )
        )
    return found


def map_table(points: Sequence[PointRow], energy: float) -> HepDataTable:
    """The efficiencies against the mass, a column for each region of each category."""
    columns = []
    for region, category in _places(points[0].sample):
        found = [_of(point.sample, region, category) for point in points]
        named = f"{region}, {category}" if category else region
        errors = {"stat": [one.error for one in found]}
        columns.append(Values(f"Acceptance times efficiency in {named}", [one.value for one in found], errors=errors))
    about = "Efficiency map: weighted events in each region over all generated events, against the mass of the signal."
    axis = Axis("Mass", [point.mass_gev for point in points], "GEV")
    return HepDataTable("Efficiency map", about, [axis], columns, ("ACC", "EFF"), energy)


def regions_table(regions: Sequence[CountedRegion], energy: float) -> HepDataTable:
    """What an efficiency map is held against: background, data and limits of each region alone."""
    errors = {"syst": [one.background_error for one in regions]}
    columns = [
        Values("Expected background events", [one.background for one in regions], errors=errors),
        Values("Observed events", [one.observed for one in regions]),
        Values("Observed upper limit at 95% CL on the visible cross section", [r.observed_fb for r in regions], "FB"),
        Values("Expected upper limit at 95% CL on the visible cross section", [r.expected_fb for r in regions], "FB"),
    ]
    about = "Expected and observed events, and upper limits on cross section times efficiency, of each region alone."
    return HepDataTable("Signal regions", about, [Axis("Region", [r.name for r in regions])], columns, ("N",), energy)


def write_maps(folder: Path, result: Result, answer: Answer) -> None:
    """Write `efficiency_map.csv` of mass points, and `signal_regions.csv` of a search that counts."""
    if result.curve is not None:
        _write(folder / EFFICIENCY_MAP, _MAP.split(","), _rows(result.curve.points, result.search.luminosity_fb))
    regions = counted_regions(answer)
    if regions:
        header = [
            "region",
            "background",
            "background_error",
            "observed",
            "limit_fb_observed",
            "limit_fb_expected",
            "source",
        ]
        _write(folder / REGIONS, header, (list(vars(region).values()) for region in regions))


def _places(sample: SampleRow) -> list[tuple[str, str]]:
    """Each region with an empty category, and with those that it has."""
    return [(region, name) for region, row in sample.acceptance.items() for name in ("", *row.categories)]


def _of(sample: SampleRow, region: str, category: str) -> Acceptance:
    row = sample.acceptance[region]
    return row.categories[category] if category else row


def _rows(points: Sequence[PointRow], luminosity_fb: float | None) -> Iterator[list[object]]:
    for point in points:
        section = point.sample.cross_section_pb
        for region, category in _places(point.sample):
            one = _of(point.sample, region, category)
            events = None if section is None or luminosity_fb is None else 1000 * luminosity_fb * section * one.value
            errors = (one.error, one.low, one.high, one.upper_95)
            yield [point.mass_gev, region, category, one.value, *errors, one.events, section, events]


def _write(path: Path, header: Sequence[str], rows: Iterator[list[object]]) -> None:
    write_csv(path, chain([header], rows))
