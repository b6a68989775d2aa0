"""`bumphunt` and `fit` of spectra in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hepad.api.record import Record, Row
from hepad.api.spectra import SpectrumLike, channels_of, spectrum_of
from hepad.pipeline.bumphunt.options import BumpHuntOptions, Injection
from hepad.pipeline.bumphunt.report import BumpHuntReport
from hepad.pipeline.fit.report import Background, FitReport
from hepad.stats.bumphunt import Direction, ScanOptions
from hepad.stats.fits.fit import FitResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BumpHuntRecord", "FitRecord", "bumphunt", "fit"]


@dataclass(frozen=True, repr=False)
class BumpHuntRecord(Record):
    """The most significant window of a spectrum; `report` has all of it: `report.hunt`, `report.backgrounds`, ..."""

    report: BumpHuntReport

    @property
    def window(self) -> tuple[float, float]:
        """Its edges, in the units of the spectrum (GeV)."""
        return self.report.hunt.window

    @property
    def local_p(self) -> float:
        """The p-value of the window alone."""
        return self.report.hunt.local_p

    @property
    def local_z(self) -> float | None:
        """Its significance in standard deviations; None where it is no excess, nor a deficit."""
        return self.report.hunt.local_z

    @property
    def global_p(self) -> float | None:
        """How often background alone gives a window like it; None without pseudo-experiments."""
        return self.report.hunt.global_p

    @property
    def global_p_error(self) -> float | None:
        """The binomial error of `global_p`."""
        return self.report.hunt.global_p_error

    @property
    def observed(self) -> float:
        """Events in the window."""
        return self.report.hunt.observed

    @property
    def expected(self) -> float:
        """Events expected in the window."""
        return self.report.hunt.expected

    @property
    def fit(self) -> FitResult | None:
        """The fit of the first channel; None for a reference."""
        return self.report.fit

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the result must know."""
        return self.report.warnings

    def to_json(self) -> dict[str, Any]:
        """As `hepad bumphunt --json`."""
        return self.report.to_json()

    def _remarks(self) -> Sequence[str]:
        return self.report.warnings

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        hunt = self.report.hunt
        z = "" if hunt.local_z is None else f" ({hunt.local_z:.2f} sigma)"
        rows = [
            ["window", f"{hunt.window[0]:g} to {hunt.window[1]:g} GeV, the best of {hunt.windows}"],
            ["events", f"{hunt.observed:g} observed, {hunt.expected:.6g} expected: {hunt.direction}"],
            ["local p", f"{hunt.local_p:.4g}{z}"],
        ]
        if hunt.global_p is not None:
            rows.append(["global p", f"{hunt.global_p:.4g} ± {hunt.global_p_error:.2g} ({hunt.toys} toys)"])
        if self.fit is not None:
            fit = self.fit
            rows.append(["fit", f"{fit.function.name}, deviance {fit.deviance:.2f} for {fit.ndf} degrees of freedom"])
        return f"Bump hunt in {_short(self.report.spectrum.name)}", ["quantity", "value"], rows

    def _draw(self, ax: Axes) -> None:
        from hepad.pipeline.bumphunt.output import spectrum_figure

        report = self.report
        spectrum_figure(report.spectrum, report.backgrounds[0], report.hunt, channels=len(report.spectra), ax=ax)


def bumphunt(
    spectrum: SpectrumLike | list[SpectrumLike],
    reference: SpectrumLike | Sequence[float] | None = None,
    *,
    function: str = "auto",
    exact_reference: bool = False,
    mass_range: tuple[float, float] | None = None,
    width_min: int = 2,
    width_max: int | None = None,
    direction: Direction = "excess",
    sideband_veto: float | None = None,
    toys: int = 10_000,
    refit: bool | None = None,
    inject: Injection | None = None,
    seed: int = 0,
) -> BumpHuntRecord:
    """The most significant excess in a mass spectrum, and how often background alone gives one like it.

    `spectrum` is a histogram (hist, boost-histogram, uproot, any of the UHI protocol), `(values, edges)` with n and
    n + 1 numbers, or the spec of a file; of a list of them the same window is looked for in all.

    The background is a fitted `function`: a bundled name, a card, or "auto", the fewest dijet parameters that one more
    does not improve at the 5 % level. Or it is the `reference`: another spectrum, which fluctuates itself unless
    `exact_reference`; n expected events, which are exact; or "column", that of the spectrum's file.

    `mass_range` in GeV keeps whole bins, `width_min` and `width_max` (None: half the bins) are in bins, `toys`
    pseudo-experiments of `seed` give the global p-value, each fitted anew unless `refit` is False. `inject` is a
    Gaussian of whose expected significance is told. As `hepad bumphunt` otherwise.

    `InputDataError` for counts that are negative or not finite, or bins that do not fit; `UsageError` for options that
    do not go together; `FitFailedError` where no background can be fitted.

    >>> import hepad
    >>> found = hepad.bumphunt(([90, 60, 55, 42, 18, 12], [100, 110, 120, 130, 140, 150, 160]),
    ...                        reference=[90, 60, 40, 27, 18, 12], toys=200)
    >>> found.window, found.observed, round(found.local_z, 1)
    ((120.0, 140.0), 97.0, 3.4)
    >>> found.global_p < 0.01
    True
    """
    from hepad.pipeline.bumphunt.run import hunt

    spectra = channels_of(spectrum)
    against: Any = reference
    if reference is not None and not (isinstance(reference, str) and reference == "column"):
        if isinstance(reference, list | np.ndarray):
            spectra, against = [spectrum_of(_with_column(spectra, reference))], "column"
        else:
            against = spectrum_of(reference, "reference")
    options = BumpHuntOptions(
        function=function,
        reference=against,
        exact_reference=exact_reference,
        mass_range=mass_range,
        scan=ScanOptions(width_min, width_max, direction=direction, sideband_p=sideband_veto),
        toys=toys,
        seed=seed,
        refit=refit,
        inject=inject,
    )
    return BumpHuntRecord(hunt(spectra, options))


