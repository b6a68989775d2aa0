"""Make a bundle of a network that was trained elsewhere: an ONNX file and a card, checked against its author's numbers.

What cannot be told from the two is asked for: the scale of the inputs, and background for regions without a threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.analysis import AnalysisCard, RegionSpec, load_analysis
from hepad.cards.bundle import Compared, Imported, RegionCard
from hepad.cards.selection import SelectionCard, load_selection
from hepad.errors import CardError, CheckFailedError, InputDataError, UsageError
from hepad.inputs.base import Input, input_from_state
from hepad.io.atomic import atomic_folder, check_folder
from hepad.io.bundle import CARD, GRAPH, WEIGHTS, write_bundle_files
from hepad.io.onnx_file import read_onnx
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.io.vectors import read_arrays
from hepad.models.onnx import OnnxScorer
from hepad.objects.cutflow import CutFlow
from hepad.pipeline.background import read_background
from hepad.pipeline.bundle import bundle_tensors, recipe_content, scorer_content
from hepad.provenance import command_line, file_record, provenance, sha256_bytes
from hepad.stats.regions import Quantiles, background_quantiles, set_region

__all__ = ["ImportOptions", "ImportReport", "import_model", "parity"]

_OURS = (CARD, WEIGHTS, GRAPH, "loss.png")

TOLERANCE = 1e-5
"""Largest relative difference from the author's numbers: ten times what single precision loses in a few layers."""


@dataclass(frozen=True)
class ImportOptions:
    """Options of `import_model`.

    `vectors` is a .npz with `x`, inputs as the network sees them, and `y`, its output, or `score`; `scale` a .npz with
    the numbers of the card's input scale; `background` files set regions that have no threshold.
    """

    output: Path
    vectors: Path | None = None
    tolerance: float = TOLERANCE
    scale: Path | None = None
    background: Sequence[str] = ()
    selection: str | None = None
    regions: Mapping[str, RegionSpec] | None = None
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None


@dataclass(frozen=True)
class ImportReport:
    """What was imported; without `parity` nobody has checked that the network gives its author's numbers."""

    output: Path
    model: str
    imported: Imported
    cutflow: CutFlow | None = None
    regions: dict[str, RegionCard] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "model": self.model,
            **self.imported.model_dump(mode="json"),
            "cutflow": None if self.cutflow is None else self.cutflow.to_json(),
            "regions": {n: r.model_dump(mode="json", exclude_none=True) for n, r in self.regions.items()},
            "output": str(self.output),
        }


def import_model(file: Path, card: str, *, options: ImportOptions) -> ImportReport:
    """Write the bundle `options.output` of an ONNX file and an analysis card whose model is `onnx`.

    `CheckFailedError`, and nothing is written, if the network does not give the numbers in `options.vectors`. The same
    files and options give the same bundle, byte for byte.
    """
    check_folder(options.output, ours=_OURS)
    recipe = load_analysis(card)
    if recipe.model.name != OnnxScorer.name:
        raise CardError(f"{card}: an imported model is called {OnnxScorer.name}, not {recipe.model.name}")
    selection = load_selection(options.selection or recipe.selection)
    specs = recipe.regions if options.regions is None else options.regions
    _check_regions(specs, options)
    vector = _input(recipe, options.scale)
    data = read_onnx(file)
    scorer = OnnxScorer(recipe.model.config, vector.columns)
    try:
        scorer.load_state({"onnx": np.frombuffer(data, dtype=np.uint8)})
    except CardError as error:
        raise CardError(f"{file}: {error}") from error
    compared = () if options.vectors is None else parity(scorer, options.vectors, options.tolerance)
    quantiles, flow = _calibrate(scorer, vector, selection, options)
    regions = {name: set_region(name, spec, quantiles, scorer.score_names[0]) for name, spec in specs.items()}
    calibrated = next(iter(quantiles.values()))
    imported = Imported(
        file=file.name,
        sha256=sha256_bytes(data),
        opset=scorer.graph.opset,
        operators=scorer.graph.operators,
        calibration_events=calibrated.events if calibrated else 0,
        parity_checked=bool(compared),
        parity=compared,
    )
    content = {
        **recipe_content(recipe, selection),
        **scorer_content(scorer, vector),
        "regions": {name: region.model_dump(mode="json", exclude_none=True) for name, region in regions.items()},
        "imported": imported.model_dump(mode="json"),
        "provenance": _provenance(file, recipe, selection, options),
    }
    with atomic_folder(options.output, ours=_OURS) as folder:
        write_bundle_files(folder, content, bundle_tensors(vector, scorer, quantiles))
    return ImportReport(options.output, recipe.name, imported, flow, regions)


