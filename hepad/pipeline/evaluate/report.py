"""An evaluation for people: tables, Markdown, figures, and the folder that holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hepad.bundles.systems import Training
from hepad.output.atomic import atomic_folder
from hepad.output.document import table_lines
from hepad.output.figures import save_figure
from hepad.pipeline.evaluate.figures import evaluation_figures
from hepad.pipeline.evaluate.results import EvaluateReport, Row, Spread, SystemRow
from hepad.printable import markdown as escaped
from hepad.samples.scoring import ScoredSample
from hepad.stats.scores.comparison import Difference
from hepad.stats.scores.roc import Estimate

__all__ = [
    "formatted_comparisons",
    "formatted_metrics",
    "formatted_points",
    "formatted_regions",
    "formatted_systems",
    "markdown",
    "markdown_table",
    "write_report",
]


Table = tuple[list[str], list[list[str]]]


def formatted_metrics(report: EvaluateReport) -> Table:
    """Header and rows of the metrics, beside the published numbers."""
    at = f"{report.rejection_at:g}"
    rows = [
        [
            row.model,
            row.score,
            row.signal,
            _pm(row.metrics.auc),
            _published(row, "auc", 3),
            _pm(row.metrics.rejection, 1),
            _published(row, f"rejection_at_{at}", 1),
        ]
        for row in report.rows
    ]
    return ["model", "score", "signal", "AUC", "published", f"1/eps_b({at})", "published"], rows


def formatted_points(report: EvaluateReport, *, brief: bool = False) -> Table:
    """Header and rows of the other working points: FPR40, TPR at small FPR, further rejections, best SIC.

    `brief` leaves out where a limit was measured and where the best SIC is, for a terminal.
    """
    more = [at for at in report.rows[0].points.rejections if at != report.rejection_at]
    wanted = [point.wanted for point in report.rows[0].points.tpr_at_fpr]
    header = ["model", "score", "signal", *(f"1/eps_b({at:g})" for at in more), "FPR40"]
    header += [f"TPR({at:g})" for at in wanted] + ["best SIC"] + ([] if brief else ["at eps_s", "at eps_b"])
    rows = []
    for row in report.rows:
        cells = [row.model, row.score, row.signal, *(_pm(row.points.rejections[at], 1) for at in more)]
        cells.append(_pm(row.points.fpr40, 4))
        for point in row.points.tpr_at_fpr:
            measured = f" (at {point.at:.2g})" if point.estimate.is_upper_limit and not brief else ""
            cells.append(_pm(point.estimate, 3) + measured)
        best = row.points.improvement
        cells.append("-" if best is None else _pm(best.value, 2))
        if not brief:
            where = (
                ["-", "-"] if best is None else [f"{best.signal_efficiency:.3f}", f"{best.background_efficiency:.2g}"]
            )
            cells += where
        rows.append(cells)
    return header, rows


def formatted_systems(report: EvaluateReport) -> Table:
    """Header and rows of the spreads over trainings: mean ± standard deviation, then the error over events."""
    at = f"rejection_at_{report.rejection_at:g}"
    columns = [("auc", "AUC", 3), (at, f"1/eps_b({report.rejection_at:g})", 1), ("fpr40", "FPR40", 4)]
    columns.append(("significance_improvement", "best SIC", 2))
    header = ["system", "score", "signal", "trainings"]
    for key, title, _ in columns:
        header += [title, "published"] if key in {"auc", at} else [title]
    rows = []
    for row in report.systems:
        cells = [row.system, row.score, row.signal, str(len(row.trainings))]
        for key, _, digits in columns:
            cells.append(_spread(row.metrics.get(key), digits))
            if key in {"auc", at}:
                cells.append(_published(row, key, digits))
        rows.append(cells)
    return header, rows


def formatted_comparisons(report: EvaluateReport, *, brief: bool = False) -> Table:
    """Header and rows of the differences a - b: their errors, intervals, p-values and the stochastic order.

    `brief` leaves out the intervals and the order of b over a, for a terminal.
    """
    at = f"{report.rejection_at:g}"
    header = ["signal", "a", "b", "AUC(a) - AUC(b)", "95 %", "p", f"ln R(a)/R(b) at {at}", "95 %", "p"]
    header += ["eps_min(a > b)", "eps_min(b > a)"]
    rows = []
    for row in report.comparisons:
        order = row.order
        limits = ["-", "-"] if order is None else [f"{order.epsilon_min:.2f}", f"{order.epsilon_min_reversed:.2f}"]
        rows.append([row.signal, row.a, row.b, *_difference(row.auc, 4), *_difference(row.log_rejection, 3), *limits])
    if brief:
        header = ["signal", "a", "b", "d AUC", "", "p", f"d ln R({at})", "", "p", "eps_min", ""]
        shown = [0, 1, 2, 3, 5, 6, 8, 9]
        return [header[i] for i in shown], [[row[i] for i in shown] for row in rows]
    return header, rows


def formatted_regions(report: EvaluateReport) -> Table:
    """Header and rows of the regions: where they were set, and the fraction of each sample in them."""
    signals = [name for name in report.events if name != "background"]
    rows = []
    for region in report.regions:
        nominal = "by hand" if region.nominal is None else f"{region.nominal:.3%}"
        measured = (region.background, *(region.signals[name] for name in signals))
        rows.append([region.model, region.region, nominal, *(f"{v:.2%} ± {e:.2%}" for v, e in measured)])
    return ["model", "region", "set at", "background", *signals], rows


def markdown(report: EvaluateReport) -> str:
    """The report as Markdown: the metrics beside the published numbers, what is derived from them, the regions."""
    counts = ", ".join(f"{name} {n}" for name, n in report.events.items())
    lines = [
        "# Evaluation",
        "",
        f"Selected events: {escaped(counts)}. Errors are bootstrap standard deviations over events.",
        "Published numbers are means and standard deviations over trainings, on the data set of their reference.",
        f"1/eps_b({report.rejection_at:g}) is the background rejection at that signal efficiency.",
        "",
        *(f"**Warning:** {escaped(warning)}\n" for warning in report.warnings),
        *(f"**Left out:** {escaped(skipped.reason)}\n" for skipped in report.skipped),
        *markdown_table(formatted_metrics(report)),
        "",
        "## Working points",
        "",
        "FPR40 is the background efficiency at a signal efficiency of 40 %, a TPR the signal efficiency at a",
        "background efficiency. With '<' it is an upper limit: it was measured at the larger background efficiency",
        f"beside it, the smallest that leaves {report.min_background:g} effective background events. SIC is",
        "eps_s / sqrt(eps_b), at its maximum over the thresholds that leave as many.",
        "",
        *markdown_table(formatted_points(report)),
    ]
    if report.systems:
        lines += [
            "",
            "## Trainings",
            "",
            "Mean ± standard deviation over trainings; in brackets the mean of their bootstrap errors over events.",
            "",
            *markdown_table(formatted_systems(report)),
        ]
    if report.comparisons:
        lines += [
            "",
            "## Differences",
            "",
            "Paired: both models see the same draws of events. Errors are over events and, in brackets, over",
            "trainings. R is the rejection 1/eps_b; p-values are two-sided, for these trainings and over events.",
            "eps_min is the 95 % upper limit of the almost stochastic order of the AUCs of subsets: near 0 the first",
            "is better at nearly all quantiles. docs/evaluate.md says when not to trust it.",
            "",
            *markdown_table(formatted_comparisons(report)),
        ]
    lines += [
        "",
        "## Regions",
        "",
        "The fraction of each sample in the region; errors are half of its 68 % Clopper-Pearson interval.",
        "",
        *markdown_table(formatted_regions(report)),
    ]
    return "\n".join(lines) + "\n"


def markdown_table(table: Table) -> list[str]:
    """The lines of a table in Markdown."""
    return table_lines(*table)


def write_report(
    report: EvaluateReport,
    trainings: Sequence[Training],
    samples: Mapping[str, Mapping[str, ScoredSample]],
    output: Path,
    *,
    simulation: bool,
    record: Mapping[str, Any],
) -> None:
    """Write report.md, report.json with its provenance `record`, and the figures to the folder `output`."""
    with atomic_folder(output, verb="evaluate") as folder:
        (folder / "report.md").write_text(markdown(report), encoding="utf-8")
        content = {**report.to_json(), "provenance": record}
        del content["output"]  # outputs name no folders
        (folder / "report.json").write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        for name, figure in evaluation_figures(report, trainings, samples, simulation=simulation):
            save_figure(figure, folder / name)


def _pm(estimate: Estimate, digits: int = 3) -> str:
    sign = "> " if estimate.is_lower_limit else "< " if estimate.is_upper_limit else ""
    error = "" if estimate.std is None else f" ± {estimate.std:.{digits}f}"
    return f"{sign}{estimate.value:.{digits}f}{error}"


def _spread(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return "-"
    error = "" if spread.bootstrap_std is None else f" (± {spread.bootstrap_std:.{digits}f})"
    limits = f", {spread.limits} limits" if spread.limits else ""
    return f"{spread.mean:.{digits}f} ± {spread.std:.{digits}f}{error}{limits}"


def _difference(difference: Difference | None, digits: int) -> list[str]:
    """Value with its errors, 95 % interval, p-value."""
    if difference is None:
        return ["-", "-", "-"]
    value = f"{difference.value:+.{digits}f}"
    if difference.std is not None:
        value += f" ± {difference.std:.{digits}f}"
    if difference.training_std is not None:
        value += f" (± {difference.training_std:.{digits}f})"
    ends = ["open" if x is None else f"{x:+.{digits}f}" for x in (difference.low95, difference.high95)]
    return [value, f"{ends[0]} to {ends[1]}", f"{difference.p_value:.2g}"]


def _published(row: Row | SystemRow, key: str, digits: int) -> str:
    if key not in row.published:
        return ""
    value, error = row.published[key]
    return f"{value:.{digits}f} ± {error:.{digits}f}"
