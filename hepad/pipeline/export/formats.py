"""One function a format: write the files of a model into a folder and check them on events."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError, UsageError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import VECTOR
from hepad.nn.one_score import HasScoreModule, narrowed
from hepad.samples.trigger import Flips, FloatModel, TriggerModel, decision_flips
from hepad.trigger.logic import Logic, compile_logic, write_cpp
from hepad.trigger.module_graph import graph_scores, module_onnx
from hepad.trigger.nir_graph import nir_scores, write_nir
from hepad.trigger.onnx_graph import onnx_bytes, onnx_scores
from hepad.trigger.verilog import simulate, verilator, write_project

__all__ = ["FORMATS", "Written", "module_format"]

_AT_ONCE = 16
_TOLERANCE = 1e-4  # relative, of scores in single precision
_Floats = npt.NDArray[Any]


@dataclass(frozen=True)
class Written:
    """How a format was checked: `mismatches` of `events` by a tool; `logic` for what runs in fixed point."""

    tool: str
    tools: dict[str, str]
    events: int
    mismatches: int
    decisions: tuple[Flips, ...]
    logic: Logic | None = None
    largest_difference: float | None = None


def _verilog(model: TriggerModel, events: Batch, folder: Path, *, cutoff: float, simulate: bool) -> Written:
    logic, rows, expected = _logic(model, events, cutoff)
    write_project(logic, folder, rows, expected)
    return _checked_logic(model, events, logic, rows, expected, simulated=simulate)


def _da4ml(model: TriggerModel, events: Batch, folder: Path, *, cutoff: float, simulate: bool) -> Written:  # noqa: ARG001
    logic, rows, expected = _logic(model, events, cutoff)
    logic.comb.save(folder / "comb.json")
    logic.pipeline.save(folder / "pipeline.json")
    _save(folder / "vectors.npz", x=rows, y=expected)
    return _checked_logic(model, events, logic, rows, expected, simulated=False)


def _cpp(model: TriggerModel, events: Batch, folder: Path, *, cutoff: float, simulate: bool) -> Written:
    logic, rows, expected = _logic(model, events, cutoff)
    compiles = simulate and shutil.which("g++") is not None and shutil.which("make") is not None
    got = write_cpp(logic, folder, rows if compiles else None)
    _save(folder / "vectors.npz", x=rows, y=expected)
    checked = _checked_logic(model, events, logic, rows, expected, simulated=False)
    if got is None:
        return checked
    return replace(checked, tool="g++", mismatches=int((got != expected).any(axis=1).sum()))


def _onnx(model: TriggerModel, events: Batch, folder: Path, *, cutoff: float, simulate: bool) -> Written:  # noqa: ARG001
    _refuse_part(model, "onnx")
    if model.bundle.input.layout.axes != VECTOR:
        raise CardError(f"layers as onnx: it is for vectors, and {model.bundle.card.name} takes images: ask for logic")
    network, _ = model.rounded
    data = onnx_bytes(network)
    (folder / "model.onnx").write_bytes(data)
    (folder / "card.yaml").write_text(_import_card(model), encoding="utf-8")
    scale = getattr(model.bundle.input, "scale", None)
    if scale is not None:
        _save(folder / "scale.npz", gain=scale.gain, offset=scale.offset)
    tools = {"onnx": version("onnx"), "onnxruntime": version("onnxruntime")}
    return _checked_float(model, events, folder, onnx_scores(data, events.x), tool="onnxruntime", tools=tools)


def module_format(model: FloatModel, events: Batch, folder: Path) -> Written:
    """ONNX of a model that is one network of torch, with the score at its end; `CardError` for any other."""
    scorer = model.bundle.scorer
    if not isinstance(scorer, HasScoreModule):
        raise CardError(f"{model.bundle.card.name} is not one network of torch: it has no ONNX graph")
    arrays = scorer.seen(events)
    data = module_onnx(scorer.score_module(model.score), [values[:1] for values in arrays])
    (folder / "model.onnx").write_bytes(data)
    graph, places = graph_scores(data), range(0, len(events), _AT_ONCE)
    got = np.concatenate([graph([values[i : i + _AT_ONCE] for values in arrays]) for i in places])
    tools = {name: version(name) for name in ("onnx", "onnxruntime", "torch")}
    return _checked_float(model, events, folder, got, tool="onnxruntime", tools=tools)


def _nir(model: TriggerModel, events: Batch, folder: Path, *, cutoff: float, simulate: bool) -> Written:  # noqa: ARG001
    _refuse_part(model, "nir")
    network, _ = model.rounded
    write_nir(network, folder / "model.nir")
    scores = nir_scores(folder / "model.nir", events.x)
    tools = {"nir": version("nir")}
    return _checked_float(model, events, folder, scores, tool="our interpreter of the file", tools=tools)


FORMATS: dict[str, Callable[..., Written]] = {
    "verilog": _verilog,
    "da4ml": _da4ml,
    "c++": _cpp,
    "onnx": _onnx,
    "nir": _nir,
}
"""The formats by name."""


def _logic(model: TriggerModel, events: Batch, cutoff: float) -> tuple[Logic, _Floats, _Floats]:
    rows = model.design.quantised(events.x)
    return compile_logic(model.design, cutoff=cutoff), rows, np.asarray(model.design(rows), dtype=np.float64)


def _checked_logic(
    model: TriggerModel, events: Batch, logic: Logic, rows: _Floats, expected: _Floats, *, simulated: bool
) -> Written:
    """Logic against the emulation: in Verilator where it is there, else by da4ml's interpreter."""
    tool, mismatches = logic.tool, int((logic.interpreted(rows) != expected).any(axis=1).sum())
    if simulated and verilator() is not None and mismatches == 0:
        with TemporaryDirectory() as scratch:
            write_project(logic, Path(scratch), rows, expected)
            found = simulate(Path(scratch), logic)
        tool, mismatches = found.tool, found.mismatches
    decisions: tuple[Flips, ...] = ()
    if not model.design.encoder:
        reference = model.bundle.scorer.scores(events)[model.score]
        decisions = decision_flips(model.regions(), reference, expected[:, 0] * model.design.scale)
    return Written(tool, {"da4ml": logic.tool.split()[-1]}, len(rows), mismatches, decisions, logic)


