"""A hunt in a plane: a resonance of two jets, one of a known particle, in windows of the mass of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.input import InputCard, parse_input
from hepad.cards.plane import Bounds, PlaneCard
from hepad.cards.selection import load_selection
from hepad.errors import CardError, FitFailedError, InputDataError, UsageError
from hepad.execution.making import Making
from hepad.execution.run import Skipped
from hepad.execution.store import MemoryStore, RunFolder
from hepad.inputs.base import make_input
from hepad.io.reader import expand_files
from hepad.io.tables.features import TablePath
from hepad.methods.base import MASS, Window
from hepad.output.atomic import check_folder
from hepad.output.complete import selection_hash
from hepad.paths import InputPath
from hepad.pipeline.hunt.events import HuntEvents, HuntJob
from hepad.pipeline.hunt.mass import mass_of
from hepad.pipeline.hunt.options import HuntOptions
from hepad.pipeline.hunt.plane_report import PlaneReport, RegionRow, SpectrumRow
from hepad.pipeline.hunt.task import read_events, table_hint
from hepad.pipeline.hunt.windows import check_asked, family_of
from hepad.pipeline.hunt.windows_report import Trials
from hepad.pipeline.hunt.windows_scan import (
    Scanned,
    SelectedSpectrum,
    peak_of_masses,
    responsible,
    scan_shapes,
    scan_spectra,
)
from hepad.pipeline.hunt.windows_selected import SelectedMasses, SignalMasses, check_weights
from hepad.provenance import FileRecords, provenance
from hepad.spectra.shapes import Signal
from hepad.stats.bumphunt.correlated import Bootstraps, WindowTrials
from hepad.stats.fits.fit import fit_background
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.order import choose_order

__all__ = ["Candidates", "candidates_of", "hunt_plane"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
_How = tuple[Sequence[BackgroundFunction], FloatArray, Sequence[Signal]]
"""Functions, edges in GeV of the bins of spectra, and the shapes that are looked for."""

_SET = "X"
_STEP = 1.0
"""Of the masses, in widths of the resonance."""
_SPARE = 2
"""Filled bins beyond the parameters of the simplest function."""
_FEWEST_EVENTS = 20
"""Of a spectrum. Global p-values take significances for normal numbers, which those of fewer events are not.

