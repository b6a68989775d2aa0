"""`hepad fit`; masses in GeV."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from hepad.pipeline.schemas.parts import Provenance, SpectrumInfo
from hepad.stats.fits.goodness import Goodness
from hepad.stats.fits.order import OrderStep

__all__ = ["Printed", "Written"]


class Process(TypedDict):
    """A Gaussian process, for a background of that kind."""

    amplitude: float
    length: float
    at_limit: bool
    """Whether the length is at the end of its range."""
    n_effective: float
    """Its effective number of parameters."""
    log_evidence: float
    base: str
    """The function that it multiplies."""


class Fit(TypedDict):
    """A background; those of a function have its parameters."""

    name: str
    kind: str
    goodness: Goodness
    order: NotRequired[list[OrderStep]]
    """The tests by which the number of parameters was chosen."""
    parameters: NotRequired[dict[str, float]]
    errors: NotRequired[dict[str, float]]
    """Symmetric, from the curvature."""
    minos: NotRequired[dict[str, tuple[float, float] | None]]
    """Down and up; null where MINOS failed or was not asked for."""
    covariance: NotRequired[list[list[float]]]
    correlation: NotRequired[list[list[float]]]
    process: NotRequired[Process]
    expected: list[float]
    """Events in each bin."""
    expected_errors: list[float]
    """The standard deviation of each of `expected`."""


class Printed(TypedDict):
    """The backgrounds of a spectrum, in the order asked for."""

    spectrum: SpectrumInfo
    fits: list[Fit]
    seed: int
    """Of the random numbers."""
    warnings: list[str]
    """What makes a number less than it seems, in words."""


class Written(Printed):
    """The backgrounds of a spectrum, with their provenance."""

    provenance: Provenance
