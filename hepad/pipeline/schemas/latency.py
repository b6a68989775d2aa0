"""`hepad latency`."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from hepad.pipeline.latency.report import TierName
from hepad.pipeline.schemas.parts import Provenance
from hepad.samples.trigger import Flips

__all__ = ["Printed", "Written"]


class Tier(TypedDict):
    """A way of knowing what a model takes; null where it says nothing of a quantity."""

    latency_ns: float
    """Of logic, clock edges times the calibrated period; of a processor, the 99th percentile for one event."""
    latency_error_ns: float
    """Of the period; of a processor, between repetitions."""
    clock_edges: int | None
    ii: int | None
    """Clocks between events."""
    lut: int | None
    """Lookup tables."""
    ff: int | None
    """Flip-flops."""
    dsp: int | None
    """Multipliers."""
    bit_exact_events: int | None
    """Events that were compared with the emulation."""
    mismatches: int | None
    """Those that differ."""
    tool: str


class Check(TypedDict):
    """A quantity of a tier against what the budget allows."""

    tier: TierName
    quantity: str
    value: float
    limit: float
    margin: float
    """The fraction of the limit that is left, negative if it is exceeded."""
    passed: bool


class Timing(TypedDict):
    """Times of a library; an error is the spread between repetitions, the best that of the quickest."""

    backend: str
    threads: int
    batch: int
    """Events a call."""
    calls: int
    """Of all repetitions."""
    repetitions: int
    memory_mb: float
    """The peak of the process during the first call."""
    on_processor: float | None
    """The share of the time in which the process had the processor; null for several threads, as all of a processor."""
    p50_ns: float
    """The median of a call."""
    p50_error_ns: float
    p50_best_ns: float
    p99_ns: float
    """The 99th percentile of a call."""
    p99_error_ns: float
    p99_best_ns: float
    p99_processor_ns: float | None
    """Without the time that it waited for the processor."""
    p99_processor_error_ns: float | None
    p99_processor_best_ns: float | None
    jitter_ns: float
    """Between the 1st and 99th percentile."""
    jitter_error_ns: float
    jitter_best_ns: float
    events_per_second: float
    events_per_second_error: float
    events_per_second_best: float
    events_per_processor_second: float | None
    events_per_processor_second_error: float | None
    events_per_processor_second_best: float | None


class Agreement(TypedDict):
    """How the scores of a library compare with those of plain torch."""

    backend: str
    events: int
    rank_correlation: float | None
    """Spearman's; null if all scores are equal."""
    largest_difference: float
    """Relative to the mean score without sign."""
    decisions: list[Flips]
    """Of the regions that differ."""


class Processor(TypedDict):
    """The machine."""

    name: str
    cores: int
    load_average: float | None
    """Jobs that wanted a core over the last minute, before the timings."""


class Timed(TypedDict):
    """What was timed; without the measured tier there are no timings, and no processor."""

    timings: list[Timing]
    agreement: list[Agreement]
    memory_mb: float | None
    """The peak of the process."""
    processor: NotRequired[Processor]


class Encoder(Timed):
    """The same of the encoder alone."""

    score: str


class Operations(TypedDict):
    """Of an event."""

    mac: float
    """Multiplications, each with an addition."""
    conditional_adds: float
    """Additions that spikes cause."""
    neuron_updates: float


class Details(Timed):
    """Beyond the tiers; bit widths are of logic only."""

    score: str
    part: str
    """The whole model, or its encoder."""
    shallow: NotRequired[bool]
    """Whether layers without an activation between them are one."""
    combinational: bool
    """Whether the logic has no registers within."""
    bits: NotRequired[dict[str, int]]
    """Widths by what they are of: an input, a weight, an activation; of a library's own design the input's alone."""
    input_bits: NotRequired[int]
    events: int
    random_inputs: bool
    operations: Operations | None
    decisions: NotRequired[list[Flips]]
    """By region, of events that are given and a whole model."""
    encoder: NotRequired[Encoder]
    checks: list[Check]
    seconds: dict[TierName, float]
    """What each tier took, s."""
    remarks: list[str]


class Printed(TypedDict):
    """What a model takes, and whether it is within a budget."""

    model: str
    budget: str | None
    tiers: dict[TierName, Tier]
    passed: bool | None
    """Null without a budget."""
    details: Details


class Written(Printed):
    """What a model takes, with the provenance."""

    provenance: Provenance
