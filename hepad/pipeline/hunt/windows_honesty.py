"""What speaks against a hunt in windows: rows of its report, and what its page and the terminal say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from hepad.methods.base import Window
from hepad.output.document import Block, Heading, Table, Text
from hepad.pipeline.hunt.events import HuntEvents
from hepad.pipeline.hunt.honesty import CERTAIN, Spill
from hepad.pipeline.hunt.windows_report import AnalysisReport
from hepad.pipeline.hunt.windows_rows import DependenceRow, SpillRow
from hepad.pipeline.hunt.windows_selected import Selected

__all__ = ["dependence_rows", "dependence_table", "honesty_blocks", "remarks", "spill_rows"]


def dependence_rows(selected: Sequence[Selected]) -> tuple[DependenceRow, ...]:
    """How each method depends on the mass in each window."""
    return tuple(
        DependenceRow(
            method=one.method, set=one.set, low=one.window.low, high=one.window.high, **asdict(one.dependence)
        )
        for one in selected
    )


def spill_rows(signals: Mapping[str, HuntEvents], windows: Sequence[tuple[str, Window]]) -> tuple[SpillRow, ...]:
    """The share of each signal in each window and its sidebands."""
    return tuple(
        SpillRow(signal=name, set=set_, low=window.low, high=window.high, **asdict(Spill.of(events, window)))
        for name, events in signals.items()
        for set_, window in windows
    )


def dependence_table(report: AnalysisReport) -> Table:
    """A row for each method: how much its scores follow the mass at most, and where its selection makes a hump."""
    rows = []
    for name in dict.fromkeys(row.method for row in report.dependence):
        own = [row for row in report.dependence if row.method == name]
        most = max(own, key=lambda row: row.distance_correlation)
        steep = max(own, key=lambda row: row.hump or 0.0)
        rows.append(
            [
                name,
                f"{most.distance_correlation:.3f}",
                f"{most.p:.2g}",
                f"{sum(row.follows for row in own)} of {len(own)}",
                f"{sum(row.sculpts for row in own)} of {len(own)}",
                "" if steep.hump is None else f"{_place(steep)}: {steep.hump:.1f} sigma",
            ]
        )
    header = ["method", "largest distance correlation", "its p", "windows that it follows in", "sculpts in", "most"]
    return Table(header, rows)


def remarks(report: AnalysisReport) -> Iterator[str]:
    """A line for each method and window whose selection makes a hump, and what is known of a signal in sidebands."""
    for row in report.dependence:
        if row.sculpts:
            yield f"warning: {row.method} in {_place(row)}: {row.remark}"
    if not report.spills:
        yield _UNKNOWN
        return
    for signal in dict.fromkeys(row.signal for row in report.spills):
        best = max((row for row in report.spills if row.signal == signal), key=lambda row: row.window)
        yield f"signal {signal} in {best.set} {best.low:g}:{best.high:g}: {best.remark}"


def honesty_blocks(report: AnalysisReport) -> Iterator[Block]:
    """The section of the page."""
    yield Heading("What speaks against it")
    first = report.dependence[0] if report.dependence else None
    yield Text(
        "Distance correlations of score and mass are of the events in the sidebands of a window"
        + (f", their p-values of {first.permutations} permutations" if first else "")
        + ". A selection sculpts if it takes more of the halves of the sidebands near the window than of those far "
        f"from it, beyond chance (p < {CERTAIN:g}): an excess in the window may then be made up. A score that rises or "
        "falls with the mass is no hump; the function must describe what it leaves."
    )
    yield dependence_table(report)
    sculpted = [row for row in report.dependence if row.sculpts]
    yield Text(
        f"Methods that sculpt: {', '.join(dict.fromkeys(row.method for row in sculpted))}."
        if sculpted
        else "No selection is seen to sculpt."
    )
    rows = [
        [
            row.method,
            _place(row),
            f"{row.distance_correlation:.3f}",
            f"{row.p:.2g}",
            *(["", "", ""] if row.hump is None else [f"{row.near:.3%}", f"{row.far:.3%}", f"{row.hump:.1f}"]),
        ]
        for row in report.dependence
    ]
    yield Table(["method", "window", "distance correlation", "p", "near", "far", "sigma"], rows, numbers_from=2)
    if not report.spills:
        yield Text(f"{_UNKNOWN[0].upper()}{_UNKNOWN[1:]}.")
        return
    yield Text("Of simulated signals so much is in the window, and in its sidebands, where it counts as background:")
    shares = [
        [row.signal, f"{row.set} {row.low:g}:{row.high:g}", *(f"{x:.1%}" for x in (row.window, row.lower, row.upper))]
        for row in report.spills
        if row.window + row.lower + row.upper > 0.01
    ]
    yield Table(["signal", "window", "in it", "lower sideband", "upper sideband"], shares, numbers_from=2)


_UNKNOWN = "how much of a signal is in the sidebands is not known: --signal NAME=FILE of a simulated one tells"


def _place(row: DependenceRow) -> str:
    return f"{row.set} {row.low:g}:{row.high:g}"
