"""Make a bundle of a network that was trained elsewhere: a file of ONNX or Keras or weights with a card, or the C++
headers of a trigger's, checked against its author's numbers.

What cannot be told from the two is asked for: the scale of the inputs, and background for regions without a threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad import registry
from hepad.bundles.bundle import bundle_tensors, recipe_content, scorer_content
from hepad.bundles.files import write_bundle_files
from hepad.cards.analysis import AnalysisCard, RegionSpec, load_analysis
from hepad.cards.bundle import Compared, Imported, RegionCard
from hepad.cards.input import parse_input
from hepad.cards.resolver import unpacked
from hepad.cards.search import SearchCard
from hepad.cards.selection import SelectionCard, load_selection
from hepad.errors import CardError, UsageError
from hepad.inputs.base import Input, input_from_state, make_input
from hepad.inputs.layout import IMAGE
from hepad.io.exchange.keras.read import files_of, is_keras, read_keras
from hepad.io.exchange.onnx_file import read_onnx
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.io.tables.vectors import read_arrays
from hepad.models.onnx import OnnxScorer
from hepad.nn.scorer import Scorer, trainable
from hepad.objects.cutflow import CutFlow
from hepad.output.atomic import atomic_folder, check_folder
from hepad.pipeline.import_model.library import read_library
from hepad.pipeline.import_model.parity import PARITY_TOLERANCE, parity
from hepad.pipeline.import_model.weights import is_weights, load_weights, score_parity
from hepad.provenance import (
    command_line,
    event_records,
    file_record,
    provenance,
    sha256_bytes,
    sha256_file,
    sha256_files,
)
from hepad.samples.background import Background, read_background
from hepad.samples.weighting import CrossSections
from hepad.stats.scores.regions import Quantiles, background_quantiles, set_region

__all__ = ["ImportOptions", "ImportReport", "import_model"]


@dataclass(frozen=True)
class ImportOptions:
    """Options of `import_model`.

    `vectors` is a .npz with `x`, inputs as the network sees them, and `y`, its output, or `score`, for weights the
    scores by their names; `scale` a .npz with the numbers of the card's input scale; `background` files set regions
    that have no threshold, with `cross_sections`, patterns of files and pb, also in pb. `analysis` is the search whose
    own network it is: what is written is that search with it, in place of a bundle.
    """

    output: Path
    analysis: str | None = None
    vectors: Path | None = None
    tolerance: float = PARITY_TOLERANCE
    scale: Path | None = None
    background: Sequence[str] = ()
    selection: str | None = None
    regions: Mapping[str, RegionSpec] | None = None
    cross_sections: Sequence[tuple[str, float]] = ()
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None


@dataclass(frozen=True)
class ImportReport:
    """What was imported; without `parity` nobody has checked that the network gives its author's numbers.

    `analysis` is the search that it was made the network of, and `fidelity` how near that is to the reference now.
    """

    output: Path
    model: str
    imported: Imported
    cutflow: CutFlow | None = None
    regions: dict[str, RegionCard] = field(default_factory=dict)
    analysis: str | None = None
    fidelity: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "model": self.model,
            **self.imported.model_dump(mode="json"),
            "cutflow": None if self.cutflow is None else self.cutflow.to_json(),
            "regions": {n: r.model_dump(mode="json", exclude_none=True) for n, r in self.regions.items()},
            **({} if self.analysis is None else {"analysis": self.analysis, "fidelity": self.fidelity}),
            "output": str(self.output),
        }


def import_model(file: Path, card: str | None, *, options: ImportOptions) -> ImportReport:
    """Write the bundle `options.output` of a network and an analysis card whose model is `onnx`, of a .npz with the
    weights of the card's model, or of a folder with the C++ headers of a trigger's network, which needs no card.

    With `options.analysis` the search of that name is written, as an unpacked analysis with the network of its authors.
    A network is an ONNX file, a `.keras` or HDF5 file of Keras, or a folder of a TensorFlow SavedModel.

    `CheckFailedError`, and nothing is written, if the network does not give the numbers in `options.vectors`. The same
    files and options give the same bundle, byte for byte.
    """
    check_folder(options.output, verb="import-model")
    if file.is_dir() and not is_keras(file):
        if options.analysis is not None:
            raise UsageError(f"{file} has no saved_model.pb: it is no network of a search")
        return _import_library(file, card, options)
    if options.analysis is not None:
        if card is not None or options.selection is not None or options.regions is not None:
            raise UsageError(f"the card of {options.analysis} says what --card, --selection and --region would")
        return _import_search(file, options.analysis, options)
    if card is None:
        what = "a file of weights" if is_weights(file) else "a network"
        raise UsageError(f"{file}: {what} needs its analysis card, --card CARD.yaml")
    return _import_file(file, card, options)


def _import_library(folder: Path, card: str | None, options: ImportOptions) -> ImportReport:
    """Of a folder of headers."""
    if card is not None or options.scale is not None:
        raise UsageError(f"{folder}: the headers of a library say what --card and --scale would")
    library = read_library(folder, options.vectors)
    selection = load_selection(options.selection or "all_events")
    specs = {name: RegionSpec(threshold=value) for name, value in library.thresholds.items()}
    specs = specs if options.regions is None else dict(options.regions)
    _check_regions(specs, options)
    card_of_input = parse_input({"kind": library.kind}, f"{folder}")
    vector = make_input(card_of_input)
    background = _background(vector, selection, options)
    quantiles, total_pb = _calibrate(library.scorer, vector, background, options)
    complete = {name: spec.completed(total_pb) for name, spec in specs.items()}
    regions = {name: set_region(name, spec, quantiles, "score") for name, spec in complete.items()}
    calibrated = quantiles["score"]
    imported = library.imported.model_copy(update={"calibration_events": calibrated.events if calibrated else 0})
    content = {
        "schema": "bundle/1",
        **library.words,
        "input": card_of_input.model_dump(mode="json"),
        "selection": selection.model_dump(mode="json", by_alias=True, exclude_none=True),
        **scorer_content(library.scorer, vector),
        "regions": {name: region.model_dump(mode="json", exclude_none=True) for name, region in regions.items()},
        "imported": imported.model_dump(mode="json", exclude_none=True),
        "provenance": _provenance(folder, library.files, None, selection, options),
    }
    with atomic_folder(options.output, verb="import-model") as written:
        write_bundle_files(written, content, bundle_tensors(vector, library.scorer, quantiles))
    flow = None if background is None else background.cutflow
    return ImportReport(options.output, library.words["name"], imported, flow, regions)


@dataclass(frozen=True)
class _Made:
    """A bundle in the making, of a network and its card."""

    recipe: AnalysisCard
    content: dict[str, Any]
    tensors: dict[str, npt.NDArray[Any]]
    imported: Imported
    regions: dict[str, RegionCard]
    cutflow: CutFlow | None

    def report(self, options: ImportOptions, search: SearchCard | None = None) -> ImportReport:
        """What was made, as a search if it is one."""
        told = {} if search is None else {"analysis": search.name, "fidelity": search.fidelity}
        return ImportReport(options.output, self.recipe.name, self.imported, self.cutflow, self.regions, **told)


def _import_file(file: Path, card: str, options: ImportOptions) -> ImportReport:
    """Of a network, or of a .npz of weights, and its card."""
    made = _make(file, card, options)
    with atomic_folder(options.output, verb="import-model") as folder:
        write_bundle_files(folder, made.content, made.tensors)
    return made.report(options)


def _import_search(file: Path, analysis: str, options: ImportOptions) -> ImportReport:
    """Of the network that a search's own authors trained: the search with it in place of its bundle."""
    from hepad.pipeline.import_model.search import SearchSource, fidelity, note, write_search

    with unpacked(analysis) as card:
        source = SearchSource.of(card)
        made = _make(file, source.network, options)
        content = {
            **made.content,
            "fidelity": fidelity(made.imported),
            "fidelity_note": note(made.recipe, made.imported),
        }
        with atomic_folder(options.output, verb="import-model") as folder:
            search = write_search(folder, source, content, made.tensors)
    return made.report(options, search)


