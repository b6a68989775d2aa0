"""How few bits does a model need? Designs of several widths, what each keeps of the performance and what it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hepad.errors import InputDataError, UsageError
from hepad.output.atomic import atomic_folder, check_folder
from hepad.output.figure_context import simulated
from hepad.output.json_text import json_text
from hepad.pipeline.quantise.equal import common_costs, cost_curves
from hepad.pipeline.quantise.figures import write_figures
from hepad.pipeline.quantise.report import QuantisedPoint, QuantiseReport, summaries
from hepad.pipeline.quantise.scan import Designs, Scan, Tuning, expanded
from hepad.pipeline.quantise.variant import Variant, regions_of, variant_provenance, write_variant
from hepad.provenance import command_line, event_records, provenance

__all__ = ["QuantiseOptions", "quantise"]


@dataclass(frozen=True)
class QuantiseOptions:
    """Options of `quantise`.

    `weights`: the weight widths; `bits`: the other widths; `shallow` as of `latency`. `finetune` names background files
    on which each design is trained for `epochs` after rounding, `seeds` times, from `seed` on; without them weights are
    only rounded. `save`: weight widths of which a fine-tuned model, chosen on held-out background, becomes a bundle
    `NAME@wBITS` in the output folder.
    """

    output: Path
    weights: tuple[int, ...] = (3, 4, 5, 6, 8)
    bits: Mapping[str, int] = field(default_factory=dict)
    shallow: bool = False
    finetune: Sequence[str] = ()
    epochs: int = 30
    learning_rate: float = 1e-3
    save: tuple[int, ...] = ()
    seed: int = 1
    seeds: int = 1
    max_events: int | None = None
    simulation: bool = True


def quantise(
    background: Sequence[str], models: Sequence[str], signals: Mapping[str, Sequence[str]], *, options: QuantiseOptions
) -> QuantiseReport:
    """Write a folder with `scan.json`, figures of AUC and flips against lookup tables and nanoseconds, and variants.

    With several models a figure says what each takes at equal AUC. `background` must be events that neither the models
    nor the fine-tuning have seen.
    """
    check_folder(options.output, verb="quantise")
    tuning = _checked(background, models, signals, options)
    points: list[QuantisedPoint] = []
    counts: dict[str, dict[str, float]] = {}
    variants: list[tuple[Scan, Variant]] = []
    for name in models:
        design = Designs(options.bits, options.shallow, tuning)
        scan = Scan(name, background, signals, design, max_events=options.max_events)
        if options.save and scan.parted is not None:
            regions_of(scan.model.bundle, scan.model.bundle.scorer, scan.parted.holdout)  # or refuse before the work
        points += scan.points(options.weights)
        counts[name] = scan.operations
        variants += [(scan, scan.variants[bits]) for bits in options.save]
    designs = [p for p in points if p.weights == ("fine-tuned" if tuning else "rounded")]
    curves = cost_curves(designs, list(signals), seed=options.seed) if len(models) > 1 else ()
    names = tuple(variant.name for _, variant in variants)
    summary = summaries(points, list(signals))
    report = QuantiseReport(tuple(points), summary, common_costs(curves), counts, names, options.output)
    files = [p for texts in (background, options.finetune, *signals.values()) for p in expanded(texts)]
    command = _command(models, signals, options)
    record = provenance(command, inputs=event_records(files), seed=options.seed)
    with atomic_folder(options.output, verb="quantise") as folder:
        content = {key: value for key, value in report.to_json().items() if key != "output"}
        text = json_text("quantise/scan.json", {**content, "provenance": record})
        (folder / "scan.json").write_text(text, encoding="utf-8")
        write_figures(report, curves, designs, folder, context=simulated(options.simulation))
        for scan, variant in variants:
            if scan.parted is not None and tuning is not None:
                origin = variant_provenance(variant, tuning.files, command)
                write_variant(variant, scan.parted.holdout, options.seeds, folder / variant.name, origin)
    return report


def _checked(
    background: Sequence[str], models: Sequence[str], signals: Mapping[str, Sequence[str]], options: QuantiseOptions
) -> Tuning | None:
    """How to fine-tune; an error for options that do not go together."""
    if not signals or not models:
        raise UsageError("a scan needs at least one --model and one --signal")
    if not options.finetune:
        if options.save:
            raise UsageError("--save keeps fine-tuned models: give --finetune FILES")
        if options.seeds > 1:
            raise UsageError("--seeds is for fine-tuning: give --finetune FILES")
        return None
    missing = [str(bits) for bits in options.save if bits not in options.weights]
    if missing:
        raise UsageError(f"--save {missing[0]}: not among --weights {','.join(map(str, options.weights))}")
    files = expanded(options.finetune)
    finetuned = {path.resolve() for path in files}
    same = [path for path in expanded(background) if path.resolve() in finetuned]
    if same:
        raise InputDataError(f"{same[0].name} is both background and for fine-tuning: its AUC would be too good")
    seeds = tuple(range(options.seed, options.seed + options.seeds))
    return Tuning(files, options.epochs, options.learning_rate, seeds)


def _command(models: Sequence[str], signals: Mapping[str, Sequence[str]], options: QuantiseOptions) -> str:
    return command_line(
        "quantise",
        model=tuple(models),
        signal=tuple(f"{name}={path.name}" for name, texts in signals.items() for path in expanded(texts)),
        weights=",".join(map(str, options.weights)),
        bits=",".join(f"{name}={value}" for name, value in options.bits.items()),
        finetune=tuple(path.name for path in expanded(options.finetune)),
        epochs=options.epochs if options.finetune else None,
        seeds=options.seeds if options.finetune else None,
        save=",".join(map(str, options.save)),
        max_events=options.max_events,
    ) + (" --shallow" if options.shallow else "")
