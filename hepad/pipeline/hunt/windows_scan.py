"""Resonances of many masses in what methods select: local p-values, limits, and bumps, each spectrum a task."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError, FitFailedError, InputDataError, UsageError
from hepad.execution.executor import Execution
from hepad.execution.store import RunFolder
from hepad.execution.tasks import Arrays, Task, run_tasks
from hepad.methods.base import MASS
from hepad.pipeline.hunt.events import HuntEvents
from hepad.pipeline.hunt.windows_rows import BumpRow, ScanPoint, SignalRow
from hepad.pipeline.hunt.windows_selected import Selected, SelectedMasses
from hepad.spectra.shapes import Signal, signals
from hepad.stats.bumphunt.hunt import bump_hunt
from hepad.stats.bumphunt.mass_looks import MassPoint, MassScan, scan_point
from hepad.stats.bumphunt.window_count import WindowCount
from hepad.stats.fits.fit import fit_background
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.templates import kernel_template, signal_shape

__all__ = [
    "Scanned",
    "SelectedSpectrum",
    "peak_of",
    "peak_of_masses",
    "responsible",
    "scan",
    "scan_shapes",
    "scan_spectra",
]

FloatArray = npt.NDArray[np.float64]

_STEP = 0.5
"""Of the masses of a scan, in widths of the signal: excesses between them are not missed."""
_BUMP_TOYS = 1000
_COLUMNS = 9
"""Of a `MassPoint`: its numbers, its limits, and whether events are few."""


def scan_shapes(
    shape: str, ranges: Sequence[tuple[float, float]], edges: FloatArray, *, step: float = _STEP
) -> list[Signal]:
    """Signals of a shape, `gauss:WIDTH` say, at masses from the lowest to the highest of windows (low, high) in GeV.

    They are `step` widths apart. Those of which less than half is in the spectrum are left out. `CardError` for a shape
    that is none.
    """
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    try:
        width = signals([shape], [float(np.sqrt(low * high))], edges)[0].width
    except UsageError as error:
        raise CardError(f"shape of the card of a hunt: {error}") from error
    steps = int(np.ceil(np.log(high / low) / (step * width)))
    found = []
    for mass in np.geomspace(low, high, steps + 1):
        with suppress(InputDataError):
            found += signals([shape], [float(mass)], edges)
    return found


def responsible(mass: float, ranges: Sequence[tuple[float, float]]) -> int | None:
    """The place of the window (low, high) whose middle the mass is nearest to, in parts of the window; None in none."""
    inside = [place for place, (low, high) in enumerate(ranges) if low <= mass < high]

    def distance(place: int) -> float:
        low, high = ranges[place]
        return float(abs(np.log(mass**2 / (low * high))) / np.log(high / low))

    return min(inside, key=distance, default=None)


def peak_of(events: HuntEvents) -> float:
    """The mass in GeV at which simulated events peak; `InputDataError` if none of them has a mass."""
    return peak_of_masses(events.raw.beside[MASS], np.asarray(events.raw.weight, dtype=np.float64))


def peak_of_masses(mass: FloatArray, weight: FloatArray) -> float:
    """The mass in GeV at which masses (n,), NaN for none, of weights (n,) peak; `InputDataError` if there is none."""
    there = np.isfinite(mass) & (mass > 0)
    if not there.any():
        raise InputDataError("no selected event of it has a mass")
    edges = np.geomspace(mass[there].min() * 0.999, mass[there].max() * 1.001, 400)
    return signal_shape(edges, np.histogram(mass[there], edges, weights=weight[there])[0])[0]


@dataclass(frozen=True)
class Scanned:
    """Rows, and what is looked at again in bootstraps: a scan and its events' masses (n,) by the selected spectrum."""

    scan: tuple[ScanPoint, ...]
    bumps: tuple[BumpRow, ...]
    signals: tuple[SignalRow, ...]
    looks: tuple[tuple[SelectedMasses, MassScan], ...]