def _make(file: Path, card: str, options: ImportOptions) -> _Made:
    recipe = load_analysis(card)
    selection = load_selection(options.selection or recipe.selection)
    specs = recipe.regions if options.regions is None else options.regions
    _check_regions(specs, options)
    background = _background(make_input(recipe.input), selection, options)
    network = _weights(file, recipe, background, options) if is_weights(file) else _network(file, card, recipe, options)
    vector, scorer, imported = network
    quantiles, total_pb = _calibrate(scorer, vector, background, options)
    complete = {name: spec.completed(total_pb) for name, spec in specs.items()}
    regions = {name: set_region(name, spec, quantiles, scorer.score_names[0]) for name, spec in complete.items()}
    calibrated = next(iter(quantiles.values()))
    imported = imported.model_copy(update={"calibration_events": calibrated.events if calibrated else 0})
    content = {
        **recipe_content(recipe, selection),
        **scorer_content(scorer, vector),
        "regions": {name: region.model_dump(mode="json", exclude_none=True) for name, region in regions.items()},
        "imported": imported.model_dump(mode="json", exclude_none=True),
        "provenance": _provenance(file, _files(file), recipe.name, selection, options),
    }
    tensors = bundle_tensors(vector, scorer, quantiles)
    return _Made(recipe, content, tensors, imported, regions, None if background is None else background.cutflow)


