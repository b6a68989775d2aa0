"""Fill masses of selected events, in all of them and in each region, into histograms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepad.cards.base import parse_card
from hepad.cards.selection import SelectionCard, load_selection
from hepad.errors import CompanionError, InputDataError, UsageError
from hepad.execution.executor import Execution
from hepad.execution.making import Making
from hepad.execution.parts import Part
from hepad.execution.run import OnEvents, Run, Skipped
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.io.tables.scores import ScoreFile
from hepad.objects.cutflow import CutFlow
from hepad.objects.kinematics import parse_mass
from hepad.output.atomic import atomic_path, check_file
from hepad.output.complete import made_with, selection_hash
from hepad.paths import InputPath
from hepad.pipeline.hist.fill import HistJob, binning, histograms_of
from hepad.pipeline.hist.scores import EventScores, ScoredInputs
from hepad.provenance import FileRecords, command_line, provenance
from hepad.samples.selected import checked_flow
from hepad.spectra.files import read_histograms, write_histograms_json, write_histograms_root

if TYPE_CHECKING:
    import hist

__all__ = ["HistOptions", "HistReport", "fill_histograms", "normalisation"]


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
    execution: Execution = field(default_factory=Execution)
    on_events: OnEvents | None = None


@dataclass(frozen=True)
class HistReport:
    """The filled histograms by name, `m_jet1_jet2` and `m_jet1_jet2_<region>`, and the files they were written to.

    `skipped` are the files that were left out. `complete_before`: the outputs were there already.
    """

    histograms: dict[str, hist.Hist[Any]]
    cutflow: CutFlow
    outputs: tuple[Path, ...]
    skipped: tuple[Skipped, ...] = ()
    complete_before: bool = False

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {**self.content(), "output": [str(path) for path in self.outputs]}

    def content(self) -> dict[str, Any]:
        """The report in JSON types, wherever it is written to."""
        return {
            "events": self.cutflow.total.events,
            "selected": self.cutflow.selected.events,
            "cutflow": self.cutflow.to_json(),
            "histograms": {name: _sums(h) for name, h in self.histograms.items()},
            "skipped": [vars(skipped) for skipped in self.skipped],
        }


def fill_histograms(files: Sequence[str], *, options: HistOptions) -> HistReport:
    """Fill and write one histogram a mass and region.

    Without a score file only the selection is applied. With one, its selection is used (unless another is given), the
    files left out of it are left out here, and `InputDataError` is raised if it was not made from these files.
    An interrupted run is kept in `OUTPUT.run` and goes on with the same call; an output that is complete already stays.
    """
    paths = expand_files(files)
    targets = _targets(options.output)
    given = (*paths, *([options.scores] if options.scores else []))
    for target in targets:
        check_file(target, verb="hist", inputs=given)
    with closing(ScoreFile(options.scores)) if options.scores else nullcontext() as scores:
        inputs = ScoredInputs.of(scores, paths) if scores else None
        job = _job(options, scores, inputs)
        limit = sum(job.scores.rows) if scores and job.scores and scores.info.get("max_events") else None
    described = partial(_provenance, options=options, job=job)
    making = Making.of(options.output, given, described, again=options.execution.force)
    if before := making.before(*targets, read=partial(_stored, job=job, targets=targets)):
        return before
    kept = [paths[number] for number in job.scores.numbers] if job.scores else paths
    with making.run_folder() as folder:
        store = folder.store("hist", _key(job))
        run = Run(job, kept, options.step_size, limit, options.execution, store, options.on_events)
        whole = _filled(run, inputs, paths, making.records)
        flow = checked_flow(whole.flows["all"], job.selection)
        skipped = _skipped(run, job, inputs)
        scale = normalisation(options.cross_section_pb, options.luminosity_fb, flow)
        histograms = {name: h * scale for name, h in histograms_of(job, whole.sums).items()}
        report = HistReport(histograms, flow, targets, skipped)
        record = making.description({s.file: s.reason for s in skipped}, _whole(run, job))
        _write(targets, histograms, {**record, "report": report.content()})
    return report


def _job(options: HistOptions, scores: ScoreFile | None, inputs: ScoredInputs | None) -> HistJob:
    selection = _selection(options, scores)
    regions = _regions(options, scores)
    masses = {"_".join(o.strip() for o in text.split("+")): parse_mass(text) for text in options.masses}
    job = HistJob(selection, masses, options.edges, regions)
    return replace(job, scores=EventScores.of(scores, inputs, regions)) if scores and inputs else job


def _filled(run: Run[HistJob], inputs: ScoredInputs | None, paths: Sequence[InputPath], records: FileRecords) -> Part:
    """The sum of all parts; the score file must be of these very events, all of them."""
    events: Counter[int] = Counter()
    whole: Part | None = None
    try:
        for piece in run:
            events[piece.file] += piece.part.events
            whole = piece.part if whole is None else Part.join([whole, piece.part])
        if run.job.scores:
            for file, rows in enumerate(run.job.scores.rows):
                if events[file] != rows and file not in run.reasons():
                    raise run.job.scores.mismatch(run.paths[file])
    except CompanionError:  # most often because it was made from other files
        if inputs:
            inputs.check(paths, records.as_they_are())
        raise
    if inputs:
        inputs.check(paths, records.as_they_are())
    assert whole is not None  # noqa: S101  a run without events raises
    return whole


def _skipped(run: Run[HistJob], job: HistJob, inputs: ScoredInputs | None) -> tuple[Skipped, ...]:
    """The files left out here or when the scores were made, by their places among all inputs."""
    if inputs is None or job.scores is None:
        return tuple(run.skipped)
    here = [replace(skipped, file=job.scores.numbers[skipped.file]) for skipped in run.skipped]
    return tuple(sorted([*inputs.skipped, *here], key=lambda skipped: skipped.file))


def _whole(run: Run[HistJob], job: HistJob) -> dict[int, str]:
    """Why files were read as a whole, by their places among all inputs."""
    numbers = job.scores.numbers if job.scores else range(len(run.paths))
    return {numbers[file]: why for file, why in run.whole.items()}


def _provenance(records: Sequence[dict[str, Any]], *, options: HistOptions, job: HistJob) -> dict[str, Any]:
    command = command_line(
        "hist",
        mass=options.masses,
        selection=job.selection.name,
        region=options.regions,
        **binning(options.edges),
        cross_section=options.cross_section_pb,
        luminosity=options.luminosity_fb,
    )
    return provenance(command, inputs=records, cards=selection_hash(job.selection))


def _key(job: HistJob) -> dict[str, Any]:
    """What the parts depend on; the scaling is done once they are added."""
    scores = None if job.scores is None else [str(job.scores.path), *job.scores.made]
    masses = {name: list(objects) for name, objects in job.masses.items()}
    filled = {"masses": masses, "edges": job.edges, "regions": job.regions}
    return made_with(**selection_hash(job.selection), **filled, scores=scores)


def _stored(target: Path, job: HistJob, targets: tuple[Path, ...]) -> tuple[dict[str, Any], HistReport]:
    """What a file of histograms says of itself, and the report."""
    sums, record = read_histograms(target)
    content = record.pop("report")
    flow, skipped = CutFlow.from_json(content["cutflow"]), tuple(Skipped(**each) for each in content["skipped"])
    return record, HistReport(histograms_of(job, sums), flow, targets, skipped, complete_before=True)


def _write(targets: Sequence[Path], histograms: Mapping[str, hist.Hist[Any]], record: Mapping[str, Any]) -> None:
    """Write all targets or none."""
    with ExitStack() as stack:
        temporaries = [stack.enter_context(atomic_path(target, verb="hist")) for target in targets]
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


def _sums(histogram: hist.Hist[Any]) -> dict[str, float]:
    inside, everything = (float(histogram.values(flow=flow).sum()) for flow in (False, True))
    return {"sum": inside, "underflow_overflow": everything - inside}


def normalisation(cross_section_pb: float | None, luminosity_fb: float | None, flow: CutFlow) -> float:
    """What weights are multiplied with so that all events read stand for that many; 1 without the two."""
    if (cross_section_pb is None) != (luminosity_fb is None):
        raise UsageError("--cross-section and --luminosity go together")
    if cross_section_pb is None or luminosity_fb is None:
        return 1.0
    if flow.total.weight <= 0:
        raise InputDataError(f"the weights of all events sum to {flow.total.weight:g}: they cannot be scaled")
    return cross_section_pb * 1000 * luminosity_fb / flow.total.weight