def _checked_float(
    model: TriggerModel | FloatModel, events: Batch, folder: Path, got: _Floats, *, tool: str, tools: dict[str, str]
) -> Written:
    reference = narrowed(model.bundle.scorer, model.score).scores(events)[model.score]
    names = np.array(model.bundle.input.layout.features)
    _save(folder / "vectors.npz", x=np.asarray(events.x), score=reference, columns=names)
    difference = np.abs(got - reference) / np.maximum(np.abs(reference), np.abs(reference).mean())
    wrong = int((difference > _TOLERANCE).sum())
    decisions = decision_flips(model.regions(), reference, got)
    return Written(tool, tools, len(got), wrong, decisions, None, float(difference.max()))


def _refuse_part(model: TriggerModel, name: str) -> None:
    if model.design.encoder:
        raise UsageError(f"--part encoder is for logic; format {name} has the whole network")


def _save(path: Path, **arrays: _Floats) -> None:
    with path.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # numpy writes no time into it, and of numbers no pickle


def _import_card(model: TriggerModel) -> str:
    """The card with which `hepad import-model` takes the graph back."""
    import yaml

    card = model.bundle.card
    content = {
        "schema": "analysis/1",
        "name": f"{card.name}_onnx",
        "title": card.title,
        "reference": card.reference,
        "fidelity": "approximate",
        "fidelity_note": f"score {model.score} of the bundle {card.name}",
        "selection": card.selection.name,
        "input": card.input.model_dump(mode="json"),
        "model": {"name": "onnx", "score": "output", "output": "score"},
        "regions": {name: {"threshold": region.threshold} for name, region in model.regions().items()},
    }
    return str(yaml.safe_dump(content, sort_keys=False))
