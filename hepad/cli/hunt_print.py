"""What `hepad hunt` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hepad.cli import common

if TYPE_CHECKING:
    from hepad.output.document import Table
    from hepad.pipeline.hunt.plane_report import PlaneReport
    from hepad.pipeline.hunt.replicas import ReplicaReport
    from hepad.pipeline.hunt.report import HuntReport
    from hepad.pipeline.hunt.windows_report import AnalysisReport

__all__ = ["print_hunt"]

_LOSS_OF_CHANCE = 0.6931
"""ln 2: the cross entropy of a network that sees no difference."""


def print_hunt(report: HuntReport | AnalysisReport | PlaneReport | ReplicaReport) -> None:
    """Print what a hunt found, of any kind."""
    from hepad.pipeline.hunt.plane_report import PlaneReport
    from hepad.pipeline.hunt.report import HuntReport
    from hepad.pipeline.hunt.windows_honesty import remarks
    from hepad.pipeline.hunt.windows_report import AnalysisReport

    if isinstance(report, HuntReport):
        _print(report)
        return
    if isinstance(report, PlaneReport):
        _print_plane(report)
        return
    if not isinstance(report, AnalysisReport):
        _print_replicas(report)
        return
    rows = [
        [
            result.method,
            f"{result.set} {result.low:g}:{result.high:g}",
            f"{result.selected}",
            f"{result.observed:g}",
            f"{result.expected_in_window:.4g} ± {result.error:.2g}",
            f"{result.z:.2f}",
            f"{result.local_p:.3g}",
            result.function,
        ]
        for result in report.results
    ]
    header = ["method", "window", "selected", "in it", "expected", "local Z", "local p", "function"]
    common.print_table(f"{report.analysis} in {report.mass}", header, rows)
    for title, table in _tables(report):
        common.print_table(title, table.header, table.rows)
    if report.overall is not None:
        common.print_lines(f"global p of everything: {report.overall.global_p:.3g}")
    for remark in remarks(report):
        common.print_lines(remark)
    _print_end(report)


def _print_plane(report: PlaneReport) -> None:
    from hepad.pipeline.hunt.plane_output import plane_answers, plane_signals

    tables = {f"{report.analysis} in {report.mass}": plane_answers(report)}
    if report.signals:
        tables["Limits on the signals"] = plane_signals(report)
    for title, table in tables.items():
        common.print_table(title, table.header, table.rows)
    if report.trials.whole is not None:
        common.print_lines(f"global p of everything: {report.trials.whole.global_p:.3g}")
    _print_end(report)


def _print_end(report: AnalysisReport | PlaneReport | ReplicaReport) -> None:
    """What was left out, and where the rest is."""
    for what, why in report.left_out.items():
        common.print_lines(f"left out: {what}: {why}")
    if not report.complete_before:
        common.say_wrote(report.output)


def _print_replicas(report: ReplicaReport) -> None:
    rows = [
        [
            row.method,
            f"{row.set} {row.low:g}:{row.high:g}",
            f"{len(row.z)}",
            f"{row.mean_z:.2f} ± {row.mean_z_error:.2f}",
            f"{row.rms_z:.2f}",
            f"{row.kolmogorov_p:.2g}",
            f"{row.selected_excess:.2f}",
            f"{row.sculpts}",
        ]
        for row in report.rows
    ]
    title = f"{report.replicas} replicas of {report.share:.0%} of {report.events} events: local Z in {report.mass}"
    header = ["method", "window", "fits", "mean", "rms", "Kolmogorov p", "selected over sidebands", "sculpts in"]
    common.print_table(title, header, rows)
    of_methods = [
        [name, *(f"{found[key]:.3g}" for key in ("p_values", "mean", "below_0.01", "below_0.05", "kolmogorov_p"))]
        for name, found in report.methods.items()
    ]
    header = ["method", "p-values", "mean", "below 0.01", "below 0.05", "Kolmogorov p"]
    common.print_table("Local p-values of all windows", header, of_methods)
    _print_end(report)


def _tables(report: AnalysisReport) -> Iterator[tuple[str, Table]]:
    from hepad.pipeline.hunt.windows_honesty import dependence_table
    from hepad.pipeline.hunt.windows_page import answers, signal_table

    yield "The largest excess at a mass, and in a window", answers(report)
    yield "Scores and selections against the mass, in sidebands", dependence_table(report)
    if any(row.responsible for row in report.signals):
        yield "Limits on the signals", signal_table(report)


def _print(report: HuntReport) -> None:
    common.print_cutflow(report.cutflow, report.selection)
    common.print_table(
        f"Events by {report.mass}", ["part", "events"], [[what, f"{n}"] for what, n in report.events.items()]
    )
    kept = [network for network in report.networks if network.kept]
    losses = [network.loss for network in kept]
    if losses:
        chance = f", {_LOSS_OF_CHANCE:.4f} is chance" if "log_odds" in report.scores else ""  # of classifiers
        common.stdout().print(
            f"{len(report.networks)} networks in {report.folds} folds, {len(kept)} kept; validation loss "
            f"{min(losses):.4f} to {max(losses):.4f}{chance}"
        )
    rows = [
        [
            name,
            f"{r.threshold:.5g}",
            common.percent(r.efficiency, r.efficiency_error),
            *(f"{r.events[part]}" for part in r.events),
            f"{r.expected:.5g}",
        ]
        for name, r in report.regions.items()
    ]
    parts = list(next(iter(report.regions.values())).events) if rows else []
    header = ["region", "threshold", "of the sidebands", *parts, "window, by the sidebands"]
    if rows:
        common.print_table("Regions", header, rows)
    _print_honesty(report)
    if not report.complete_before:
        common.say_wrote(report.output)


def _print_honesty(report: HuntReport) -> None:
    """How the score depends on the mass, and how much of a signal is in the sidebands."""
    own = report.dependence
    common.print_lines(
        f"score and mass of {own.events} events of the sidebands: distance correlation {own.distance_correlation:.3f}, "
        f"p = {own.p:.2g} by {own.permutations} permutations{': it follows the mass' if own.follows else ''}"
    )
    for name, region in report.regions.items():
        if region.dependence.sculpts:
            common.print_lines(f"warning: region {name}: {region.dependence.remark}")
    for name, spill in report.spills.items():
        common.print_lines(f"signal {name}: {spill.remark}")
    if not report.spills:
        common.print_lines(
            "how much of a signal is in the sidebands is not known: --signal NAME=FILE of a simulated one tells"
        )
