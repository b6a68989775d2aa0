"""Run a study of sensitivity: all points that are not there yet, and a report of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hepad.cards.hunt import HuntCard, load_hunt
from hepad.cards.method import load_method
from hepad.cards.resolver import resolve
from hepad.cards.sensitivity import SensitivityCard, SensitivitySignal
from hepad.errors import CardError, InputDataError, InterruptedRunError, UsageError
from hepad.execution.executor import Execution
from hepad.execution.tasks import Arrays, Task, run_tasks
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.methods.base import Window
from hepad.nn.device import resolve_device
from hepad.output.atomic import atomic_folder, write_files
from hepad.output.csv_rows import csv_records
from hepad.output.document import to_markdown
from hepad.output.json_text import json_text
from hepad.output.latex import TABLES, to_latex
from hepad.output.page import to_html
from hepad.paths import InputPath
from hepad.pipeline.hunt.options import HuntOptions, HuntPlan
from hepad.pipeline.study.data import first_files, matching_files
from hepad.pipeline.study.output import FIGURES, TRAININGS, VERB, check_output
from hepad.pipeline.study.sensitivity.data import Pools, plans_of, read_pools
from hepad.pipeline.study.sensitivity.figures import draw_sensitivity
from hepad.pipeline.study.sensitivity.page import page
from hepad.pipeline.study.sensitivity.points import Counted, Point, PointJob
from hepad.pipeline.study.sensitivity.results import SensitivityResults, gathered
from hepad.pipeline.study.sensitivity.store import PointStore
from hepad.provenance import provenance, sha256_bytes
from hepad.stats.bumphunt.window_count import window_edges

__all__ = [
    "Prepared",
    "SensitivityOptions",
    "SensitivityReport",
    "count_points",
    "prepare",
    "sensitivity_study",
]

_TABLES = ("sensitivity.csv", "points.csv")
_FILES = ("report.md", "report.html", TABLES, "results.json", *_TABLES)
_RULE = "points/2"
"""How a point is made of what its key names; another way is another rule."""


@dataclass(frozen=True)
class SensitivityOptions:
    """Options of a study of sensitivity: files, or a folder that holds those of the names in the card.

    Of `signals` by name only those are studied; one that the card does not have is looked for in the window that most
    of its events are in. `methods` take the place of the card's that are not classical. `on_point` is told how many
    points are done, of how many.
    """

    output: Path
    data: Path | None = None
    background: Sequence[str] = ()
    signals: Mapping[str, Sequence[str]] = field(default_factory=dict)
    methods: Sequence[str] = ()
    quick: bool = False
    device: str = "cpu"
    step_size: int = DEFAULT_STEP_SIZE
    execution: Execution = field(default_factory=Execution)
    on_point: Callable[[int, int], None] | None = None


@dataclass(frozen=True)
class SensitivityReport:
    """What was found, the record of the output, and how many points this run made."""

    results: SensitivityResults
    provenance: Mapping[str, Any]
    made: int
    quick: bool
    output: Path

    def to_json(self) -> dict[str, Any]:
        """The content of results.json, and where it is."""
        return {**self.content(), "made": self.made, "output": str(self.output)}

    def content(self) -> dict[str, Any]:
        """All numbers in JSON types, wherever they are written to."""
        card = self.results.card
        return {
            "study": card.name,
            "card": card.model_dump(mode="json", by_alias=True, exclude={"quick"}),
            "luminosity_per_fb": self.results.luminosity,
            "sensitivity": self.results.summary(),
            "points": self.results.points(),
            "left_out": dict(self.results.failed),
            "quick": self.quick,
            "provenance": dict(self.provenance),
        }


def sensitivity_study(name: str, card: SensitivityCard, *, options: SensitivityOptions) -> SensitivityReport:
    """Count at all points of a card, and report in the folder `options.output`.

    Each point is kept there and never made again; with other methods, seeds or signals the study goes on from them.
    `OutputError` for a folder with foreign files, `CardError` for a card that does not fit, `InputDataError` for
    event files.
    """
    check_output(options.output, _FILES)
    prepared = prepare(card.quickened() if options.quick else card, options)
    results, made = count_points(prepared, options)
    chosen, hunt = prepared.card, prepared.hunt
    texts = {f"study {chosen.name}": resolve("analyses/studies", name).read_text(encoding="utf-8")}
    texts[f"hunt {hunt.name}"] = resolve("analyses/hunts", chosen.hunt).read_text(encoding="utf-8")
    words = ["hepad study", chosen.name, *(["--quick"] if options.quick else [])]
    words += [f"--method {method}" for method in options.methods]
    record = provenance(
        " ".join([*words, *([] if prepared.device == "cpu" else [f"--device {prepared.device}"])]),
        inputs=prepared.records,
        cards={what: sha256_bytes(text.encode()) for what, text in texts.items()},
    )
    report = SensitivityReport(results, record, made, options.quick, options.output)
    _write(report, texts)
    return report


@dataclass(frozen=True)
class Prepared:
    """A study whose files have been read: the card with the signals that there are, and how each method hunts."""

    card: SensitivityCard
    hunt: HuntCard
    plans: Mapping[str, HuntPlan]
    pools: Pools
    device: str

    @property
    def luminosity(self) -> float:
        """Of the mock data, in 1/fb."""
        return self.pools.luminosity(self.card.data_fraction)

    @property
    def records(self) -> list[dict[str, Any]]:
        """Of all files."""
        return [dict(record) for records in self.pools.records.values() for record in records]


def prepare(card: SensitivityCard, options: SensitivityOptions) -> Prepared:
    """Read the files of a study; `CardError` for a card that does not fit, `InputDataError` for event files."""
    device = resolve_device(options.device)
    chosen, methods = _with_methods(card, options.methods)
    if options.background or options.signals:
        chosen = chosen.model_copy(update={"sqrt_s_gev": None})  # that of the card's files, and these are others
    hunt = load_hunt(chosen.hunt).within(chosen.range)
    background, signals = _files(chosen, options)
    plans = plans_of(chosen, hunt, background, methods)
    reading = HuntOptions(mass="", window=Window(1, 2, (0, 3)), step_size=options.step_size)
    pools = read_pools(chosen, hunt, plans, signals, reading)
    return Prepared(_with_signals(chosen, pools), hunt, plans, pools, device)


def count_points(prepared: Prepared, options: SensitivityOptions) -> tuple[SensitivityResults, int]:
    """Count at all points, and how many of them were not kept in `options.output` before.

    `InputDataError` if nothing can be counted at any point.
    """
    card, plans, pools = prepared.card, prepared.plans, prepared.pools
    job = _job(card, prepared.hunt, plans, pools, prepared.device)
    options.output.mkdir(exist_ok=True)
    store = PointStore(options.output / TRAININGS, {point: _key(job, point, plans, pools) for point in job.points})
    done = _done(job, store, options)
    found = {point: Counted.of(arrays) for point, arrays in done.items()}
    results = gathered(card, job.points, found, prepared.luminosity)
    if all(isinstance(one, str) for one in found.values()):
        raise InputDataError(f"nothing could be counted at any point; the first: {next(iter(results.failed.values()))}")
    return results, store.made


def _done(job: PointJob, store: PointStore, options: SensitivityOptions) -> dict[str, Arrays]:
    """The results of all points; `InterruptedRunError` if a signal ends it, with those that are done kept."""
    tasks = [Task(point) for point in job.points]
    try:
        return run_tasks(job, tasks, store, execution=options.execution, on_done=options.on_point)
    except (KeyboardInterrupt, SystemExit) as error:
        code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 130
        raise InterruptedRunError(
            f"interrupted after {store.made} points, which are kept in {options.output / TRAININGS}; the same command "
            "goes on from there",
            code - 128,
        ) from error


def _with_methods(card: SensitivityCard, methods: Sequence[str]) -> tuple[SensitivityCard, dict[str, str]]:
    """The card with the names of its methods, or of others beside the classical ones, and where their cards are.

    `UsageError` if two methods have the same name.
    """
    given = tuple(dict.fromkeys((*card.classical, *methods))) if methods else card.methods
    named = {method: load_method(method).name for method in (*given, *card.knows_signal)}
    names = {named[method]: method for method in given}
    if len(names) < len(given):
        raise UsageError(f"study {card.name}: two of the methods {', '.join(given)} have the same name")
    changes = {key: tuple(named[m] for m in getattr(card, key)) for key in ("classical", "knows_signal")}
    return card.model_copy(update={**changes, "methods": tuple(names)}), names


def _files(
    card: SensitivityCard, options: SensitivityOptions
) -> tuple[list[InputPath], dict[str, Sequence[InputPath]]]:
    """The files of background and signals; `UsageError` if nothing says where they are."""
    folder = options.data
    if folder is not None and not folder.is_dir():
        raise InputDataError(f"{folder} is not a folder; --samples names the folder of the event files")
    if folder is None and not (options.background and options.signals):
        raise UsageError("give --samples FOLDER, or --background FILE and at least one --signal NAME=FILE")
    background, signals = list(options.background), dict(options.signals)
    if folder is not None:
        background = background or first_files(folder, card.background, "background")
    if folder is not None and not signals:
        every = {
            name: [path for one in of.files for path in matching_files(folder, one)]
            for name, of in card.signals.items()
        }
        signals = {name: files for name, files in every.items() if files}
        if not signals:
            name, of = next(iter(card.signals.items()))
            first_files(folder, of.files, name)
    return expand_files(background), {name: expand_files(files) for name, files in signals.items()}


def _with_signals(card: SensitivityCard, pools: Pools) -> SensitivityCard:
    """The card with the signals that there are, in windows of its own choice or those that they are in."""

    def placed(name: str) -> SensitivitySignal:
        if name in card.signals:
            return card.signals[name]
        mass = pools.signals[name].mass
        inside = {w: int(np.sum((mass >= edges[1]) & (mass < edges[2]))) for w, edges in card.windows.items()}
        return SensitivitySignal(files=("*",), window=max(inside, key=lambda window: inside[window]))

    return card.model_copy(update={"signals": {name: placed(name) for name in pools.signals}})


def _job(card: SensitivityCard, hunt: HuntCard, plans: Mapping[str, HuntPlan], pools: Pools, device: str) -> PointJob:
    """All points; `CardError` for a window that leaves no bins on both sides."""
    windows = {}
    for name, of in card.signals.items():
        below, low, high, above = card.windows[of.window]
        windows[name] = Window(low, high, (below, above))
        try:
            window_edges(np.array(hunt.bins), low, high)
        except InputDataError as error:
            raise CardError(f"study {card.name}, window {of.window}: {error}") from error
    points = [
        Point(method, signal, events, seed)
        for method in card.methods
        for signal in card.signals
        for seed in card.seeds
        for events in card.injected(method)
    ]
    return PointJob(
        points={point.name: point for point in points},
        methods={name: plan.card for name, plan in plans.items()},
        background=pools.background,
        signals=pools.signals,
        windows=windows,
        fractions={name: hunt.fraction(window.low, window.high) for name, window in windows.items()},
        bins=hunt.bins,
        functions=hunt.functions,
        priors={(m, s): _priors(card, m, s) for m in card.methods for s in card.signals},
        data_fraction=card.data_fraction,
        prior_fraction=card.prior_fraction,
        device=device,
    )


def _priors(card: SensitivityCard, method: str, signal: str) -> tuple[str, ...]:
    """The signals that a method may know when another, or that one, is looked for."""
    if method in card.knows_signal:
        return (signal,)
    return tuple(name for name in card.signals if name != signal)


def _key(job: PointJob, name: str, plans: Mapping[str, HuntPlan], pools: Pools) -> dict[str, Any]:
    """All that the result of a point depends on."""
    point = job.points[name]
    plan, window = plans[point.method], job.windows[point.signal]
    content = {k: v for k, v in plan.content().items() if k not in ("window", "seed", "background", "signals")}
    for told in ("title", "reference", "fidelity", "fidelity_note"):
        content["card"].pop(told, None)
    priors = job.priors[point.method, point.signal] if "signals" in job.wants(point.method) else ()
    samples = {"background": "background", "signal": point.signal, **{f"prior {name}": name for name in priors}}
    return {
        "rule": _RULE,
        **content,
        "point": vars(point),
        "window": [window.low, window.high, *window.sidebands],
        "fraction": job.fractions[point.signal],
        "bins": list(job.bins),
        "functions": list(job.functions),
        "fractions": [job.data_fraction, job.prior_fraction],
        "require": pools.required,
        "device": job.device,
        "files": {what: sorted(str(r["sha256"]) for r in pools.records[of]) for what, of in samples.items()},
    }


def _write(report: SensitivityReport, texts: Mapping[str, str]) -> None:
    """Figures, pages and tables, each complete or not there; `texts` are the cards."""
    output, results = report.output, report.results
    with atomic_folder(output / FIGURES, verb=VERB) as folder:
        figures = draw_sensitivity(results, folder)
    cards = "\n".join(f"# {what}\n{text}" for what, text in texts.items())
    blocks = page(results, figures, cards, report.provenance, quick=report.quick)
    whole = json_text("study/results.json", {**report.content(), "figures": figures})
    tables = (csv_records(results.summary()), csv_records(results.points()))
    pages = (to_markdown(blocks), to_html(blocks, output), to_latex(blocks), whole, *tables)
    write_files(output, dict(zip(_FILES, pages, strict=True)), verb=VERB)
