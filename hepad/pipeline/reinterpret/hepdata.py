"""The tables of a reinterpretation as a HEPData submission: cut flow, acceptance, limits, spectra, mass points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from hepad.io.exchange.hepdata import Axis, HepDataTable, Resource, Values
from hepad.pipeline.reinterpret.maps import CountedRegion, map_table, regions_table
from hepad.pipeline.reinterpret.report import PointRow, Result
from hepad.pipeline.reinterpret.rows import ChannelRow, CombinedRow, CutRow, RegionRow, SearchRow

if TYPE_CHECKING:
    import hist

__all__ = ["comment", "illustrated", "tables"]


def comment(result: Result) -> str:
    """What the submission is, and what it is not."""
    search, verdict = result.search, result.verdict
    return (
        f"Reinterpretation of {search.title} ({search.reference}) for a new signal, made with hepad; it is no "
        f"result of that collaboration. Fidelity: {search.fidelity}, {search.fidelity_note}. "
        f"{verdict.status.capitalize()}: {verdict.reason}."
    )


_FIGURES = {"Cut flow": "cutflow", "Limits": "limits", "Mass points": "exclusion"}
"""Which figure belongs to a table; that of a spectrum is its fit, else all spectra."""


def tables(
    result: Result, spectra: Mapping[str, hist.Hist[Any]], regions: Sequence[CountedRegion] = ()
) -> list[HepDataTable]:
    """All tables that the result has numbers for; `spectra` are the signal's, by channel and region."""
    search, sample = result.search, result.sample
    found = [_cutflow(sample.cutflow, search.sqrt_s_gev), _acceptance(sample.acceptance, search.sqrt_s_gev)]
    if sample.channels and sample.combined is not None:
        found.append(_limits(sample.channels, sample.combined, search.sqrt_s_gev))
    section = sample.cross_section_pb or 1.0
    found += [_spectrum(name, search, section, spectra) for name in sample.channels if f"{name}_all" in spectra]
    if regions:
        found.append(regions_table(regions, search.sqrt_s_gev))
    if result.curve is not None:
        found.append(_points(result.curve.points, search.sqrt_s_gev))
        found.append(map_table(result.curve.points, search.sqrt_s_gev))
    return found


def illustrated(table: HepDataTable, captions: Mapping[str, str]) -> tuple[HepDataTable, str | None]:
    """The table with its figure and the thumbnail of it, and the figure's name; None if it has none of those drawn."""
    name = _FIGURES.get(table.name)
    if table.name.startswith("Spectrum "):
        own = f"fit_{table.name.removeprefix('Spectrum ')}"
        name = own if own in captions else "spectra"
    if name is None or name not in captions:
        return table, None
    files = (Resource(f"{name}.png", captions[name]), Resource(f"thumb_{name}.png", "Thumbnail image file"))
    return replace(table, resources=files), name


def _cutflow(steps: Sequence[CutRow], energy: float) -> HepDataTable:
    return HepDataTable(
        "Cut flow",
        "Events and sums of weights after each step of the selection, and the fraction of all generated events.",
        [Axis("Category", [s.category for s in steps]), Axis("Step", [s.name for s in steps])],
        [
            Values("Events", [s.events for s in steps]),
            Values("Sum of weights", [s.weight for s in steps], errors={"stat": [s.weight_error for s in steps]}),
            Values("Efficiency", [s.efficiency for s in steps], errors={"stat": [s.efficiency_error for s in steps]}),
        ],
        ("EFF",),
        energy,
    )


def _acceptance(regions: Mapping[str, RegionRow], energy: float) -> HepDataTable:
    found = list(regions.values())
    model = [0.0 if one.model_error is None else one.model_error for one in found]
    return HepDataTable(
        "Acceptance",
        "Acceptance times efficiency: weighted events in the region over all generated events.",
        [Axis("Region", list(regions))],
        [
            Values(
                "Acceptance times efficiency",
                [one.value for one in found],
                errors={"stat": [one.error for one in found], "threshold": model},
            ),
            Values("Upper bound at 95% CL", [one.upper_95 for one in found]),
        ],
        ("ACC", "EFF"),
        energy,
    )


def _limits(channels: Mapping[str, ChannelRow], combined: CombinedRow, energy: float) -> HepDataTable:
    limits = [*(channel.limit for channel in channels.values()), combined.limit]
    events = [*(channel.expected_events for channel in channels.values()), None]
    bands = [limit.band for limit in limits]
    errors = {
        f"{n} sigma": [(0.0, 0.0) if b is None else (b[2] - b[2 - n], b[2 + n] - b[2]) for b in bands] for n in (1, 2)
    }
    columns = [
        Values("Expected upper limit at 95% CL", [limit.expected for limit in limits], "PB", errors),
        Values("Observed upper limit at 95% CL", [limit.observed for limit in limits], "PB"),
        Values("Expected signal events", events),
    ]
    method = combined.method if combined.channels else "not possible, as no channel has a limit"
    about = f"Upper limits on the cross section of the signal; combined is: {method}."
    return HepDataTable("Limits", about, [Axis("Channel", [*channels, "combined"])], columns, ("SIG",), energy)


def _spectrum(name: str, search: SearchRow, section: float, spectra: Mapping[str, hist.Hist[Any]]) -> HepDataTable:
    region = search.signal_region
    edges = spectra[f"{name}_all"].axes[0].edges.tolist()
    columns = [
        Values(title, spectra[key].values().tolist(), errors={"stat": _errors(spectra[key])})
        for key, title in ((f"{name}_all", "Signal, selected"), (f"{name}_{region}", f"Signal in {region}"))
    ]
    background = spectra.get(f"{name}_{region}_background")
    if background is not None:
        columns.append(Values(f"Background in {region}", background.values().tolist()))
    about = (
        f"Events per bin at {search.luminosity_fb:g} fb-1 for a signal of {section:.4g} pb, and the "
        "background expected where there is one."
    )
    bins = list(pairwise(edges))
    return HepDataTable(f"Spectrum {name}", about, [Axis("Mass", bins, "GEV")], columns, ("N",), search.sqrt_s_gev)


def _points(points: Sequence[PointRow], energy: float) -> HepDataTable:
    limits = [point.sample.limit for point in points]
    return HepDataTable(
        "Mass points",
        "Upper limits on the cross section against the mass, and the cross section of the model.",
        [Axis("Mass", [point.mass_gev for point in points], "GEV")],
        [
            Values("Cross section", [point.sample.cross_section_pb for point in points], "PB"),
            Values("Expected upper limit at 95% CL", [limit.expected for limit in limits], "PB"),
            Values("Observed upper limit at 95% CL", [limit.observed for limit in limits], "PB"),
        ],
        ("SIG",),
        energy,
    )


def _errors(histogram: hist.Hist[Any]) -> list[float]:
    found: list[float] = np.sqrt(np.asarray(histogram.variances(), dtype=np.float64)).tolist()
    return found
