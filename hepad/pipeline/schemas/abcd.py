"""`hepad abcd`: an estimate from counts, and the closure of a plane of two scores."""

from __future__ import annotations

from typing_extensions import TypedDict

from hepad.pipeline.schemas.limit import OneLimit
from hepad.pipeline.schemas.parts import P0, Provenance

__all__ = ["Printed", "Written", "WrittenOfClosure"]


class Regions(TypedDict):
    """A number for each of the four regions, A that of the signal."""

    A: float
    B: float
    C: float
    D: float


class Counts(TypedDict):
    """Observed events; null for a blinded A."""

    A: float | None
    B: float
    C: float
    D: float


class Fitted(TypedDict):
    """Fitted background events."""

    without_signal: Regions
    with_signal: Regions


class OfCounts(TypedDict):
    """The background of A from B C / D, with the signal everywhere."""

    counts: Counts
    signal: Regions
    """Events at a signal strength of 1."""
    nonclosure: float
    """Relative."""
    predicted_background: float
    """B C / D."""
    predicted_background_error: float
    fitted_background: Fitted
    excess: P0 | None
    """Null for a blinded A."""
    limit: OneLimit
    seed: int
    """Of the random numbers."""
    warnings: list[str]
    """What makes a number less than it seems, in words."""


class ClosurePoint(TypedDict):
    """A pair of cuts; what an empty region leaves undefined is null."""

    efficiency: float
    """Of each cut on the background."""
    cuts: tuple[float, float]
    counts: Regions
    """Sums of weights."""
    events: Regions
    predicted: float | None
    """B C / D."""
    predicted_error: float | None
    ratio: float | None
    """A over what is predicted."""
    ratio_error: float | None
    pull: float | None


class Closure(TypedDict):
    """A against B C / D at cuts of several efficiencies."""

    scores: tuple[str, str]
    background: list[ClosurePoint]
    data: list[ClosurePoint]
    """At the same cuts; empty without data."""
    efficiencies_left_out: list[float]
    """With too few events in a region."""
    nonclosure: float
    """The largest difference of a background's ratio from 1, or its error where that is larger."""


class Written(OfCounts):
    """An estimate from counts, with its provenance."""

    provenance: Provenance


class WrittenOfClosure(Closure):
    """The closure of a plane, with its provenance."""

    provenance: Provenance


Printed = OfCounts | Closure
