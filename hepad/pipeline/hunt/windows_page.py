"""The page of a hunt of an analysis: answers first, then figures and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from scipy.special import ndtri

from hepad.cards.hunt import HuntCard
from hepad.output.document import Answer, Block, Figure, Heading, Table, Text, excess_tone
from hepad.pipeline.hunt.windows_figures import CAPTIONS
from hepad.pipeline.hunt.windows_honesty import honesty_blocks
from hepad.pipeline.hunt.windows_report import AnalysisReport, BumpRow, ScanPoint, SignalRow
from hepad.stats.bumphunt.correlated import WindowTrials

__all__ = ["analysis_blocks", "answers", "signal_table"]

_PULLS = "Significances below are of the counts alone; Z has the error of the fit in it."


def analysis_blocks(report: AnalysisReport, card: HuntCard, figures: Sequence[str]) -> list[Block]:
    """The page but for its end; `figures` are the names of those that were drawn."""
    shown = {name: Figure(f"{name}.png", _caption(name)) for name in figures}
    first = next((name for name in ("local_p", "significance") if name in shown), None)
    return [
        Heading(f"Hunt {card.name}: {card.title}", 1),
        _answer(report, None if first is None else shown[first]),
        Text(
            " ".join(
                f"{part.strip().rstrip('.')}." for part in (f"After: {card.reference}", card.fidelity_note) if part
            )
        ),
        Text(
            f"{report.cutflow.selected.events} of {report.cutflow.total.events} events are selected. A resonance is "
            f"looked for in {report.mass}, with {_words(report)}."
        ),
        Heading("Answers"),
        answers(report),
        *_everything(report),
        *(shown[name] for name in ("local_p", "significance") if name in shown and name != first),
        *honesty_blocks(report),
        *_limits(report, card, shown),
        *_windows(report, shown),
        *_left_out(report),
    ]


def _answer(report: AnalysisReport, figure: Figure | None) -> Answer:
    """The largest excess of all methods, and what so many looks make of it."""
    point = max(report.scan, key=lambda point: point.z, default=None)
    top = max(report.results, key=lambda row: row.z) if point is None else point
    where = f"{top.low:g} to {top.high:g} GeV" if point is None else f"{point.mass:.0f} GeV"
    words = f"The largest excess is that of method {top.method} at {where}."
    numbers = [(f"{top.z:.2f}", "local standard deviations"), (_p(top.local_p), "local p-value")]
    found = report.overall
    if found is None:
        words += " What so many looks make of it is not known."
    else:
        words += f" Background alone gives one as large in {_p(found.global_p)} of all experiments."
        error = f"{_p(found.global_p)} ± {found.global_p_error:.1g}"
        numbers.append((error, "global p-value, over all masses, windows and methods"))
    if any(row.sculpts for row in report.dependence if row.method == top.method):
        words += " Its selection makes humps of its own: what it finds may be one."
    return Answer(words, numbers, figure, excess_tone(None if found is None else found.global_p))


def answers(report: AnalysisReport) -> Table:
    """A row for each method: its largest excesses, in windows and at masses, and what so many looks make of them."""
    rows = []
    for name in _methods(report):
        windows = [row for row in report.results if row.method == name]
        best = max(windows, key=lambda row: row.z)
        points = [point for point in report.scan if point.method == name]
        top = max(points, key=lambda point: point.z, default=None)
        rows.append(
            [
                name,
                *(["", "", ""] if top is None else [f"{top.mass:.0f}", f"{top.z:.2f}", _p(top.local_p)]),
                _global(report.scan_trials.methods.get(name)),
                f"{best.set} {best.low:g}:{best.high:g}",
                f"{best.z:.2f}",
                _p(best.local_p),
                _global(report.trials.get(name)),
                _sculpts(report, name),
            ]
        )
    if len(rows) > 1:
        whole = _global(report.scan_trials.whole), _global(report.whole)
        rows.append(["all methods", "", "", "", whole[0], "", "", "", whole[1], ""])
    header = ["method", "mass [GeV]", "local Z", "local p", "global p", "window", "local Z", "local p", "global p"]
    return Table([*header, "sculpts in"], rows)


def _sculpts(report: AnalysisReport, method: str) -> str:
    """In how many windows the selection makes a hump of its own: what it finds there may be that."""
    own = [row for row in report.dependence if row.method == method]
    return f"{sum(row.sculpts for row in own)} of {len(own)}" if own else ""


def _everything(report: AnalysisReport) -> Iterator[Block]:
    if report.overall is None:
        yield Text(
            "The global p-value over all masses, windows and methods could not be computed: see Left out."
            if report.toys
            else "No bootstraps were asked for: there are no global p-values."
        )
        return
    found = report.overall
    yield Text(
        f"Global p-value of the largest excess, over all masses, windows and methods: {_p(found.global_p)} "
        f"± {found.global_p_error:.1g} (Z = {max(-ndtri(found.global_p), 0.0):.2f}). The looks are worth "
        f"{found.effective:.0f} independent ones. {found.shared_events} events are in more than one spectrum; they "
        f"were bootstrapped together, {found.bootstraps} times."
    )
    yield Text(
        "Left: a resonance at a mass, fitted together with the function to the whole spectrum of the window that is "
        "responsible for the mass. Right: events in a window above the function fitted outside of it. The p-values "
        "hold if the function describes what is selected without a resonance; a method whose selection follows the "
        "mass makes bumps of its own, which no p-value cures."
    )


def _limits(report: AnalysisReport, card: HuntCard, shown: Mapping[str, Figure]) -> Iterator[Block]:
    if "limits" not in shown and not report.signals:
        return
    yield Heading("Limits")
    what = "selected events" if report.luminosity is None else "cross section times acceptance, in fb"
    few = sum(point.few for point in report.scan)
    rough = f" At {few} of {len(report.scan)} points fewer than ten events carry them: there they are rough."
    yield Text(
        f"Upper limits at 95 % CL (CLs, asymptotic formulae, never below 3.00 events) on {what}, of a resonance of the "
        f"card's shape ({card.shape}); of simulated signals with their own shape and efficiency.{rough if few else ''}"
    )
    yield from (shown[name] for name in ("limits", "expected_limits", "signal_limits") if name in shown)
    if any(row.responsible for row in report.signals):
        yield signal_table(report)
        yield Text(
            "The efficiency is that of the trainings that were done on these data: were there as much signal in them "
            "as the limit allows, a method that learns from data would keep more of it."
        )
    yield from _efficiencies(report)


def signal_table(report: AnalysisReport) -> Table:
    """The limits on simulated signals, in the window that is responsible for the peak of each."""
    scale = 1 / (report.luminosity or 1.0)
    unit = "events produced" if report.luminosity is None else "fb"
    rows = [
        [
            row.signal,
            f"{row.mass:.0f}",
            row.method,
            f"{row.set} {row.low:g}:{row.high:g}",
            f"{row.efficiency:.3%} ± {row.error:.3%}",
            "" if row.z is None else f"{row.z:.2f}",
            *_limit_cells(row, scale),
        ]
        for row in sorted(report.signals, key=lambda row: row.signal)
        if row.responsible
    ]
    header = ["signal", "peak [GeV]", "method", "window", "efficiency", "local Z", f"expected [{unit}]", "68 % band"]
    return Table([*header, f"observed [{unit}]"], rows, numbers_from=4)


def _efficiencies(report: AnalysisReport) -> Iterator[Block]:
    """Of each signal a row for each method: how much of all its events is selected for each window."""
    windows = sorted({(row.set, row.low, row.high) for row in report.signals})
    known = {(row.signal, row.method, row.set, row.low): row for row in report.signals}
    for signal in dict.fromkeys(row.signal for row in report.signals):
        yield Text(f"Efficiency on {signal}, of all events of its files, in the spectrum of each window:")
        rows = []
        for method in dict.fromkeys(row.method for row in report.signals):
            found = [known.get((signal, method, set_, low)) for set_, low, _ in windows]
            rows.append([method, *("" if row is None else f"{row.efficiency:.2%}" for row in found)])
        yield Table(["method", *(f"{set_} {low:g}:{high:g}" for set_, low, high in windows)], rows)


def _limit_cells(row: SignalRow | ScanPoint, scale: float) -> list[str]:
    if row.expected is None:
        return ["", "", ""]
    low, middle, high = (f"{row.expected[i] * scale:.3g}" for i in (1, 2, 3))
    return [middle, f"{low} to {high}", "" if row.observed is None else f"{row.observed * scale:.3g}"]


def _windows(report: AnalysisReport, shown: Mapping[str, Figure]) -> Iterator[Block]:
    bumps = {(row.method, row.set, row.low): row for row in report.bumps}
    for name in _methods(report):
        yield Heading(f"Windows of {name}")
        if f"spectra_{name}" in shown:
            yield shown[f"spectra_{name}"]
        found = [row for row in report.results if row.method == name]
        fractions = any(row.fraction is not None for row in found)  # cuts have none
        rows = [
            [
                f"{row.set} {row.low:g}:{row.high:g}",
                *(["" if row.fraction is None else f"{row.fraction:.3g}"] if fractions else []),
                f"{row.selected}",
                f"{row.observed:g}",
                f"{row.expected_in_window:.4g} ± {row.error:.2g}",
                f"{row.z:.2f}",
                row.function,
                *_bump_cells(bumps.get((row.method, row.set, row.low))),
            ]
            for row in found
        ]
        header = ["window", *(["fraction"] if fractions else []), "selected", "in it", "expected", "Z", "function"]
        yield Table([*header, "largest bump [GeV]", "its Z", "its global p"], rows)


def _bump_cells(bump: BumpRow | None) -> list[str]:
    if bump is None:
        return ["", "", ""]
    return [f"{bump.first:.0f}:{bump.last:.0f}", f"{bump.z:.2f}", _p(bump.global_p)]


def _left_out(report: AnalysisReport) -> Iterator[Block]:
    if report.left_out:
        yield Heading("Left out")
        yield Table(["what", "why"], [[what, why] for what, why in report.left_out.items()], numbers_from=2)


def _methods(report: AnalysisReport) -> list[str]:
    return list(dict.fromkeys(row.method for row in report.results))


def _words(report: AnalysisReport) -> str:
    names = _methods(report)
    windows = len({(row.set, row.low) for row in report.results})
    return f"{len(names)} method{'s' * (len(names) != 1)} in {windows} window{'s' * (windows != 1)}"


def _caption(name: str) -> str:
    method = name.removeprefix("spectra_")
    return CAPTIONS.get(name, f"What {method} selects for each window, and the function fitted outside of it. {_PULLS}")


def _global(found: WindowTrials | None) -> str:
    return "" if found is None else _p(found.global_p)


def _p(value: float) -> str:
    return f"{value:.2g}"
