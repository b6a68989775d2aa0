"""Fill masses of selected events, in all of them and in each region, into histograms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.base import parse_card
from hepad.cards.selection import SelectionCard, load_selection
from hepad.errors import InputDataError, UsageError
from hepad.io.atomic import atomic_path, check_file
from hepad.io.events import merge_fields
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.io.scores import ScoreFile
from hepad.io.spectra import write_histograms_json, write_histograms_root
from hepad.objects.cutflow import CutFlow
from hepad.objects.kinematics import invariant_mass, mass_fields, parse_mass
from hepad.paths import InputPath
from hepad.pipeline.selected import SelectedChunk, selected_chunks
from hepad.provenance import command_line, provenance, sha256_file

if TYPE_CHECKING:
    import hist

__all__ = ["HistOptions", "HistReport", "fill_histograms"]


@dataclass(frozen=True)
class HistOptions:
    """Options of `fill_histograms`. `edges` are in GeV; `regions` None fills all regions of the score file.

    With `cross_section_pb` and `luminosity_fb` the weights are scaled so that all events read, selected or not,
    stand for that many events.
    """

    output: Path
    masses: tuple[str, ...]
    edges: tuple[float, ...]
    scores: InputPath | None = None
    selection: str | None = None
    regions: tuple[str, ...] | None = None
    cross_section_pb: float | None = None
    luminosity_fb: float | None = None
    step_size: int = DEFAULT_STEP_SIZE
    on_events: Callable[[int], None] | None = None


@dataclass(frozen=True)
class HistReport:
    """The filled histograms by name, `m_jet1_jet2` and `m_jet1_jet2_<region>`, and the files they were written to."""

    histograms: dict[str, hist.Hist[Any]]
    cutflow: CutFlow
    outputs: tuple[Path, ...]

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "events": self.cutflow.total.events,
            "selected": self.cutflow.selected.events,
            "cutflow": self.cutflow.to_json(),
            "histograms": {name: _sums(h) for name, h in self.histograms.items()},
            "output": [str(path) for path in self.outputs],
        }


def fill_histograms(files: Sequence[str], *, options: HistOptions) -> HistReport:
    """Fill and write one histogram a mass and region.

    Without a score file only the selection is applied. With one, its selection is used (unless another is given),
    and `InputDataError` is raised if it was not made from these files.
    """
    paths = expand_files(files)
    targets = _targets(options.output)
    for target in targets:
        check_file(target, inputs=(*paths, *([options.scores] if options.scores else [])))
    scores = ScoreFile(options.scores) if options.scores else None
    selection = _selection(options, scores)
    regions = _regions(options, scores)
    masses = {"_".join(o.strip() for o in text.split("+")): parse_mass(text) for text in options.masses}
    histograms = _book(masses, regions, options.edges)
    fields = merge_fields(selection.fields(), *(mass_fields(objects) for objects in masses.values()))
    if scores:
        _check_inputs(scores, paths)
    limit = scores.info.get("max_events") if scores else None
    pieces = selected_chunks(paths, selection, fields, step_size=options.step_size, max_events=limit)
    for piece, rows in _with_scores(pieces, scores, regions):
        keep, flow = piece.keep, piece.flow
        if scores and not np.array_equal(rows["selected"], keep):
            raise InputDataError(
                f"{scores.path}: was made with a selection that keeps other events of {piece.chunk.path}"
            )
        _fill(histograms, piece.events, masses, {region: rows[f"in_{region}"][keep] for region in regions})
        if options.on_events:
            options.on_events(len(keep))
    if scores:
        scores.close()
    scale = _normalisation(options, flow)
    scaled = {name: h * scale for name, h in histograms.items()}
    _write(targets, scaled, _provenance(options, selection, paths))
    return HistReport(scaled, flow, targets)


Masses = Mapping[str, Sequence[tuple[str, int]]]


def _book(masses: Masses, regions: Sequence[str], edges: tuple[float, ...]) -> dict[str, hist.Hist[Any]]:
    """Empty histograms: one a mass, and one a mass and region."""
    booked: dict[str, hist.Hist[Any]] = {}
    for mass in masses:
        for region in (None, *regions):
            name = _name(mass, region)
            if name in booked:
                raise UsageError(f"two histograms would be called {name!r}; fill them in two runs")
            booked[name] = _empty(edges, mass)
    return booked


def _fill(
    histograms: Mapping[str, hist.Hist[Any]],
    events: ak.Array,
    masses: Masses,
    inside: Mapping[str, npt.NDArray[np.bool_]],
) -> None:
    weight = ak.to_numpy(events.weight)
    for mass, objects in masses.items():
        values, present = invariant_mass(events, objects)
        histograms[_name(mass, None)].fill(values, weight=weight[present])
        for region, mask in inside.items():
            histograms[_name(mass, region)].fill(values[mask[present]], weight=weight[present & mask])


def _provenance(options: HistOptions, selection: SelectionCard, paths: Sequence[InputPath]) -> dict[str, Any]:
    command = command_line(
        "hist",
        mass=options.masses,
        selection=selection.name,
        region=options.regions,
        cross_section=options.cross_section_pb,
        luminosity=options.luminosity_fb,
    )
    return provenance(command, inputs=[*paths, *([options.scores] if options.scores else [])])


def _write(targets: Sequence[Path], histograms: Mapping[str, hist.Hist[Any]], record: Mapping[str, Any]) -> None:
    """Write all targets or none."""
    with ExitStack() as stack:
        temporaries = [stack.enter_context(atomic_path(target)) for target in targets]
        for path in temporaries:
            (write_histograms_root if path.suffix == ".root" else write_histograms_json)(path, histograms, record)


def _targets(output: Path) -> tuple[Path, ...]:
    if output.suffix in (".root", ".json"):
        return (output,)
    if output.suffix:
        raise UsageError(f"output {output} must end in .root or .json, or have no ending to write both")
    return (output.with_suffix(".root"), output.with_suffix(".json"))


def _selection(options: HistOptions, scores: ScoreFile | None) -> SelectionCard:
    if options.selection:
        return load_selection(options.selection)
    if scores is None:
        raise UsageError("give --scores, a file that 'hepad score' wrote, or --selection")
    if "selection" not in scores.info:
        raise InputDataError(f"{scores.path}: does not say which selection it was made with; give --selection")
    return parse_card(SelectionCard, scores.info["selection"], f"selection in {scores.path}")


def _regions(options: HistOptions, scores: ScoreFile | None) -> tuple[str, ...]:
    known = scores.regions if scores else ()
    wanted = known if options.regions is None else options.regions
    unknown = [name for name in wanted if name not in known]
    if unknown:
        where = f"{scores.path} has {', '.join(known) or 'none'}" if scores else "regions need --scores"
        raise UsageError(f"unknown region {', '.join(unknown)}: {where}")
    return tuple(wanted)


def _check_inputs(scores: ScoreFile, paths: Sequence[InputPath]) -> None:
    """The score file must have been made from these files, in this order."""
    inputs = scores.info.get("provenance", {}).get("inputs", [])
    if len(inputs) != len(paths):
        names = ", ".join(record["name"] for record in inputs) or "unknown files"
        raise InputDataError(f"{scores.path}: was made from {len(inputs)} files ({names}), {len(paths)} are given")
    for record, path in zip(inputs, paths, strict=True):
        if record["sha256"] != sha256_file(path):
            raise InputDataError(f"{scores.path}: was made from {record['name']}, which is not {path} as it is now")


def _with_scores(
    pieces: Iterator[SelectedChunk], scores: ScoreFile | None, regions: Sequence[str]
) -> Iterator[tuple[SelectedChunk, dict[str, npt.NDArray[Any]]]]:
    """Each chunk with its rows of the score file."""
    if scores is None:
        for selected in pieces:
            yield selected, {}
        return
    columns = ["file", "entry", "selected", *(f"in_{name}" for name in regions)]
    rows = scores.iterate(columns, step_size=DEFAULT_STEP_SIZE)
    stock: dict[str, npt.NDArray[Any]] = {name: np.empty(0) for name in columns}
    for selected in pieces:
        chunk = selected.chunk
        needed = len(chunk.events)
        while len(stock["entry"]) < needed and (piece := next(rows, None)) is not None:
            stock = {n: np.concatenate([stock[n].astype(piece[n].dtype), piece[n]]) for n in columns}
        mine = {name: values[:needed] for name, values in stock.items()}
        same = len(mine["entry"]) == needed and np.array_equal(mine["entry"], ak.to_numpy(chunk.events.index))
        if not same or (mine["file"] != chunk.file).any():
            raise InputDataError(
                f"{scores.path}: its rows are not the events of {chunk.path}; score the same files in the same order"
            )
        stock = {name: values[needed:] for name, values in stock.items()}
        yield selected, mine


def _name(mass: str, region: str | None) -> str:
    return f"m_{mass}" if region is None else f"m_{mass}_{region}"


def _empty(edges: tuple[float, ...], mass: str) -> hist.Hist[Any]:
    import hist

    axis = hist.axis.Variable(list(edges), name="mass", label=f"m({', '.join(mass.split('_'))}) [GeV]")
    return hist.Hist(axis, storage=hist.storage.Weight())


def _sums(histogram: hist.Hist[Any]) -> dict[str, float]:
    inside, everything = (float(histogram.values(flow=flow).sum()) for flow in (False, True))
    return {"sum": inside, "underflow_overflow": everything - inside}


def _normalisation(options: HistOptions, flow: CutFlow) -> float:
    if (options.cross_section_pb is None) != (options.luminosity_fb is None):
        raise UsageError("--cross-section and --luminosity go together")
    if options.cross_section_pb is None or options.luminosity_fb is None:
        return 1.0
    if flow.total.weight <= 0:
        raise InputDataError(f"the weights of all events sum to {flow.total.weight:g}: they cannot be scaled")
    return options.cross_section_pb * 1000 * options.luminosity_fb / flow.total.weight