In toys of the fitted function the largest of a window of 7 or 8 events is above 2.5 two to three times as often as
normal numbers are, in one of 45 or 150 as often.
"""


@dataclass(frozen=True)
class Candidates:
    """Of events (n,): the mass `y` of both candidates and `x` of the unknown one in GeV, NaN where there is none.

    `kept` says which events have a known candidate, pass what is required, and are in the region.
    """

    y: FloatArray
    x: FloatArray
    kept: BoolArray

    def inside(self, low: float, high: float) -> FloatArray:
        """The masses `y` (n,) of those that are kept with `x` in a window [low, high), NaN for the others."""
        return np.where(self.kept & (self.x >= low) & (self.x < high), self.y, np.nan)


def candidates_of(card: PlaneCard, region: str, columns: Mapping[str, FloatArray], mass: FloatArray) -> Candidates:
    """Which jet is which, and what is kept; `columns` (n,) are the features by name, NaN for what an event lacks.

    The known particle is that of the candidates in the range, and with what it requires, whose mass is nearest to
    its nominal one; of equal ones the first. The region's bounds are on the other.
    """
    known, unknown = card.known, card.unknown

    def of(candidate: str, name: str) -> FloatArray:
        return columns[f"{candidate}_{name}"]

    far = []
    for candidate in card.candidates:
        value = of(candidate, known.mass)
        good = _within(value, known.range)
        for name, bounds in known.require.items():
            good &= _within(of(candidate, name), bounds)
        far.append(np.where(good, np.abs(value - known.nearest), np.inf))
    second = far[1] < far[0]  # then the second is the known one, and the first is not

    def other(name: str) -> FloatArray:
        return np.where(second, of(card.candidates[0], name), of(card.candidates[1], name))

    kept = np.isfinite(np.minimum(*far)) & np.isfinite(mass)
    for name, bounds in card.regions[region].items():
        kept &= _within(other(name), bounds)
    for name, bounds in card.require.items():
        kept &= _within(columns[name], bounds)
    return Candidates(mass, other(unknown.mass), kept)


def _within(values: FloatArray, bounds: Bounds) -> BoolArray:
    """Values from the lower bound to below the upper one; NaN is in none."""
    low, high = bounds
    with np.errstate(invalid="ignore"):
        good = ~np.isnan(values)
        good &= True if low is None else values >= low
        good &= True if high is None else values < high
    return good


def hunt_plane(
    files: Sequence[str],
    card: PlaneCard,
    regions: Sequence[str] = (),
    *,
    options: HuntOptions,
    toys: int = 400,
    luminosity: float | None = None,
) -> PlaneReport:
    """Hunt in the plane of a card, in its regions or some of them, for data in files, whose events weigh the same.

    `options.output` becomes a folder with `plane.json`, a report and figures. `toys` bootstraps of the events give the
    global p-values, over all windows and masses of a region and of all; `options.signals` have limits, on events
    produced or, with `luminosity` in fb-1, on the cross section in fb. A region of which something is not in the files
    is left out; `InputDataError` if no spectrum can be fitted.
    """
    from hepad.pipeline.hunt.plane_output import stored_plane, write_plane

    chosen = tuple(regions) or tuple(card.regions)
    if unknown := [name for name in chosen if name not in card.regions]:
        raise UsageError(f"{card.name} has the regions {', '.join(card.regions)}, not {', '.join(unknown)}")
    check_asked(toys, luminosity)
    check_folder(options.file, verb="hunt")
    options = replace(options, mass=options.mass or card.mass, selection=options.selection or card.selection)
    functions = family_of(card)
    edges = np.array(card.bins)
    shapes = scan_shapes(card.shape, [(card.bins[1], card.bins[-2])], edges, step=_STEP)
    samples = {"": _paths(files, options), **{n: _paths(of, options) for n, of in options.signals.items()}}
    every = [path for paths in samples.values() for path in paths]

    def described(records: Sequence[dict[str, Any]], *, arguments: bool = True) -> dict[str, Any]:
        told = {**selection_hash(load_selection(str(options.selection)))}
        record = provenance(
            f"hepad hunt --analysis {card.name}", inputs=records, seed=options.seed, cards=told, arguments=arguments
        )
        how = {"toys": toys, "max_events": options.max_events, "luminosity_per_fb": luminosity, "mass": options.mass}
        asked = {"regions": list(chosen), "columns": dict(options.columns), "table": options.table}
        numbers = {"signals": {name: len(paths) for name, paths in samples.items() if name}}
        whole = {"analysis": card.model_dump(mode="json", by_alias=True), **asked, **numbers, **how}
        return {**whole, "provenance": record}

    making = Making.of(options.file, every, described, again=options.execution.force or options.restart)
    if before := making.before(read=stored_plane):
        return before
    with making.run_folder() as folder:
        read = _Reader(card, options, samples)
        report = _hunt(read, chosen, (functions, edges, shapes), folder=folder, toys=toys, luminosity=luminosity)
        write_plane(report, card, making.description(), options.file)
    return report


def _paths(files: Sequence[str], options: HuntOptions) -> list[InputPath]:
    found = expand_files(files)
    return [TablePath(path) for path in found] if options.table else found


@dataclass
class _Reader:
    """Reads the data and the signals as regions see them; `samples` has the files, those of the data by no name."""

    card: PlaneCard
    options: HuntOptions
    samples: Mapping[str, Sequence[InputPath]]

    def input(self, region: str) -> InputCard:
        """What is read of an event."""
        kind = "table" if self.options.table else "event_features"
        content: dict[str, Any] = {"kind": kind, "features": list(self.card.features(region)), "scale": "none"}
        if self.options.table:
            content["columns"] = dict(self.options.columns)
        return parse_input(content, f"hunt {self.card.name}, region {region}")

    def read(self, region: str, sample: str) -> tuple[Candidates, HuntEvents]:
        """The candidates of a sample in a region."""
        seen = self.input(region)
        mass = mass_of(self.options.mass, seen, allowed=True)
        job = HuntJob(load_selection(str(self.options.selection)), make_input(seen), mass)
        options = replace(self.options, max_events=None if sample else self.options.max_events)
        paths = self.samples[sample]
        events = read_events(job, paths, options, MemoryStore(), FileRecords(paths))
        events.check()
        there, x = events.raw.there, np.asarray(events.raw.x, dtype=np.float64)
        columns = {n: np.where(there[:, i], x[:, i], np.nan) for i, n in enumerate(self.card.features(region))}
        return candidates_of(self.card, region, columns, events.raw.beside[MASS]), events

    def skipped(self, read: Mapping[str, HuntEvents]) -> set[Skipped]:
        """Files that were left out of samples, by their places among those of all."""
        first = dict(zip(self.samples, accumulate(map(len, self.samples.values()), initial=0), strict=False))
        return {replace(one, file=first[name] + one.file) for name, events in read.items() for one in events.skipped}


@dataclass
class _Spectra:
    """Rows of regions, the spectra to hunt in, and peaks of signals in each region; and why others are left out."""

    regions: list[RegionRow] = field(default_factory=list)
    selected: list[SelectedMasses] = field(default_factory=list)
    by_label: dict[str, SelectedSpectrum] = field(default_factory=dict)
    peaks: dict[str, dict[str, float]] = field(default_factory=dict)
    skipped: set[Skipped] = field(default_factory=set)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, read: _Reader, region: str, how: _How) -> None:
        """Read a region and choose a function for each of its windows."""
        functions, edges, shapes = how
        try:
            data, events = read.read(region, "")
        except (InputDataError, CardError, UsageError) as error:
            self.left_out[f"region {region}"] = _without_folders(str(error), read.samples)
            return
        check_weights(events.raw.weight)
        simulated = {name: read.read(region, name) for name in read.options.signals}
        self.skipped |= read.skipped({"": events, **{name: found for name, (_, found) in simulated.items()}})
        self.regions.append(RegionRow(region, events.flow.total.events, len(data.kept), int(data.kept.sum())))
        windows = {name: _window_of(found, read.card) for name, (found, _) in simulated.items()}
        self.peaks[region] = {n: _peak(f.y, f) for n, (f, _) in simulated.items() if f.kept.any()}
        try:
            family = _asked_for(np.where(data.kept, data.y, np.nan), functions, edges)
        except (FitFailedError, InputDataError) as error:
            self.left_out[f"region {region}"] = str(error)
            return
        for window in read.card.unknown.windows:
            one = _selected(region, window, data, simulated)
            wanted = tuple(name for name, of in windows.items() if of == window)
            try:
                self.by_label[one.label] = _spectrum(one, family, edges, shapes, wanted)
                self.selected.append(one)
            except (FitFailedError, InputDataError) as error:
                self.left_out[one.label] = str(error)
                for name in wanted:
                    self.left_out[f"limits on signal {name} in region {region}"] = f"{one.label} is left out"
        for name in (name for name, of in windows.items() if of is None):
            why = "no window has the peak of its m_X" if simulated[name][0].kept.any() else "none of its events is kept"
            self.left_out[f"limits on signal {name} in region {region}"] = why


def _hunt(
    read: _Reader,
    regions: Sequence[str],
    how: _How,
    *,
    folder: RunFolder,
    toys: int,
    luminosity: float | None,
) -> PlaneReport:
    found, options = _Spectra(), read.options
    for region in regions:
        found.add(read, region, how)
    if not found.selected:
        hint = table_hint([path for paths in read.samples.values() for path in paths])
        raise InputDataError("; ".join(filter(None, ("no spectrum can be hunted in", _first(found.left_out), hint))))
    scanned = scan_spectra(
        found.selected,
        found.by_label,
        found.peaks,
        folder=folder,
        execution=options.execution,
        left_out=found.left_out,
        on_fit=options.on_fit,
    )
    trials = _trials(scanned, toys, options.seed, found.left_out)
    return PlaneReport(
        read.card.name,
        options.mass,
        options.output,
        tuple(found.regions),
        tuple(SpectrumRow.of(one, found.by_label[one.label]) for one in found.selected),
        scanned.scan,
        scanned.bumps,
        tuple(row for row in scanned.signals if row.responsible),
        trials,
        found.left_out,
        toys=toys,
        luminosity=luminosity,
        skipped=tuple(sorted(found.skipped, key=lambda one: one.file)),
    )


def _window_of(found: Candidates, card: PlaneCard) -> tuple[float, float] | None:
    """The window whose middle is nearest to the peak of a signal's unknown candidates; None if it is in none."""
    if not (found.kept & (found.x > 0)).any():
        return None
    place = responsible(_peak(found.x, found), card.unknown.windows)
    return None if place is None else card.unknown.windows[place]


