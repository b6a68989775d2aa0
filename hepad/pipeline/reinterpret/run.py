"""Hold a signal against a published search: acceptance, spectra, limits, verdict, and a folder with all of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hepad.cards.analysis import RegionSpec
from hepad.cards.bundle import region_words
from hepad.cards.resolver import unpacked
from hepad.errors import InputDataError, UsageError
from hepad.execution.executor import Execution
from hepad.execution.making import Making
from hepad.execution.run import OnEvents, Skipped
from hepad.execution.store import RunFolder, Store
from hepad.io.reader import DEFAULT_STEP_SIZE
from hepad.io.tables.scores import ScoreWriter
from hepad.output.atomic import atomic_folder, check_folder
from hepad.output.complete import stored_record
from hepad.paths import InputPath
from hepad.pipeline.limit.result import check_calculator
from hepad.pipeline.reinterpret.answer import Answer, Settings, answer
from hepad.pipeline.reinterpret.inputs import Inputs, held_against
from hepad.pipeline.reinterpret.output import PAGE, RESULT, SCORES, write_folder
from hepad.pipeline.reinterpret.points import Curve, Point, measure_points
from hepad.pipeline.reinterpret.records import result_of
from hepad.pipeline.reinterpret.report import FilesRow, Result
from hepad.provenance import command_line, provenance
from hepad.search.events import Reading, check_energy
from hepad.search.expectation import Simulated
from hepad.search.search import Search, prepare_search

__all__ = ["ReinterpretOptions", "ReinterpretReport", "reinterpret"]


@dataclass(frozen=True, kw_only=True)
class ReinterpretOptions:
    """Options of `reinterpret`; None takes what the card or the files say.

    `region` is one of the card's by name, or a new one with its spec, in which limits are set. `background` is a
    folder of `hepad analysis background`, in place of the card's. `points` are mass points for an exclusion curve.
    `calculator` and `toys` as in `LimitOptions`. `jes` is the relative error of the jets' energy: the sample is read
    twice more, with all jets scaled down and up, and the change of its acceptance is an error of the signal.
    """

    output: Path | None = None
    cross_section_pb: float | None = None
    luminosity_fb: float | None = None
    model: str | None = None
    selection: str | None = None
    region: tuple[str, RegionSpec | None] | None = None
    background: Path | None = None
    sqrt_s_gev: float | None = None
    signal_error: float | None = None
    jes: float = 0.0
    calculator: str = "auto"
    toys: int = 0
    points: tuple[Point, ...] = ()
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    execution: Execution = field(default_factory=Execution)
    on_events: OnEvents | None = None


@dataclass(frozen=True)
class ReinterpretReport:
    """The result, and where it was written, None if nowhere.

    `answer` is that for the signal, `curve` that of the mass points; both None if the output was complete before, for
    then nothing was done.
    """

    result: Result
    answer: Answer | None
    curve: Curve | None
    output: Path | None
    complete_before: bool = False

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The files that were left out, by their place among the inputs of the provenance."""
        return self.result.skipped

    def to_json(self) -> dict[str, Any]:
        """All numbers in JSON types."""
        return self.result.to_json()


def reinterpret(
    files: Sequence[str | InputPath], analysis: str, *, options: ReinterpretOptions | None = None
) -> ReinterpretReport:
    """What fraction of a signal a published search keeps, in which spectra it shows, and whether it is excluded.

    `files` are one sample; without any the first of the points is it. A signal of which nothing is selected has an
    answer too: an acceptance of zero with its upper bound, and no limit. With `options.output` a folder is written,
    unless it is there already, made by the same call of the same inputs; what an interrupted run has done is kept in
    `OUTPUT.run`, from where the same call goes on. `analysis` is a name, a card, or a folder that
    `hepad analysis unpack` made.
    """
    options = options or ReinterpretOptions()
    _check_numbers(options)
    with unpacked(analysis) as card:
        return _reinterpret(files, card, options)


def _check_numbers(options: ReinterpretOptions) -> None:
    """Raise `UsageError` for numbers that stand for nothing: NaN passes every other comparison."""
    check_calculator(options.calculator, options.toys)
    given = [("--xsec", "pb", options.cross_section_pb), ("--luminosity", "fb-1", options.luminosity_fb)]
    for name, unit, value in given:
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"{name} must be above 0 {unit} and finite, found {value:g}")
    check_energy(options.sqrt_s_gev)
    if options.signal_error is not None and not 0 <= options.signal_error < 1:
        raise UsageError(f"--signal-error is relative, from 0 to below 1, found {options.signal_error:g}")
    if not 0 <= options.jes < 1:
        raise UsageError(f"--jes is relative, from 0 to below 1, found {options.jes:g}")
    if options.max_events is not None and options.max_events < 1:
        raise UsageError(f"--max-events must be at least 1, found {options.max_events}")


