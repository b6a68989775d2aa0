"""A hunt of an analysis: every method in every window, the spectra of what they select, and one p-value over all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.hunt import HuntCard
from hepad.cards.method import load_method
from hepad.errors import CardError, FitFailedError, InputDataError, UsageError
from hepad.execution.making import Making
from hepad.execution.store import RunFolder, Store
from hepad.methods.base import MASS, Window
from hepad.nn.device import resolve_device
from hepad.output.atomic import check_folder
from hepad.output.complete import made_with, selection_hash
from hepad.pipeline.hunt.chosen import chosen
from hepad.pipeline.hunt.events import HuntEvents
from hepad.pipeline.hunt.options import HuntOptions, HuntPlan
from hepad.pipeline.hunt.task import HuntTask, read_events_of
from hepad.pipeline.hunt.trainings import run_trainings
from hepad.pipeline.hunt.windows_report import AnalysisReport, WindowResult
from hepad.provenance import provenance
from hepad.spectra.models import functions_of
from hepad.stats.bumphunt.correlated import FEWEST_BOOTSTRAPS, WindowTrials, global_p
from hepad.stats.bumphunt.window_count import WindowCount, count_in_window, window_edges
from hepad.stats.bumphunt.window_density import count_by_density, fine_edges
from hepad.stats.fits.functions import BackgroundFunction

__all__ = ["hunt_analysis"]

_SAME_WEIGHT = 1e-6
"""Weights that differ by less, relatively, are rounded."""


@dataclass(frozen=True)
class _Selected:
    """What a method selects in a window: the masses (n,) of the events, NaN for those that it does not."""

    method: str
    set: str
    window: Window
    fraction: float
    masses: npt.NDArray[np.float64]


def hunt_analysis(
    files: Sequence[str], card: HuntCard, methods: Sequence[str], *, options: HuntOptions, toys: int = 1000
) -> AnalysisReport:
    """Hunt with `methods` (those of the card if none) in all windows of the card that the events reach.

    `options.output` becomes a folder: `hunt.json`, the spectra, the masses of the selected events and figures. A window
    without events for a method is left out, and the report says why; `InputDataError` if none is left, or if weights of
    events differ: they are counted. `toys` bootstraps give the global p-values, of each method over its windows and of
    all; with 0 there are none.
    """
    from hepad.pipeline.hunt.windows_output import stored_report, write_analysis

    output = options.file
    options = replace(
        options,
        device=resolve_device(options.device),
        mass=options.mass or card.mass,
        selection=options.selection or card.selection,
        input=card.input,
    )
    check_folder(output, verb="hunt")
    if 0 < toys < FEWEST_BOOTSTRAPS:
        raise UsageError(f"--toys {toys}: at least {FEWEST_BOOTSTRAPS} are needed, or 0 for no global p-values")
    windows = _windows(card)
    plans = _plans(files, methods or card.methods, replace(options, window=windows[0][1]))
    first = next(iter(plans.values()))
    functions = _functions(card)

    def described(records: Sequence[dict[str, Any]], *, arguments: bool = True) -> dict[str, Any]:
        searches = {name: {k: v for k, v in p.content().items() if k != "window"} for name, p in plans.items()}
        how = {"toys": toys, "max_events": options.max_events}
        command = f"hepad hunt --analysis {card.name}"
        record = provenance(command, inputs=records, seed=options.seed, arguments=arguments)
        content = {"analysis": card.model_dump(mode="json", by_alias=True), "methods": searches, **how}
        return {**content, "provenance": record}

    making = Making.of(output, first.inputs, described, again=options.execution.force or options.restart)
    if before := making.before(read=stored_report):
        return before
    with making.run_folder() as folder:
        found = _Found(card, functions, options, toys)
        known: dict[str, HuntEvents] = {}
        for plan in plans.values():
            key = str(plan.card.input) + str(plan.selection)
            if key not in known:
                known[key] = _events(plan, options, folder.store(f"events{len(known)}", _keyed(plan)), making)
            found.hunt(plan, known[key], windows, folder)
        events = next(iter(known.values()))
        report = found.report(events)
        write_analysis(report, described(events.records), output)
    return report


def _plans(files: Sequence[str], methods: Sequence[str], options: HuntOptions) -> dict[str, HuntPlan]:
    """What is hunted for with each method, by its name; `UsageError` if two cards have the same."""
    plans: dict[str, HuntPlan] = {}
    for method in dict.fromkeys(methods):
        name = load_method(method).name
        if name in plans:
            raise UsageError(f"two methods are called {name}: give one of them, or rename one in its card")
        plans[name] = HuntPlan.of(files, method, options)
    return plans


def _functions(card: HuntCard) -> tuple[BackgroundFunction, ...]:
    """The functions of the card, asked for before anything is trained; `CardError` unless they are of one family."""
    functions = tuple(function for name in card.functions for function in functions_of(name, None))
    if len({function.family for function in functions}) != 1:
        raise CardError(f"hunt {card.name}: functions must be of one family, found {', '.join(card.functions)}")
    return functions


def _windows(card: HuntCard) -> list[tuple[str, Window]]:
    """The windows of all sets, with their neighbours as sidebands."""
    return [
        (name, Window(edges[i], edges[i + 1], (edges[i - 1], edges[i + 2])))
        for name, edges in card.windows.items()
        for i in range(1, len(edges) - 2)
    ]


def _keyed(plan: HuntPlan) -> dict[str, Any]:
    """What the events that are kept depend on."""
    read = {"input": plan.card.input.model_dump(mode="json"), "mass": plan.mass.content}
    return made_with(**selection_hash(plan.selection), **read)


def _events(plan: HuntPlan, options: HuntOptions, store: Store, making: Making) -> HuntEvents:
    events = read_events_of(plan, options, store, making.records)
    events.check()
    weight = events.raw.weight
    if np.ptp(weight) > _SAME_WEIGHT * np.abs(weight).max():
        raise InputDataError(
            f"events have weights from {weight.min():g} to {weight.max():g}: an analysis counts events, whose weights "
            "must be equal"
        )
    return events


@dataclass
class _Found:
    """What was found so far, and why windows were left out."""

    card: HuntCard
    functions: tuple[BackgroundFunction, ...]
    options: HuntOptions
    toys: int
    selected: list[_Selected] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def hunt(
        self, plan: HuntPlan, events: HuntEvents, windows: Sequence[tuple[str, Window]], folder: RunFolder
    ) -> None:
        """Train one method in all windows and keep what it selects."""
        tasks: dict[str, tuple[str, Window, HuntTask]] = {}
        for name, window in windows:
            label = _label(plan.card.name, name, window)
            try:
                window_edges(np.array(self.card.bins), window.low, window.high)
                tasks[label] = (name, window, HuntTask.of(replace(plan, window=window), events, self.options))
            except InputDataError as error:
                self.left_out[label] = str(error)
        if not tasks:
            raise InputDataError(f"no window can be hunted in; the first, {_first(self.left_out)}")
        keys = [replace(plan, window=w).key(events.records, len(events.raw)) for _, w, _ in tasks.values()]
        fitted = run_trainings(
            {label: task.assignment for label, (_, _, task) in tasks.items()},
            folder.store(f"trainings-{plan.card.name}", {"windows": keys}),
            execution=self.options.execution,
            on_training=self.options.on_training,
        )
        for label, (name, window, task) in tasks.items():
            fraction = self.card.fraction(window.low, window.high)
            masses = np.where(chosen(task.scores(fitted[label]), fraction), events.raw.beside[MASS], np.nan)
            self.selected.append(_Selected(plan.card.name, name, window, fraction, masses))

    def report(self, events: HuntEvents) -> AnalysisReport:
        """Fit all spectra and give the p-values."""
        kept: list[tuple[_Selected, WindowCount]] = []
        for one in self.selected:
            try:
                kept.append((one, self._count(one)))
            except (FitFailedError, InputDataError) as error:
                self.left_out[_label(one.method, one.set, one.window)] = str(error)
        if not kept:
            raise InputDataError(f"no window could be fitted; the first, {_first(self.left_out)}")
        trials = {name: self._trials(kept, name) for name in dict.fromkeys(one.method for one, _ in kept)}
        return AnalysisReport(
            self.card.name,
            self.options.mass,
            self.options.output,
            events.flow,
            tuple(WindowResult.of(one.method, one.set, one.window, one.fraction, count) for one, count in kept),
            {name: found for name, found in trials.items() if found is not None},
            self._trials(kept, None),
            self.left_out,
            masses=np.stack([one.masses for one, _ in kept], axis=1),
            skipped=events.skipped,
        )

    def _count(self, one: _Selected) -> WindowCount:
        if self.card.count == "densities":
            fine = fine_edges(np.array(self.card.bins), one.window.low, one.window.high)
            inside = np.histogram(one.masses, fine)[0].astype(np.float64)
            return count_by_density(fine, inside, one.window.low, one.window.high, self.functions[0])
        edges = window_edges(np.array(self.card.bins), one.window.low, one.window.high)
        counts = np.histogram(one.masses, edges)[0].astype(np.float64)
        return count_in_window(edges, counts, one.window.low, self.functions)

    def _trials(self, kept: Sequence[tuple[_Selected, WindowCount]], method: str | None) -> WindowTrials | None:
        """The global p-value of a method, or of all; None without bootstraps, or where they cannot be fitted."""
        if not self.toys:
            return None
        chosen = [(one, count) for one, count in kept if method in (None, one.method)]
        masses = np.stack([one.masses for one, _ in chosen], axis=1)
        try:
            return global_p([count for _, count in chosen], masses, toys=self.toys, seed=self.options.seed)
        except FitFailedError as error:
            self.left_out[f"global p of {method or 'all methods'}"] = str(error)
            return None


def _label(method: str, set_: str, window: Window) -> str:
    return f"{method} {set_} {window.low:g}:{window.high:g}"


def _first(left_out: Mapping[str, str]) -> str:
    return ": ".join(next(iter(left_out.items())))
