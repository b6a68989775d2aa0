"""The report of a reinterpretation: verdict, numbers, tables and figures on one page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hepad.pipeline.document import Block, Code, Figure, Heading, Table, Text

__all__ = ["blocks"]


def blocks(result: Mapping[str, Any], captions: Mapping[str, str]) -> list[Block]:
    """The page for the JSON of a result; `captions` are those of the figures that were drawn, by name."""
    search, verdict = result["search"], result["verdict"]

    def shown(*names: str) -> list[Block]:
        return [Figure(f"{n}.png", captions[n]) for name in names for n in captions if n.split("_")[0] == name]

    return [
        Heading(f"{verdict['status'].capitalize()}: the signal against {result['analysis']}", 1),
        Text(f"{verdict['reason'][0].upper()}{verdict['reason'][1:]}."),
        Text(
            f"{search['title']}. {search['reference']}. Fidelity of this reinterpretation: {search['fidelity']} "
            f"({search['fidelity_note']})."
        ),
        *(Text(f"Note: {text}.") for text in result["warnings"]),
        *(Text(f"Left out, as it cannot be read: {skipped['reason']}.") for skipped in result["skipped"]),
        Heading("What the search keeps"),
        _numbers(result),
        _cutflow(result),
        *shown("cutflow"),
        _acceptance(result),
        Text(
            "Acceptance: weighted events in the region over all generated events, before any selection. The first "
            "error is that of the finite sample; the error of the model is the largest change when the threshold "
            "moves by the uncertainty of the background efficiency that it was set at."
        ),
        *shown("scores"),
        *([Heading("Limits"), *_limits(result), *shown("limits")] if result["channels"] else []),
        *([Heading("Spectra"), *shown("spectra"), *shown("fit")] if "spectra" in captions else []),
        *([Heading("Mass points"), *_points(result["points"]), *shown("exclusion")] if result["points"] else []),
        Heading("Provenance"),
        Code(_provenance(result["provenance"])),
    ]


def _numbers(result: Mapping[str, Any]) -> Table:
    search, generated = result["search"], result["generated"]
    section = result["cross_section_pb"]
    luminosity = search["luminosity_fb"]
    rows = [
        ["events read", f"{result['events']}"],
        ["events generated", f"{generated['events']}"],
        ["sum of weights of all generated", f"{generated['sum_weights']:.6g}"],
        ["cross section", "not given" if section is None else f"{section:.4g} pb"],
        ["luminosity", "none" if luminosity is None else f"{luminosity:g} fb-1"],
        ["selection", ", ".join(dict.fromkeys(search["selections"].values()))],
        ["model", ", ".join(dict.fromkeys(name for name in search["models"].values() if name)) or "none"],
        ["region of the limits", search["signal_region"]],
    ]
    return Table(["", ""], rows)


def _cutflow(result: Mapping[str, Any]) -> Table:
    several = len({step["category"] for step in result["cutflow"]}) > 1
    rows = [
        [
            f"{step['category']}: {step['name']}" if several else step["name"],
            f"{step['events']}",
            f"{step['weight']:.6g}",
            _pm(step["efficiency"], step["efficiency_error"]),
        ]
        for step in result["cutflow"]
    ]
    return Table(["step", "events", "sum of weights", "of all generated"], rows)


def _acceptance(result: Mapping[str, Any]) -> Table:
    rows = []
    for region, found in result["acceptance"].items():
        model = found["model_error"]
        rows.append(
            [
                region,
                f"{found['events']}",
                _pm(found["value"], found["error"]),
                "" if model is None else f"{model:.2%}",
                f"{found['low']:.3%} to {found['high']:.3%}",
                f"{found['upper_95']:.3%}",
            ]
        )
    header = ["region", "events", "acceptance", "model", "68.3 % interval", "below, at 95 % CL"]
    return Table(header, rows)


def _limits(result: Mapping[str, Any]) -> list[Block]:
    rows = [
        [
            name,
            "" if found["expected_events"] is None else f"{found['expected_events']:.4g}",
            "" if found["background_events"] is None else f"{found['background_events']:.4g}",
            _number(found["limit_pb_expected"]),
            _band(found["limit_pb_expected_band"]),
            _number(found["limit_pb_observed"]),
            found["background"] or found["no_limit_because"] or "",
        ]
        for name, found in result["channels"].items()
    ]
    combined = result["combined"]
    rows.append(
        [
            "combined",
            "",
            "",
            _number(combined["limit_pb_expected"]),
            _band(combined["limit_pb_expected_band"]),
            _number(combined["limit_pb_observed"]),
            combined["method"],
        ]
    )
    header = ["channel", "signal", "background", "expected [pb]", "68 % band [pb]", "observed [pb]", "background from"]
    names = list(result["channels"])
    shared = [[a, *(f"{result['overlaps'][a][b]:.2f}" for b in names)] for a in names]
    remark = [Text(f"Combined: {combined['remark']}.")] if combined["remark"] else []
    reasons = [Text(f"{n}: {c['no_limit_because']}.") for n, c in result["channels"].items() if c["no_limit_because"]]
    return [
        Table(header, rows),
        *reasons,
        Text(
            "Limits are CLs upper limits at 95 % CL on the cross section of the signal. Events are in several "
            f"spectra, so that channels are not independent. Combined is: {combined['method']} "
            f"({', '.join(combined['channels']) or 'none'})."
        ),
        *remark,
        Text("Of the signal events of the channel on the left, the part that the channel above has too:"),
        Table(["", *names], shared),
    ]


def _points(points: Mapping[str, Any]) -> list[Block]:
    rows = [
        [
            f"{point['mass_gev']:g}",
            f"{point['cross_section_pb']:.4g}",
            _pm(point["acceptance"]["value"], point["acceptance"]["error"]),
            _number(point["limit_pb_expected"]),
            _number(point["limit_pb_observed"]),
            point["verdict"]["status"],
        ]
        for point in points["table"]
    ]
    header = ["mass [GeV]", "cross section [pb]", "acceptance", "expected [pb]", "observed [pb]", "verdict"]
    said = [Text(f"Expected exclusion: {_ranges(points['excluded_expected_gev'])}.")]
    if points["excluded_observed_gev"] is not None:
        said.append(Text(f"Observed exclusion: {_ranges(points['excluded_observed_gev'])}."))
    return [Table(header, rows), *said]


def _ranges(found: list[dict[str, Any]]) -> str:
    parts = [
        f"{'' if one['from_start'] else 'from '}{one['low']:.4g} to {one['high']:.4g} GeV"
        + (" (the lowest mass given)" if one["from_start"] else "")
        + (" (up to the highest mass given)" if one["to_end"] else "")
        for one in found
    ]
    return "; ".join(parts) or "no mass"


def _pm(value: float, error: float) -> str:
    return f"{value:.3%} ± {error:.3%}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _band(values: list[float] | None) -> str:
    return "" if values is None else f"{values[1]:.3g} to {values[3]:.3g}"


def _provenance(record: Mapping[str, Any]) -> str:
    lines = [record["command"], f"hepad {record['hepad']}, Python {record['python']}"]
    lines += [f"{name} {version}" for name, version in record["packages"].items()]
    lines += [f"{item['name']} {item['bytes']} bytes sha256 {item['sha256']}" for item in record["inputs"]]
    lines += [f"{name} sha256 {sha}" for name, sha in record["cards"].items()]
    return "\n".join(lines)
