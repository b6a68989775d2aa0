"""`hepad latency`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hepad.cli import common
from hepad.errors import CheckFailedError

if TYPE_CHECKING:
    from hepad.pipeline.latency_report import LatencyReport, Tier

Bits = Annotated[
    list[str] | None,
    typer.Option(
        "--bits",
        help="Widths such as weight=6,membrane=5; names are input, weight, activation, membrane, leak, current, error "
        "and error_integer. May be repeated.",
        show_default="8 for inputs, 6 for weights and membranes",
    ),
]
Score = Annotated[
    str | None, typer.Option("--score", help="Which score.", show_default="the first of the model that has logic")
]
PartChoice = Literal["full", "encoder"]
Part = Annotated[PartChoice, typer.Option("--part", help="The whole with its score, or the encoder alone.")]


def latency(
    model: common.Model,
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Events to compare on; without them, random inputs.", show_default=False),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", help="A bundled budget ('hepad list budgets') or a card.", show_default="none"),
    ] = None,
    tier: Annotated[
        list[str] | None,
        typer.Option(
            "--tier",
            help="estimated, synthesised, simulated, measured, or all whose tools are there. May be repeated.",
            show_default="estimated, or measured for a processor",
        ),
    ] = None,
    bits: Bits = None,
    score: Score = None,
    part: Part = "full",
    cutoff: Annotated[float, typer.Option(min=1, help="Largest delay of a pipeline stage, in adders.")] = 2,
    batch: Annotated[
        list[int] | None,
        typer.Option(
            min=2, help="Events a batch, beside single ones, on a processor. May be repeated.", show_default="1000"
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.01, help="Time for each measurement on a processor.")] = 1.0,
    max_events: common.MaxEvents = None,
    seed: common.Seed = 0,
    json: common.Json = False,
) -> None:
    """Say whether a model fits a trigger's budget, by how much, and how that is known.

    Example: hepad latency examples/data/background.h5 --model snn_ae --budget cms-l1
    """
    from hepad.pipeline.latency import LatencyOptions
    from hepad.pipeline.latency import latency as run
    from hepad.pipeline.trigger import parse_bits

    options = LatencyOptions(
        budget=budget,
        tiers=tuple(tier or ()),
        bits=parse_bits(bits),
        score=score,
        part=part,
        cutoff=cutoff,
        batches=(1, *(batch or (1000,))),
        seconds=seconds,
        max_events=max_events,
        seed=seed,
    )
    report = run(files or [], model, options=options)
    if json:
        common.print_json(report.to_json())
    else:
        _print(report)
    if report.passed is False:
        failed = [f"{check.tier} {check.quantity}" for check in report.checks if not check.passed]
        raise CheckFailedError(f"{report.model} is not within budget {report.budget}: {', '.join(failed)}")


def _print(report: LatencyReport) -> None:
    rows = [[name, *_cells(tier)] for name, tier in report.tiers.items()]
    header = ["tier", "latency", "edges", "LUT", "FF", "DSP", "exact", "tool"]
    kind = ", combinational" if report.details.get("combinational") else ""
    common.print_table(f"{report.model}, score {report.details['score']}{kind}", header, rows)
    if report.checks:
        lines = [
            [c.tier, c.quantity, f"{c.value:.5g}", f"{c.limit:.5g}", f"{c.margin:.0%}", "ok" if c.passed else "FAILS"]
            for c in report.checks
        ]
        common.print_table(
            f"Budget {report.budget}", ["tier", "quantity", "value", "limit", "left", ""], lines, numbers_from=2
        )
    if report.details["timings"]:
        times = [
            [t["backend"], f"{t['batch']}", *(f"{t[k] / 1e3:.1f}" for k in ("p50_ns", "p99_ns", "jitter_ns")),
             f"{t['events_per_second']:.3g}"]
            for t in report.details["timings"]
        ]  # fmt: skip
        common.print_table(
            "On this processor, microseconds a call", ["", "batch", "p50", "p99", "jitter", "events/s"], times
        )
        common.stdout().print(f"peak memory of the process {report.details['memory_mb']:.0f} MB")
    for item in report.details.get("decisions", ()):
        common.stdout().print(
            f"region {item['region']}: {item['flips']:.2%} of {item['events']} decisions differ from the model's, "
            f"{item['flips_same_rate']:.2%} at the same rate"
        )
    for remark in report.remarks:
        common.stderr().print(f"hepad: note: {remark}", markup=False)
    if report.passed:
        common.stdout().print(f"{report.model} is within budget {report.budget}{report.condition}")


def _cells(tier: Tier) -> list[str]:
    time = f"{tier.latency_ns:.0f} ± {tier.latency_error_ns:.0f} ns"
    if tier.clock_edges is None:
        time = f"{tier.latency_ns / 1e3:.0f} µs"
    exact = (
        "" if tier.mismatches is None else f"{(tier.bit_exact_events or 0) - tier.mismatches}/{tier.bit_exact_events}"
    )
    counts = ["" if n is None else str(n) for n in (tier.clock_edges, tier.lut, tier.ff, tier.dsp)]
    return [time, *counts, exact, tier.tool]
