"""The report of a reinterpretation: verdict, numbers, tables and figures on one page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hepad.output.document import Block, Code, Figure, Heading, Table, Text
from hepad.pipeline.reinterpret.words import fraction, gev, mass_ranges, percent

__all__ = ["blocks"]


def blocks(result: Mapping[str, Any], captions: Mapping[str, str]) -> list[Block]:
    """The page for the JSON of a result; `captions` are those of the figures that were drawn, by name.

    An exclusion curve comes first, then each of its points with its mass.
    """
    search, verdict, points = result["search"], result["verdict"], result["points"]
    status = verdict["status"].capitalize()
    title = f"{status}: the signal against {result['analysis']}" if points is None else f"{status}: {verdict['reason']}"
    return [
        Heading(title, 1),
        *_said(verdict),
        *([] if points is None else [*_points(points), *_shown(captions, "exclusion")]),
        Text(
            f"{search['title']}. {search['reference']}. Fidelity of this reinterpretation: {search['fidelity']} "
            f"({search['fidelity_note']})."
        ),
        *(Text(f"Note: {text}.") for text in result["warnings"]),
        *(Text(f"Left out, as it cannot be read: {skipped['reason']}.") for skipped in result["skipped"]),
        *_samples(result, captions),
        Heading("Provenance"),
        Code(_provenance(result["provenance"])),
    ]


def _said(verdict: Mapping[str, Any]) -> list[Block]:
    """The reason of a verdict, and what helps where none is possible."""
    reason = verdict["reason"]
    said: list[Block] = [Text(f"{reason[0].upper()}{reason[1:]}.")]
    if verdict["help"]:
        said.append(Text(f"What helps: {verdict['help']}."))
    return said


def _samples(result: Mapping[str, Any], captions: Mapping[str, str]) -> list[Block]:
    """The sample, or each point of a curve under its mass; the figures are those of the sample, the first point."""
    if result["points"] is None:
        return _sample(result, result, captions)
    mass, found = result["sample"]["mass_gev"], []
    if mass is None:
        found += [Heading("The sample of the command line"), *_said(result["sample"]["verdict"])]
        found += _sample(result, result, captions)
    for point in result["points"]["table"]:
        at = f"{gev(point['mass_gev'])} GeV"
        drawn = {name: f"At {at}: {text}" for name, text in captions.items()} if point["mass_gev"] == mass else {}
        found += [Heading(f"{at}: {point['verdict']['status']}"), *_said(point["verdict"])]
        found += _sample(result, {**point, "acceptance": point["acceptances"]}, drawn)
    return found


def _sample(result: Mapping[str, Any], sample: Mapping[str, Any], captions: Mapping[str, str]) -> list[Block]:
    """What the search keeps of one sample, its limits and spectra."""
    level = 2 if sample is result else 3
    return [
        Heading("What the search keeps", level),
        _numbers(result["search"], sample),
        _cutflow(sample),
        *_shown(captions, "cutflow"),
        _acceptance(sample),
        Text(
            "Acceptance: weighted events in the region over all generated events, before any selection. The first "
            "error is that of the finite sample; the error of the model is the largest change when the threshold "
            "moves by the uncertainty of the background efficiency that it was set at."
        ),
        *_shown(captions, "scores"),
        *([Heading("Limits", level), *_limits(sample), *_shown(captions, "limits")] if sample["channels"] else []),
        *([Heading("Spectra", level), *_shown(captions, "spectra", "fit")] if "spectra" in captions else []),
    ]


def _shown(captions: Mapping[str, str], *names: str) -> list[Block]:
    return [Figure(f"{n}.png", captions[n]) for name in names for n in captions if n.split("_")[0] == name]


def _numbers(search: Mapping[str, Any], result: Mapping[str, Any]) -> Table:
    generated, section = result["generated"], result["cross_section_pb"]
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
                fraction(found),
                "" if model is None else f"{model:.2%}",
                f"{found['low']:.3%} to {found['high']:.3%}",
                percent(found["upper_95"]),
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
            found["background"] or "none",
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
    method = f" Combined is: {combined['method']} ({', '.join(combined['channels'])})." if combined["channels"] else ""
    return [
        Table(header, rows),
        *(Text(f"No limit: {group['text']}.") for group in result["no_limit"]),
        Text(
            "Limits are CLs upper limits at 95 % CL on the cross section of the signal. Events are in several "
            f"spectra, so that channels are not independent.{method}"
        ),
        *([Text(f"Combined: {combined['remark']}.")] if combined["remark"] else []),
        Text("Of the signal events of the channel on the left, the part that the channel above has too:"),
        Table(["", *names], shared),
    ]


def _points(points: Mapping[str, Any]) -> list[Block]:
    rows = [
        [
            f"{point['mass_gev']:g}",
            f"{point['cross_section_pb']:.4g}",
            fraction(point["acceptance"]),
            _number(point["limit_pb_expected"]),
            _number(point["limit_pb_observed"]),
            point["verdict"]["status"],
        ]
        for point in points["table"]
    ]
    header = ["mass [GeV]", "cross section [pb]", "acceptance", "expected [pb]", "observed [pb]", "verdict"]
    said = [Text(f"Expected exclusion: {mass_ranges(points['excluded_expected_gev'], ends=True) or 'no mass'}.")]
    if points["excluded_observed_gev"] is not None:
        observed = mass_ranges(points["excluded_observed_gev"], ends=True)
        said.append(Text(f"Observed exclusion: {observed or 'no mass'}."))
    return [Table(header, rows), *said]


def _pm(value: float, error: float) -> str:
    return f"{value:.3%} ± {error:.3%}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _band(values: list[float] | None) -> str:
    return "" if values is None else f"{values[1]:.3g} to {values[3]:.3g}"


def _provenance(record: Mapping[str, Any]) -> str:
    lines = [record["command"], f"hepad {record['hepad']}, Python {record['python']}"]
    lines += [f"{name} {version}" for name, version in record["packages"].items()]
    lines += [f"{item['name']} {item['bytes']} bytes sha256 {item['sha256']}" for item in record["inputs"]]
    lines += [f"{name} sha256 {sha}" for name, sha in record["cards"].items()]
    return "\n".join(lines)
