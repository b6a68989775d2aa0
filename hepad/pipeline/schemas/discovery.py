"""`hepad discovery`."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from hepad.pipeline.schemas.parts import Provenance

__all__ = ["Printed", "Written"]


class Region(TypedDict):
    """A signal region; null without data, or where background alone cannot give what was observed."""

    name: str
    observed: float | None
    background: float
    background_error: float
    """In events."""
    visible_cross_section_fb: float | None
    """The observed limit on cross section x acceptance x efficiency; null without a luminosity."""
    visible_cross_section_expected_fb: float | None
    s95_observed: float | None
    """Upper limit at 95 % CL on events of signal."""
    s95_observed_error: float | None
    """Statistical, of pseudo-experiments; null without."""
    s95_expected: list[float | None]
    """At -2, -1, 0, 1, 2 standard deviations."""
    s95_expected_errors: list[float | None] | None
    """Of each of `s95_expected`, statistical, of pseudo-experiments; null without."""
    clb: float | None
    """Of the background alone, at the observed limit."""
    p0: float | None
    """The discovery p-value, at most 0.5."""
    log10_p0: float | None
    z: float | None
    q0: float | None
    mu: float | None
    p0_error: NotRequired[float | None]
    p0_toys: NotRequired[int]
    p0_is_bound: NotRequired[bool]
    luminosity_fb: float | None
    calculator: str
    """asymptotics, exact or toys."""
    calculator_reason: str
    toys: int
    warnings: list[str]
    """What makes a number less than it seems, in words."""


class Printed(TypedDict):
    """Regions, in the order given."""

    regions: list[Region]
    left_out: list[str]
    """Regions without simulated background."""
    confidence_level: float
    """Of the limits, a fraction."""
    seed: int
    """Of the random numbers."""


class Written(Printed):
    """Regions, with their provenance."""

    provenance: Provenance
