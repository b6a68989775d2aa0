"""The tables of a latency report, for a terminal and a page."""

from __future__ import annotations

from typing import Any

from hepad.output.document import Table
from hepad.pipeline.latency.report import Check, LatencyReport, Tier

__all__ = ["checks_table", "quantity_words", "tier_time", "tiers_table", "time_words", "timing_tables"]


_QUANTITIES = {
    "latency_ns": "time",
    "interval_ns": "time between events",
    "total_latency_ns": "time of a whole event",
}


def tiers_table(report: LatencyReport) -> Table:
    """What each way of knowing says."""
    rows = [[name, *_cells(tier)] for name, tier in report.tiers.items()]
    return Table(["tier", "latency", "edges", "LUT", "FF", "DSP", "exact", "tool"], rows)


def checks_table(report: LatencyReport) -> Table:
    """Each quantity that the budget limits."""
    rows = [
        [c.tier, quantity_words(c), *_amounts(c), f"{c.margin:.0%}", "ok" if c.passed else "FAILS"]
        for c in report.checks
    ]
    return Table(["tier", "quantity", "value", "limit", "left", ""], rows, numbers_from=2)


def timing_tables(details: dict[str, Any]) -> dict[str, Table]:
    """By title single events with errors, batches of all sizes, and agreement; the same of the encoder alone."""
    found = _timing_tables(details, "")
    if "encoder" in details:
        found |= _timing_tables(details["encoder"], f", the encoder alone (score {details['encoder']['score']})")
    return found


def _timing_tables(details: dict[str, Any], what: str) -> dict[str, Table]:
    timings = details["timings"]
    plain = {(t["threads"], t["batch"]): t["p50_ns"] for t in timings if t["backend"].startswith("torch ")}

    def ratio(t: dict[str, Any]) -> str:
        known = plain.get((t["threads"], t["batch"]))
        return "" if known is None else f"{known / t['p50_ns']:.1f}"

    singles = [
        [t["backend"].split()[0], f"{t['threads']}",
         *(time_words(t[f"{name}_ns"], t[f"{name}_error_ns"]) for name in ("p50", "p99")),
         *(time_words(t[name]) for name in ("jitter_ns", "p99_best_ns")), ratio(t)]
        for t in timings if t["batch"] == 1
    ]  # fmt: skip
    header = ["", "threads", "p50", "p99", "jitter", "best p99", "times torch"]
    found = {f"Single events on this processor{what}": Table(header, singles)}
    rows = [
        [t["backend"].split()[0], f"{t['threads']}", f"{t['batch']}", time_words(t["p50_ns"]), time_words(t["p99_ns"]),
         f"{t['events_per_second']:.0f}", ratio(t), f"{t['memory_mb']:.0f}"]
        for t in timings
    ]  # fmt: skip
    header = ["", "threads", "batch", "p50", "p99", "events/s", "times torch", "MB"]
    found[f"Batches{what}"] = Table(header, rows)
    agreeing = [
        [item["backend"].split()[0], f"{item['events']}",
         "" if item["rank_correlation"] is None else f"{item['rank_correlation']:.6f}",
         f"{item['largest_difference']:.1e}",
         ", ".join(f"{d['region']} {d['flips'] * d['events']:.0f}" for d in item["decisions"])]
        for item in details["agreement"]
    ]  # fmt: skip
    if agreeing:
        header = ["", "events", "rank correlation", "largest difference", "decisions that differ"]
        found[f"Scores beside those of torch{what}"] = Table(header, agreeing)
    return found


def quantity_words(check: Check) -> str:
    """The quantity of a check as people say it."""
    return _QUANTITIES.get(check.quantity, check.quantity.upper() if len(check.quantity) < 4 else check.quantity)


def _amounts(check: Check) -> list[str]:
    """Value and limit; a time in the unit that suits it."""
    numbers = (check.value, check.limit)
    if not check.quantity.endswith("_ns"):
        return [f"{number:.5g}" for number in numbers]
    return [f"{ns:.3g} ns" if ns < 1e3 else time_words(ns) for ns in numbers]


def time_words(ns: float, error_ns: float | None = None) -> str:
    """A time with its error, in the unit that suits it."""
    scale, unit = (1e3, "µs") if ns < 1e6 else (1e6, "ms")
    value = ns / scale
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    error = "" if error_ns is None else f" ± {error_ns / scale:.{digits}f}"
    return f"{value:.{digits}f}{error} {unit}"


def tier_time(tier: Tier) -> str:
    """Its latency: of logic in nanoseconds."""
    if tier.clock_edges is None:
        return time_words(tier.latency_ns, tier.latency_error_ns)
    return f"{tier.latency_ns:.0f} ± {tier.latency_error_ns:.0f} ns"


def _cells(tier: Tier) -> list[str]:
    exact = (
        "" if tier.mismatches is None else f"{(tier.bit_exact_events or 0) - tier.mismatches}/{tier.bit_exact_events}"
    )
    counts = ["" if n is None else str(n) for n in (tier.clock_edges, tier.lut, tier.ff, tier.dsp)]
    return [tier_time(tier), *counts, exact, tier.tool]
