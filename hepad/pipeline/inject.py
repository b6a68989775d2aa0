"""Inject signals into a spectrum's background and see what the fit makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import UsageError
from hepad.output.atomic import atomic_folder, check_folder
from hepad.output.figure_context import FigureContext
from hepad.output.figures import save_figure
from hepad.output.json_text import json_text
from hepad.provenance import command_line, provenance
from hepad.spectra.files import Spectrum, spectrum_path
from hepad.spectra.models import card_hashes, function_of, read_binned, short_spec
from hepad.spectra.truth import SPECTRUM, truth
from hepad.stats.counts.toys import OnToys, part
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.injection import Injection, Signal, inject
from hepad.stats.fits.signal_fit import PARAMETERS

__all__ = ["HEADER", "InjectOptions", "InjectReport", "formatted_rows", "inject_signals", "linearity"]

FloatArray = npt.NDArray[np.float64]

HEADER = ("", "injected", "fitted", "spread", "pull mean", "pull width")
_SHARE_FAILED = 0.05


@dataclass(frozen=True, kw_only=True)
class InjectOptions:
    """Signals of one `mass` in GeV and relative `width` with each of `yields`; `function` is fitted, with the signal.

    `truth` throws the background of the experiments: a function, `gp` or `spectrum`; None for `function` itself.
    `floating` is of mass and width; `search` in GeV is where a floating mass is looked for.
    `on_fits` is told how many fits are done.
    """

    mass: float
    width: float
    yields: tuple[float, ...]
    function: str = "dijet4"
    truth: str | None = None
    floating: tuple[str, ...] = ("mass", "width")
    mass_range: tuple[float, float] | None = None
    search: tuple[float, float] | None = None
    experiments: int = 500
    seed: int = 0
    on_fits: OnToys | None = None
    output: Path | None = None


@dataclass(frozen=True)
class InjectReport:
    """One `Injection` a yield, and remarks that a reader of them must know."""

    function: BackgroundFunction
    truth: str
    injections: tuple[Injection, ...]
    seed: int
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The report in plain JSON types; mean and width of pulls with their errors, null for what was held."""
        return {
            "function": self.function.name,
            "truth": self.truth,
            "injections": [injection_json(injection) for injection in self.injections],
            "seed": self.seed,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class Moments:
    """Mean and spread of what was fitted, of its pulls with errors, and the part of these within one."""

    mean: float
    mean_error: float
    spread: float
    pull_mean: float
    pull_mean_error: float
    pull_width: float
    pull_width_error: float
    within: float


@dataclass(frozen=True)
class Recovered:
    """A quantity as it was injected and, if it `floats`, as it was fitted: None of fewer than two experiments."""

    injected: float
    floats: bool
    moments: Moments | None

    def to_json(self) -> dict[str, float | None]:
        """In plain JSON types; what was held has no moments, and what too few found has null."""
        names = [field.name for field in fields(Moments)] if self.floats else []
        return {"injected": self.injected} | {
            name: None if self.moments is None else getattr(self.moments, name) for name in names
        }


def inject_signals(spec: str | Spectrum, *, options: InjectOptions) -> InjectReport:
    """Run the experiments on the background of the spectrum `spec`; with `options.output` write a folder."""
    _check(options)
    if options.output is not None:
        check_folder(options.output, verb="inject")
    data = read_binned(spec, options.mass_range)
    function = function_of(options.function)
    chosen = options.truth or options.function
    background = truth(chosen, data)
    injections = tuple(
        inject(
            data.edges,
            background,
            function,
            Signal(events, options.mass, options.width),
            experiments=options.experiments,
            floating=options.floating,
            mass_range=options.search,
            seed=options.seed + number,
            on_fits=part(options.on_fits, number, len(options.yields)),
        )
        for number, events in enumerate(options.yields)
    )
    warnings = tuple(text for injection in injections for text in _warnings(injection))
    report = InjectReport(function, chosen, injections, options.seed, warnings)
    if options.output is not None:
        if not isinstance(spec, str):
            raise UsageError("an output is of a spectrum in a file: its record names it")
        _write(report, spec, options, options.output)
    return report


def recovered(injection: Injection) -> dict[str, Recovered]:
    """What the fits that found the signal make of yield, mass and width."""
    signal, found = injection.signal, injection.found
    injected = (signal.events, signal.mass, signal.width)
    result = {}
    for column, (name, true) in enumerate(zip(PARAMETERS, injected, strict=True)):
        floats = name in injection.floating
        moments = _moments(injection.values[found, column], injection.pulls[:, column]) if floats else None
        result[name] = Recovered(true, floats, moments)
    return result


def formatted_rows(injection: Injection) -> list[list[str]]:
    """What was recovered of yield, mass and width, in the columns of `HEADER`; nothing of what was held."""
    return [
        [
            name,
            f"{one.injected:g}",
            f"{found.mean:.6g} ± {found.mean_error:.2g}",
            f"{found.spread:.3g}",
            f"{found.pull_mean:+.3f} ± {found.pull_mean_error:.3f}",
            f"{found.pull_width:.3f} ± {found.pull_width_error:.3f}",
        ]
        for name, one in recovered(injection).items()
        if (found := one.moments) is not None
    ]


def linearity(injections: Sequence[Injection]) -> FloatArray:
    """The injected yields, the mean fitted ones and their spread, (3, n); 0 where too few were found."""
    yields = [recovered(injection)["yield"] for injection in injections]
    found = [(one.moments.mean, one.moments.spread) if one.moments else (0.0, 0.0) for one in yields]
    return np.array([[one.injected for one in yields], *zip(*found, strict=True)], dtype=np.float64)


def injection_json(injection: Injection) -> dict[str, Any]:
    """One injection in plain JSON types."""
    counts = {
        "experiments": injection.experiments,
        "failed": injection.failed,
        "elsewhere": int(np.count_nonzero(~injection.found)),
        "found": int(np.count_nonzero(injection.found)),
    }
    return counts | {name: one.to_json() for name, one in recovered(injection).items()}


def _moments(values: FloatArray, pulls: FloatArray) -> Moments | None:
    n = len(values)
    if n < 2:
        return None
    spread, width = float(values.std(ddof=1)), float(pulls.std(ddof=1))
    # The error of a standard deviation from the fourth moment: pulls need not be Gaussian.
    fourth = float(np.mean((pulls - pulls.mean()) ** 4))
    width_error = np.sqrt(max(fourth - width**4, 0.0) / n) / (2 * width) if width > 0 else 0.0
    return Moments(
        mean=float(values.mean()),
        mean_error=float(spread / np.sqrt(n)),
        spread=spread,
        pull_mean=float(pulls.mean()),
        pull_mean_error=float(width / np.sqrt(n)),
        pull_width=width,
        pull_width_error=float(width_error),
        within=float(np.mean(np.abs(pulls) < 1)),
    )


def _check(options: InjectOptions) -> None:
    if options.experiments < 2:
        raise UsageError(f"two experiments at least are needed, found {options.experiments}")
    if not options.yields:
        raise UsageError("give one yield at least")
    if options.floating and min(options.yields) <= 0:
        raise UsageError("a yield of 0 has neither mass nor width to fit; give --float none, or a yield above 0")
    if options.search is not None and not options.search[0] < options.search[1]:
        raise UsageError(f"--search must rise, found {options.search[0]:g}:{options.search[1]:g}")


def _warnings(injection: Injection) -> list[str]:
    events, remarks = f"{injection.signal.events:g} events", []
    if injection.failed > _SHARE_FAILED * injection.experiments:
        remarks.append(
            f"{events}: {injection.failed} of {injection.experiments} fits failed and are left out: moments are biased"
        )
    elsewhere = int(np.count_nonzero(~injection.found))
    if elsewhere > _SHARE_FAILED * injection.experiments:
        remarks.append(
            f"{events}: {elsewhere} of {injection.experiments} fits found an excess elsewhere; pulls are of the rest"
        )
    return remarks


def _write(report: InjectReport, spec: str, options: InjectOptions, output: Path) -> None:
    from hepad.plot.injection import plot_linearity, plot_pulls

    command = command_line(
        f"inject {short_spec(spec)}",
        function=Path(options.function).name,
        truth=None if options.truth is None else Path(options.truth).name,
        mass=f"{options.mass:g}",
        width=f"{options.width:g}",
        **{"yield": [f"{events:g}" for events in options.yields]},
        float=",".join(options.floating) or "none",
        range=_span(options.mass_range),
        search=_span(options.search),
        experiments=options.experiments,
        seed=options.seed,
    )
    names = {options.function, report.truth} - {SPECTRUM}
    cards = card_hashes(tuple(sorted(names)))
    record = provenance(command, inputs=[spectrum_path(spec)[0]], seed=options.seed, cards=cards)
    with atomic_folder(output, verb="inject") as folder:
        text = json_text("inject/inject.json", {**report.to_json(), "provenance": record}, indent=2)
        (folder / "inject.json").write_text(text, encoding="utf-8")
        largest = report.injections[int(np.argmax(options.yields))]
        context = FigureContext(label="Pseudo-experiments")
        columns = {name: largest.pulls[:, i] for i, name in enumerate(PARAMETERS) if name in largest.floating}
        caption = f"{largest.signal.events:g} events at {options.mass:g} GeV"
        save_figure(plot_pulls(columns, caption=caption, context=context), folder / "inject_pulls")
        if len(report.injections) > 1:
            save_figure(plot_linearity(*linearity(report.injections), context=context), folder / "inject")


def _span(pair: tuple[float, float] | None) -> str | None:
    return None if pair is None else f"{pair[0]:g}:{pair[1]:g}"
