"""A hunt of an analysis: every method in every window, spectra, resonances and limits, and one p-value over all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.hunt import HuntCard
from hepad.cards.method import load_method
from hepad.cards.plane import PlaneCard
from hepad.errors import CardError, FitFailedError, InputDataError, UsageError
from hepad.execution.making import Making
from hepad.execution.store import RunFolder
from hepad.inputs.base import make_input
from hepad.methods.base import Window, make_method
from hepad.nn.device import resolve_device
from hepad.output.atomic import check_folder
from hepad.pipeline.hunt.options import HuntOptions, HuntPlan
from hepad.pipeline.hunt.windows_honesty import dependence_rows, spill_rows
from hepad.pipeline.hunt.windows_report import AnalysisReport, Trials, WindowResult
from hepad.pipeline.hunt.windows_scan import Scanned, peak_of, responsible, scan, scan_shapes
from hepad.pipeline.hunt.windows_selected import Library, Selected, Selector, check_wanted, searches_of, window_label
from hepad.provenance import provenance
from hepad.spectra.models import functions_of
from hepad.spectra.shapes import Signal
from hepad.stats.bumphunt.correlated import FEWEST_BOOTSTRAPS, Bootstraps, Look, WindowTrials
from hepad.stats.bumphunt.window_count import WindowCount, count_masses, window_edges
from hepad.stats.bumphunt.window_density import count_by_density, fine_edges
from hepad.stats.fits.functions import BackgroundFunction

__all__ = ["check_asked", "completed", "count_of", "family_of", "hunt_analysis", "plans_of", "windows_of"]

FloatArray = npt.NDArray[np.float64]
Kept = list[tuple[Selected, WindowCount]]


def hunt_analysis(
    files: Sequence[str],
    card: HuntCard,
    methods: Sequence[str],
    *,
    options: HuntOptions,
    toys: int = 1000,
    luminosity: float | None = None,
) -> AnalysisReport:
    """Hunt with `methods` (those of the card if none) in all windows of the card that the events reach.

    `options.output` becomes a folder: `hunt.json`, the masses of the selected events, a report and figures. A window
    without events for a method is left out, and the report says why; `InputDataError` if none is left, or if weights of
    events differ: they are counted. `toys` bootstraps give the global p-values, of each method and of all; with 0 there
    are none. `options.signals` have limits on their events, too; `luminosity` in fb-1 makes them cross sections.
    """
    from hepad.pipeline.hunt.windows_output import stored_report, write_analysis

    output = options.file
    options = completed(options, card)
    check_folder(output, verb="hunt")
    check_asked(toys, luminosity)
    functions = family_of(card)
    windows, unreached = windows_of(card)
    shapes = scan_shapes(card.shape, [(w.low, w.high) for _, w in windows], np.array(card.bins))
    plans = plans_of(files, methods or card.methods, replace(options, window=windows[0][1]))
    check_wanted(list(plans.values()))

    def described(records: Sequence[dict[str, Any]], *, arguments: bool = True) -> dict[str, Any]:
        how = {"toys": toys, "max_events": options.max_events, "luminosity_per_fb": luminosity}
        command = f"hepad hunt --analysis {card.name}"
        record = provenance(command, inputs=records, seed=options.seed, arguments=arguments)
        signals = {name: len(paths) for name, paths in options.signals.items()}
        content = {"analysis": card.model_dump(mode="json", by_alias=True), "methods": searches_of(plans)}
        return {**content, "signals": signals, **how, "provenance": record}

    inputs = next(iter(plans.values())).inputs
    making = Making.of(output, inputs, described, again=options.execution.force or options.restart)
    if before := making.before(read=stored_report):
        return before
    with making.run_folder() as folder:
        selector = Selector(card, options, windows, Library(options, folder, making), unreached)
        _select(selector, plans, folder)
        report = _report(selector, plans, functions, shapes, folder=folder, toys=toys, luminosity=luminosity)
        records = selector.library.data(next(iter(plans.values()))).records
        write_analysis(report, card, described(records), output)
    return report


def completed(options: HuntOptions, card: HuntCard) -> HuntOptions:
    """The options with what the card says where they do not."""
    return replace(
        options,
        device=resolve_device(options.device),
        mass=options.mass or card.mass,
        selection=options.selection or card.selection,
        input=card.input,
    )


def check_asked(toys: int, luminosity: float | None) -> None:
    """`UsageError` for bootstraps that are too few, or a luminosity in fb-1 that is none."""
    if 0 < toys < FEWEST_BOOTSTRAPS:
        raise UsageError(f"--toys {toys}: at least {FEWEST_BOOTSTRAPS} are needed, or 0 for no global p-values")
    if luminosity is not None and not 0 < luminosity < np.inf:
        raise UsageError(f"the luminosity is positive, found {luminosity:g} fb-1")


def plans_of(files: Sequence[str], methods: Sequence[str], options: HuntOptions) -> dict[str, HuntPlan]:
    """What is hunted for with each method, by its name; `UsageError` if two cards have the same."""
    plans: dict[str, HuntPlan] = {}
    for method in dict.fromkeys(methods):
        name = load_method(method).name
        if name in plans:
            raise UsageError(f"two methods are called {name}: give one of them, or rename one in its card")
        plans[name] = HuntPlan.of(files, method, options)
    return plans


def family_of(card: HuntCard | PlaneCard) -> tuple[BackgroundFunction, ...]:
    """The functions of the card, asked for before anything is trained; `CardError` unless they are of one family."""
    functions = tuple(function for name in card.functions for function in functions_of(name, None))
    if len({function.family for function in functions}) != 1:
        raise CardError(f"hunt {card.name}: functions must be of one family, found {', '.join(card.functions)}")
    return functions


def windows_of(card: HuntCard) -> tuple[list[tuple[str, Window]], dict[str, str]]:
    """The windows of all sets, their neighbours as sidebands, and why others are left out: there are no bins around."""
    windows, left_out = [], {}
    for name, edges in card.windows.items():
        for i in range(1, len(edges) - 2):
            window = Window(edges[i], edges[i + 1], (edges[i - 1], edges[i + 2]))
            try:
                window_edges(np.array(card.bins), window.low, window.high)
                windows.append((name, window))
            except InputDataError as error:
                left_out[window_label("all methods", name, window)] = str(error)
    if not windows:
        raise InputDataError(f"no window can be hunted in; the first, {_first(left_out)}")
    return windows, left_out


def _select(selector: Selector, plans: Mapping[str, HuntPlan], folder: RunFolder) -> None:
    """Check all methods, then train one after the other; `InputDataError` if none can be in any window."""
    sizes = {}
    for name, plan in plans.items():
        selector.check(plan)
        method = make_method(plan.card.method, make_input(plan.card.input).layout)
        sizes[name] = len(method.trainings(plan.card.folds)) * len(selector.windows)
    before = 0
    for name, plan in plans.items():
        selector.select(plan, folder, _counted(selector.options.on_training, before, sizes, name))
        before += sizes[name]
    if not selector.selected:
        raise InputDataError(f"no window can be hunted in; the first, {_first(selector.left_out)}")


def _counted(
    tell: Callable[[int, int], None] | None, before: int, sizes: dict[str, int], name: str
) -> Callable[[int, int], None] | None:
    """Tell of the trainings of a method among those of all."""
    if tell is None:
        return None

    def told(done: int, of: int) -> None:
        sizes[name] = of
        tell(before + done, sum(sizes.values()))

    return told


def _report(
    selector: Selector,
    plans: Mapping[str, HuntPlan],
    functions: Sequence[BackgroundFunction],
    shapes: Sequence[Signal],
    *,
    folder: RunFolder,
    toys: int,
    luminosity: float | None,
) -> AnalysisReport:
    """Fit all spectra and give the p-values and limits."""
    card, options, left_out = selector.card, selector.options, selector.left_out
    kept = _counts(selector, functions)
    edges = np.array(card.bins)
    events = selector.library.data(next(iter(plans.values())))
    scanned = scan(
        kept,
        edges,
        shapes,
        _peaks(selector, plans, kept),
        folder=folder,
        execution=options.execution,
        left_out=left_out,
        on_fit=options.on_fit,
    )
    trials = _Trials.of(kept, scanned, toys, options.seed, left_out)
    names = list(dict.fromkeys(one.method for one, _ in kept))
    counts, scans = (Trials(trials.each(names, kind), trials.of_all(kind)) for kind in ("counts", "scan"))
    overall = trials.of_all(None)  # what cannot be computed is told in what is left out, which is complete from here on
    return AnalysisReport(
        card.name,
        options.mass,
        options.output,
        events.flow,
        tuple(WindowResult.of(one.method, one.set, one.window, one.fraction, count) for one, count in kept),
        counts.methods,
        counts.whole,
        {**selector.unreached, **left_out},
        masses=np.stack([one.masses for one, _ in kept], axis=1),
        skipped=events.skipped,
        scan=scanned.scan,
        scan_trials=scans,
        overall=overall,
        toys=toys,
        bumps=scanned.bumps,
        signals=scanned.signals,
        luminosity=luminosity,
        dependence=dependence_rows(selector.selected),
        spills=spill_rows(selector.library.others(next(iter(plans.values()))).signals, selector.windows),
    )


def _counts(selector: Selector, functions: Sequence[BackgroundFunction]) -> Kept:
    """The counts that can be fitted, of all that was selected; `InputDataError` if there is none."""
    kept: Kept = []
    for one in selector.selected:
        try:
            kept.append((one, count_of(selector.card, one, functions)))
        except (FitFailedError, InputDataError) as error:
            selector.left_out[one.label] = str(error)
    if not kept:
        raise InputDataError(f"no window could be fitted; the first, {_first(selector.left_out)}")
    return kept


def count_of(card: HuntCard, one: Selected, functions: Sequence[BackgroundFunction]) -> WindowCount:
    """The count in the window of what is selected; `FitFailedError` or `InputDataError` if it cannot be fitted."""
    low, high, bins = one.window.low, one.window.high, np.array(card.bins)
    if card.count == "densities":
        fine = fine_edges(bins, low, high)
        return count_by_density(fine, np.histogram(one.masses, fine)[0].astype(np.float64), low, high, functions[0])
    return count_masses(one.masses, bins, low, high, functions)


def _peaks(selector: Selector, plans: Mapping[str, HuntPlan], kept: Kept) -> dict[str, float]:
    """The masses of the simulated signals; those that are in no window are told of."""
    peaks = {}
    ranges = [(one.window.low, one.window.high) for one, _ in kept]
    for name, events in selector.library.others(next(iter(plans.values()))).signals.items():
        try:
            peaks[name] = peak_of(events)
        except InputDataError as error:
            selector.left_out[f"signal {name}"] = str(error)
            continue
        if responsible(peaks[name], ranges) is None:
            selector.left_out[f"limits on signal {name}"] = f"no window has its peak of {peaks[name]:.0f} GeV"
    return peaks


class _Trials:
    """Global p-values over looks of kinds, `counts` and `scan`, and methods: of the same bootstraps."""

    def __init__(self, places: list[tuple[str, str]], bootstraps: Bootstraps | None, left_out: dict[str, str]) -> None:
        self._places, self._bootstraps, self._left_out = places, bootstraps, left_out

    @classmethod
    def of(cls, kept: Kept, scanned: Scanned, toys: int, seed: int, left_out: dict[str, str]) -> _Trials:
        """Bootstrap the events; without toys there are no p-values."""
        looks: list[Look] = [*(count for _, count in kept), *(look for _, look in scanned.looks)]
        selected = [*(one for one, _ in kept), *(one for one, _ in scanned.looks)]
        kinds = ["counts"] * len(kept) + ["scan"] * len(scanned.looks)
        places = [(kind, one.method) for kind, one in zip(kinds, selected, strict=True)]
        made = Bootstraps.of(looks, [one.masses for one in selected], toys=toys, seed=seed) if toys else None
        return cls(places, made, left_out)

    def each(self, methods: Sequence[str], kind: str) -> dict[str, WindowTrials]:
        """Of each method over its looks of a kind."""
        found = {name: self._over(kind, name) for name in methods}
        return {name: trials for name, trials in found.items() if trials is not None}

    def of_all(self, kind: str | None) -> WindowTrials | None:
        """Of all methods over all looks of a kind, or of both."""
        return self._over(kind, None)

    def _over(self, kind: str | None, method: str | None) -> WindowTrials | None:
        looks = [i for i, (k, m) in enumerate(self._places) if kind in (None, k) and method in (None, m)]
        if self._bootstraps is None or not looks:
            return None
        try:
            return self._bootstraps.trials(looks)
        except FitFailedError as error:
            self._left_out[f"global p of the {kind or 'whole'} of {method or 'all methods'}"] = str(error)
            return None


def _first(left_out: Mapping[str, str]) -> str:
    return ": ".join(next(iter(left_out.items())))