def scan(
    kept: Sequence[tuple[Selected, WindowCount]],
    edges: FloatArray,
    shapes: Sequence[Signal],
    peaks: Mapping[str, float],
    *,
    folder: RunFolder,
    execution: Execution,
    left_out: dict[str, str],
    on_fit: Callable[[int, int], None] | None = None,
) -> Scanned:
    """Scan what was selected in each window over the masses that it is responsible for, and the signals of `peaks`.

    The function is the one that was chosen outside of the window. What cannot be fitted is told in `left_out`.
    """
    spectra: dict[str, SelectedSpectrum] = {}
    for one, count in kept:
        own = [(o.window.low, o.window.high) for o, _ in kept if o.method == one.method]
        place = own.index((one.window.low, one.window.high))
        mine = [shape for shape in shapes if responsible(shape.mass, own) == place]
        wanted = tuple(name for name in one.signals if name in peaks and responsible(peaks[name], own) == place)
        spectra[one.label] = SelectedSpectrum.of(one, count.fit.function, edges, mine, wanted)
    return scan_spectra(
        [one for one, _ in kept],
        spectra,
        {one.method: peaks for one, _ in kept},
        folder=folder,
        execution=execution,
        left_out=left_out,
        on_fit=on_fit,
    )


def scan_spectra(
    selected: Sequence[SelectedMasses],
    spectra: Mapping[str, SelectedSpectrum],
    peaks: Mapping[str, Mapping[str, float]],
    *,
    folder: RunFolder,
    execution: Execution,
    left_out: dict[str, str],
    on_fit: Callable[[int, int], None] | None = None,
) -> Scanned:
    """Scan the spectra of what was selected, by their labels; `peaks` are those of signals by method. See `scan`."""
    hashes = {label: spectrum.sha256() for label, spectrum in spectra.items()}
    found = run_tasks(
        _Job(spectra),
        [Task(label) for label in spectra],
        folder.store("fits", {"spectra": hashes}),
        execution=execution,
        on_done=on_fit,
    )
    return _gathered(selected, spectra, found, peaks, left_out)


@dataclass(frozen=True)
class SelectedSpectrum:
    """Events (n,) of a spectrum in bins of edges (n+1,), a function, and signals (m, n) of masses (m,).

    `events` (s, n) and `variances` (s, n) are those of an event of the simulated signals of `names`; the relative
    `errors` (s,) are those of their efficiency. Of the signals `lost` nothing is selected.
    """

    edges: FloatArray
    counts: FloatArray
    function: BackgroundFunction
    masses: FloatArray
    shapes: FloatArray
    names: tuple[str, ...]
    events: FloatArray
    variances: FloatArray
    errors: FloatArray
    lost: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        one: SelectedMasses,
        function: BackgroundFunction,
        edges: FloatArray,
        shapes: Sequence[Signal],
        names: tuple[str, ...],
    ) -> SelectedSpectrum:
        """The spectrum of what is selected, of the simulated signals those of `names`."""
        bins = len(edges) - 1
        sizes = {name: _efficiency(one, name, edges) for name in names}
        there = tuple(name for name, (efficiency, _) in sizes.items() if efficiency > 0)
        made = [one.signals[name] for name in there]
        templates = [kernel_template(edges, s.masses, s.weights) / s.total for s in made]
        squares = [np.histogram(s.masses, edges, weights=(s.weights / s.total) ** 2)[0] for s in made]
        return cls(
            edges,
            np.histogram(one.masses, edges)[0].astype(np.float64),
            function,
            np.array([shape.mass for shape in shapes]),
            np.array([shape.fractions for shape in shapes]).reshape(-1, bins),
            there,
            np.array(templates).reshape(-1, bins),
            np.array(squares).reshape(-1, bins),
            np.array([sizes[name][1] / sizes[name][0] for name in there]),
            tuple(name for name in names if name not in there),
        )

    def sha256(self) -> str:
        """Of all that its fits depend on."""
        arrays = (self.edges, self.counts, self.shapes, self.events, self.variances, self.errors)
        whole = hashlib.sha256(f"{self.function.name} {self.names}".encode())
        for array in arrays:
            whole.update(np.ascontiguousarray(array).tobytes())
        return whole.hexdigest()

    def points(self) -> list[MassPoint]:
        """A fit of each of the shapes."""
        return [scan_point(self.edges, self.counts, self.function, shape) for shape in self.shapes]

    def signals(self) -> list[MassPoint]:
        """A fit of each of the simulated signals."""
        return [
            scan_point(self.edges, self.counts, self.function, events, variances=variances, error=float(error))
            for events, variances, error in zip(self.events, self.variances, self.errors, strict=True)
        ]

    def bump(self) -> FloatArray:
        """The interval of the largest excess in GeV, its z, p, global p and the error of that; NaN if none is found."""
        try:
            fit = fit_background(self.edges, self.counts, self.function)
            found = bump_hunt(self.edges, self.counts, fit.expected, toys=_BUMP_TOYS, refit=fit)
        except FitFailedError:
            return np.full(6, np.nan)
        numbers = (found.local_z, found.local_p, found.global_p, found.global_p_error)
        return np.array([*found.window, *(np.nan if value is None else value for value in numbers)])


