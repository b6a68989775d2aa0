"""`hepad latency`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hepad.cli import common
from hepad.cli.progress import counts
from hepad.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from hepad.pipeline.latency.report import LatencyReport

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
Part = Annotated[PartChoice, typer.Option("--part", help="full, with its score, or encoder alone.")]


def latency(
    model: common.Model,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Events to compare on; without them, random inputs.",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", help="A bundled budget ('hepad list budgets') or a card.", show_default=False),
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
        typer.Option("--output", "-o", help="A folder for the report and a figure of timings.", show_default=False),
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
    with ExitStack() as said:
        (tiers,) = said.enter_context(counts("tiers"))

        def on_tier(done: int, of: int, following: str) -> None:
            tiers.set(done, of, note=following)
            if following == "measured":  # what draws a bar meanwhile would take its time from the model's
                said.close()

        report = run(files or [], model, options=replace(options, on_tier=on_tier))
    if json:
        common.print_json(report.to_json())
    else:
        _print(report)
        common.say_wrote(output)
    if report.passed is False:
        failed = [f"{check.tier} {check.quantity}" for check in report.checks if not check.passed]
        raise CheckFailedError(f"{report.model} is not within budget {report.budget}: {', '.join(failed)}")


def _print(report: LatencyReport) -> None:
    from hepad.pipeline.latency.tables import checks_table, tiers_table, timing_tables

    kind = ", combinational" if report.details.get("combinational") else ""
    common.show(f"{report.model}, score {report.details['score']}{kind}", tiers_table(report))
    if report.checks:
        common.show(f"Budget {report.budget}", checks_table(report))
    if report.details["timings"]:
        for title, table in timing_tables(report.details).items():
            common.show(title, table)
        _print_machine(report.details)
    if len(report.tiers) > 1:
        took = ", ".join(f"{name} {tier.seconds:.1f} s" for name, tier in report.tiers.items())
        common.stdout().print(f"time taken: {took}")
    for item in report.details.get("decisions", ()):
        common.stdout().print(
            f"region {item['region']}: {item['flips']:.2%} of {item['events']} decisions differ from the model's, "
            f"{item['flips_same_rate']:.2%} at the same rate"
        )
    common.print_notes(report.remarks)
    if report.passed:
        common.stdout().print(f"{report.model} is within budget {report.budget}{report.condition}")


def _print_machine(details: dict[str, Any]) -> None:
    machine = details["processor"]
    load = "unknown" if machine["load_average"] is None else f"{machine['load_average']:.2f}"
    common.stdout().print(
        f"{machine['name']}, {machine['cores']} cores, load average {load} before; "
        f"peak memory of the process {details['memory_mb']:.0f} MB"
    )


def _numbers(option: str, texts: list[str] | None) -> tuple[int, ...]:
    """The whole numbers of texts such as `16,256`, from 1."""
    parts = [part.strip() for text in texts or () for part in text.split(",")]
    wrong = next((part for part in parts if not part.isdecimal() or int(part) < 1), None)
    if wrong is not None:
        raise UsageError(f"{option} {wrong!r}: write whole numbers from 1, such as 1,16,256")
    return tuple(map(int, parts))
