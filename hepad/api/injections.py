"""`inject` and `spurious`: what fits to spectra make of signals that are there, and of none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hepad.api.record import Record, Row
from hepad.api.spectra import SpectrumLike, spectrum_of
from hepad.errors import UsageError
from hepad.pipeline.inject import HEADER, InjectOptions, InjectReport, formatted_rows, linearity
from hepad.pipeline.spurious import MAX_RATIO, SpuriousOptions, SpuriousReport
from hepad.stats.fits.injection import Injection, SpuriousPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["InjectRecord", "SpuriousRecord", "inject", "spurious"]


@dataclass(frozen=True, repr=False)
class InjectRecord(Record):
    """What the fit made of signals of one mass and width, for each yield: values and pulls of all experiments."""

    report: InjectReport

    @property
    def injections(self) -> tuple[Injection, ...]:
        """One a yield, in their order: `values` and `pulls` of yield, mass and width, shape (m, 3)."""
        return self.report.injections

    def to_json(self) -> dict[str, Any]:
        """As `hepad inject --json`: of each yield the mean, spread and pulls of what was fitted."""
        return self.report.to_json()

    def _remarks(self) -> Sequence[str]:
        return self.report.warnings

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        rows = [row for injection in self.injections for row in formatted_rows(injection)]
        title = f"Signals injected into {self.report.truth}, fitted with {self.report.function.name}"
        return title, HEADER, rows

    def _draw(self, ax: Axes) -> None:
        from hepad.plot.injection import draw_linearity

        draw_linearity(ax, *linearity(self.injections))


@dataclass(frozen=True, repr=False)
class SpuriousRecord(Record):
    """What background functions fake where there is no signal, at each mass."""

    report: SpuriousReport

    @property
    def points(self) -> dict[str, tuple[SpuriousPoint, ...]]:
        """By function, one a mass: `spurious` events, their `error`, and `ratio`, the quotient."""
        return self.report.points

    @property
    def passed(self) -> dict[str, bool]:
        """By function, whether no spurious signal exceeds the largest part of its error that is allowed."""
        return {name: self.report.passed(name) for name in self.report.points}

    def to_json(self) -> dict[str, Any]:
        """As `hepad spurious --json`."""
        return self.report.to_json()

    def _remarks(self) -> Sequence[str]:
        return self.report.warnings

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        rows = []
        for name in self.report.points:
            worst = self.report.largest(name)
            rows.append([name, f"{worst.ratio:+.3f}", f"{worst.mass:g}", "yes" if self.passed[name] else "no"])
        title = f"Spurious signals on {self.report.options.truth}"
        return title, ["function", "largest signal / error", "at [GeV]", "passed"], rows

    def _draw(self, ax: Axes) -> None:
        from hepad.plot.injection import draw_spurious

        options = self.report.options
        ratios = {name: np.array([point.ratio for point in points]) for name, points in self.report.points.items()}
        draw_spurious(ax, np.array(options.masses), ratios, limit=options.max_ratio)


def inject(
    spectrum: SpectrumLike,
    events: float | Sequence[float],
    *,
    mass: float,
    width: float = 0.05,
    function: str = "dijet4",
    truth: str | None = None,
    floating: Sequence[str] = ("mass", "width"),
    search: tuple[float, float] | None = None,
    mass_range: tuple[float, float] | None = None,
    experiments: int = 500,
    seed: int = 0,
) -> InjectRecord:
    """Inject a Gaussian signal into the background of a spectrum and recover yield, mass and width, with their pulls.

    `spectrum` is as in `hepad.bumphunt`. `events` is the yield, or several; `mass` is in GeV, `width` the standard
    deviation over the mass. `function` is fitted beside the signal, `truth` throws the background of the experiments: a
    function, "gp" or "spectrum" (None: `function`). `floating` are those of mass and width that the fit looks for, the
    mass within `search` in GeV. As `hepad inject` otherwise.

    `UsageError` without a yield, `InputDataError` for a spectrum without events, `CardError` for an unknown function.

    >>> import hepad
    >>> found = hepad.inject("examples/data/atlas_dijet_139fb.csv", 5000, mass=2500, width=0.03, function="dijet5",
    ...                      floating=(), experiments=20)
    >>> row = found.to_json()["injections"][0]["yield"]
    >>> abs(row["mean"] - 5000) < 5 * row["mean_error"]
    True
    """
    from hepad.pipeline.inject import inject_signals

    unknown = sorted(set(floating) - {"mass", "width"})
    if unknown:
        raise UsageError(f"floating are of mass and width, found {unknown[0]!r}")
    options = InjectOptions(
        mass=mass,
        width=width,
        yields=tuple(events) if isinstance(events, Sequence) else (float(events),),
        function=function,
        truth=truth,
        floating=tuple(floating),
        mass_range=mass_range,
        search=search,
        experiments=experiments,
        seed=seed,
    )
    return InjectRecord(inject_signals(spectrum_of(spectrum), options=options))


def spurious(
    spectrum: SpectrumLike,
    function: str | Sequence[str],
    masses: Sequence[float],
    *,
    width: float = 0.05,
    truth: str = "gp",
    max_ratio: float = MAX_RATIO,
    mass_range: tuple[float, float] | None = None,
    toys: int = 0,
    seed: int = 0,
) -> SpuriousRecord:
    """Fit signal and background where there is no signal, at each of the `masses` in GeV: what does a function fake?

    `spectrum` is as in `hepad.bumphunt`, `function` one name or several. The background without signal is the `truth`:
    "gp", a function, or "spectrum". A function passes if no spurious signal exceeds `max_ratio` of its statistical
    error. As `hepad spurious` otherwise.

    `UsageError` for a mass outside of the spectrum, `FitFailedError` if a fit to the truth fails.

    >>> import hepad
    >>> found = hepad.spurious("examples/data/atlas_dijet_139fb.csv", "dijet5", [2000, 3000], truth="dijet5")
    >>> found.passed
    {'dijet5': True}
    """
    from hepad.pipeline.spurious import spurious as run

    options = SpuriousOptions(
        functions=(function,) if isinstance(function, str) else tuple(function),
        masses=tuple(float(mass) for mass in masses),
        width=width,
        truth=truth,
        max_ratio=max_ratio,
        mass_range=mass_range,
        toys=toys,
        seed=seed,
    )
    return SpuriousRecord(run(spectrum_of(spectrum), options=options))