def _efficiency(one: SelectedMasses, name: str, edges: FloatArray) -> tuple[float, float]:
    """The part of all events of a signal that are in the spectrum, and its error of finite simulation."""
    signal = one.signals[name]
    there = (signal.masses >= edges[0]) & (signal.masses <= edges[-1])
    weights = signal.weights[there]
    share, squares = float(weights.sum()) / signal.total, float((weights**2).sum())
    variance = (1 - 2 * share) * squares + share**2 * signal.squares  # binomial, of weighted events
    return share, float(np.sqrt(max(variance, 0.0))) / signal.total


@dataclass(frozen=True)
class _Job:
    """All spectra of a run, by name."""

    spectra: Mapping[str, SelectedSpectrum]

    def do(self, name: str, given: Mapping[str, Arrays]) -> Arrays:  # noqa: ARG002
        spectrum = self.spectra[name]
        return {
            "scan": _table(spectrum.points()),
            "signals": _table(spectrum.signals()),
            "bump": spectrum.bump(),
        }


def _table(points: Sequence[MassPoint]) -> FloatArray:
    rows = [[p.z, p.events, *p.limits, float(p.few)] for p in points]
    return np.array(rows, dtype=np.float64).reshape(-1, _COLUMNS)


def _point(row: FloatArray) -> MassPoint:
    return MassPoint(float(row[0]), float(row[1]), tuple(map(float, row[2:-1])), few=bool(row[-1]))


def _gathered(
    selected: Sequence[SelectedMasses],
    spectra: Mapping[str, SelectedSpectrum],
    found: Mapping[str, Arrays],
    peaks: Mapping[str, Mapping[str, float]],
    left_out: dict[str, str],
) -> Scanned:
    points, bumps, rows, looks = [], [], [], []
    for one in selected:
        spectrum, arrays = spectra[one.label], found[one.label]
        place = (one.method, one.set, one.window.low, one.window.high)
        fitted = np.isfinite(arrays["scan"][:, 0])
        if not fitted.all():
            masses = ", ".join(f"{mass:.0f}" for mass in spectrum.masses[~fitted])
            left_out[f"{one.label} at {masses} GeV"] = "a fit of signal and background did not converge"
        table = arrays["scan"][fitted]
        points += [ScanPoint.of(place, m, _point(r)) for m, r in zip(spectrum.masses[fitted], table, strict=True)]
        if fitted.any():
            shapes = spectrum.shapes[fitted]
            look = MassScan(spectrum.edges, spectrum.counts, spectrum.function, shapes, table[:, 0])
            try:
                look.fit  # noqa: B018  bootstraps are drawn from it
                looks.append((one, look))
            except FitFailedError as error:
                left_out[f"scan of {one.label} in global p"] = str(error)
        if np.isfinite(arrays["bump"]).all():
            bumps.append(BumpRow(*place, *map(float, arrays["bump"])))
        else:
            failed = np.isnan(arrays["bump"]).all()
            why = "a fit to the whole spectrum did not converge" if failed else "its significance is not finite"
            left_out[f"largest bump of {one.label}"] = why
        rows += _signal_rows(one, spectrum, arrays["signals"], peaks[one.method])
        _tell_signals(one, spectrum, arrays["signals"], left_out)
    return Scanned(tuple(points), tuple(bumps), tuple(rows), tuple(looks))


def _tell_signals(one: SelectedMasses, spectrum: SelectedSpectrum, fits: FloatArray, left_out: dict[str, str]) -> None:
    """Tell of the signals that a spectrum is responsible for and has no limits on."""
    told = dict.fromkeys(spectrum.lost, "none of its events is selected in the spectrum")
    for name, row in zip(spectrum.names, fits, strict=True):
        if not np.isfinite(row[0]):
            told[name] = "a fit of signal and background did not converge"
        elif not np.isfinite(row[2:-1]).all():
            told[name] = "a limit could not be computed"
    left_out.update({f"limits on signal {name} with {one.label}": why for name, why in told.items()})


def _signal_rows(
    one: SelectedMasses, spectrum: SelectedSpectrum, fits: FloatArray, peaks: Mapping[str, float]
) -> list[SignalRow]:
    place = (one.method, one.set, one.window.low, one.window.high)
    known = dict(zip(spectrum.names, fits, strict=True))
    rows = []
    for name, peak in peaks.items():
        row = SignalRow(name, peak, *place, *_efficiency(one, name, spectrum.edges), responsible=name in known)
        rows.append(row.with_point(_point(known[name])) if name in known else row)
    return rows
