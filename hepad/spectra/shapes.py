"""Signal shapes by name: a Gaussian, a double-sided Crystal Ball, or a histogram of simulated signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, UsageError
from hepad.spectra.files import EDGE_ROUNDING, read_spectrum, spectrum_path
from hepad.stats.fits.templates import crystal_ball_template, gaussian_template, signal_shape

__all__ = ["SHAPE_HELP", "Signal", "parse_masses", "signals"]

FloatArray = npt.NDArray[np.float64]

SHAPE_HELP = (
    "gauss:MASS,WIDTH, dscb:MASS,WIDTH,AL,NL,AR,NR (double-sided Crystal Ball; WIDTH is relative to the mass) or "
    "hist:FILE:HISTOGRAM; MASS may be left out with --mass"
)
_NUMBERS = {"gauss": 1, "dscb": 5}
_MOST_MASSES = 2000


@dataclass(frozen=True)
class Signal:
    """One signal: its mass in GeV, relative width, fractions (n,) of its events in the bins and their variances."""

    mass: float
    width: float
    fractions: FloatArray
    variances: FloatArray
    source: Path | None = None


def parse_masses(text: str, option: str = "--mass") -> list[float]:
    """`LOW:HIGH:STEP` in GeV, both ends included, or masses with commas between them; rising."""
    try:
        if ":" in text:
            low, high, step = (float(part) for part in text.split(":"))
            if not (step > 0 and 0 < low <= high) or (high - low) / step > _MOST_MASSES:
                raise UsageError(f"{option} LOW:HIGH:STEP must rise in at most {_MOST_MASSES} steps, found {text!r}")
            steps = int((high - low) / step + 1e-9)
            return [low + step * i for i in range(steps + 1)]
        masses = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{option} is LOW:HIGH:STEP or M1,M2,... in GeV, found {text!r}") from error
    if not all(0 < mass < np.inf for mass in masses) or sorted(set(masses)) != masses:
        raise UsageError(f"{option} must list masses above zero that rise, found {text!r}")
    return masses


def signals(shapes: Sequence[str], masses: Sequence[float] | None, edges: FloatArray) -> list[Signal]:
    """The signals of `--signal-shape` and `--mass` in bins of edges (n+1,) in GeV, in rising mass.

    A parametric shape is moved to each of the masses, its relative width kept; histograms are each at their own mass.
    `UsageError` for a text that is no shape; `InputDataError` if less than half of a signal is in the spectrum.
    """
    found: list[Signal] = []
    for text in shapes:
        kind, _, rest = text.partition(":")
        if kind == "hist":
            if masses is not None:
                raise UsageError("--mass does not move a histogram: give one --signal-shape hist:FILE:NAME per mass")
            found.append(_histogram(rest, edges))
        elif kind in _NUMBERS:
            found += _parametric(text, masses, edges)
        else:
            raise UsageError(f"unknown signal shape {text!r}; give {SHAPE_HELP}")
    found.sort(key=lambda signal: signal.mass)
    if len({signal.mass for signal in found}) < len(found):
        raise UsageError("two signal shapes have the same mass; run them one by one")
    for signal in found:
        inside = float(signal.fractions.sum())
        if inside < 0.5:
            raise InputDataError(
                f"only {inside:.2g} of the signal at {signal.mass:g} GeV lies in the spectrum, "
                f"{edges[0]:g} to {edges[-1]:g} GeV; choose other masses"
            )
    return found


def _parametric(text: str, masses: Sequence[float] | None, edges: FloatArray) -> list[Signal]:
    kind, _, rest = text.partition(":")
    try:
        numbers = [float(part) for part in rest.split(",")]
    except ValueError as error:
        raise UsageError(f"signal shape {text!r} must hold numbers: {SHAPE_HELP}") from error
    count = _NUMBERS[kind]
    if len(numbers) not in (count, count + 1) or not np.all(np.isfinite(numbers)):
        raise UsageError(f"signal shape {text!r} has {len(numbers)} numbers: {SHAPE_HELP}")
    *mass, width = numbers[: len(numbers) - count + 1]
    tails = numbers[len(numbers) - count + 1 :]
    at = list(masses) if masses is not None else mass
    if not at:
        raise UsageError(f"signal shape {text!r} has no mass; give one, or --mass LOW:HIGH:STEP")
    out = []
    for m in at:
        fractions = crystal_ball_template(edges, m, width, tails) if tails else gaussian_template(edges, m, width)
        out.append(Signal(m, width, fractions, np.zeros_like(fractions)))
    return out


def _histogram(spec: str, edges: FloatArray) -> Signal:
    spectrum = read_spectrum(spec)
    total = float(spectrum.counts.sum())
    peak, width = signal_shape(spectrum.edges, spectrum.counts)
    slack = EDGE_ROUNDING * float(np.diff(spectrum.edges).min())
    index = [np.flatnonzero(np.abs(spectrum.edges - edge) <= slack) for edge in edges]
    if any(len(found) != 1 for found in index):
        raise InputDataError(f"{spec}: its bins must be those of the spectrum, or finer with all of its edges")
    at = np.array([found[0] for found in index])
    variances = spectrum.counts if spectrum.variances is None else spectrum.variances
    fractions, errors = (np.diff(np.append(0.0, np.cumsum(v))[at]) for v in (spectrum.counts, variances))
    return Signal(peak, width, fractions / total, errors / total**2, spectrum_path(spec)[0])
