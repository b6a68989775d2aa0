"""Write a model for other tools: Verilog, da4ml, ONNX, NIR; with scales, test vectors and a check of each."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hepad.bundles.bundle import Bundle, load_bundle
from hepad.cards.base import parse_card
from hepad.cards.export import ExportCard
from hepad.errors import CheckFailedError, UsageError
from hepad.inputs.base import Input
from hepad.inputs.l1_vector import L1Vector
from hepad.inputs.layout import VECTOR
from hepad.io.reader import expand_files
from hepad.nn.exact import HasExactLayers, hardware_rows
from hepad.nn.layers import HasLayers
from hepad.nn.one_score import HasScoreModule
from hepad.output.atomic import atomic_folder, check_folder
from hepad.pipeline.export.formats import FORMATS, Written, module_format
from hepad.provenance import command_line, event_records, provenance, sha256_bytes, sha256_file
from hepad.samples.trigger import (
    FloatModel,
    Part,
    TriggerModel,
    float_events,
    score_of,
    trigger_events,
    trigger_model,
)
from hepad.trigger.logic import CUTOFF

__all__ = ["EXPORT_CARD", "ExportOptions", "ExportReport", "export"]

MODULE_EVENTS = 200
"""Test vectors of a whole network, unless asked for another number: its inputs are large."""

EXPORT_CARD = "export.json"


@dataclass(frozen=True)
class ExportOptions:
    """Options of `export`; `bits`, `score`, `part`, `cutoff` and `shallow` as in `hepad.pipeline.latency.options`."""

    output: Path
    format: str
    bits: Mapping[str, int] = field(default_factory=dict)
    score: str | None = None
    part: Part = "full"
    cutoff: float = CUTOFF
    shallow: bool = False
    simulate: bool = True
    max_events: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class ExportReport:
    """What was written."""

    output: Path
    card: ExportCard

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {"output": str(self.output), **self.card.model_dump(mode="json", by_alias=True, exclude_none=True)}


def export(files: Sequence[str], model: str, *, options: ExportOptions) -> ExportReport:
    """Write the folder `options.output` with a model in another format, and `export.json`.

    `files` are the events of its test vectors, on which it is held against the model; random inputs without.
    `CheckFailedError`, and nothing is written, if the format does not give the numbers that it should: those of the
    emulation, bit for bit, for logic; for floating point the model's scores but for one event in a thousand, whose
    spikes may sit at the threshold.
    """
    check_folder(options.output, verb="export")
    if options.format not in FORMATS:
        raise UsageError(f"--format {options.format}: choose one of {', '.join(FORMATS)}")
    bundle = load_bundle(model)
    score = score_of(bundle, options.score)
    if options.format == "onnx" and not _graph_of_layers(bundle, score):
        return _write(_module(bundle, score, files, options), files, options)
    return _write(_trigger(bundle, files, options), files, options)


_Made = tuple[TriggerModel | FloatModel, Callable[[Path], Written]]


def _graph_of_layers(bundle: Bundle, score: str) -> bool:
    """Whether the score has layers that make a graph; what else is one network of torch makes one as a whole."""
    scorer = bundle.scorer
    layered = isinstance(scorer, HasExactLayers) or (isinstance(scorer, HasLayers) and score in scorer.layered_scores)
    return not isinstance(scorer, HasScoreModule) or (layered and bundle.input.layout.axes == VECTOR)


def _trigger(bundle: Bundle, files: Sequence[str], options: ExportOptions) -> _Made:
    made = trigger_model(bundle, bits=options.bits, score=options.score, part=options.part, shallow=options.shallow)
    events = trigger_events(made, files, max_events=options.max_events, seed=options.seed)
    how = FORMATS[options.format]
    return made, lambda folder: how(made, events, folder, cutoff=options.cutoff, simulate=options.simulate)


def _module(bundle: Bundle, score: str, files: Sequence[str], options: ExportOptions) -> _Made:
    made = FloatModel(bundle, score)
    events = float_events(bundle, files, max_events=options.max_events or MODULE_EVENTS, seed=options.seed)
    return made, lambda folder: module_format(made, events, folder)


def _write(what: _Made, files: Sequence[str], options: ExportOptions) -> ExportReport:
    made, write = what
    with atomic_folder(options.output, verb="export") as folder:
        written = write(folder)
        if not _good(written):
            raise CheckFailedError(
                f"{options.format} does not give the numbers of {made.bundle.card.name}: {written.mismatches} of "
                f"{written.events} events differ by {written.tool}; nothing was written"
            )
        card = _card(made, written, files, folder, options)
        (folder / EXPORT_CARD).write_text(
            json.dumps(card.model_dump(mode="json", by_alias=True, exclude_none=True), indent=1) + "\n",
            encoding="utf-8",
        )
    return ExportReport(options.output, card)


def _good(written: Written) -> bool:
    return written.mismatches <= (0 if written.logic is not None else written.events / 1000)


def _card(
    made: TriggerModel | FloatModel, written: Written, files: Sequence[str], folder: Path, options: ExportOptions
) -> ExportCard:
    logic = written.logic
    hashes = {p.relative_to(folder).as_posix(): sha256_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}
    command = command_line(
        f"export {' '.join(path.name for path in expand_files(files))}".strip() if files else "export",
        model=made.bundle.card.name,
        format=options.format,
        bits=",".join(f"{name}={value}" for name, value in options.bits.items()),
        score=options.score,
        part=None if options.part == "full" else options.part,
        max_events=options.max_events,
    ) + (" --shallow" if options.shallow else "")
    content = {
        "schema": "export/1",
        "format": options.format,
        "model": made.bundle.card.name,
        "bundle_sha256": made.bundle.sha256,
        "version": sha256_bytes(json.dumps([made.bundle.sha256, hashes], sort_keys=True).encode())[:12],
        "score": made.score,
        "part": options.part,
        "score_scale": 1.0 if isinstance(made, FloatModel) or logic is None else made.design.scale,
        "inputs": _inputs(made, logic=logic is not None),
        "regions": _regions(made, written, real=bool(files)) if options.part == "full" else {},
        "parity": {
            "tool": written.tool,
            "events": written.events,
            "mismatches": written.mismatches,
            "largest_difference": written.largest_difference,
            "random_inputs": not files,
            "decisions": {item.region: item.flips for item in written.decisions} if files else {},
            "decisions_same_rate": {i.region: i.flips_same_rate for i in written.decisions} if files else {},
        },
        "tools": written.tools,
        "provenance": provenance(
            command,
            inputs=event_records(expand_files(files)) if files else [],
            cards={made.bundle.card.name: made.bundle.sha256},
        ),
        "hashes": hashes,
    }
    if logic is not None and isinstance(made, TriggerModel):
        content["bits"] = made.design.bits
        content["shallow"] = made.design.shallow
        content["clock_edges"] = logic.clock_edges
        content["raw_fraction"] = logic.outputs[0].fraction
    return parse_card(ExportCard, content, "export")


def _inputs(made: TriggerModel | FloatModel, *, logic: bool) -> list[dict[str, Any]]:
    vector = made.bundle.input
    if isinstance(made, FloatModel):  # whole channels of images, as hepad's own scaling leaves them
        return [{"column": name, "gain": 1.0, "offset": 0.0} for name in vector.layout.features]
    scale = vector.scale if isinstance(vector, L1Vector) else None
    width = vector.layout.size
    gain, offset = (np.ones(width), np.zeros(width)) if scale is None else (scale.gain, scale.offset)
    found, place = [], 0
    for column, a, b, form in zip(_names(vector), gain, offset, made.design.inputs, strict=True):
        entry: dict[str, Any] = {"column": column, "gain": float(a), "offset": float(b)}
        if logic:
            entry |= {"signed": form.signed, "integer": form.integer, "fraction": form.fraction}
            entry |= {"first": place, "last": place + form.bits - 1}
            place += form.bits
        found.append(entry)
    return found


def _names(taken: Input) -> Sequence[str]:
    """The names of the numbers in the order of the ports."""
    if taken.layout.axes == VECTOR:
        return taken.layout.columns
    return [str(name) for name in hardware_rows(taken.table_names[np.newaxis])[0]]


def _regions(made: TriggerModel | FloatModel, written: Written, *, real: bool) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    moved = {item.region: item.threshold_same_rate for item in written.decisions} if real else {}
    for name, region in made.regions().items():
        found[name] = {"score": region.score, "threshold": region.threshold}
        if written.logic is not None and isinstance(made, TriggerModel):
            step = written.logic.outputs[0].step * made.design.scale
            found[name]["raw_threshold"] = math.ceil(region.threshold / step)
            same_rate = moved.get(name)
            found[name]["raw_threshold_same_rate"] = None if same_rate is None else round(same_rate / step)
    return found
