"""`hepad latency`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hepad.cli import common
from hepad.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from hepad.pipeline.latency.report import LatencyReport, Tier

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
Shallow = Annotated[
    bool,
    typer.Option(
        help="Fewer adders in a row, for more of them: linear layers as one, squares from tables with a sign, the "
        "shallowest trees of adders."
    ),
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
    shallow: Shallow = False,
    batch: Annotated[
        list[str] | None,
        typer.Option(
            help="Events a batch, beside single ones, on a processor: numbers such as 16,256,4096.",
            show_default="1000, or 16 of images and sets",
        ),
    ] = None,
    threads: Annotated[
        list[str] | None,
        typer.Option(help="Threads, each on a core of its own, on a processor: numbers such as 1,2.", show_default="1"),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.01, help="Time for each measurement on a processor.")] = 1.0,
    repeat: Annotated[
        int, typer.Option(min=2, help="In how many parts that time is spent, to see how they differ.")
    ] = 5,
    max_events: common.MaxEvents = None,
    seed: common.Seed = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A folder for the report and a figure of timings.", show_default="none"),
    ] = None,
    json: common.Json = False,
) -> None:
    """Say whether a model fits a trigger's budget, by how much, and how that is known.

    Example: hepad latency examples/data/background.h5 --model snn_ae --budget cms-l1
    """
    from hepad.pipeline.latency.measured import MeasureOptions
    from hepad.pipeline.latency.options import LatencyOptions
    from hepad.pipeline.latency.run import latency as run
    from hepad.samples.trigger import parse_bits

    options = LatencyOptions(
        budget=budget,
        tiers=tuple(tier or ()),
        bits=parse_bits(bits),
        score=score,
        part=part,
        cutoff=cutoff,
        shallow=shallow,
        measure=MeasureOptions(
            threads=_numbers("--threads", threads) or (1,),
            batches=(1, *sizes) if (sizes := _numbers("--batch", batch)) else (),
            seconds=seconds,
            repetitions=repeat,
        ),
        max_events=max_events,
        seed=seed,
        output=output,
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
        _print_timings(report.details)
    if len(report.tiers) > 1:
        took = ", ".join(f"{name} {tier.seconds:.1f} s" for name, tier in report.tiers.items())
        common.stdout().print(f"time taken: {took}")
    for item in report.details.get("decisions", ()):
        common.stdout().print(
            f"region {item['region']}: {item['flips']:.2%} of {item['events']} decisions differ from the model's, "
            f"{item['flips_same_rate']:.2%} at the same rate"
        )
    for remark in report.remarks:
        common.stderr().print(f"hepad: note: {remark}", markup=False)
    if report.passed:
        common.stdout().print(f"{report.model} is within budget {report.budget}{report.condition}")


def _print_timings(details: dict[str, Any]) -> None:
    """Single events with errors, then batches of all sizes; the same of the encoder alone."""
    _print_tables(details, "")
    if "encoder" in details:
        _print_tables(details["encoder"], f", the encoder alone (score {details['encoder']['score']})")
    machine = details["processor"]
    load = "unknown" if machine["load_average"] is None else f"{machine['load_average']:.2f}"
    common.stdout().print(
        f"{machine['name']}, {machine['cores']} cores, load average {load} before; "
        f"peak memory of the process {details['memory_mb']:.0f} MB"
    )


def _print_tables(details: dict[str, Any], what: str) -> None:
    timings = details["timings"]
    plain = {(t["threads"], t["batch"]): t["p50_ns"] for t in timings if t["backend"].startswith("torch ")}

    def ratio(t: dict[str, Any]) -> str:
        known = plain.get((t["threads"], t["batch"]))
        return "" if known is None else f"{known / t['p50_ns']:.1f}"

    singles = [
        [t["backend"].split()[0], f"{t['threads']}",
         *(_time(t[f"{name}_ns"], t[f"{name}_error_ns"]) for name in ("p50", "p99")),
         *(_time(t[name]) for name in ("jitter_ns", "p99_best_ns")), ratio(t)]
        for t in timings if t["batch"] == 1
    ]  # fmt: skip
    header = ["", "threads", "p50", "p99", "jitter", "best p99", "times torch"]
    common.print_table(f"Single events on this processor{what}", header, singles)
    rows = [
        [t["backend"].split()[0], f"{t['threads']}", f"{t['batch']}", _time(t["p50_ns"]), _time(t["p99_ns"]),
         f"{t['events_per_second']:.0f}", ratio(t), f"{t['memory_mb']:.0f}"]
        for t in timings
    ]  # fmt: skip
    common.print_table(f"Batches{what}", ["", "threads", "batch", "p50", "p99", "events/s", "times torch", "MB"], rows)
    agreeing = [
        [item["backend"].split()[0], f"{item['events']}",
         "" if item["rank_correlation"] is None else f"{item['rank_correlation']:.6f}",
         f"{item['largest_difference']:.1e}",
         ", ".join(f"{d['region']} {d['flips'] * d['events']:.0f}" for d in item["decisions"])]
        for item in details["agreement"]
    ]  # fmt: skip
    if agreeing:
        header = ["", "events", "rank correlation", "largest difference", "decisions that differ"]
        common.print_table(f"Scores beside those of torch{what}", header, agreeing)


def _time(ns: float, error_ns: float | None = None) -> str:
    """A time with its error, in the unit that suits it."""
    scale, unit = (1e3, "µs") if ns < 1e6 else (1e6, "ms")
    value = ns / scale
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    error = "" if error_ns is None else f" ± {error_ns / scale:.{digits}f}"
    return f"{value:.{digits}f}{error} {unit}"


def _numbers(option: str, texts: list[str] | None) -> tuple[int, ...]:
    """The whole numbers of texts such as `16,256`, from 1."""
    parts = [part.strip() for text in texts or () for part in text.split(",")]
    wrong = next((part for part in parts if not part.isdecimal() or int(part) < 1), None)
    if wrong is not None:
        raise UsageError(f"{option} {wrong!r}: write whole numbers from 1, such as 1,16,256")
    return tuple(map(int, parts))


def _cells(tier: Tier) -> list[str]:
    time = f"{tier.latency_ns:.0f} ± {tier.latency_error_ns:.0f} ns"
    if tier.clock_edges is None:
        time = _time(tier.latency_ns, tier.latency_error_ns)
    exact = (
        "" if tier.mismatches is None else f"{(tier.bit_exact_events or 0) - tier.mismatches}/{tier.bit_exact_events}"
    )
    counts = ["" if n is None else str(n) for n in (tier.clock_edges, tier.lut, tier.ff, tier.dsp)]
    return [time, *counts, exact, tier.tool]
