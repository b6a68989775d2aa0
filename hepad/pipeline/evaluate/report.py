"""The tables of an evaluation, for people."""

from __future__ import annotations

from hepad.pipeline.evaluate.results import EvaluateReport, Row, Spread, SystemRow
from hepad.stats.scores.comparison import Difference
from hepad.stats.scores.roc import Estimate

__all__ = [
    "formatted_comparisons",
    "formatted_metrics",
    "formatted_points",
    "formatted_regions",
    "formatted_systems",
    "pm",
]


Table = tuple[list[str], list[list[str]]]


def formatted_metrics(report: EvaluateReport) -> Table:
    """Header and rows of the metrics, beside the published numbers."""
    at = f"{report.rejection_at:g}"
    rows = [
        [
            row.model,
            row.score,
            report.called(row.signal),
            pm(row.metrics.auc),
            _published(row, "auc", 3),
            pm(row.metrics.rejection, 1),
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
        cells = [row.model, row.score, report.called(row.signal), *(pm(row.points.rejections[at], 1) for at in more)]
        cells.append(pm(row.points.fpr40, 4))
        for point in row.points.tpr_at_fpr:
            measured = f" (at {point.at:.2g})" if point.estimate.is_upper_limit and not brief else ""
            cells.append(pm(point.estimate, 3) + measured)
        best = row.points.improvement
        cells.append("-" if best is None else pm(best.value, 2))
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
        cells = [row.system, row.score, report.called(row.signal), str(len(row.trainings))]
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
        cells = [report.called(row.signal), row.a, row.b]
        rows.append([*cells, *_difference(row.auc, 4), *_difference(row.log_rejection, 3), *limits])
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
    return ["model", "region", "set at", *map(report.called, ["background", *signals])], rows


def pm(estimate: Estimate, digits: int = 3) -> str:
    """A number with its error; > or < before one that is a limit."""
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
