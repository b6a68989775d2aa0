"""`hepad export`."""

from __future__ import annotations

from typing import Annotated

import typer

from hepad.cli import common
from hepad.cli.latency import Bits, Part, Score, Shallow


def export(
    model: common.Model,
    format_: Annotated[str, typer.Option("--format", help="verilog, da4ml, c++, onnx or nir.", show_default=False)],
    output: common.OutputFolder,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Events of the test vectors; without them, random inputs.",
            show_default=False,
        ),
    ] = None,
    bits: Bits = None,
    score: Score = None,
    part: Part = "full",
    cutoff: Annotated[float, typer.Option(min=1, help="Largest delay of a pipeline stage, in adders.")] = 2,
    shallow: Shallow = False,
    simulate: Annotated[
        bool, typer.Option(help="Check Verilog with Verilator and C++ with g++, if they are there.")
    ] = True,
    max_events: common.MaxEvents = None,
    seed: common.Seed = 0,
    json: common.Json = False,
) -> None:
    """Write a model for other tools, with input scales, test vectors and a check of every number.

    Example: hepad export examples/data/background.h5 --model snn_ae --format verilog -o snn_ae_verilog
    """
    from hepad.pipeline.export.run import ExportOptions
    from hepad.pipeline.export.run import export as run
    from hepad.samples.trigger import parse_bits

    options = ExportOptions(
        output=output,
        format=format_,
        bits=parse_bits(bits),
        score=score,
        part=part,
        cutoff=cutoff,
        shallow=shallow,
        simulate=simulate,
        max_events=max_events,
        seed=seed,
    )
    report = run(files or [], model, options=options)
    if json:
        common.print_json(report.to_json())
        return
    card, console = report.card, common.stdout()
    console.print(f"wrote {report.output}, version {card.version}, {len(card.hashes)} files")
    same = card.parity.events - card.parity.mismatches
    console.print(f"{same} of {card.parity.events} events agree by {card.parity.tool}")
    for name, fraction in card.parity.decisions.items():
        moved = card.parity.decisions_same_rate[name]
        console.print(
            f"region {name}: {fraction:.2%} of decisions differ from the model's, {moved:.2%} at the same rate"
        )