def _reinterpret(files: Sequence[str | InputPath], analysis: str, options: ReinterpretOptions) -> ReinterpretReport:
    output = options.output
    if output is not None:
        check_folder(output, verb="reinterpret")
    inputs = Inputs.of(files, options.points)
    search = prepare_search(
        analysis,
        model=options.model,
        selection=options.selection,
        region=options.region,
        luminosity_fb=options.luminosity_fb,
    )
    if options.region is not None and search.card.simultaneous is not None:
        raise UsageError(f"limits of {search.card.name} are of all its bins together: leave out --region")
    cards = {**search.cards, **held_against(search, options.background)}
    command = _command(search, options)

    def described(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return provenance(command, inputs=records, cards=cards)

    making = Making.of(output, inputs.paths, described, again=options.execution.force)
    if before := making.before(read=partial(_stored, numbers=inputs.numbers())):
        return before
    simulated, remarks = _simulated(search, options.background)
    reading = Reading(
        sqrt_s_gev=options.sqrt_s_gev,
        step_size=options.step_size,
        max_events=options.max_events,
        execution=options.execution,
        on_events=options.on_events,
    )
    settings = Settings(
        search=search,
        simulated=simulated,
        reading=reading,
        signal_error=options.signal_error,
        jes=options.jes,
        calculator=check_calculator(options.calculator, options.toys),
        toys=options.toys,
        remarks=remarks,
        elsewhere=not options.points,
    )
    if output is None:
        found, curve = _measured(inputs, settings, options)
        return _report(inputs, found, curve, making)
    with (
        making.run_folder() as runs,
        atomic_folder(output, verb="reinterpret") as folder,
        ScoreWriter(folder / SCORES, "root") as scores,
    ):
        found, curve = _measured(inputs, settings, options, runs, scores)
        report = _report(inputs, found, curve, making)
        scores.describe(_info(search, options, report.result.provenance))
        write_folder(folder, report.result, found, curve)
    return report


def _stored(output: Path, numbers: FilesRow) -> tuple[Any, ReinterpretReport]:
    """What a folder that is there says of itself, and its report; `numbers` are those of the files."""
    record, content = stored_record(output / RESULT, files=(SCORES, PAGE))
    result = Result.from_json(content)
    if result.files != numbers:
        raise InputDataError(f"{output} is of other points")
    return record, ReinterpretReport(result, None, None, output, complete_before=True)


def _measured(
    inputs: Inputs,
    settings: Settings,
    options: ReinterpretOptions,
    runs: RunFolder | None = None,
    scores: ScoreWriter | None = None,
) -> tuple[Answer, Curve | None]:
    """The answer for the sample, and the curve of the points; what is done is kept in `runs`."""

    def store(name: str) -> Store | None:
        return None if runs is None else settings.reading.store(runs, name, settings.search)

    first = inputs.first
    section = options.cross_section_pb if first is None else first.cross_section_pb
    kept = store("sample")
    others = {point: store(f"point_{n}") for n, point in enumerate(inputs.points, 1) if point != first}
    found = answer(inputs.sample, settings, section, store=kept, write=scores.write if scores else None)

    def ask(point: Point) -> Answer:
        if point == first:
            return found
        return answer(inputs.points[point], settings, point.cross_section_pb, store=others[point])

    return found, measure_points(list(inputs.points), ask) if inputs.points else None


def _report(inputs: Inputs, found: Answer, curve: Curve | None, making: Making) -> ReinterpretReport:
    skipped = inputs.skipped(found, curve)
    record = making.description({one.file: one.reason for one in skipped}, inputs.whole(found, curve))
    return ReinterpretReport(result_of(inputs, found, curve, skipped, record), found, curve, making.output)


def _info(search: Search, options: ReinterpretOptions, record: dict[str, Any]) -> dict[str, Any]:
    """What the score file says of itself; `hepad hist` reads the selection and `max_events` from it."""
    info = {"analysis": search.card.name, "max_events": options.max_events, "provenance": record}
    if len(search.categories) == 1:
        selection = search.categories[0].selection
        info["selection"] = selection.model_dump(mode="json", by_alias=True, exclude_none=True)
    return info


def _simulated(search: Search, given: Path | None) -> tuple[Simulated | None, tuple[str, ...]]:
    """The simulated background: the one given must fit, the card's is left out with a remark if it does not."""
    if search.card.luminosity is None or not search.card.channels:
        if given is not None:
            raise UsageError(f"{search.card.name} has no spectra: leave out --background")
        return None, ()
    if given is not None:
        return Simulated(given, search), ()
    if search.card.background_events is None:
        return None, ()
    try:
        return Simulated(search.folder / search.card.background_events, search), ()
    except InputDataError as error:
        if search.as_published:
            raise
        return None, (f"no limits from the background of the card: {error}; make one with 'hepad analysis background'",)


def _command(search: Search, options: ReinterpretOptions) -> str:
    return command_line(
        "reinterpret",
        analysis=search.card.name,
        xsec=options.cross_section_pb,
        luminosity=options.luminosity_fb,
        model=options.model and Path(options.model).name,
        selection=options.selection and Path(options.selection).name,
        region=options.region and region_words(*options.region),
        background=options.background and options.background.name,
        sqrt_s=options.sqrt_s_gev,
        signal_error=options.signal_error,
        jes=options.jes or None,
        calculator=None if options.calculator == "auto" else options.calculator,
        toys=options.toys or None,
        point=[point.words() for point in options.points],
        max_events=options.max_events,
    )
