"""`hepad reinterpret`: one search, all of them, or the methods of a hunt; limits are at 95 % CL."""

from __future__ import annotations

from typing import Literal

from typing_extensions import NotRequired, TypedDict

from hepad.execution.run import Skipped
from hepad.pipeline.reinterpret.hunted import MethodRow
from hepad.pipeline.reinterpret.hunted import PointRow as HuntPointRow
from hepad.pipeline.reinterpret.rows import (
    CurveVerdictRow,
    CutRow,
    JetsRow,
    PublishedRow,
    ReasonRow,
    SearchRow,
    VerdictRow,
)
from hepad.pipeline.schemas.parts import Provenance
from hepad.stats.limits.exclusion import Excluded
from hepad.stats.scores.acceptance import Acceptance

__all__ = ["Limits", "Printed", "RegionAcceptance", "Written", "WrittenOfAll"]


class Generated(TypedDict):
    """The events that were generated."""

    events: int
    sum_weights: float


class RegionAcceptance(TypedDict):
    """What a region keeps of all generated events; `low` and `high` are the 68.3 % interval."""

    value: float
    error: float
    low: float
    high: float
    upper_95: float
    """One-sided upper bound at 95 % CL."""
    events: int
    model_error: float | None
    """The largest change when the threshold moves by its own uncertainty; null where that is not known."""
    categories: NotRequired[dict[str, Acceptance]]
    """What it keeps of each, where the search has several."""


class Limits(TypedDict):
    """A limit on the cross section of the signal in pb; null where there is none."""

    limit_pb_expected: float | None
    limit_pb_expected_band: list[float | None] | None
    """At -2, -1, 0, 1, 2 standard deviations."""
    limit_pb_observed: float | None
    limit_pb_expected_error: float | None
    limit_pb_observed_error: float | None
    calculator: str | None
    """asymptotics, exact or toys."""
    calculator_reason: str | None
    toys: int


class Limit(Limits):
    """A limit, and what it would be otherwise."""

    limit_pb_expected_alternatives: dict[str, float]
    """By what was done otherwise: other functions, the jets' energy down and up."""


class Channel(Limit):
    """A channel: what is expected in it and its limit, or why it has none."""

    expected_events: float | None
    """Of signal; null without a cross section."""
    expected_events_error: float | None
    acceptance: float
    acceptance_error: float
    simulated_events: int
    background_events: float | None
    background: str | None
    """Where it is from."""
    background_effective_events: float | None
    function: str | None
    """Of the background."""
    spurious_events: float
    """Of signal, that the function may fake."""
    signal_response: float | None
    """The part of a true signal that the fit finds."""
    response_effective_events: float | None
    counted_above_gev: float | None
    """Where events above a mass were counted in place of a fit."""
    signal_unused: float
    range_gev: tuple[float, float]
    observed_events: float | None
    no_limit_because: str | None
    no_limit: ReasonRow | None
    published: PublishedRow | None
    """The published limit on a peak there."""


class Combined(Limit):
    """The limit of several channels together."""

    method: str
    channels: list[str]
    remark: str | None
    """Why it is no better one."""


class NoLimit(TypedDict):
    """Channels that have no limit for one reason; `have` of `need` is what falls short."""

    channels: list[str]
    cause: str
    text: str
    have: float | None
    need: float | None
    help: str | None


class Sample(TypedDict):
    """What a search says of one sample."""

    events: int
    sum_weights: float
    generated: Generated
    cutflow: list[CutRow]
    channels: dict[str, Channel]
    combined: Combined | None
    overlaps: dict[str, dict[str, float]]
    """By two channels, the part of the events of the first that the second has too."""
    no_limit: list[NoLimit]
    jet_energy_scale: JetsRow | None


class Point(Sample):
    """A mass point."""

    mass_gev: float
    cross_section_pb: float | None
    acceptance: Acceptance
    """Of the region of the limits."""
    limit_pb_expected: float | None
    limit_pb_expected_band: list[float | None] | None
    limit_pb_observed: float | None
    verdict: VerdictRow
    acceptances: dict[str, RegionAcceptance]
    """Of all regions."""
    warnings: list[str]
    """What makes a number less than it seems, in words."""


class Curve(TypedDict):
    """Points in rising mass, and the masses that are excluded."""

    table: list[Point]
    excluded_expected_gev: list[Excluded]
    excluded_observed_gev: list[Excluded] | None
    """Null without data."""


class OwnSample(TypedDict):
    """The sample itself, where mass points have the verdict."""

    mass_gev: float | None
    verdict: VerdictRow


class Files(TypedDict):
    """How many of the inputs the sample and each point have."""

    sample: int
    points: list[int]


class OfOne(Sample):
    """A signal held against one search."""

    analysis: str
    search: SearchRow
    cross_section_pb: float | None
    acceptance: dict[str, RegionAcceptance]
    """By region."""
    verdict: VerdictRow | CurveVerdictRow
    """Of the mass points, if there are any."""
    warnings: list[str]
    """What makes a number less than it seems, in words."""
    skipped: list[Skipped]
    sample: OwnSample
    files: Files
    points: Curve | None
    provenance: Provenance


class Kept(TypedDict):
    """The acceptance of the region of the limits."""

    value: float
    error: float
    events: int
    upper_95: float


class Ranked(TypedDict):
    """What one search says."""

    search: str
    title: str
    reference: str
    fidelity: str
    region: str
    acceptance: Kept | None
    expected_pb: float | None
    observed_pb: float | None
    strength: float | None
    """The cross section over the expected limit."""
    status: str
    reason: str


class WrittenOfAll(TypedDict):
    """A signal held against all searches, in the order of what they expect."""

    analysis: Literal["all"]
    cross_section_pb: float | None
    verdict: str
    """Of the first."""
    searches: list[Ranked]
    left_out: dict[str, str]
    """Searches that cannot read the files, and why."""
    skipped: list[Skipped]
    warnings: list[str]
    """What makes a number less than it seems, in words."""
    provenance: Provenance


class OfAll(WrittenOfAll):
    """A signal held against all searches, and where that was written."""

    output: str | None


class _Hunted(TypedDict):
    """What the methods of a hunt make of a signal in mock data."""

    analysis: str
    reference: str
    fidelity: str
    fidelity_note: str
    study: str
    luminosity_per_fb: float
    cross_section_pb: float | None
    share_in_hunt: float
    """The part of all events that reach the hunt."""
    peak_gev: float
    window_gev: tuple[float, float, float, float]
    """The edges of lower sideband, window and upper sideband."""
    verdict: str
    methods: list[MethodRow]
    points: list[HuntPointRow]
    left_out: dict[str, str]
    provenance: Provenance


class OfHunt(_Hunted):
    """What the methods of a hunt make of a signal in mock data, and where that was written."""

    made: int
    """Points that were made in this run."""
    output: str | None


class OfHuntFile(_Hunted):
    """What the methods of a hunt make of a signal in mock data, and the figures of it."""

    figures: list[str]


Printed = OfOne | OfAll | OfHunt
Written = OfOne | OfHuntFile
