"""The page of an evaluation: which model is best for which signal, then tables and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hepad.output.document import Answer, Block, Figure, Heading, Notes, Table, Text, to_markdown
from hepad.pipeline.evaluate.report import (
    formatted_comparisons,
    formatted_metrics,
    formatted_points,
    formatted_regions,
    formatted_systems,
    pm,
)
from hepad.pipeline.evaluate.results import Comparison, EvaluateReport

__all__ = ["evaluation_blocks", "markdown"]

_NUMBERS = 4
"""Numbers of an answer: more would not be seen at once."""
_CAPTIONS = {
    "roc": "ROC curves of the default scores, a panel a signal.",
    "sic": "Significance improvement eps_s / sqrt(eps_b) against the signal efficiency.",
    "scores": "{}: distributions of the default score of background and signals, and its thresholds.",
}


def markdown(report: EvaluateReport) -> str:
    """The report as Markdown, without further figures."""
    return to_markdown(evaluation_blocks(report, ()))


def evaluation_blocks(report: EvaluateReport, figures: Sequence[str]) -> list[Block]:
    """The page of an evaluation; `figures` are the names of those that were drawn."""
    counts = ", ".join(f"{report.called(name)} {n}" for name, n in report.events.items())
    return [
        Heading("Evaluation", 1),
        _answer(report, figures),
        *([Notes(report.warnings, "warning")] if report.warnings else []),
        *(Text(f"Left out: {skipped.reason}") for skipped in report.skipped),
        Text(
            f"Selected events: {counts}. Errors are bootstrap standard deviations over events. Published numbers are "
            "means and standard deviations over trainings, on the data set of their reference. "
            f"1/eps_b({report.rejection_at:g}) is the background rejection at that signal efficiency."
        ),
        Table(*formatted_metrics(report), 3),
        Heading("Working points"),
        Text(
            "FPR40 is the background efficiency at a signal efficiency of 40 %, a TPR the signal efficiency at a "
            "background efficiency. With '<' it is an upper limit: it was measured at the larger background efficiency "
            f"beside it, the smallest that leaves {report.min_background:g} effective background events. SIC is "
            "eps_s / sqrt(eps_b), at its maximum over the thresholds that leave as many."
        ),
        Table(*formatted_points(report), 3),
        *_shown(figures, "sic"),
        *_compared(report),
        Heading("Regions"),
        Text("The fraction of each sample in the region; errors are half of its 68 % Clopper-Pearson interval."),
        Table(*formatted_regions(report), 2),
        *_shown(figures, "scores"),
    ]


def _compared(report: EvaluateReport) -> Iterator[Block]:
    """Spreads over trainings and differences between systems, if there are any."""
    if report.systems:
        yield Heading("Trainings")
        yield Text(
            "Mean ± standard deviation over trainings; in brackets the mean of their bootstrap errors over events."
        )
        yield Table(*formatted_systems(report), 3)
    if report.comparisons:
        yield Heading("Differences")
        yield Text(
            "Paired: both models see the same draws of events. Errors are over events and, in brackets, over "
            "trainings. R is the rejection 1/eps_b; p-values are two-sided, for these trainings and over events. "
            "eps_min is the 95 % upper limit of the almost stochastic order of the AUCs of subsets: near 0 the first "
            "is better at nearly all quantiles. docs/evaluate.md says when not to trust it."
        )
        yield Table(*formatted_comparisons(report), 3)


def _shown(figures: Sequence[str], kind: str) -> list[Block]:
    return [
        Figure(f"{name}.png", _CAPTIONS[kind].format(name.removeprefix(f"{kind}_")))
        for name in figures
        if name.partition("_")[0] == kind
    ]


def _answer(report: EvaluateReport, figures: Sequence[str]) -> Answer:
    """Which system has the largest AUC for which signal, by its default score, and whether that is certain."""
    best = {signal: _best(found) for signal, found in _aucs(report).items()}
    systems = {row.system for row in report.rows}
    figure = Figure("roc.png", _CAPTIONS["roc"]) if "roc" in figures else None
    numbers = [
        (words, f"AUC of {system} for {report.called(signal)}")
        for signal, (system, _, words) in list(best.items())[:_NUMBERS]
    ]
    if len(systems) == 1:
        worst = min(best, key=lambda signal: best[signal][1])
        top = max(best, key=lambda signal: best[signal][1])
        (system,) = systems
        said = f"{system} tells {report.called(top)} from background with an AUC of {best[top][2]}"
        if len(best) > 1:
            said += f", the best of {len(best)} signals, and {report.called(worst)} with {best[worst][2]}, the worst"
        return Answer(f"{said}.", numbers, figure)
    won = {system: [s for s, found in best.items() if found[0] == system] for system, _, _ in best.values()}
    said = "; ".join(
        f"{system} has the largest AUC for {', '.join(map(report.called, of))}" for system, of in won.items()
    )
    return Answer(f"{said}. {_certainty(report, {s: found[0] for s, found in best.items()})}", numbers, figure)


def _aucs(report: EvaluateReport) -> dict[str, dict[str, tuple[float, str]]]:
    """By signal and system the AUC of the default score, the first: the mean over trainings where there are several."""
    default: dict[str, str] = {}
    found: dict[str, dict[str, tuple[float, str]]] = {}
    for row in report.rows:
        if row.score == default.setdefault(row.system, row.score):
            auc = row.metrics.auc
            found.setdefault(row.signal, {}).setdefault(row.system, (auc.value, pm(auc)))
    for several in report.systems:
        if several.score == default[several.system]:
            spread = several.metrics["auc"]
            found[several.signal][several.system] = (spread.mean, f"{spread.mean:.3f} ± {spread.std:.3f}")
    return found


def _best(found: dict[str, tuple[float, str]]) -> tuple[str, float, str]:
    system = max(found, key=lambda name: found[name][0])
    return (system, *found[system])


def _certainty(report: EvaluateReport, best: dict[str, str]) -> str:
    """For which signals another system cannot be told from the best."""
    close = [
        f"{row.b if best[row.signal] == row.a else row.a} for {report.called(row.signal)} (p = {row.auc.p_value:.2g})"
        for row in report.comparisons
        if best[row.signal] in (row.a, row.b) and not _differs(row)
    ]
    if not report.comparisons:
        return "The systems select different events: that one is better is not tested."
    if not close:
        return "Every tested difference from the best is beyond what chance does in 5 % of all cases."
    return f"Not told from the best at 95 %: {', '.join(close)}."


def _differs(row: Comparison) -> bool:
    low, high = row.auc.low95, row.auc.high95
    return (low is not None and low > 0) or (high is not None and high < 0)
