"""`hepad quantise`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common
from hepad.cli.latency import Bits, Shallow
from hepad.errors import UsageError

if TYPE_CHECKING:
    from hepad.pipeline.quantise.report import QuantiseReport


def quantise(
    background: Annotated[
        list[str],
        typer.Argument(
            help="Background that no model has seen in training.",
            show_default=False,
        ),
    ],
    model: Annotated[
        list[str], typer.Option("--model", "-m", help="A model with logic. May be repeated.", show_default=False)
    ],
    signal: Annotated[list[str], typer.Option("--signal", help="NAME=FILE. May be repeated.", show_default=False)],
    output: common.OutputFolder,
    weights: Annotated[str, typer.Option(help="Weight widths, with commas.")] = "3,4,5,6,8",
    bits: Bits = None,
    shallow: Shallow = False,
    finetune: Annotated[
        list[str] | None,
        typer.Option("--finetune", help="Background to train on after rounding. May be repeated.", show_default=False),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the fine-tuning.")] = 30,
    seeds: Annotated[
        int, typer.Option(min=1, help="How often to fine-tune each design, with seeds from --seed on.")
    ] = 1,
    save: Annotated[
        str,
        typer.Option(
            help="Weight widths, with commas, to keep as bundles NAME@wBITS: of the seeds the one whose decisions on "
            "background held out of the fine-tuning differ least from the model's.",
            show_default=False,
        ),
    ] = "",
    seed: common.Seed = 1,
    simulated: common.Simulated = True,
    max_events: common.MaxEvents = None,
    json: common.Json = False,
) -> None:
    """Scan weight widths: AUC and decisions against lookup tables and nanoseconds, rounded and fine-tuned.

    Example: hepad quantise examples/data/background.h5 --model snn_ae --signal h0=examples/data/h0.h5 -o bits
    """
    from hepad.pipeline.quantise.run import QuantiseOptions
    from hepad.pipeline.quantise.run import quantise as run
    from hepad.samples.trigger import parse_bits

    options = QuantiseOptions(
        output=output,
        weights=_widths(weights, "--weights"),
        bits=parse_bits(bits),
        shallow=shallow,
        finetune=tuple(finetune or ()),
        epochs=epochs,
        save=_widths(save, "--save"),
        seed=seed,
        seeds=seeds,
        max_events=max_events,
        simulation=simulated,
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
    for item in report.summary:
        auc = [_with_spread(item.auc[s], item.auc_spread.get(s), "*" if s in item.pareto else "") for s in signals]
        logic = ["", ""] if item.latency_ns is None else [f"{item.lut:.0f}", f"{item.latency_ns:.0f}"]
        flips = "" if item.flips is None else f"{item.flips:.2%}"
        rows.append([item.model, _SHORT[item.weights], str(item.bits or ""), *auc, flips, *logic])
    header = ["model", "weights", "bits", *signals, "flips", "LUT", "ns"]
    title = "AUC (standard deviation of a seed); * no design has more with fewer lookup tables"
    common.print_table(title, header, rows, numbers_from=2)
    equal = [
        [c.signal, f"{c.auc:.3f}", c.model, *(_range(c.costs[k]) for k in ("lut", "latency_ns", "operations"))]
        for c in report.equal_auc
    ]
    if equal:
        common.print_table(
            "At equal AUC, between widths", ["signal", "AUC", "model", "LUT", "ns", "operations"], equal, numbers_from=3
        )
    for name, counts in report.operations.items():
        text = ", ".join(f"{value:.0f} {key.replace('_', ' ')}" for key, value in counts.items() if value)
        common.stdout().print(f"{name} in floating point: {text} an event")
    for point in report.points:
        if point.chosen and f"{point.model}@w{point.bits}" in report.variants:
            flips = "" if point.held_out_flips is None else f", {point.held_out_flips:.2%} flips"
            common.stdout().print(
                f"{point.model}@w{point.bits}: seed {point.seed}, on held-out background loss {point.loss:.3g}{flips}"
            )
    common.say_wrote(report.output)


def _with_spread(value: float, spread: float | None, mark: str) -> str:
    return f"{value:.3f}{mark}" if spread is None else f"{value:.3f}({1000 * spread:.0f}){mark}"


def _range(costs: tuple[float | None, float, float | None]) -> str:
    low, mean, high = costs
    band = "" if low is None or high is None else f" ({low:.0f}-{high:.0f})"
    return f"{mean:.0f}{band}"
