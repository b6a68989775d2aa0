"""Hold a signal against a published search: acceptance, spectra, limits, verdict, and a folder with all of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepad.cards.analysis import RegionSpec
from hepad.cards.resolver import unpacked
from hepad.cards.search import search_files
from hepad.errors import InputDataError, UsageError
from hepad.io.atomic import atomic_folder, check_folder
from hepad.io.background import EVENTS, RECORD
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.io.scores import ScoreWriter
from hepad.paths import InputPath
from hepad.pipeline.reinterpret_answer import Answer, Settings, answer
from hepad.pipeline.reinterpret_output import OURS, SCORES, write_folder
from hepad.pipeline.reinterpret_points import Curve, Point, measure_points
from hepad.pipeline.search import Search, prepare_search
from hepad.pipeline.search_expectation import Simulated
from hepad.provenance import command_line, provenance, sha256_file

__all__ = ["ReinterpretOptions", "ReinterpretReport", "reinterpret"]


@dataclass(frozen=True, kw_only=True)
class ReinterpretOptions:
    """Options of `reinterpret`; None takes what the card or the files say.

    `region` is one of the card's by name, or a new one with its spec, in which limits are set. `background` is a
    folder of `hepad analysis background`, in place of the card's. `points` are mass points for an exclusion curve.
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
    points: tuple[Point, ...] = ()
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    on_events: Callable[[int], None] | None = None


@dataclass(frozen=True)
class ReinterpretReport:
    """The answer for the signal, the curve of mass points or None, and where it was written, None if nowhere."""

    answer: Answer
    curve: Curve | None
    provenance: dict[str, Any]
    output: Path | None

    def to_json(self) -> dict[str, Any]:
        """All numbers in JSON types."""
        return {
            **self.answer.to_json(),
            "points": None if self.curve is None else self.curve.to_json(),
            "provenance": self.provenance,
        }


def reinterpret(files: Sequence[str], analysis: str, *, options: ReinterpretOptions | None = None) -> ReinterpretReport:
    """What fraction of a signal a published search keeps, in which spectra it shows, and whether it is excluded.

    `files` are one sample; without any the first of the points is it. A signal of which nothing is selected has an
    answer too: an acceptance of zero with its upper bound, and no limit. With `options.output` a folder is written.
    `analysis` is a name, a card, or a folder that `hepad analysis unpack` made.
    """
    options = options or ReinterpretOptions()
    _check_numbers(options)
    with unpacked(analysis) as card:
        return _reinterpret(files, card, options)


def _check_numbers(options: ReinterpretOptions) -> None:
    """Raise `UsageError` for numbers that stand for nothing: NaN passes every other comparison."""
    given = [("--xsec", "pb", options.cross_section_pb), ("--luminosity", "fb-1", options.luminosity_fb)]
    given += [("--sqrt-s", "GeV", options.sqrt_s_gev)]
    for name, unit, value in given:
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"{name} must be above 0 {unit} and finite, found {value:g}")
    if options.signal_error is not None and not 0 <= options.signal_error < 1:
        raise UsageError(f"--signal-error is relative, from 0 to below 1, found {options.signal_error:g}")
    if options.max_events is not None and options.max_events < 1:
        raise UsageError(f"--max-events must be at least 1, found {options.max_events}")


def _reinterpret(files: Sequence[str], analysis: str, options: ReinterpretOptions) -> ReinterpretReport:
    if options.output is not None:
        check_folder(options.output, ours=OURS)
    if not files and not options.points:
        raise UsageError("give event files, or mass points with --point")
    search = prepare_search(
        analysis,
        model=options.model,
        selection=options.selection,
        region=options.region,
        luminosity_fb=options.luminosity_fb,
    )
    simulated, remarks = _simulated(search, options.background)
    settings = Settings(
        search=search,
        simulated=simulated,
        step_size=options.step_size,
        max_events=options.max_events,
        sqrt_s_gev=options.sqrt_s_gev,
        signal_error=options.signal_error,
        on_events=options.on_events,
        remarks=remarks,
    )
    first = options.points[0] if options.points and not files else None
    paths = expand_files([first.file] if first else files)
    section = options.cross_section_pb if first is None else first.cross_section_pb
    record = _provenance(search, paths, options)
    with ExitStack() as stack:
        folder = scores = None
        if options.output is not None:
            folder = stack.enter_context(atomic_folder(options.output, ours=OURS))
            info = {"analysis": search.card.name, "max_events": options.max_events, "provenance": record}
            if len(search.categories) == 1:
                info["selection"] = search.categories[0].selection.model_dump(
                    mode="json", by_alias=True, exclude_none=True
                )
            scores = stack.enter_context(ScoreWriter(folder / SCORES, "root"))
        found = answer(paths, settings, section, scores.write if scores else None)
        if scores:
            scores.describe(info)
        curve = measure_points(options.points, settings) if options.points else None
        report = ReinterpretReport(found, curve, record, options.output)
        if folder is not None:
            write_folder(folder, report.to_json(), found, curve)
    return report


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


def _provenance(search: Search, paths: Sequence[InputPath], options: ReinterpretOptions) -> dict[str, Any]:
    region = options.region
    command = command_line(
        "reinterpret",
        analysis=search.card.name,
        xsec=options.cross_section_pb,
        luminosity=options.luminosity_fb,
        model=options.model and Path(options.model).name,
        selection=options.selection and Path(options.selection).name,
        region=region and region[0],
        background=options.background and options.background.name,
        sqrt_s=options.sqrt_s_gev,
        signal_error=options.signal_error,
        point=[f"{p.mass_gev:g}={Path(p.file).name}" for p in options.points],
        max_events=options.max_events,
    )
    more = [path for point in options.points for path in expand_files([point.file])]
    cards = {**search.cards, **_held_against(search, options.background)}
    return provenance(command, inputs=list(dict.fromkeys([*paths, *more])), cards=cards)


def _held_against(search: Search, given: Path | None) -> dict[str, str]:
    """The published spectra and the simulated background of a search, with their sha256."""
    card = search.card
    own = {card.background_events, card.vectors}
    paths = {f"file {name}": search.folder / name for name in search_files(card) if name not in own}
    if given is not None or card.background_events is not None:
        folder = given or search.folder / str(card.background_events)
        paths |= {f"background {name}": folder / name for name in (EVENTS, RECORD)}
    return {what: sha256_file(path) for what, path in paths.items() if path.is_file()}
