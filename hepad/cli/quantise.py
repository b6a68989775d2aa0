"""`hepad quantise`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common
from hepad.cli.latency import Bits
from hepad.errors import UsageError

if TYPE_CHECKING:
    from hepad.pipeline.quantise import QuantiseReport


def quantise(
    background: Annotated[
        list[str], typer.Argument(help="Background that no model has seen in training.", show_default=False)
    ],
    model: Annotated[
        list[str], typer.Option("--model", "-m", help="A model with logic. May be repeated.", show_default=False)
    ],
    signal: Annotated[list[str], typer.Option("--signal", help="NAME=FILE. May be repeated.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write.", show_default=False)],
    weights: Annotated[str, typer.Option(help="Weight widths, with commas.")] = "3,4,5,6,8",
    bits: Bits = None,
    finetune: Annotated[
        list[str] | None,
        typer.Option("--finetune", help="Background to train on after rounding. May be repeated.", show_default="none"),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the fine-tuning.")] = 30,
    save: Annotated[
        str, typer.Option(help="Weight widths, with commas, to keep as bundles NAME@wBITS.", show_default="none")
    ] = "",
    seed: common.Seed = 1,
    simulation: Annotated[bool, typer.Option("--simulation/--data", help="Label figures as simulation.")] = True,
    max_events: common.MaxEvents = None,
    json: common.Json = False,
) -> None:
    """Scan weight widths: AUC and decisions against lookup tables and nanoseconds, rounded and fine-tuned.

    Example: hepad quantise examples/data/background.h5 --model snn_ae --signal h0=examples/data/h0.h5 -o bits
    """
    from hepad.pipeline.quantise import QuantiseOptions
    from hepad.pipeline.quantise import quantise as run
    from hepad.pipeline.trigger import parse_bits

    options = QuantiseOptions(
        output=output,
        weights=_widths(weights, "--weights"),
        bits=parse_bits(bits),
        finetune=tuple(finetune or ()),
        epochs=epochs,
        save=_widths(save, "--save"),
        seed=seed,
        max_events=max_events,
        simulation=simulation,
    )
    report = run(background, model, common.parse_signals(signal), options=options)
    if json:
        common.print_json(report.to_json())
        return
    _print(report)


_SHORT = {"floating point": "float", "rounded": "rounded", "fine-tuned": "tuned"}


def _widths(text: str, option: str) -> tuple[int, ...]:
    words = [word for word in text.split(",") if word]
    if not all(word.strip().isdigit() for word in words):
        raise UsageError(f"{option} {text!r}: write numbers with commas, as in 4,6")
    return tuple(sorted({int(word) for word in words}))


def _print(report: QuantiseReport) -> None:
    signals = list(report.points[0].auc)
    rows = []
    for p in report.points:
        auc = [f"{p.auc[s]:.3f}{'*' if s in p.pareto else ''}" for s in signals]
        logic = ["", ""] if p.latency_ns is None else [f"{p.lut}", f"{p.latency_ns:.0f}"]
        rows.append(
            [p.model, _SHORT[p.weights], str(p.bits or ""), *auc, "" if p.flips is None else f"{p.flips:.2%}", *logic]
        )
    header = ["model", "weights", "bits", *signals, "flips", "LUT", "ns"]
    common.print_table("AUC; * no design has more with fewer lookup tables", header, rows, numbers_from=2)
    for name, counts in report.operations.items():
        text = ", ".join(f"{value:.0f} {key.replace('_', ' ')}" for key, value in counts.items() if value)
        common.stdout().print(f"{name}: {text} an event")
    common.stdout().print(f"wrote {report.output}")
