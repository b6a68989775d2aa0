"""What a hunt in a plane leaves behind: `plane.json`, the planes as figures, and a page of all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from hepad.cards.plane import PlaneCard
from hepad.errors import InputDataError
from hepad.output.atomic import atomic_folder
from hepad.output.closing import write_page
from hepad.output.document import Answer, Block, Figure, Heading, Table, Text, excess_tone
from hepad.output.figure_context import FigureContext
from hepad.output.figures import save_figures
from hepad.output.json_text import json_text
from hepad.pipeline.hunt.closing import hunt_closing
from hepad.pipeline.hunt.plane_report import PlaneReport
from hepad.plot.mass_plane import MassPlane, limit_planes, p_plane
from hepad.plot.windows import WindowSpectrum, window_spectra
from hepad.stats.counts.poisson import signed_root

if TYPE_CHECKING:
    import matplotlib.figure

__all__ = ["plane_answers", "plane_signals", "stored_plane", "write_plane"]

_RESULT = "plane.json"


def write_plane(report: PlaneReport, card: PlaneCard, described: Mapping[str, Any], output: Path) -> None:
    """Fill the folder."""
    with atomic_folder(output, verb="hunt") as folder:
        content = {**described, "report": report.content()}
        (folder / _RESULT).write_text(json_text("hunt/plane.json", content), encoding="utf-8")
        names = save_figures(_figures(report), folder)
        shown = {name: Figure(f"{name}.png", _caption(name)) for name in names}
        files = [(_RESULT, "all numbers, and the provenance")]
        blocks = _blocks(report, card, shown)
        write_page(folder, blocks, described["provenance"], files, **hunt_closing(card.name))


def stored_plane(output: Path) -> tuple[dict[str, Any], PlaneReport]:
    """What a complete output says of itself, and its report; `InputDataError` if it is something else."""
    try:
        content = json.loads((output / _RESULT).read_text(encoding="utf-8"))
        report = PlaneReport.from_json(content.pop("report"), output)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputDataError(f"{output} is no result of a hunt in a plane") from error
    return content, report


def plane_answers(report: PlaneReport) -> Table:
    """A row for each region: its largest excess, and what so many looks make of it."""
    rows = []
    counted = {row.region: row.kept for row in report.regions}
    for name in report.searched:
        best, found = report.best(name), report.trials.methods.get(name)
        windows = len({row.low for row in report.spectra if row.region == name})
        numbers = [f"{best.low:g}:{best.high:g}", f"{best.mass:.0f}", f"{best.z:.2f}", f"{best.local_p:.2g}"]
        rows.append([name, f"{counted[name]}", f"{windows}", *numbers, *_global(found)])
    if len(rows) > 1 and report.trials.whole is not None:
        rows.append(["all regions", "", "", "", "", "", "", *_global(report.trials.whole)])
    header = ["region", "events", "windows", "window of m_X", "m_Y [GeV]", "local Z", "local p", "global p", "global Z"]
    return Table([*header, "looks"], rows)


def _global(found: Any) -> list[str]:
    if found is None:
        return ["", "", ""]
    looks = f"{found.effective:.0f}" if np.isfinite(found.effective) else ""
    return [f"{found.global_p:.2g} ± {found.global_p_error:.1g}", f"{max(-ndtri(found.global_p), 0.0):.2f}", looks]


def plane_signals(report: PlaneReport) -> Table:
    """The limits on simulated signals, in the window that is nearest to the peak of each."""
    unit = "events produced" if report.luminosity is None else "fb"
    rows = []
    for row in report.signals:
        observed, expected = report.limit(row)
        place = [row.signal, row.method, f"{row.low:g}:{row.high:g}", f"{row.mass:.0f}"]
        limits = (
            ["", "", ""] if row.expected is None else [f"{expected[2]:.3g}", f"{expected[1]:.3g} to {expected[3]:.3g}"]
        )
        known = [] if row.expected is None else ["" if np.isnan(observed) else f"{observed:.3g}"]
        z = "" if row.z is None else f"{row.z:.2f}"
        rows.append([*place, f"{row.efficiency:.2%} ± {row.error:.2%}", z, *limits, *known])
    header = [
        "signal",
        "region",
        "window of m_X",
        "m_Y [GeV]",
        "efficiency",
        "local Z",
        f"expected [{unit}]",
        "68 % band",
    ]
    return Table([*header, f"observed [{unit}]"], rows, numbers_from=4)


_TITLES = (r"$m_Y$ [GeV]", r"Window of $m_X$ [GeV]")


def _figures(report: PlaneReport) -> Iterator[tuple[str, matplotlib.figure.Figure]]:
    context = FigureContext(luminosity=report.luminosity)  # of no energy, which neither card nor files say
    for name in report.searched:
        found = report.trials.methods.get(name)
        remark = "" if found is None else f"{name}: global $p$ = {found.global_p:.2g}"
        yield f"local_p_{name}", p_plane(_plane(report, name, "z"), titles=_TITLES, remark=remark, context=context)
        planes = {what: _plane(report, name, what.lower()) for what in ("Expected", "Observed")}
        if all(np.isfinite(plane.values).any() for plane in planes.values()):
            unit = "95% CL limit on events" if report.luminosity is None else r"95% CL limit on $\sigma \times A$ [fb]"
            yield f"limits_{name}", limit_planes(planes, titles=_TITLES, unit=unit, context=context)
        spectra = [_drawn(report, row) for row in report.spectra if row.region == name]
        yield f"spectra_{name}", window_spectra(spectra, title=name, x_title=_TITLES[0], context=context)


_CAPTIONS = {
    "local_p": "Local significance of a resonance of each mass, in each window of m_X; the largest is framed. Windows "
    "overlap.",
    "limits": "Upper limits at 95 % CL on a resonance of the card's shape, in what is selected; stars are simulated "
    "signals.",
    "spectra": "The spectrum of each window of m_X, and the function fitted to it; Z is the largest of its masses.",
}


def _caption(name: str) -> str:
    return next(text for what, text in _CAPTIONS.items() if name.startswith(f"{what}_"))


def _plane(report: PlaneReport, region: str, what: str) -> MassPlane:
    points = [point for point in report.scan if point.method == region]
    masses = sorted({point.mass for point in points})
    windows = sorted({(point.low, point.high) for point in points})
    values = np.full((len(windows), len(masses)), np.nan)
    for point in points:
        observed, expected = report.limit(point)
        value = {"z": point.z, "observed": observed, "expected": expected[2]}[what]
        values[windows.index((point.low, point.high)), masses.index(point.mass)] = value
    marks = {
        row.signal: (row.mass, windows.index((row.low, row.high)))
        for row in report.signals
        if row.method == region and (row.low, row.high) in windows
    }
    return MassPlane(np.array(masses), windows, values, marks)


def _drawn(report: PlaneReport, row: Any) -> WindowSpectrum:
    edges, counts, expected = (np.array(part) for part in (row.edges, row.counts, row.expected))
    own = [p.z for p in report.scan if (p.method, p.low, p.high) == (row.region, row.low, row.high)]
    pulls = signed_root(counts, np.maximum(expected, 1e-9))
    return WindowSpectrum(
        "$m_X$", row.low, row.high, max(own, default=0.0), edges, counts, expected, pulls, shaded=False
    )


def _blocks(report: PlaneReport, card: PlaneCard, shown: Mapping[str, Figure]) -> list[Block]:
    parts = (f"After: {card.reference}", f"{card.fidelity}: {card.fidelity_note}")
    selected, produced = (
        ("selected events", "events produced")
        if report.luminosity is None
        else ("cross section times acceptance", "the cross section, by its efficiency")
    )
    best = max((report.best(name) for name in report.searched), key=lambda point: point.z)
    blocks: list[Block] = [
        Heading(f"Hunt {card.name}: {card.title}", 1),
        _answer(report, best, shown.get(f"local_p_{best.method}")),
        Text(" ".join(f"{part.strip().rstrip('.')}." for part in parts)),
        Heading("Answers"),
        plane_answers(report),
        Text(
            "In each window of the unknown jet's mass a function is fitted to the spectrum of the mass of both, and a "
            "resonance at masses one width apart. The global p-value is the probability that background alone gives as "
            "large a significance at any mass in any window: the events are bootstrapped, one that several windows or "
            "regions share comes or goes in all of them, and every spectrum is fitted anew."
            + ("" if report.toys else " None was asked for (--toys 0).")
        ),
    ]
    for name in report.searched:
        blocks += [Heading(f"Region {name}"), Text(_words(card, name))]
        drawn = ("limits",) if name == best.method else ("local_p", "limits")  # the answer has the other
        blocks += [shown[f"{what}_{name}"] for what in drawn if f"{what}_{name}" in shown]
        blocks += [_bumps(report, name), *([shown[f"spectra_{name}"]] if f"spectra_{name}" in shown else [])]
    if report.signals:
        blocks += [Heading("Simulated signals"), plane_signals(report)]
        blocks += [
            Text("The window is that whose middle the peak of m_X is nearest to; it is not chosen by its limit.")
        ]
    blocks += [
        Text(
            "Limits are at 95 % CL (CLs, asymptotic formulae, never below 3.00 events): in the planes on "
            f"{selected} of a resonance of the card's shape, of a simulated signal, with its own shape, on {produced}. "
            "Where fewer than ten events carry one it is rough."
        )
    ]
    if report.left_out:
        blocks += [Heading("Left out"), Table(["what", "why"], [list(one) for one in report.left_out.items()], 2)]
    return blocks


def _answer(report: PlaneReport, best: Any, figure: Figure | None) -> Answer:
    """The largest excess of all regions, and what so many looks make of it."""
    words = (
        f"The largest excess is at m_Y = {best.mass:.0f} GeV, m_X from {best.low:g} to {best.high:g} GeV, in region "
        f"{best.method}."
    )
    numbers = [(f"{best.z:.2f}", "local standard deviations"), (f"{best.local_p:.2g}", "local p-value")]
    several = len(report.searched) > 1
    found = report.trials.whole if several else report.trials.methods.get(best.method)
    if found is None:
        words += " What so many looks make of it is not known."
    else:
        words += f" Background alone gives one as large in {found.global_p:.2g} of all experiments."
        every = "masses, windows and regions" if several else "masses and windows"
        numbers.append((f"{found.global_p:.2g} ± {found.global_p_error:.1g}", f"global p-value, over all {every}"))
    return Answer(words, numbers, figure, excess_tone(None if found is None else found.global_p))


def _words(card: PlaneCard, region: str) -> str:
    low, high = card.known.range
    bounds = [f"{name} {_bounds(of)}" for name, of in card.regions[region].items()]
    known = f"The known jet has its {card.known.mass} from {low:g} to {high:g} GeV, nearest to {card.known.nearest:g}"
    return f"{known}. The other has {' and '.join(bounds) or 'no requirement'}."


def _bounds(of: tuple[float | None, float | None]) -> str:
    low, high = of
    parts = [*([] if low is None else [f"from {low:g}"]), *([] if high is None else [f"below {high:g}"])]
    return " and ".join(parts)


def _bumps(report: PlaneReport, region: str) -> Table:
    bumps = {row.low: row for row in report.bumps if row.method == region}
    rows = []
    for row in report.spectra:
        if row.region == region:
            bump = bumps.get(row.low)
            own = (
                ["", "", ""]
                if bump is None
                else [f"{bump.first:.0f}:{bump.last:.0f}", f"{bump.z:.2f}", f"{bump.global_p:.2g}"]
            )
            rows.append([f"{row.low:g}:{row.high:g}", f"{row.events}", row.function, *own])
    return Table(["window of m_X", "events", "function", "largest bump [GeV]", "its Z", "its global p"], rows)
