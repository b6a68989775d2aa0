"""The page of a study of sensitivity: what was done, limits and discoveries, improvements beside the published ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hepad.output.document import Answer, Block, Code, Figure, Heading, Table, Text
from hepad.pipeline.study.closing import study_closing
from hepad.pipeline.study.names import named
from hepad.pipeline.study.sensitivity.results import Curve, Found, SensitivityResults
from hepad.stats.limits.sensitivity import Crossing

__all__ = ["CAPTIONS", "crossing_words", "gains_table", "page", "sensitivities_table"]

_QUICK = " This is a quick version: too few points for numbers that mean anything."
_SUSPICIOUS = 2.0
"""Standard deviations of the median over seeds, without a signal."""

_TABLES = (("sensitivity.csv", "a row a signal and method"), ("points.csv", "a row a point"))

CAPTIONS = {
    "p_values": "Local p-values of the window: median over seeds, the band has all of them.",
    "improvements": "How much smaller a cross section suffices than for the best classical method; blue is worse.",
    "significance_improvement": "Efficiency of signal in the window by the root of that of background, by what the "
    "method has learned with so much signal in the data; median, least and largest of the seeds.",
    "efficiency": "Efficiency of signal, in the window and selected, of all its events, likewise.",
}


def page(
    results: SensitivityResults, figures: Sequence[str], cards: str, record: Mapping[str, Any], *, quick: bool
) -> list[Block]:
    """The whole page; `figures` are the names of those that were drawn, `cards` the cards as text."""
    card = results.card
    pictures = {name: Figure(f"figures/{name}.png", CAPTIONS[name]) for name in figures}
    first = pictures.pop("improvements" if "improvements" in pictures else next(iter(pictures), ""), None)
    seeds = ", ".join(str(seed) for seed in card.seeds)
    warning = _QUICK if quick else ""
    more = f", to {card.classical_events[-1]:g} for classical methods" if card.classical_events else ""
    return [
        Heading(f"Study {card.name}: {card.title}", 1),
        _answer(results, first, quick=quick),
        Text(f"After: {card.reference}. {card.note}"),
        Text(
            f"Mock data: {card.data_fraction:.0%} of the background, {results.luminosity:.4g} /fb, other events by "
            f"each of the seeds {seeds}, and signal: {card.events[0]:g} to {card.events[-1]:g} events in the mean"
            f"{more}, whatever their mass, of which one is {1 / results.luminosity:.3g} fb. {card.prior_fraction:.0%} "
            f"of the signals are kept for methods that learn from some; those are never judged.{warning}"
        ),
        Heading("Limits and discoveries"),
        sensitivities_table(results),
        Text(
            "Limit: the cross section from which on the expected signal, with the efficiency that the method has when "
            "so much is in the data, is more than the median limit (CLs, 95 %) above the fit to what it selects of "
            "the background; straight in logarithms between points. 5 sigma, in mock data: from which on the median "
            "local significance is 5, signal in the sidebands and all. Expected: of the signal that is expected above "
            "what the fit expects of the background, without the luck of the background in the window, which is much "
            "the same in all seeds. Both straight between points. In brackets the least and largest of single seeds; "
            "< and > are ends of what was injected. Efficiency: of all signal events, in the window and selected. "
            "Improvement: of the significance in the window, over no selection. Both at the limit. Z at 0: the "
            "significance in the mock data without a signal, of each seed."
        ),
        *_made_up(results),
        *_shown(pictures, "p_values"),
        Heading("Improvements over the best classical method"),
        gains_table(results),
        Text(
            "Published improvements are those of the reference, its best method in brackets. 'best' is the best of "
            "methods that do not know the signal that they look for."
        ),
        *_shown(pictures, "significance_improvement", "efficiency"),
        *_failed(results),
        Heading("Cards"),
        Code(cards, folded="The cards as they are"),
        *study_closing(card.name, record, _TABLES),
    ]


def _answer(results: SensitivityResults, picture: Figure | None, *, quick: bool) -> Answer:
    """For how many signals a method that does not know them excludes less than every classical one, and by how much."""
    gains = results.improvements(Curve.limit)
    best = {signal: name for signal in results.curves if (name := _best(results, gains[signal]))}
    # A bound counts only where it is one from below: more than that is known to be gained.
    better = [s for s, name in best.items() if gains[s][name].value > 1 and gains[s][name].bound != "<"]
    if not best:
        words = "Nothing can be said: no limit of a method and of a classical one are known for the same signal."
    else:
        words = (
            f"For {len(better)} of {len(best)} signals a method that does not know the signal is expected to exclude a "
            "smaller cross section than the best classical one."
        )
    numbers = [
        (
            crossing_words(gains[signal][name]),
            f"times smaller for {named(results.card, signal)}, by {named(results.card, name)}",
        )
        for signal, name in sorted(best.items(), key=lambda pair: -gains[pair[0]][pair[1]].value)[:3]
    ]
    return Answer(f"{words}{_QUICK if quick else ''}", numbers, picture)


def _best(results: SensitivityResults, gains: Mapping[str, Crossing]) -> str:
    """The method of the largest improvement, of those that do not know the signal; empty if none is known."""
    blind = [n for n, found in gains.items() if n not in results.card.knows_signal and not np.isnan(found.value)]
    return max(blind, key=lambda name: gains[name].value, default="")


def crossing_words(found: Crossing, scale: float = 1.0) -> str:
    """A crossing in words, to three digits; '-' if nothing is known."""
    return "-" if np.isnan(found.value) else f"{found.bound}{found.value * scale:.3g}"


def sensitivities_table(results: SensitivityResults) -> Table:
    """Limits, discoveries and what is behind them: a row a signal and method."""
    card, fb = results.card, 1 / results.luminosity
    sigmas = ["5 sigma, expected [fb]", "in mock data [fb]"]
    header = ["signal", "method", "limit [fb]", *sigmas, "efficiency", "improvement", "Z at 0"]
    rows = []
    for signal, curves in results.curves.items():
        for method, curve in curves.items():
            limit, discovery, expected = curve.limit(), curve.discovery(), curve.expected_discovery()
            at = limit.value.value
            known = not np.isnan(at)
            rows.append(
                [
                    named(card, signal),
                    named(card, method),
                    _spread(limit, fb),
                    _spread(expected, fb),
                    _spread(discovery, fb),
                    f"{curve.at(lambda one: one.efficiency, at):.3f}" if known else "-",
                    f"{curve.at(lambda one: one.gain, at):.2f}" if known else "-",
                    _free(curve),
                ]
            )
    return Table(header, rows, numbers_from=2)


def gains_table(results: SensitivityResults) -> Table:
    """Improvements by signal, of each method and the best, for limit and discovery, beside the published ones."""
    card = results.card
    methods = [name for name in card.methods if name not in card.classical]
    header = ["signal", "prongs", "of", "best classical", *(named(card, name) for name in methods), "best", "published"]
    rows = []
    ways: dict[str, Callable[[Curve], Found]] = {
        "limit": Curve.limit,
        "5 sigma": Curve.expected_discovery,
        "in mock data": Curve.discovery,
    }
    for what, of in ways.items():
        gains = results.improvements(of)
        for signal in results.curves:
            classical, needed = results.best_classical(signal, of)
            best = _best(results, gains[signal])
            rows.append(
                [
                    named(card, signal),
                    card.signals[signal].prongs,
                    what,
                    f"{named(card, classical)} ({crossing_words(needed, 1 / results.luminosity)} fb)"
                    if classical
                    else "-",
                    *(crossing_words(gains[signal][name]) for name in methods),
                    f"{crossing_words(gains[signal][best])} ({named(card, best)})" if best else "-",
                    _published(results, signal, what),
                ]
            )
    return Table(header, rows, numbers_from=4)


def _published(results: SensitivityResults, signal: str, what: str) -> str:
    theirs = results.card.signals[signal].published
    if theirs is None:
        return ""
    value, method = theirs.limit if what == "limit" else theirs.discovery
    return f"{value:g} ({method}) over {named(results.card, theirs.classical)}"


def _spread(found: Found, scale: float) -> str:
    value = crossing_words(found.value, scale)
    if value == "-" or found.low == found.high:
        return value
    return f"{value} [{crossing_words(found.low, scale)}, {crossing_words(found.high, scale)}]"


def _free(curve: Curve) -> str:
    """The significances without a signal."""
    if curve.events[0] > 0:
        return ""
    return ", ".join("-" if row[0] is None else f"{row[0].z:.1f}" for row in curve.counted.values())


def _shown(pictures: Mapping[str, Figure], *names: str) -> list[Block]:
    return [pictures[name] for name in names if name in pictures]


def _made_up(results: SensitivityResults) -> list[Block]:
    """What finds something without a signal, if anything does."""
    found = [
        f"{named(results.card, method)} ({named(results.card, signal)}, {curve.free_z:.1f})"
        for signal, curves in results.curves.items()
        for method, curve in curves.items()
        if curve.free_z > _SUSPICIOUS
    ]
    if not found:
        return []
    return [
        Text(
            f"Without a signal the median significance is above {_SUSPICIOUS:g} for {', '.join(found)}: there "
            "something is made up, by the method or by a function that does not fit, and discoveries in mock data are "
            "too early."
        )
    ]


def _failed(results: SensitivityResults) -> list[Block]:
    """Where nothing could be counted, and why."""
    if not results.failed:
        return []
    rows = [[name, why] for name, why in results.failed.items()]
    return [
        Heading("Points that are left out"),
        Text("Methods, signals, events in the mean and seeds of mock data in which nothing could be counted."),
        Table(["point", "because"], rows, numbers_from=2),
    ]