def _network(file: Path, card: str, recipe: AnalysisCard, options: ImportOptions) -> tuple[Input, Scorer, Imported]:
    """Of an ONNX file, or of one of Keras or TensorFlow, which becomes one."""
    if recipe.model.name != OnnxScorer.name:
        raise CardError(f"{card}: an imported model is called {OnnxScorer.name}, not {recipe.model.name}")
    vector = _input(recipe, options.scale)
    image = vector.layout.shape if vector.layout.axes == IMAGE else None
    keras = read_keras(file, image) if is_keras(file) else None
    data = read_onnx(file) if keras is None else keras.onnx
    scorer = OnnxScorer(recipe.model.config, vector.layout)
    try:
        scorer.load_state({"onnx": np.frombuffer(data, dtype=np.uint8)})
    except CardError as error:
        raise CardError(f"{file}: {error}") from error
    found = () if options.vectors is None else parity(scorer, options.vectors, options.tolerance)
    if keras is not None:
        return vector, scorer, _imported(file, sha256_files(keras.files), found, operators=keras.layers)
    graph = scorer.graph
    return vector, scorer, _imported(file, sha256_bytes(data), found, opset=graph.opset, operators=graph.operators)


def _files(file: Path) -> tuple[Path, ...]:
    """The files that a network is read from."""
    return files_of(file) if is_keras(file) else (file,)


def _weights(
    file: Path, recipe: AnalysisCard, background: Background | None, options: ImportOptions
) -> tuple[Input, Scorer, Imported]:
    """Without --scale the input learns its scale from the background, as it does in a training."""
    if background is None or options.scale is not None:
        vector = _input(recipe, options.scale)
    else:
        vector = make_input(recipe.input).fitted(background.batch)
    scorer = trainable(registry.load(registry.SCORERS[recipe.model.name])(recipe.model.config, vector.layout))
    load_weights(scorer, file)
    found: tuple[Compared, ...] = ()
    if options.vectors is not None:
        found = score_parity(scorer, recipe.input.kind, options.vectors, options.tolerance)
    return vector, scorer, _imported(file, sha256_file(file), found, operators=())


def _imported(file: Path, sha256: str, found: tuple[Compared, ...], **of_file: Any) -> Imported:
    return Imported(file=_name(file), sha256=sha256, parity_checked=bool(found), parity=found, **of_file)


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


def _background(vector: Input, selection: SelectionCard, options: ImportOptions) -> Background | None:
    """The selected background, unscaled; None without any. All of it is used: none of it was in the training as far as
    hepad knows.
    """
    if not options.background:
        return None
    paths = expand_files(options.background)
    return read_background(
        paths,
        selection,
        vector,
        step_size=options.step_size,
        max_events=options.max_events,
        cross_sections=CrossSections.of(options.cross_sections, paths) if options.cross_sections else None,
    )


def _calibrate(
    scorer: Scorer, vector: Input, background: Background | None, options: ImportOptions
) -> tuple[dict[str, Quantiles | None], float | None]:
    """The quantiles of the background's scores, and its selected cross section in pb where it is known."""
    if background is None:
        return dict.fromkeys(scorer.score_names), None
    raw = background.batch
    quantiles: dict[str, Quantiles | None] = {
        name: background_quantiles(values, raw.weight) for name, values in scorer.scores(vector.scaled(raw)).items()
    }
    return quantiles, float(raw.weight.sum()) if options.cross_sections else None


def _name(file: Path) -> str:
    """Of a folder, also where it is given as `.`."""
    return file.resolve().name if file.is_dir() else file.name


def _record(path: Path, file: Path) -> dict[str, Any]:
    """Of a file of the network, by its place in the folder that was given."""
    return {
        **file_record(path),
        "name": f"{_name(file)}/{path.relative_to(file).as_posix()}" if file.is_dir() else path.name,
    }


def _provenance(
    file: Path, files: Sequence[Path], card: str | None, selection: SelectionCard, options: ImportOptions
) -> dict[str, Any]:
    extra = [path for path in (options.vectors, options.scale) if path is not None]
    background = expand_files(options.background) if options.background else []
    sections = CrossSections.of(options.cross_sections, background).words() if options.cross_sections else ()
    command = command_line(
        f"import-model {_name(file)}",
        card=None if options.analysis else card,
        analysis=options.analysis and Path(options.analysis).name,
        selection=None if options.analysis else selection.name,
        vectors=options.vectors and options.vectors.name,
        scale=options.scale and options.scale.name,
        background=tuple(path.name for path in background),
        cross_section=sections,
        max_events=options.max_events,
    )
    inputs = [*(_record(path, file) for path in files), *map(file_record, extra), *event_records(background)]
    return provenance(command, inputs=inputs)
