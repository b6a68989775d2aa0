"""The page of a reinterpretation: verdict, numbers, tables and figures."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping, Sequence

from hepad.bundles.citation import references
from hepad.output.closing import closing
from hepad.output.document import Answer, Block, Figure, Files, Heading, Notes, Table, Text
from hepad.output.latex import TABLES_FILE
from hepad.pipeline.reinterpret.report import CurveRow, Result, SampleRow
from hepad.pipeline.reinterpret.rows import CombinedRow, CutRow, LimitRow, RegionRow, SearchRow, VerdictRow, told_once
from hepad.pipeline.reinterpret.words import (
    counted_words,
    fraction,
    gev,
    jets_words,
    mass_ranges,
    others_words,
    percent,
    verdict_tone,
)

__all__ = ["blocks"]


def blocks(result: Result, captions: Mapping[str, str], files: Collection[str]) -> list[Block]:
    """The page of a result; `captions` are those of the figures that were drawn, by name, `files` what is beside it.

    An exclusion curve comes first, then each of its points with its mass.
    """
    search, verdict, curve = result.search, result.verdict, result.curve
    cite = [(citation.text, citation.bibtex) for citation in references(result.analysis, search.reference)]
    subject = _signal(result) if curve is None else verdict.reason
    return [
        Heading(f"{verdict.status.capitalize()}: {subject} in {result.analysis}", 1),
        _answer(result, captions),
        *_helps(verdict),
        *([] if curve is None else _points(curve)),
        Text(
            f"{search.title}: {search.reference}. Fidelity of this reinterpretation: {search.fidelity} "
            f"({search.fidelity_note})."
        ),
        *([Notes([f"{text}." for text in result.warnings])] if result.warnings else []),
        *(Text(f"Left out, as it cannot be read: {skipped.reason}.") for skipped in result.skipped),
        *_samples(result, captions),
        Heading("Files"),
        Files([(name, what) for pattern, what in _FILES.items() for name in sorted(fnmatch.filter(files, pattern))]),
        *closing(result.provenance, cite=cite, is_not=_IS_NOT),
    ]


_IS_NOT = (
    "A result of the collaboration whose search this is. It is an estimate of what that search would say of the "
    "signal, with the selections, network and background that the card names, and with the fidelity that it claims."
)

_FILES = {
    "reinterpret.json": "all numbers",
    "scores.root": "score and regions of every event",
    "histograms.root": "spectra of the signal, for ROOT",
    "histograms.json": "spectra of the signal, for hist and other tools (UHI)",
    "efficiency_map.csv": "acceptance by mass point and region",
    "signal_regions.csv": "acceptances and limits by region",
    TABLES_FILE[0]: TABLES_FILE[1],
    "hepdata/submission.yaml": "tables as HEPData takes them, with figures and likelihoods",
    "hepdata/workspace*.json": "the likelihood of the background, for pyhf",
    "hepdata/patchset*.json": "the signals as patches of it",
}


def _signal(result: Result) -> str:
    """The signal by the names of its files."""
    names = [str(item["name"]) for item in result.provenance["inputs"]]
    return names[0] if len(names) == 1 else "the signal"


def _answer(result: Result, captions: Mapping[str, str]) -> Answer:
    """The verdict with its numbers, and the figure that shows it."""
    verdict, sample = result.verdict, result.sample
    region = sample.acceptance.get(result.search.signal_region)
    section, limit = sample.cross_section_pb, sample.limit
    numbers = [
        ("none" if section is None else f"{section:.3g} pb", "cross section of the signal"),
        *([] if region is None else [(_percent(region), f"acceptance in {result.search.signal_region}")]),
        (_pb(limit.expected), "expected limit at 95 % CL"),
        *([] if limit.observed is None else [(_pb(limit.observed), "observed limit")]),
    ]
    drawn = next((name for name in ("exclusion", "limits", "spectra", "cutflow") if name in captions), None)
    figure = None if drawn is None else Figure(f"{drawn}.png", captions[drawn])
    return Answer(_reason(verdict), numbers if result.curve is None else (), figure, verdict_tone(verdict.status))


def _percent(region: RegionRow) -> str:
    return f"{region.value:.1%} \u00b1 {region.error:.1%}" if region.events else fraction(region)


def _pb(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g} pb"


def _said(verdict: VerdictRow) -> list[Block]:
    """The reason of a verdict, and what helps where none is possible."""
    return [Text(_reason(verdict)), *_helps(verdict)]


def _reason(verdict: VerdictRow) -> str:
    return f"{verdict.reason[0].upper()}{verdict.reason[1:]}."


def _helps(verdict: VerdictRow) -> list[Block]:
    return [Text(f"What helps: {verdict.help}.")] if verdict.help else []


def _samples(result: Result, captions: Mapping[str, str]) -> list[Block]:
    """The sample, or each point of a curve under its mass; the figures are those of the sample, the first point."""
    if result.curve is None:
        return _sample(result.search, result.sample, captions, level=2)
    found: list[Block] = []
    if result.mass_gev is None:
        found += [Heading("The sample of the command line"), *_said(result.sample.verdict)]
        found += _sample(result.search, result.sample, captions, level=2)
    for point in result.curve.points:
        at, verdict = f"{gev(point.mass_gev)} GeV", point.sample.verdict
        drawn = {name: f"At {at}: {text}" for name, text in captions.items()}
        found += [Heading(f"{at}: {verdict.status}"), *_said(verdict)]
        found += _sample(result.search, point.sample, drawn if point.mass_gev == result.mass_gev else {}, level=3)
    return found


def _sample(search: SearchRow, sample: SampleRow, captions: Mapping[str, str], *, level: int) -> list[Block]:
    """What the search keeps of one sample, its limits and spectra."""
    combined = sample.combined
    limits = [] if combined is None else [*_limits(sample, combined), *_shown(captions, "yields", "limits")]
    return [
        Heading("What the search keeps", level),
        _numbers(search, sample),
        _cutflow(sample.cutflow),
        *_shown(captions, "cutflow"),
        _acceptance(sample.acceptance),
        Text(
            "Acceptance: weighted events in the region over all generated events, before any selection. The first "
            "error is that of the finite sample; the error of the model is the largest change when the threshold "
            "moves by the uncertainty of the background efficiency that it was set at."
        ),
        *([] if sample.jets is None else [Text(f"With the {jets_words(sample.jets, search.signal_region)}.")]),
        *_shown(captions, "scores"),
        *([Heading("Limits", level), *limits] if sample.channels else []),
        *([Heading("Spectra", level), *_shown(captions, "spectra", "fit")] if "spectra" in captions else []),
    ]


def _shown(captions: Mapping[str, str], *names: str) -> list[Block]:
    return [Figure(f"{n}.png", captions[n]) for name in names for n in captions if n.split("_")[0] == name]


def _numbers(search: SearchRow, sample: SampleRow) -> Table:
    section, luminosity = sample.cross_section_pb, search.luminosity_fb
    rows = [
        ["events read", f"{sample.events}"],
        ["events generated", f"{sample.generated_events}"],
        ["sum of weights of all generated", f"{sample.generated_weight:.6g}"],
        ["cross section", "not given" if section is None else f"{section:.4g} pb"],
        ["luminosity", "none" if luminosity is None else f"{luminosity:g} fb-1"],
        ["selection", ", ".join(dict.fromkeys(search.selections.values()))],
        ["model", ", ".join(dict.fromkeys(name for name in search.models.values() if name)) or "none"],
        ["region of the limits", search.signal_region],
    ]
    return Table(["", ""], rows)


def _cutflow(steps: Sequence[CutRow]) -> Table:
    rows = [
        [
            name,
            f"{step.events}",
            f"{step.weight:.6g}",
            _pm(step.efficiency, step.efficiency_error),
        ]
        for name, step in told_once(steps)
    ]
    return Table(["step", "events", "sum of weights", "of all generated"], rows)


def _acceptance(regions: Mapping[str, RegionRow]) -> Table:
    rows = [
        [
            region,
            f"{found.events}",
            fraction(found),
            "" if found.model_error is None else f"{found.model_error:.2%}",
            f"{found.low:.3%} to {found.high:.3%}",
            percent(found.upper_95),
        ]
        for region, found in regions.items()
    ]
    header = ["region", "events", "acceptance", "model", "68.3 % interval", "below, at 95 % CL"]
    return Table(header, rows)


def _limits(sample: SampleRow, combined: CombinedRow) -> list[Block]:
    rows = [
        [
            name,
            "" if found.expected_events is None else f"{found.expected_events:.4g}",
            "" if found.background_events is None else f"{found.background_events:.4g}",
            *_cells(found.limit),
            found.background or "none",
        ]
        for name, found in sample.channels.items()
    ]
    rows.append(["combined", "", "", *_cells(combined.limit), combined.method])
    header = ["channel", "signal", "background", "expected [pb]", "68 % band [pb]", "observed [pb]", "background from"]
    counted = counted_words(sample.channels)
    method = f" Combined is: {combined.method} ({', '.join(combined.channels)})." if combined.channels else ""
    return [
        Table(header, rows),
        *(Text(f"No limit: {group.reason.text}.") for group in sample.no_limit),
        *([Text(f"{counted[0].upper()}{counted[1:]}.")] if counted else []),
        Text(f"Limits are CLs upper limits at 95 % CL on the cross section of the signal. {_apart(sample)}{method}"),
        *([Text(f"Combined: {combined.remark}.")] if combined.remark else []),
        *([Text(f"Combined, expected: {others_words(combined.alternatives)}.")] if combined.alternatives else []),
        *_overlaps(sample),
    ]


def _apart(sample: SampleRow) -> str:
    if sample.disjoint:
        return "No signal event is in two of the channels."
    return "Events are in several spectra, so that channels are not independent."


def _overlaps(sample: SampleRow) -> list[Block]:
    if sample.disjoint:
        return []
    names = list(sample.channels)
    shared = [[a, *(f"{sample.overlaps[a][b]:.2f}" for b in names)] for a in names]
    said = "Of the signal events of the channel on the left, the part that the channel above has too:"
    return [Text(said), Table(["", *names], shared)]


def _cells(limit: LimitRow) -> list[str]:
    """The expected limit, its band, and the observed limit."""
    band = "" if limit.band is None else f"{limit.band[1]:.3g} to {limit.band[3]:.3g}"
    return [_number(limit.expected), band, _number(limit.observed)]


def _points(curve: CurveRow) -> list[Block]:
    rows = [
        [
            f"{point.mass_gev:g}",
            _number(point.sample.cross_section_pb),
            fraction(point.acceptance),
            _number(point.sample.limit.expected),
            _number(point.sample.limit.observed),
            point.sample.verdict.status,
        ]
        for point in curve.points
    ]
    header = ["mass [GeV]", "cross section [pb]", "acceptance", "expected [pb]", "observed [pb]", "verdict"]
    said = [Text(f"Expected exclusion: {mass_ranges(curve.excluded_expected_gev, ends=True) or 'no mass'}.")]
    if curve.excluded_observed_gev is not None:
        observed = mass_ranges(curve.excluded_observed_gev, ends=True)
        said.append(Text(f"Observed exclusion: {observed or 'no mass'}."))
    return [Table(header, rows), *said]


def _pm(value: float, error: float) -> str:
    return f"{value:.3%} ± {error:.3%}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"