def _peak(masses: FloatArray, found: Candidates) -> float:
    """Where masses (n,) of the events that are kept, one of them at least, have their peak."""
    return peak_of_masses(masses, np.where(found.kept, 1.0, 0.0))


def _selected(
    region: str, window: tuple[float, float], data: Candidates, simulated: Mapping[str, tuple[Candidates, HuntEvents]]
) -> SelectedMasses:
    low, high = window
    signals = {}
    for name, (found, events) in simulated.items():
        masses, weight = found.inside(low, high), np.asarray(events.raw.weight, dtype=np.float64)
        there, every = np.isfinite(masses), events.whole.columns["all_weight"]
        signals[name] = SignalMasses(masses[there], weight[there], float(every.sum()), float((every**2).sum()))
    own = Window(low, high, (0.0, 2 * high))
    return SelectedMasses(method=region, set=_SET, window=own, masses=data.inside(low, high), signals=signals)


def _spectrum(
    one: SelectedMasses,
    functions: Sequence[BackgroundFunction],
    edges: FloatArray,
    shapes: Sequence[Signal],
    wanted: tuple[str, ...],
) -> SelectedSpectrum:
    """The spectrum with the first of the functions that can be fitted to it; `FitFailedError` if none can be.

    `InputDataError` if too few of its bins have events for the last.
    """
    *richer, simplest = functions
    for function in richer:
        with suppress(FitFailedError, InputDataError):
            fit_background(edges, _counts(one.masses, edges, function), function)
            return SelectedSpectrum.of(one, function, edges, shapes, wanted)
    fit_background(edges, _counts(one.masses, edges, simplest), simplest)
    return SelectedSpectrum.of(one, simplest, edges, shapes, wanted)