def _with_column(spectra: Sequence[Any], expected: Any) -> Any:
    from dataclasses import replace

    from hepad.api.spectra import numbers
    from hepad.errors import UsageError

    if len(spectra) > 1:
        raise UsageError("several spectra have a reference each: give (values, edges) or histograms with a function")
    return replace(spectra[0], reference=numbers(expected, "reference"))


@dataclass(frozen=True, repr=False)
class FitRecord(Record):
    """Smooth backgrounds of a spectrum, in the order asked for; the first is what is drawn.

    `record[name]` is a background: its `expected` events (n,), their `errors` (n,), `goodness`, `fit.parameters`, ...
    """

    report: FitReport

    @property
    def backgrounds(self) -> tuple[Background, ...]:
        """All of them."""
        return self.report.backgrounds

    @property
    def expected(self) -> Any:
        """Expected events (n,) of the first background, in the units of the spectrum."""
        return self.report.backgrounds[0].expected

    @property
    def parameters(self) -> dict[str, float]:
        """Parameters of the first background by name; empty for one that is no function."""
        fit = self.report.backgrounds[0].fit
        return {} if fit is None else dict(zip(fit.function.parameter_names, fit.parameters.tolist(), strict=True))

    @property
    def errors(self) -> dict[str, float]:
        """Standard deviations of the parameters by name."""
        fit = self.report.backgrounds[0].fit
        return {} if fit is None else dict(zip(fit.function.parameter_names, fit.errors.tolist(), strict=True))

    @property
    def p_value(self) -> float | None:
        """The goodness of the first fit: by pseudo-experiments, else by chi-square."""
        return self.report.backgrounds[0].goodness.best_p

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the result must know."""
        return self.report.warnings

    def __getitem__(self, name: str) -> Background:
        return next(b for b in self.report.backgrounds if b.name == name)

    def to_json(self) -> dict[str, Any]:
        """As `hepad fit --json`."""
        return self.report.to_json()

    def _remarks(self) -> Sequence[str]:
        return self.report.warnings

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        rows = []
        for background in self.report.backgrounds:
            good, fit = background.goodness, background.fit
            named = [] if fit is None else zip(fit.function.parameter_names, fit.parameters, fit.errors, strict=True)
            rows.append(
                [
                    background.name,
                    f"{good.deviance:.2f}",
                    "" if good.ndf is None else f"{good.ndf:.4g}",
                    "" if good.best_p is None else f"{good.best_p:.3g}",
                    ", ".join(f"{name} = {value:.5g} ± {error:.2g}" for name, value, error in named),
                ]
            )
        title = f"Backgrounds of {_short(self.report.data.spectrum.name)}"
        return title, ["background", "deviance", "ndf", "p", "parameters"], rows

    def _draw(self, ax: Axes) -> None:
        from hepad.pipeline.fit.output import fit_figure

        fit_figure(self.report, self.report.backgrounds[0], ax=ax)


def fit(
    spectrum: SpectrumLike,
    function: str | Sequence[str] = "dijet3",
    *,
    order: int | Literal["auto"] | None = None,
    mass_range: tuple[float, float] | None = None,
    toys: int | None = None,
    window: int | None = None,
    window_signal: float | None = None,
    seed: int = 0,
) -> FitRecord:
    """Fit background functions to a mass spectrum: parameters with errors, expected events, goodness of fit.

    `spectrum` is as in `hepad.bumphunt`. `function` is a bundled name (`hepad list fits`), a card, "gp" for a Gaussian
    process, or a list of such. `order` is the number of parameters in the function's family, "auto" the fewest that one
    more does not improve at the 5 % level. `mass_range` in GeV keeps whole bins; `toys` pseudo-experiments for the
    goodness of fit (None: 1000 if bins are sparse); `window` bins either side make it a sliding-window fit, with a
    signal of relative width `window_signal` in it if given. As `hepad fit` otherwise.

    `InputDataError` for counts that are negative or not finite; `CardError` for an unknown function; `FitFailedError`
    if any fit fails: there is no result then.

    >>> import hepad
    >>> found = hepad.fit(([1000, 606, 368, 223, 135, 82], [1000, 1100, 1200, 1300, 1400, 1500, 1600]), "exponential2")
    >>> found["exponential2"].expected.round(0).tolist()
    [1000.0, 606.0, 368.0, 223.0, 135.0, 82.0]
    >>> found.p_value > 0.99
    True
    """
    from hepad.pipeline.fit.run import FitOptions, fit_backgrounds

    options = FitOptions(
        functions=(function,) if isinstance(function, str) else tuple(function),
        order=0 if order == "auto" else order,
        mass_range=mass_range,
        toys=toys,
        seed=seed,
        window=window,
        window_signal=window_signal,
    )
    return FitRecord(fit_backgrounds(spectrum_of(spectrum), options))


def _short(name: str) -> str:
    """A spectrum without its folders."""
    return Path(name).name
