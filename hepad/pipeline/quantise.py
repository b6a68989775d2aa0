"""How few bits does a model need? Designs of several widths, what each keeps of the performance and what it takes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from hepad.errors import InputDataError, UsageError
from hepad.io.atomic import atomic_folder, check_folder
from hepad.io.reader import expand_files
from hepad.paths import InputPath
from hepad.pipeline.figures import save_figure
from hepad.pipeline.quantise_variant import Variant, fine_tuned, write_variant
from hepad.pipeline.trigger import TriggerModel, decision_flips, trigger_events, trigger_model
from hepad.provenance import command_line, provenance
from hepad.stats.roc import roc_curve
from hepad.trigger.calibration import clock_period
from hepad.trigger.design import Design
from hepad.trigger.logic import compile_logic
from hepad.trigger.network import operations

__all__ = ["QuantiseOptions", "QuantiseReport", "QuantisedPoint", "quantise"]

_OURS = ("scan.json", "auc_lut.*", "auc_ns.*", "flips_lut.*", "*@w*/card.json", "*@w*/model.safetensors")


@dataclass(frozen=True)
class QuantiseOptions:
    """Options of `quantise`.

    `weights`: the weight widths; `bits`: the other widths. `finetune` names background files on which each design is
    trained for `epochs` after rounding; without them weights are only rounded. `save`: weight widths whose fine-tuned
    models become bundles `NAME@wBITS` in the output folder.
    """

    output: Path
    weights: tuple[int, ...] = (3, 4, 5, 6, 8)
    bits: Mapping[str, int] = field(default_factory=dict)
    finetune: Sequence[str] = ()
    epochs: int = 30
    learning_rate: float = 1e-3
    save: tuple[int, ...] = ()
    seed: int = 1
    max_events: int | None = None
    simulation: bool = True


@dataclass(frozen=True)
class QuantisedPoint:
    """One design: its model, how its weights came about, and what it does and takes.

    `weights`: `rounded` or `fine-tuned`; None bits for the model in floating point. `auc` by signal. `flips`: the
    fraction of background decisions in the loosest region that are not the model's, at the same rate.
    `pareto`: the signals for which no other design has a larger AUC with no more lookup tables.
    """

    model: str
    weights: str
    bits: int | None
    auc: dict[str, float]
    flips: float | None
    lut: int | None = None
    ff: int | None = None
    clock_edges: int | None = None
    latency_ns: float | None = None
    latency_error_ns: float | None = None
    pareto: tuple[str, ...] = ()


@dataclass(frozen=True)
class QuantiseReport:
    """All designs, and the operations of each model in floating point."""

    points: tuple[QuantisedPoint, ...]
    operations: dict[str, dict[str, float]]
    variants: tuple[str, ...]
    output: Path

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "points": [{**vars(point), "pareto": list(point.pareto)} for point in self.points],
            "operations": self.operations,
            "variants": list(self.variants),
            "output": str(self.output),
        }


def quantise(
    background: Sequence[str], models: Sequence[str], signals: Mapping[str, Sequence[str]], *, options: QuantiseOptions
) -> QuantiseReport:
    """Write a folder with `scan.json`, figures of AUC and flips against lookup tables and nanoseconds, and variants.

    `background` must be events that neither the models nor the fine-tuning have seen.
    """
    check_folder(options.output, ours=_OURS)
    if not signals or not models:
        raise UsageError("a scan needs at least one --model and one --signal")
    if options.save and not options.finetune:
        raise UsageError("--save keeps fine-tuned models: give --finetune FILES")
    finetuned = {path.resolve() for path in _expanded(options.finetune)}
    same = [path for path in expand_files(background) if path.resolve() in finetuned]
    if same:
        raise InputDataError(f"{same[0].name} is both background and for fine-tuning: its AUC would be too good")
    points: list[QuantisedPoint] = []
    counts: dict[str, dict[str, float]] = {}
    variants: list[Variant] = []
    for name in models:
        scan = _Scan(name, background, signals, options)
        points += scan.points()
        counts[name] = operations(scan.model.network, scan.background)
        variants += scan.variants
    marked = _pareto(points, list(signals))
    files = [p for texts in (background, options.finetune, *signals.values()) for p in _expanded(texts)]
    record = provenance(_command(models, options), inputs=files, seed=options.seed)
    report = QuantiseReport(marked, counts, tuple(variant.name for variant in variants), options.output)
    with atomic_folder(options.output, ours=_OURS) as folder:
        content = {key: value for key, value in report.to_json().items() if key != "output"}
        text = json.dumps({**content, "provenance": record}, indent=1, allow_nan=False)
        (folder / "scan.json").write_text(text + "\n", encoding="utf-8")
        _figures(report, list(signals), folder, simulation=options.simulation)
        for variant in variants:
            write_variant(variant, folder / variant.name, record)
    return report


class _Scan:
    """The designs of one model."""

    def __init__(
        self, name: str, background: Sequence[str], signals: Mapping[str, Sequence[str]], options: QuantiseOptions
    ) -> None:
        self._name, self._options = name, options
        self.model = trigger_model(name, bits=options.bits)
        self._batch = trigger_events(self.model, background, max_events=options.max_events)
        self.background = self._batch.x
        self._signals = {
            key: trigger_events(self.model, files, max_events=options.max_events) for key, files in signals.items()
        }
        self._reference = self.model.bundle.scorer.scores(self._batch)[self.model.score]
        self.variants: list[Variant] = []

    def points(self) -> list[QuantisedPoint]:
        """The model in floating point, then a design a width, rounded and, if asked for, fine-tuned."""
        scorer, score = self.model.bundle.scorer, self.model.score
        scores = {key: scorer.scores(batch)[score] for key, batch in self._signals.items()}
        found = [QuantisedPoint(self._name, "floating point", None, self._auc(scores, self._reference), None)]
        training = None
        if self._options.finetune:
            training = trigger_events(self.model, self._options.finetune, max_events=self._options.max_events)
        for bits in self._options.weights:
            made = trigger_model(self._name, bits={**self._options.bits, "weight": bits})
            found.append(self._point(made, "rounded"))
            if training is not None:
                variant = fine_tuned(
                    made,
                    training,
                    epochs=self._options.epochs,
                    learning_rate=self._options.learning_rate,
                    seed=self._options.seed,
                )
                found.append(self._point(variant.model, "fine-tuned"))
                if bits in self._options.save:
                    self.variants.append(variant)
        return found

    def _point(self, made: TriggerModel, weights: str) -> QuantisedPoint:
        design: Design = made.design
        own = design.scores(self.background)
        logic = compile_logic(design)
        period = clock_period(logic.cost)
        flips = decision_flips(self.model, self._reference, own)
        return QuantisedPoint(
            self._name,
            weights,
            design.precision.weight,
            self._auc({key: design.scores(batch.x) for key, batch in self._signals.items()}, own),
            max((f for f in flips), key=lambda f: f.passed).flips_same_rate if flips else None,
            round(logic.cost),
            logic.registers,
            logic.clock_edges,
            logic.clock_edges * period.ns,
            logic.clock_edges * period.error_ns,
        )

    @staticmethod
    def _auc(scores: Mapping[str, npt.NDArray[Any]], background: npt.NDArray[Any]) -> dict[str, float]:
        return {key: roc_curve(values, background).auc for key, values in scores.items()}


def _pareto(points: Sequence[QuantisedPoint], signals: Sequence[str]) -> tuple[QuantisedPoint, ...]:
    """Mark the designs that no other beats, for each signal."""
    logic = [p for p in points if p.lut is not None]
    found = []
    for point in points:
        best = [s for s in signals if point.lut is not None and not any(_beats(o, point, s) for o in logic)]
        found.append(replace(point, pareto=tuple(best)))
    return tuple(found)


def _beats(other: QuantisedPoint, point: QuantisedPoint, signal: str) -> bool:
    a, b = (-other.auc[signal], other.lut or 0), (-point.auc[signal], point.lut or 0)
    return a != b and a[0] <= b[0] and a[1] <= b[1]


def _figures(report: QuantiseReport, signals: Sequence[str], folder: Path, *, simulation: bool) -> None:
    from hepad.plot.quantisation import Point, quantisation_figure

    logic = [p for p in report.points if p.bits is not None]
    floats = [p for p in report.points if p.bits is None]
    references = [
        (f"{p.model} {kind}", s, p.auc[s]) for p in floats for kind in ("rounded", "fine-tuned") for s in signals
    ]
    costs = {"lut": ("Lookup tables [thousands]", "lut", 1e-3), "ns": ("Latency, estimated [ns]", "latency_ns", 1.0)}
    for name, (xlabel, key, unit) in costs.items():
        points = [
            Point(f"{p.model} {p.weights}", s, p.bits or 0, unit * getattr(p, key), p.auc[s], s in p.pareto)
            for p in logic
            for s in signals
        ]
        figure = quantisation_figure(points, references, xlabel=xlabel, ylabel="AUC", simulation=simulation)
        save_figure(figure, folder / f"auc_{name}")
    flips = [
        Point(f"{p.model} {p.weights}", "background", p.bits or 0, 1e-3 * (p.lut or 0), 100 * p.flips)
        for p in logic
        if p.flips is not None
    ]
    if flips:
        figure = quantisation_figure(
            flips, xlabel="Lookup tables [thousands]", ylabel="Decisions that differ [%]", simulation=simulation
        )
        save_figure(figure, folder / "flips_lut")


def _expanded(files: Sequence[str]) -> list[InputPath]:
    return expand_files(files) if files else []


def _command(models: Sequence[str], options: QuantiseOptions) -> str:
    return command_line(
        "quantise",
        model=tuple(models),
        weights=",".join(map(str, options.weights)),
        bits=",".join(f"{name}={value}" for name, value in options.bits.items()),
        finetune=tuple(path.name for path in _expanded(options.finetune)),
        epochs=options.epochs if options.finetune else None,
        save=",".join(map(str, options.save)),
        max_events=options.max_events,
    )
