"""The tables of a reinterpretation as a HEPData submission: cut flow, acceptance, limits, spectra, mass points."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from hepad.io.exchange.hepdata import Axis, HepDataTable, Values

if TYPE_CHECKING:
    import hist

__all__ = ["comment", "tables"]


def comment(result: Mapping[str, Any]) -> str:
    """What the submission is, and what it is not."""
    search, verdict = result["search"], result["verdict"]
    return (
        f"Reinterpretation of {search['title']} ({search['reference']}) for a new signal, made with hepad; it is no "
        f"result of that collaboration. Fidelity: {search['fidelity']}, {search['fidelity_note']}. "
        f"{verdict['status'].capitalize()}: {verdict['reason']}."
    )


def tables(result: Mapping[str, Any], spectra: Mapping[str, hist.Hist[Any]]) -> list[HepDataTable]:
    """All tables that the result has numbers for; `spectra` are the signal's, by channel and region."""
    energy = result["search"]["sqrt_s_gev"]
    found = [_cutflow(result, energy), _acceptance(result, energy)]
    if result["channels"]:
        found.append(_limits(result, energy))
    found += [_spectrum(name, result, spectra, energy) for name in result["channels"] if f"{name}_all" in spectra]
    if result["points"]:
        found.append(_points(result["points"], energy))
    return found


def _cutflow(result: Mapping[str, Any], energy: float) -> HepDataTable:
    steps = result["cutflow"]
    return HepDataTable(
        "Cut flow",
        "Events and sums of weights after each step of the selection, and the fraction of all generated events.",
        [Axis("Category", [s["category"] for s in steps]), Axis("Step", [s["name"] for s in steps])],
        [
            Values("Events", [s["events"] for s in steps]),
            Values("Sum of weights", [s["weight"] for s in steps], errors=_one("stat", steps, "weight_error")),
            Values("Efficiency", [s["efficiency"] for s in steps], errors=_one("stat", steps, "efficiency_error")),
        ],
        ("EFF",),
        energy,
    )


def _acceptance(result: Mapping[str, Any], energy: float) -> HepDataTable:
    found = list(result["acceptance"].values())
    model = [0.0 if one["model_error"] is None else one["model_error"] for one in found]
    return HepDataTable(
        "Acceptance",
        "Acceptance times efficiency: weighted events in the region over all generated events.",
        [Axis("Region", list(result["acceptance"]))],
        [
            Values(
                "Acceptance times efficiency",
                [one["value"] for one in found],
                errors={**_one("stat", found, "error"), "threshold": model},
            ),
            Values("Upper bound at 95% CL", [one["upper_95"] for one in found]),
        ],
        ("ACC", "EFF"),
        energy,
    )


def _limits(result: Mapping[str, Any], energy: float) -> HepDataTable:
    rows = {**result["channels"], "combined": result["combined"]}
    bands = [row["limit_pb_expected_band"] for row in rows.values()]
    errors = {
        f"{n} sigma": [(0.0, 0.0) if b is None else (b[2] - b[2 - n], b[2 + n] - b[2]) for b in bands] for n in (1, 2)
    }
    columns = [
        Values("Expected upper limit at 95% CL", [r["limit_pb_expected"] for r in rows.values()], "PB", errors),
        Values("Observed upper limit at 95% CL", [r["limit_pb_observed"] for r in rows.values()], "PB"),
        Values("Expected signal events", [r.get("expected_events") for r in rows.values()]),
    ]
    method = (
        result["combined"]["method"] if result["combined"]["channels"] else "not possible, as no channel has a limit"
    )
    about = f"Upper limits on the cross section of the signal; combined is: {method}."
    return HepDataTable("Limits", about, [Axis("Channel", list(rows))], columns, ("SIG",), energy)


def _spectrum(
    name: str, result: Mapping[str, Any], spectra: Mapping[str, hist.Hist[Any]], energy: float
) -> HepDataTable:
    region = result["search"]["signal_region"]
    edges = spectra[f"{name}_all"].axes[0].edges.tolist()
    columns = [
        Values(title, spectra[key].values().tolist(), errors={"stat": _errors(spectra[key])})
        for key, title in ((f"{name}_all", "Signal, selected"), (f"{name}_{region}", f"Signal in {region}"))
    ]
    background = spectra.get(f"{name}_{region}_background")
    if background is not None:
        columns.append(Values(f"Background in {region}", background.values().tolist()))
    section = result["cross_section_pb"] or 1.0
    about = (
        f"Events per bin at {result['search']['luminosity_fb']:g} fb-1 for a signal of {section:.4g} pb, and the "
        "background expected where there is one."
    )
    bins = list(pairwise(edges))
    return HepDataTable(f"Spectrum {name}", about, [Axis("Mass", bins, "GEV")], columns, ("N",), energy)


def _points(points: Mapping[str, Any], energy: float) -> HepDataTable:
    rows = points["table"]
    return HepDataTable(
        "Mass points",
        "Upper limits on the cross section against the mass, and the cross section of the model.",
        [Axis("Mass", [row["mass_gev"] for row in rows], "GEV")],
        [
            Values("Cross section", [row["cross_section_pb"] for row in rows], "PB"),
            Values("Expected upper limit at 95% CL", [row["limit_pb_expected"] for row in rows], "PB"),
            Values("Observed upper limit at 95% CL", [row["limit_pb_observed"] for row in rows], "PB"),
        ],
        ("SIG",),
        energy,
    )


def _errors(histogram: hist.Hist[Any]) -> list[float]:
    found: list[float] = np.sqrt(np.asarray(histogram.variances(), dtype=np.float64)).tolist()
    return found


def _one(label: str, rows: list[Mapping[str, Any]], key: str) -> dict[str, list[float]]:
    return {label: [row[key] for row in rows]}
