"""The page of a bump hunt: the largest excess first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from hepad.output.document import Answer, Block, Figure, Heading, Notes, Table, Text, excess_tone
from hepad.output.figure_kinds import figure_kinds
from hepad.pipeline.bumphunt.report import BumpHuntReport, TrialsReport

__all__ = ["hunt_blocks", "trials_blocks"]


def hunt_blocks(report: BumpHuntReport, figures: Sequence[str]) -> list[Block]:
    """The page of one hunt; `figures` are the names of those that were drawn, the spectrum first."""
    hunt, result = report.hunt, report.to_json()
    low, high = hunt.window
    words = (
        f"The most significant {hunt.direction} of {hunt.windows} windows is from {low:g} to {high:g} GeV: "
        f"{hunt.observed:g} events where {hunt.expected:.4g} are expected. {_chance(hunt.global_p, hunt.toys)}"
    )
    numbers = [
        (
            _local(result),
            "local p-value" if hunt.local_z is None else f"local p-value, {hunt.local_z:.1f} standard deviations",
        ),
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
            _tone(hunt.global_p, hunt.toys),
        ),
        *([Notes(report.warnings, "warning")] if report.warnings else []),
        Heading("The background"),
        *_fits(report),
        *([Heading("Figures")] if others and figure_kinds() else []),
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
            _local(s),
            f"{s['global_p']:.3g}",
        ]
        for s in result["spectra"]
    ]
    top = min(result["spectra"], key=lambda s: s["log10_local_p"])
    chance = _chance(result["global_p"], result["toys"])
    words = f"The most significant window of {len(rows)} spectra is in {top['name']}. {chance}"
    numbers = [
        (_local(top), f"local p-value in {top['name']}"),
        (_global(result["global_p"], result["global_p_error"]), "global p-value over all spectra"),
    ]
    place = result["spectra"].index(top)
    figure = Figure(f"{figures[place]}.png", f"{top['name']}, its background, and the window.")
    return [
        Heading(f"Bump hunt in {len(rows)} spectra", 1),
        Answer(words, numbers, figure, _tone(result["global_p"], result["toys"])),
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


def _chance(global_p: float | None, toys: int) -> str:
    if global_p is None:
        return "How often background alone gives one like it was not asked for."
    bound = "at most " if _is_bound(global_p, toys) else ""
    return f"Background alone gives one like it in {bound}{global_p:.2g} of all experiments."


def _is_bound(global_p: float, toys: int) -> bool:
    """Whether none of the pseudo-experiments had such an excess."""
    return global_p * (toys + 1) < 1.5


def _local(result: Mapping[str, Any]) -> str:
    """A local p-value, by its logarithm where it is too small for a number."""
    return f"{result['local_p']:.2g}" if result["local_p"] > 0 else f"10^{result['log10_local_p']:.1f}"


def _global(p: float, error: float | None) -> str:
    return f"{p:.2g}" if error is None else f"{p:.2g} \u00b1 {error:.1g}"


def _tone(global_p: float | None, toys: int) -> Literal["yes", "open", "plain"]:
    """Evidence, too few pseudo-experiments to say, or nothing out of the ordinary."""
    tone = excess_tone(global_p)
    return "open" if tone == "plain" and global_p is not None and _is_bound(global_p, toys) else tone


def _fits(report: BumpHuntReport) -> list[Block]:
    rows = [
        [b.fit.function.name, f"{b.fit.deviance:.2f}", f"{b.fit.ndf}", f"{b.fit.p_value:.3g}"]
        for b in report.backgrounds
        if b.fit is not None
    ]
    if not rows:
        return [Text("The background is a reference spectrum, not a fit.")]
    return [Table(["function", "deviance", "degrees of freedom", "p-value"], rows)]
