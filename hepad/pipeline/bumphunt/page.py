"""The page of a bump hunt: the largest excess first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from hepad.output.document import Answer, Block, Figure, Heading, Notes, Table, Text
from hepad.pipeline.bumphunt.report import BumpHuntReport, TrialsReport

__all__ = ["hunt_blocks", "trials_blocks"]

_EVIDENCE = 1.35e-3
"""The global p-value of 3 standard deviations."""


def hunt_blocks(report: BumpHuntReport, figures: Sequence[str]) -> list[Block]:
    """The page of one hunt; `figures` are the names of those that were drawn, the spectrum first."""
    hunt, result = report.hunt, report.to_json()
    low, high = hunt.window
    local = f"{hunt.local_p:.2g}" if hunt.local_p > 0 else f"10^{result['log10_local_p']:.1f}"
    words = (
        f"The most significant {hunt.direction} of {hunt.windows} windows is from {low:g} to {high:g} GeV: "
        f"{hunt.observed:g} events where {hunt.expected:.4g} are expected. {_chance(hunt.global_p)}"
    )
    numbers = [
        (local, "local p-value" if hunt.local_z is None else f"local p-value, {hunt.local_z:.1f} standard deviations"),
        ("none" if hunt.global_p is None else _global(hunt.global_p, hunt.global_p_error), "global p-value"),
        (f"{low:g} to {high:g} GeV", "window"),
    ]
    first, *others = figures
    return [
        Heading(f"Bump hunt in {', '.join(str(s.name).rpartition('/')[2] for s in report.spectra)}", 1),
        Answer(
            words,
            numbers,
            Figure(f"{first}.png", "The spectrum, its background, and the window."),
            _tone(hunt.global_p),
        ),
        *([Notes(report.warnings, "warning")] if report.warnings else []),
        Heading("The background"),
        *_fits(report),
        Heading("Figures"),
        *(Figure(f"{name}.png", _CAPTIONS.get(name, "A further spectrum, with the same window.")) for name in others),
        Heading("What the numbers are"),
        Text(
            "The local p-value is the chance that background alone gives so many events, or more, in this window. The "
            "global one is the chance that it gives a window as significant anywhere, by pseudo-experiments: "
            f"{hunt.toys} of them{', each with its own fit' if hunt.refit else ''}."
        ),
    ]


def trials_blocks(report: TrialsReport, figures: Sequence[str]) -> list[Block]:
    """The page of hunts in several spectra that share a global p-value."""
    result = report.to_json()
    header = ["spectrum", "window [GeV]", "observed", "expected", "local p", "global p"]
    rows = [
        [
            s["name"],
            f"{s['window'][0]:g} to {s['window'][1]:g}",
            f"{s['observed']:g}",
            f"{s['expected']:.4g}",
            f"{s['local_p']:.3g}",
            f"{s['global_p']:.3g}",
        ]
        for s in result["spectra"]
    ]
    top = min(result["spectra"], key=lambda s: s["local_p"])
    words = f"The most significant window of {len(rows)} spectra is in {top['name']}. {_chance(result['global_p'])}"
    numbers = [
        (f"{top['local_p']:.2g}", f"local p-value in {top['name']}"),
        (_global(result["global_p"], result["global_p_error"]), "global p-value over all spectra"),
    ]
    place = result["spectra"].index(top)
    figure = Figure(f"{figures[place]}.png", f"{top['name']}, its background, and the window.")
    return [
        Heading(f"Bump hunt in {len(rows)} spectra", 1),
        Answer(words, numbers, figure, _tone(result["global_p"])),
        *([Notes(report.warnings, "warning")] if report.warnings else []),
        Heading("All spectra"),
        Table(header, rows),
        *(Figure(f"{name}.png", row[0]) for name, row in zip(figures, rows, strict=True)),
    ]


_CAPTIONS = {
    "tomography": "All windows: how significant what is in each is.",
    "sensitivity": "Global significance against the number of injected signal events: median, one and two standard "
    "deviations.",
}


def _chance(global_p: float | None) -> str:
    if global_p is None:
        return "How often background alone gives one like it was not asked for."
    return f"Background alone gives one like it in {global_p:.2g} of all experiments."


def _global(p: float, error: float | None) -> str:
    return f"{p:.2g}" if error is None else f"{p:.2g} \u00b1 {error:.1g}"


def _tone(global_p: float | None) -> Literal["yes", "no", "open"]:
    """Evidence, none, or nobody knows."""
    return "open" if global_p is None else "yes" if global_p < _EVIDENCE else "no"


def _fits(report: BumpHuntReport) -> list[Block]:
    rows = [
        [b.fit.function.name, f"{b.fit.deviance:.2f}", f"{b.fit.ndf}", f"{b.fit.p_value:.3g}"]
        for b in report.backgrounds
        if b.fit is not None
    ]
    if not rows:
        return [Text("The background is a reference spectrum, not a fit.")]
    return [Table(["function", "deviance", "degrees of freedom", "p-value"], rows)]
