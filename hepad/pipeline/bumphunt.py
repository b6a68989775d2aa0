"""From a spectrum to its most significant bump: background, scan, pseudo-experiments, figure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.fit import load_fit
from hepad.cards.resolver import resolve
from hepad.errors import InputDataError, UsageError
from hepad.io.atomic import atomic_folder, check_folder
from hepad.io.spectra import Spectrum, read_spectrum, spectrum_path
from hepad.pipeline.figures import save_figure
from hepad.provenance import provenance, sha256_file
from hepad.stats.bumphunt import BumpHunt, ScanOptions, bump_hunt
from hepad.stats.fit import FitResult, fit_background, select_function
from hepad.stats.functions import BackgroundFunction
from hepad.stats.poisson import signed_root

__all__ = ["AUTO_FUNCTIONS", "BumpHuntOptions", "BumpHuntReport", "bumphunt"]

_OURS = ("bumphunt.json", "bumphunt.png", "bumphunt.pdf")

FloatArray = npt.NDArray[np.float64]

AUTO_FUNCTIONS = ("dijet3", "dijet4", "dijet5", "dijet6")
"""The nested functions among which `auto` chooses by the fall in deviance."""

_POOR_FIT = 0.01


@dataclass(frozen=True, kw_only=True)
class BumpHuntOptions:
    """How to hunt. `reference` is None (fit a function), "column" (the file's own) or the spec of another spectrum.

    `refit` None means: refit every pseudo-experiment if the background is a fit. `mass_range` in GeV keeps whole bins.
    """

    function: str = "auto"
    reference: str | None = None
    mass_range: tuple[float, float] | None = None
    scan: ScanOptions = field(default_factory=ScanOptions)
    toys: int = 10_000
    seed: int = 0
    refit: bool | None = None
    output: Path | None = None


@dataclass(frozen=True)
class BumpHuntReport:
    """The spectrum, its background, the hunt, and remarks that a reader of the result must know."""

    spectrum: Spectrum
    expected: FloatArray
    fit: FitResult | None
    hunt: BumpHunt
    seed: int
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The result in plain JSON types; masses in GeV, `local_z` and `global_p` null where they do not exist."""
        hunt = self.hunt
        return {
            "window": list(hunt.window),
            "local_p": hunt.local_p,
            "log10_local_p": hunt.log_p / float(np.log(10.0)),
            "local_z": hunt.local_z,
            "global_p": hunt.global_p,
            "global_p_error": hunt.global_p_error,
            "toys": hunt.toys,
            "failed_toys": hunt.failed_toys,
            "refit": hunt.refit,
            "statistic": hunt.statistic,
            "windows": hunt.windows,
            "observed": hunt.observed,
            "expected": hunt.expected,
            "fit": None if self.fit is None else _fit_json(self.fit),
            "spectrum": {"name": Path(self.spectrum.name).name, "bins": self.spectrum.n_bins, "range": self._range()},
            "seed": self.seed,
            "warnings": list(self.warnings),
        }

    def _range(self) -> list[float]:
        return [float(self.spectrum.edges[0]), float(self.spectrum.edges[-1])]


def bumphunt(spec: str, *, options: BumpHuntOptions | None = None) -> BumpHuntReport:
    """Hunt for a bump in the spectrum `spec` (`file.root:name`, `file.json:name` or `file.csv`).

    With `options.output` a folder with bumphunt.json, bumphunt.png and bumphunt.pdf is written.
    """
    options = options or BumpHuntOptions()
    _check(options)
    if options.output is not None:
        check_folder(options.output, ours=_OURS)
    spectrum = _restricted(read_spectrum(spec), options)
    if spectrum.counts.sum() <= 0:
        raise InputDataError(f"{spec} holds no events in the range")
    expected, fit, warnings = _background(spectrum, options)
    refit = fit if fit is not None and options.refit is not False else None
    hunt = bump_hunt(
        spectrum.edges,
        spectrum.counts,
        expected,
        options=options.scan,
        toys=options.toys,
        seed=options.seed,
        refit=refit,
    )
    if hunt.failed_toys:
        warnings.append(f"{hunt.failed_toys} pseudo-experiments were left out, their fits did not converge")
    if spectrum.is_weighted:
        warnings.append("the spectrum is weighted: Poisson probabilities do not hold for it")
    report = BumpHuntReport(spectrum, expected, fit, hunt, options.seed, tuple(warnings))
    if options.output is not None:
        _write(report, spec, options, options.output)
    return report


def _check(options: BumpHuntOptions) -> None:
    if options.reference is not None and options.function != "auto":
        raise UsageError("give either a function to fit or a reference, not both")
    if options.reference is not None and options.refit:
        raise UsageError("a reference is not fitted, so pseudo-experiments cannot be refitted; drop --refit")
    if options.toys < 0:
        raise UsageError(f"the number of pseudo-experiments is not negative, found {options.toys}")
    if options.mass_range is not None and not options.mass_range[0] < options.mass_range[1]:
        raise UsageError(f"the range must rise, found {options.mass_range[0]:g}:{options.mass_range[1]:g}")


def _restricted(spectrum: Spectrum, options: BumpHuntOptions) -> Spectrum:
    return spectrum if options.mass_range is None else spectrum.restrict(*options.mass_range)


def _background(spectrum: Spectrum, options: BumpHuntOptions) -> tuple[FloatArray, FitResult | None, list[str]]:
    if options.reference is not None:
        expected, warnings = _reference(spectrum, options)
        return expected, None, warnings
    if options.function == "auto":
        candidates = [BackgroundFunction.from_card(load_fit(name)) for name in AUTO_FUNCTIONS]
        fit = select_function(spectrum.edges, spectrum.counts, candidates)
    else:
        function = BackgroundFunction.from_card(load_fit(options.function))
        fit = fit_background(spectrum.edges, spectrum.counts, function)
    warnings = []
    if fit.p_value < _POOR_FIT:
        warnings.append(
            f"{fit.function.name} describes the spectrum poorly: deviance {fit.deviance:.1f} for {fit.ndf} degrees of "
            f"freedom (p = {fit.p_value:.2g})"
        )
    return fit.expected, fit, warnings


def _reference(spectrum: Spectrum, options: BumpHuntOptions) -> tuple[FloatArray, list[str]]:
    assert options.reference is not None  # noqa: S101 - the caller has looked
    if options.reference == "column":
        if spectrum.reference is None:
            raise InputDataError(f"{spectrum.name} has no reference column; give a function or another spectrum")
        return spectrum.reference, []
    other = _restricted(read_spectrum(options.reference), options)
    if other.edges.shape != spectrum.edges.shape or not np.allclose(other.edges, spectrum.edges, rtol=1e-9):
        raise InputDataError(f"{options.reference} has other bins than {spectrum.name}")
    if other.counts.sum() <= 0:
        raise InputDataError(f"{options.reference} is zero in all bins of the range")
    if other.variances is None or not np.any(other.variances > 0):
        return other.counts, []
    share = float(other.variances.sum() / other.counts.sum())
    if share < 0.01:
        return other.counts, []
    remark = f"the reference's own variance, {share:.2g} of the Poisson variance, is ignored: p-values are too small"
    return other.counts, [remark]


def _fit_json(fit: FitResult) -> dict[str, Any]:
    names = fit.function.parameter_names
    return {
        "function": fit.function.name,
        "parameters": dict(zip(names, fit.parameters.tolist(), strict=True)),
        "errors": dict(zip(names, fit.errors.tolist(), strict=True)),
        "deviance": fit.deviance,
        "ndf": fit.ndf,
        "p_value": fit.p_value,
        "converged": fit.converged,
    }


def _write(report: BumpHuntReport, spec: str, options: BumpHuntOptions, output: Path) -> None:
    from hepad.plot.spectrum import plot_spectrum

    # Where nothing is expected a bin has no significance of its own.
    filled = report.expected > 0
    pulls = np.where(filled, signed_root(report.spectrum.counts, np.where(filled, report.expected, 1.0)), 0.0)
    figure = plot_spectrum(
        report.spectrum.edges,
        report.spectrum.counts,
        report.expected,
        pulls=pulls,
        window=report.hunt.window,
        background_label="Reference" if report.fit is None else f"Fit ({report.fit.function.name})",
        remarks=_remarks(report),
    )
    inputs = [spectrum_path(spec)[0]]
    if options.reference not in (None, "column"):
        inputs.append(spectrum_path(str(options.reference))[0])
    cards = {}
    if report.fit is not None:
        name = report.fit.function.name if options.function == "auto" else options.function
        cards[report.fit.function.name] = sha256_file(resolve("fits", name))
    record = provenance(_command(spec, options), inputs=inputs, seed=options.seed, cards=cards)
    with atomic_folder(output, ours=_OURS) as folder:
        text = json.dumps({**report.to_json(), "provenance": record}, indent=2, allow_nan=False)
        (folder / "bumphunt.json").write_text(text + "\n", encoding="utf-8")
        save_figure(figure, folder / "bumphunt")


def _remarks(report: BumpHuntReport) -> tuple[str, ...]:
    hunt = report.hunt
    z = "" if hunt.local_z is None else rf" (${hunt.local_z:.1f}\sigma$)"
    local = f"{hunt.local_p:.2g}" if hunt.local_p > 0 else f"1e{hunt.log_p / np.log(10):.0f}"
    lines = [f"Window {hunt.window[0]:g} to {hunt.window[1]:g} GeV", f"Local p = {local}{z}"]
    if hunt.global_p is not None and hunt.global_p_error is not None:
        relation = "<" if hunt.toys_above == 0 else "="
        lines.append(f"Global p {relation} {hunt.global_p:.2g}")
    if report.fit is not None:
        lines.append(f"Deviance / ndf = {report.fit.deviance:.1f} / {report.fit.ndf}")
    return tuple(lines)


def _command(spec: str, options: BumpHuntOptions) -> str:
    """The command in its normal form, without folders and without the output's name."""
    scan = options.scan
    parts = ["hepad bumphunt", _short(spec)]
    parts += [f"--function {options.function}"] if options.reference is None else []
    parts += [f"--reference {_short(options.reference)}"] if options.reference is not None else []
    if options.mass_range is not None:
        parts.append(f"--range {options.mass_range[0]:g}:{options.mass_range[1]:g}")
    parts.append(f"--width-min {scan.width_min}")
    parts += [f"--width-max {scan.width_max}"] if scan.width_max is not None else []
    parts.append(f"--width-step {scan.width_step} --scan-step {scan.scan_step} --toys {options.toys}")
    parts += [] if options.refit is None else ["--refit" if options.refit else "--no-refit"]
    return " ".join([*parts, f"--seed {options.seed}"])


def _short(spec: str) -> str:
    path, name = spectrum_path(spec)
    return path.name if name is None else f"{path.name}:{name}"
