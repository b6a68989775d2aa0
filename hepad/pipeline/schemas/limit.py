"""`hepad limit`: of counts or spectra, of a workspace, and against a mass."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from hepad.pipeline.schemas.parts import P0, Provenance, SpectrumInfo

__all__ = ["OfWorkspace", "OneLimit", "Printed", "Written"]


class Limits(TypedDict):
    """Upper limits; what too few pseudo-experiments cannot tell is null."""

    observed: float | None
    """Null without data."""
    observed_error: float | None
    """Statistical, of pseudo-experiments; null without."""
    expected: list[float | None]
    """At -2, -1, 0, 1, 2 standard deviations."""
    expected_errors: list[float | None] | None
    """Of each of `expected`, statistical, of pseudo-experiments; null without."""
    confidence_level: float
    """Of the limits, a fraction."""
    calculator: str
    """asymptotics, exact or toys."""
    calculator_reason: str
    """Why this calculator."""
    toys: int
    """Pseudo-experiments per hypothesis and tested value, 0 if there were none."""
    warnings: list[str]
    """What makes a number less than it seems, in words."""


class CLs(TypedDict):
    """CLs at the tested values of the parameter of interest."""

    observed: list[float | None] | None
    expected: list[list[float | None]]
    """For each of -2, -1, 0, 1, 2 standard deviations, or each value."""


class OneLimit(Limits):
    """Limits on a multiple of the signal."""

    poi_name: str
    poi: list[float]
    """The tested values."""
    cls: CLs
    seed: int
    """Of the random numbers."""


class CrossSections(TypedDict):
    """The same as cross sections, in pb."""

    signal: float
    """Of the signal that was given."""
    observed: float | None
    expected: list[float | None]


class OfCounts(OneLimit):
    """Limits from yields or spectra."""

    cross_section_pb: NotRequired[CrossSections]
    """If the cross section of the signal was given."""


class AtOne(TypedDict):
    """CLs of the signal as it is."""

    observed: float
    expected: list[float]
    """At -2, -1, 0, 1, 2 standard deviations."""


class Parameter(TypedDict):
    """A parameter after the fit; constrained ones have a centre and a width, others null."""

    name: str
    kind: str
    """constrained, gamma (the factor of a bin), free, or fixed."""
    value: float
    error: float
    centre: float | None
    width: float | None
    pull: float | None
    """(value - centre) / width."""
    pull_error: float | None
    """The error after the fit over that before."""
    at_bound: bool
    """The value lies at a bound of its range, and the error means little."""


class FittedChannel(TypedDict):
    """Events in the bins of a channel."""

    name: str
    observed: list[float]
    samples: dict[str, list[float]]
    """After the fit, by sample."""
    total: list[float]
    error: list[float]
    """Of the total."""


class PostFit(TypedDict):
    """The fit to the data."""

    twice_nll: float
    """-2 ln L with all its constants."""
    poi_at_zero: bool
    """The signal strength is at 0; errors are those with it fixed."""
    parameters: list[Parameter]
    channels: list[FittedChannel]


class OfWorkspace(OneLimit):
    """Limits on the parameter of interest of a workspace."""

    cls_at_one: AtOne
    excess: P0 | None
    """Null where background alone cannot give what was observed."""
    fit: PostFit | None
    """Null without an output, or if it did not converge."""


class Point(Limits, P0):
    """Limits on the number of signal events at a mass, and the excess there."""

    mass: float
    """GeV."""
    relative_width: float
    observed_pb: NotRequired[float | None]
    """With a luminosity, in pb."""
    expected_pb: NotRequired[list[float | None]]


class LargestExcess(P0):
    """The most significant excess of the scan."""

    mass: float
    """GeV."""


class GlobalExcess(TypedDict):
    """The p-value of the largest q0 of the scan, after Gross and Vitells (arXiv:1005.1891)."""

    method: str
    p: float
    log10_p: float
    z: float
    q0: float
    upcrossings: float
    """How often a scan of background alone crosses `level` upwards, on average."""
    upcrossings_error: float
    level: float
    direct_p: float
    """(k+1)/(n+1) for k of n pseudo-experiments with a q0 as large."""
    direct_p_is_bound: bool
    toys: int
    failed_toys: int


_Global = TypedDict("_Global", {"global": GlobalExcess | None})


class OfMasses(_Global):
    """Limits and excesses at each of several masses; `global` is null if it was not asked for."""

    spectrum: SpectrumInfo
    function: str
    """Of the background."""
    deviance: float
    ndf: int
    fit_p_value: float
    fit_p_toys: float
    """Of the deviance among pseudo-experiments."""
    points: list[Point]
    """In rising mass."""
    largest_excess: LargestExcess
    seed: int
    """Of the random numbers."""
    warnings: list[str]
    """What makes a number less than it seems, in words."""


class OfCountsFile(OfCounts):
    """Limits from yields or spectra, with their provenance."""

    provenance: Provenance


class OfWorkspaceFile(OfWorkspace):
    """Limits of a workspace, with their provenance."""

    provenance: Provenance


class OfMassesFile(OfMasses):
    """Limits at several masses, with their provenance."""

    provenance: Provenance


Printed = OfCounts | OfWorkspace | OfMasses
Written = OfCountsFile | OfWorkspaceFile | OfMassesFile