def parity(scorer: OnnxScorer, path: Path, tolerance: float) -> tuple[Compared, ...]:
    """Hold a network against its author's numbers: `x` of shape (n, d), and `y` of shape (n, k), `score` (n,) or both.

    Differences of outputs are relative to the largest number that the author has for that event; differences of scores
    are relative to the score, but for log_mae, a logarithm, absolute. With `y` the score made of it is compared too.
    `CheckFailedError` with the largest difference if it exceeds the tolerance.
    """
    arrays = read_arrays(path)
    x = _rows(arrays, "x", path)
    if x.shape[1] != len(scorer.columns):
        raise InputDataError(f"{path}: x has {x.shape[1]} columns, the network takes {len(scorer.columns)}")
    if "columns" in arrays and tuple(map(str, arrays["columns"])) != scorer.columns:
        raise InputDataError(f"{path}: its columns are not those of the card's input")
    if not {"y", "score"} & arrays.keys():
        raise InputDataError(f"{path}: beside x it needs y, the network's output, or score")
    x = x.astype(np.float32)  # what an input gives to a network
    got = scorer.outputs(x)
    scores = scorer.score_of(x, *got)
    found = []
    if "y" in arrays:
        y = _rows(arrays, "y", path)
        if y.shape != got[0].shape:
            raise InputDataError(f"{path}: y has shape {y.shape}, the network gives {got[0].shape}")
        scale = np.abs(y).max(axis=1, keepdims=True)
        found.append(_compared("output", got[0], y, scale, tolerance))
        if len(got) == 1:
            found.append(_compare_scores(scorer, "score of output", scores, scorer.score_of(x, y), tolerance))
    if "score" in arrays:
        expected = _rows(arrays, "score", path)
        if expected.shape[1] != 1:
            raise InputDataError(f"{path}: score must hold one number an event")
        expected = expected[:, 0]
        found.append(_compare_scores(scorer, "score", scores, expected, tolerance))
    wrong = [c for c in found if not c.largest_difference <= c.tolerance]
    if wrong:
        what = ", ".join(f"{c.quantity} differs by {c.largest_difference:.3g}" for c in wrong)
        raise CheckFailedError(
            f"the network does not give the numbers in {path}: {what}, tolerance {tolerance:g}; "
            "are x the inputs as the network sees them, and the card's score the one meant? Nothing was written"
        )
    return tuple(found)


def _compare_scores(
    scorer: OnnxScorer, what: str, got: npt.NDArray[Any], expected: npt.NDArray[Any], tolerance: float
) -> Compared:
    logarithm = scorer.score_names[0] == "log_mae"
    return _compared(what, got, expected, np.ones(1) if logarithm else np.abs(expected), tolerance)


def _compared(
    what: str, got: npt.NDArray[Any], expected: npt.NDArray[Any], scale: npt.NDArray[Any], tolerance: float
) -> Compared:
    if got.shape != expected.shape:
        raise InputDataError(f"{what}: {expected.shape} expected numbers, {got.shape} from the network")
    difference = np.abs(got - expected) / np.maximum(scale, np.finfo(np.float32).tiny)
    largest = float(difference.max()) if np.isfinite(difference).all() else float(np.finfo(np.float64).max)
    return Compared(quantity=what, compared=got.size, largest_difference=largest, tolerance=tolerance)


def _rows(arrays: Mapping[str, npt.NDArray[Any]], name: str, path: Path) -> npt.NDArray[np.float64]:
    """An array of numbers by rows, of shape (n, k)."""
    if name not in arrays:
        raise InputDataError(f"{path}: array {name!r} is missing")
    array = arrays[name]
    if (
        array.ndim not in {1, 2}
        or array.dtype.kind not in "fiu"
        or array.size == 0
        or (name == "x" and array.ndim == 1)
    ):
        raise InputDataError(f"{path}: {name} must hold numbers, one row an event; it is {array.dtype} {array.shape}")
    if not np.isfinite(array).all():
        raise InputDataError(f"{path}: {name} holds numbers that are not finite")
    if len(array) != len(arrays["x"]):
        raise InputDataError(f"{path}: {name} has {len(array)} rows, x {len(arrays['x'])}")
    return array.reshape(len(array), -1).astype(np.float64)


def _check_regions(specs: Mapping[str, RegionSpec], options: ImportOptions) -> None:
    unset = [name for name, spec in specs.items() if spec.threshold is None]
    if unset and not options.background:
        raise UsageError(
            f"region {', '.join(unset)} has no threshold: give background files with --background, "
            "or a threshold in the card"
        )


def _input(recipe: AnalysisCard, scale: Path | None) -> Input:
    """The card's input with its scale, which only the network's author knows."""
    if scale is not None and getattr(recipe.input, "scale", "none") == "none":
        raise UsageError(f"--scale {scale}: the card's input has scale none; say there which scale it is")
    try:
        return input_from_state(recipe.input, {} if scale is None else read_arrays(scale))
    except CardError as error:
        where = "give the numbers that the network was trained with as --scale FILE.npz" if scale is None else scale
        raise CardError(f"{error}: {where}") from error


def _calibrate(
    scorer: OnnxScorer, vector: Input, selection: SelectionCard, options: ImportOptions
) -> tuple[dict[str, Quantiles | None], CutFlow | None]:
    """The quantiles of the background's scores, all of it: none of it was used in training as far as hepad knows."""
    if not options.background:
        return dict.fromkeys(scorer.score_names), None
    paths = expand_files(options.background)
    raw, flow = read_background(paths, selection, vector, step_size=options.step_size, max_events=options.max_events)
    scores = scorer.scores(vector.scaled(raw))
    return {name: background_quantiles(values, raw.weight) for name, values in scores.items()}, flow


def _provenance(file: Path, recipe: AnalysisCard, selection: SelectionCard, options: ImportOptions) -> dict[str, Any]:
    extra = [path for path in (options.vectors, options.scale) if path is not None]
    command = command_line(
        f"import-model {file.name}",
        card=recipe.name,
        selection=selection.name,
        vectors=options.vectors and options.vectors.name,
        scale=options.scale and options.scale.name,
        max_events=options.max_events,
    )
    background = expand_files(options.background) if options.background else []
    return provenance(command, inputs=[file_record(path) for path in (file, *extra, *background)])
