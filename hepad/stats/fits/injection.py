"""Signal injection and spurious signals: what a fit of signal and background makes of known truths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError, UsageError
from hepad.stats.counts.toys import OnToys, silent
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.signal_fit import PARAMETERS, SignalFit
from hepad.stats.fits.templates import gaussian_template

__all__ = ["Injection", "Signal", "SpuriousPoint", "inject", "spurious_signals"]

FloatArray = npt.NDArray[np.float64]

_NEAR = 3.0
"""A fit has found the injected signal if its mass is within so many injected widths of it."""
_SCAN_MASSES = 80
_SCAN_WIDTHS = (0.5, 1.0, 2.0)
"""In units of the injected width."""
_WIDTH_REACH = 6.0


@dataclass(frozen=True)
class Signal:
    """A Gaussian signal: events, mass in GeV, standard deviation over mass."""

    events: float
    mass: float
    width: float

    def __post_init__(self) -> None:
        if not self.mass > 0 or not 0 < self.width < 1 or not np.isfinite(self.events) or self.events < 0:
            raise UsageError(
                f"a signal has a mass above zero, a relative width between 0 and 1 and no negative yield; found mass "
                f"{self.mass:g}, width {self.width:g}, yield {self.events:g}"
            )


@dataclass(frozen=True)
class Injection:
    """Experiments with one signal: fitted `values` and `errors` (m, 3) of yield, mass and width of converged fits.

    `floating` names what was fitted. `failed` experiments have no result. `found` (m,) are the fits whose mass is
    within three injected widths of the injected one: the others have climbed another hill, and their pulls say nothing.
    """

    signal: Signal
    floating: tuple[str, ...]
    experiments: int
    failed: int
    values: FloatArray
    errors: FloatArray

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Which fits (m,) have found the injected signal."""
        reach = _NEAR * self.signal.width * self.signal.mass
        return np.asarray(np.abs(self.values[:, 1] - self.signal.mass) <= reach)

    @property
    def pulls(self) -> FloatArray:
        """(fitted - injected) / error, (m, 3), of the fits that found the signal; columns that were held are NaN."""
        truth = np.array([self.signal.events, self.signal.mass, self.signal.width])
        with np.errstate(divide="ignore", invalid="ignore"):
            pulls = (self.values - truth) / self.errors
        pulls[:, [name not in self.floating for name in PARAMETERS]] = np.nan
        return np.asarray(pulls[self.found], dtype=np.float64)


def inject(
    edges: FloatArray,
    background: FloatArray,
    function: BackgroundFunction,
    signal: Signal,
    *,
    experiments: int,
    floating: tuple[str, ...] = ("mass", "width"),
    mass_range: tuple[float, float] | None = None,
    seed: int = 0,
    on_fits: OnToys | None = None,
) -> Injection:
    """Throw experiments of background (n,) plus signal in bins of edges (n+1,) in GeV, and fit function and signal.

    The fit knows nothing of the injected mass where it floats: it starts from the most significant of scans over the
    whole `mass_range` (default: the spectrum without its outermost bins). Yields fluctuate as Poisson counts.
    `on_fits` is told how many fits are done. `FitFailedError` if no experiment can be fitted.
    """
    template = gaussian_template(edges, signal.mass, signal.width)
    rng = np.random.default_rng(seed)
    counts = rng.poisson(background + signal.events * template, size=(experiments, len(background))).astype(np.float64)
    low, high = mass_range or (float(edges[1]), float(edges[-2]))
    if "mass" in floating and not low < signal.mass < high:
        raise UsageError(f"the injected mass {signal.mass:g} is not within {low:g}:{high:g}, where it is looked for")
    model = SignalFit(
        edges,
        background,
        function,
        floating=floating,
        mass_range=(low, high),
        width_range=(signal.width / _WIDTH_REACH, min(signal.width * _WIDTH_REACH, 0.9)),
    )
    masses = np.geomspace(low, high, _SCAN_MASSES + 2)[1:-1] if "mass" in floating else np.array([signal.mass])
    widths = signal.width * np.array(_SCAN_WIDTHS if "width" in floating else (1.0,))
    fits = model.best_of(counts, model.scan(counts, masses, widths), on_fits=on_fits)
    good = fits.converged
    if not good.any():
        raise FitFailedError(f"none of the {experiments} experiments could be fitted with {function.name} and a signal")
    return Injection(
        signal=signal,
        floating=("yield", *floating),
        experiments=experiments,
        failed=int(np.count_nonzero(~good)),
        values=fits.values[good],
        errors=fits.errors[good],
    )


@dataclass(frozen=True)
class SpuriousPoint:
    """Signal that a function fakes at one mass in GeV: fitted to the exact background, and to `toys` of it.

    `spurious` and `error` are events; `toy_mean` is the mean fitted yield and `toy_error` its error, `pull_width` the
    standard deviation of yield over error, which is 1 if the errors are right. The toys' are None without toys.
    """

    mass: float
    spurious: float
    error: float
    toys: int = 0
    failed_toys: int = 0
    toy_mean: float | None = None
    toy_error: float | None = None
    pull_width: float | None = None

    @property
    def ratio(self) -> float:
        """Spurious signal over its statistical error."""
        return self.spurious / self.error


def spurious_signals(
    edges: FloatArray,
    truth: FloatArray,
    function: BackgroundFunction,
    *,
    masses: Sequence[float],
    width: float,
    toys: int = 0,
    seed: int = 0,
    on_masses: OnToys | None = None,
) -> tuple[SpuriousPoint, ...]:
    """Fit function and signal of relative `width` at each of masses in GeV to a background `truth` (n,) without signal.

    `on_masses` is told how many are done. `FitFailedError` if the fit to the truth fails at a mass.
    """
    model = SignalFit(edges, truth, function)
    counts = np.random.default_rng(seed).poisson(truth, size=(toys, len(truth))).astype(np.float64)
    points: list[SpuriousPoint] = []
    say = on_masses or silent
    say(0, len(masses))
    for mass in masses:
        signal = Signal(0.0, mass, width)
        start = np.array([[0.0, signal.mass, signal.width]])
        exact = model.fit(truth[None, :], start)
        if not exact.converged[0]:
            raise FitFailedError(f"the fit of {function.name} and a signal at {mass:g} GeV did not converge")
        point = SpuriousPoint(mass, float(exact.values[0, 0]), float(exact.errors[0, 0]))
        points.append(_with_toys(point, model, counts, start) if toys else point)
        say(len(points), len(masses))
    return tuple(points)


def _with_toys(point: SpuriousPoint, model: SignalFit, counts: FloatArray, start: FloatArray) -> SpuriousPoint:
    fits = model.fit(counts, np.tile(start, (len(counts), 1)))
    good = fits.converged
    n = int(np.count_nonzero(good))
    if n < 2:
        return SpuriousPoint(point.mass, point.spurious, point.error, n, len(counts) - n)
    values, errors = fits.values[good, 0], fits.errors[good, 0]
    return SpuriousPoint(
        mass=point.mass,
        spurious=point.spurious,
        error=point.error,
        toys=n,
        failed_toys=len(counts) - n,
        toy_mean=float(values.mean()),
        toy_error=float(values.std(ddof=1) / np.sqrt(n)),
        pull_width=float((values / errors).std(ddof=1)),
    )