def _asked_for(
    masses: FloatArray, functions: Sequence[BackgroundFunction], edges: FloatArray
) -> list[BackgroundFunction]:
    """The first function that the next does not improve in the spectrum of all windows, and simpler ones behind it.

    There a resonance of one window is a smaller part, and does not ask for parameters that then bend under it.
    """
    ordered = sorted(functions, key=lambda function: function.n_parameters, reverse=True)
    fit, _ = choose_order(edges, _counts(masses, edges, ordered[-1]), functions)
    return [function for function in ordered if function.n_parameters <= fit.function.n_parameters]


def _counts(masses: FloatArray, edges: FloatArray, function: BackgroundFunction) -> FloatArray:
    """Events (n,) in bins; `InputDataError` if they are too few, or too few bins are filled for a fit."""
    counts = np.histogram(masses, edges)[0].astype(np.float64)
    if counts.sum() < _FEWEST_EVENTS:
        raise InputDataError(f"{counts.sum():.0f} of {_FEWEST_EVENTS} events that are needed for significances")
    filled, least = int(np.count_nonzero(counts)), function.n_parameters + _SPARE
    if filled < least:
        raise InputDataError(f"{filled} bins have events, {least} are needed for a fit of {function.name}")
    return counts


def _trials(scanned: Scanned, toys: int, seed: int, left_out: dict[str, str]) -> Trials:
    """The global p-values over all windows and masses, of each region and of all: of the same bootstraps."""
    if not toys or not scanned.looks:
        return Trials()
    looks = [look for _, look in scanned.looks]
    made = Bootstraps.of(looks, [one.masses for one, _ in scanned.looks], toys=toys, seed=seed)
    owners = [one.method for one, _ in scanned.looks]

    def over(name: str | None) -> WindowTrials | None:
        try:
            return made.trials([i for i, owner in enumerate(owners) if name in (None, owner)])
        except FitFailedError as error:
            left_out[f"global p of {name or 'all regions'}"] = str(error)
            return None

    found = {name: over(name) for name in dict.fromkeys(owners)}
    return Trials({name: one for name, one in found.items() if one is not None}, over(None))


def _without_folders(text: str, samples: Mapping[str, Sequence[InputPath]]) -> str:
    """A reason that is the same wherever the files are."""
    for paths in samples.values():
        for path in paths:
            text = text.replace(str(path), path.name)
    return text


def _first(left_out: Mapping[str, str]) -> str:
    return "; ".join(dict.fromkeys(f"{what}: {why}" for what, why in list(left_out.items())[:2]))
