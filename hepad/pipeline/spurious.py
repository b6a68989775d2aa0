"""Spurious signals: what background functions fake where there is no signal, against mass."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import UsageError
from hepad.output.atomic import atomic_folder, check_folder
from hepad.output.figures import save_figure
from hepad.output.json_text import json_text
from hepad.provenance import command_line, provenance
from hepad.spectra.files import Spectrum, spectrum_path
from hepad.spectra.models import card_hashes, function_of, read_binned, short_spec
from hepad.spectra.source import data_context
from hepad.spectra.truth import SPECTRUM, truth
from hepad.stats.counts.toys import OnToys, part
from hepad.stats.fits.injection import SpuriousPoint, spurious_signals

__all__ = ["MAX_RATIO", "SpuriousOptions", "SpuriousReport", "spurious"]


MAX_RATIO = 0.2
"""Largest spurious signal over its statistical error: ATLAS, arXiv:1408.7084, accepts a fifth."""


@dataclass(frozen=True, kw_only=True)
class SpuriousOptions:
    """`functions` to test with a signal of relative `width` at `masses` in GeV, on the background that `truth` names.

    A function passes if no |spurious signal| exceeds `max_ratio` of its statistical error. `toys` pseudo-experiments
    of the truth a mass show whether yields and errors are right on average. `on_masses` is told how many masses of all
    functions are done.
    """

    functions: tuple[str, ...]
    masses: tuple[float, ...]
    width: float
    truth: str = "gp"
    max_ratio: float = MAX_RATIO
    mass_range: tuple[float, float] | None = None
    toys: int = 0
    seed: int = 0
    on_masses: OnToys | None = None
    output: Path | None = None


@dataclass(frozen=True)
class SpuriousReport:
    """The points of each function, and remarks that a reader of them must know."""

    points: dict[str, tuple[SpuriousPoint, ...]]
    options: SpuriousOptions
    warnings: tuple[str, ...]

    def largest(self, name: str) -> SpuriousPoint:
        """The point of a function with the largest ratio."""
        return max(self.points[name], key=lambda point: abs(point.ratio))

    def passed(self, name: str) -> bool:
        """Whether a function passes the criterion at all masses."""
        return abs(self.largest(name).ratio) <= self.options.max_ratio

    def to_json(self) -> dict[str, Any]:
        """The report in plain JSON types; masses in GeV, yields in events."""
        return {
            "truth": self.options.truth,
            "width": self.options.width,
            "max_ratio": self.options.max_ratio,
            "functions": {
                name: {
                    "passed": self.passed(name),
                    "largest_ratio": self.largest(name).ratio,
                    "at": self.largest(name).mass,
                    "points": [asdict(point) | {"ratio": point.ratio} for point in points],
                }
                for name, points in self.points.items()
            },
            "seed": self.options.seed,
            "warnings": list(self.warnings),
        }


def spurious(spec: str | Spectrum, *, options: SpuriousOptions) -> SpuriousReport:
    """Test functions on the background of the spectrum `spec`; with `options.output` write a folder.

    `FitFailedError` if a fit to the truth fails: there is no result then.
    """
    _check(options)
    if options.output is not None:
        check_folder(options.output, verb="spurious")
    data = read_binned(spec, options.mass_range)
    low, high = float(data.edges[0]), float(data.edges[-1])
    outside = [mass for mass in options.masses if not low < mass < high]
    if outside:
        raise UsageError(f"mass {outside[0]:g} is outside of the spectrum, {low:g}:{high:g}")
    background = truth(options.truth, data)
    points = {}
    for number, name in enumerate(options.functions):
        function = function_of(name)
        points[function.name] = spurious_signals(
            data.edges,
            background,
            function,
            masses=options.masses,
            width=options.width,
            toys=options.toys,
            seed=options.seed,
            on_masses=part(options.on_masses, number, len(options.functions)),
        )
    warnings = []
    if options.truth == SPECTRUM:
        warnings.append(
            "the truth is the spectrum itself: its own fluctuations are taken for spurious signals "
            "(of ratio 1 if it is data of the same size); a smooth --truth has none"
        )
    lost = sum(point.failed_toys for of_one in points.values() for point in of_one)
    if lost:
        warnings.append(f"{lost} pseudo-experiments were left out, their fits did not converge")
    report = SpuriousReport(points, options, tuple(warnings))
    if options.output is not None:
        if not isinstance(spec, str):
            raise UsageError("an output is of a spectrum in a file: its record names it")
        _write(report, spec, options.output)
    return report


def _check(options: SpuriousOptions) -> None:
    if not options.functions or not options.masses:
        raise UsageError("give one function and one mass at least")
    if options.toys < 0 or not options.max_ratio > 0 or not 0 < options.width < 1:
        raise UsageError("toys are not negative, the ratio is above zero and the relative width between 0 and 1")


def _write(report: SpuriousReport, spec: str, output: Path) -> None:
    from hepad.plot.injection import plot_spurious

    options = report.options
    span = None if options.mass_range is None else f"{options.mass_range[0]:g}:{options.mass_range[1]:g}"
    command = command_line(
        f"spurious {short_spec(spec)}",
        function=[Path(name).name for name in options.functions],
        truth=Path(options.truth).name,
        masses=",".join(f"{mass:g}" for mass in options.masses),
        width=f"{options.width:g}",
        max_ratio=f"{options.max_ratio:g}",
        range=span,
        toys=options.toys,
        seed=options.seed,
    )
    names = {*options.functions, options.truth} - {SPECTRUM}
    cards = card_hashes(tuple(sorted(names)))
    record = provenance(command, inputs=[spectrum_path(spec)[0]], seed=options.seed, cards=cards)
    ratios: dict[str, npt.NDArray[np.float64]] = {
        name: np.array([point.ratio for point in points]) for name, points in report.points.items()
    }
    with atomic_folder(output, verb="spurious") as folder:
        text = json_text("spurious/spurious.json", {**report.to_json(), "provenance": record}, indent=2)
        (folder / "spurious.json").write_text(text, encoding="utf-8")
        figure = plot_spurious(np.array(options.masses), ratios, limit=options.max_ratio, context=data_context(spec))
        save_figure(figure, folder / "spurious")
