"""The parts of the records of a reinterpretation (`report`): steps, regions, limits, verdicts, reasons.

Nothing but `to_json` and `from_json` knows the keys of `reinterpret.json`. Cross sections and limits are in pb, masses
in GeV; limits are at 95 % CL.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from typing import Any

from hepad.objects.cutflow import CutStep
from hepad.stats.limits.exclusion import Excluded, Verdict
from hepad.stats.scores.acceptance import Acceptance

__all__ = [
    "CONTROL",
    "ChannelRow",
    "CombinedRow",
    "CurveVerdictRow",
    "CutRow",
    "JetsRow",
    "LimitRow",
    "NoLimitRow",
    "PublishedRow",
    "ReasonRow",
    "RegionRow",
    "SearchRow",
    "VerdictRow",
    "shared",
    "told_once",
]

CONTROL = "control bin"
"""The cause for which a bin that is only fitted with others has no limit of its own."""


@dataclass(frozen=True)
class SearchRow:
    """The search; `selections` and `models` (None: it has none) are by category."""

    title: str
    reference: str
    fidelity: str
    fidelity_note: str
    as_published: bool
    signal_region: str
    luminosity_fb: float | None
    sqrt_s_gev: float
    selections: Mapping[str, str]
    models: Mapping[str, str | None]


@dataclass(frozen=True)
class CutRow:
    """A step of the selection of a category, and the fraction of all generated events that is left after it."""

    category: str
    name: str
    events: int
    weight: float
    weight_error: float
    efficiency: float
    efficiency_error: float

    @property
    def step(self) -> CutStep:
        """The step of a cut flow."""
        return CutStep(self.name, self.events, self.weight, self.weight_error**2)


def told_once(steps: Sequence[CutRow]) -> list[tuple[str, CutRow]]:
    """Steps with what they are called: that of its category before each, but once those that all have in common.

    Of one category that is every step.
    """
    of_category: dict[str, list[CutRow]] = {}
    for step in steps:
        of_category.setdefault(step.category, []).append(step)
    same = shared([[(step.name, step.events, step.weight) for step in own] for own in of_category.values()])
    together = [(step.name, step) for step in steps[:same]]
    return together + [(f"{name}: {step.name}", step) for name, own in of_category.items() for step in own[same:]]


def shared(flows: Sequence[Sequence[Hashable]]) -> int:
    """How many steps all begin with."""
    return sum(1 for _ in takewhile(lambda row: len(set(row)) == 1, zip(*flows, strict=False)))


@dataclass(frozen=True)
class RegionRow(Acceptance):
    """What a region keeps; `categories` is what it keeps of each, empty where the search has only one."""

    categories: Mapping[str, Acceptance] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """All numbers in JSON types, without a key for what it does not have."""
        content = super().to_json()
        parts = {name: one.to_json() for name, one in content.pop("categories").items()}
        return {**content, "categories": parts} if parts else content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> RegionRow:
        """What `to_json` made."""
        parts = {name: Acceptance(**one) for name, one in content.get("categories", {}).items()}
        return cls(**{**content, "categories": parts})


@dataclass(frozen=True)
class ReasonRow:
    """Why there is no limit or no verdict; `have` of `need` is the number that falls short, `help` what can be done."""

    cause: str
    text: str
    have: float | None
    need: float | None
    help: str | None


@dataclass(frozen=True)
class NoLimitRow:
    """Channels that have no limit for one reason."""

    channels: tuple[str, ...]
    reason: ReasonRow

    def to_json(self) -> dict[str, Any]:
        """All of it in JSON types."""
        return {"channels": list(self.channels), **asdict(self.reason)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> NoLimitRow:
        """What `to_json` made."""
        reason = dict(content)
        return cls(tuple(reason.pop("channels")), ReasonRow(**reason))


@dataclass(frozen=True)
class VerdictRow:
    """What may be said of a signal and by which limit; for "cannot say" the cause, what is missing, what helps."""

    status: str
    basis: str | None
    cross_section_pb: float | None
    limit_pb: float | None
    ratio: float | None
    reason: str
    cause: str | None
    have: float | None
    need: float | None
    help: str | None

    def to_json(self) -> dict[str, Any]:
        """All of it in JSON types."""
        return dict(vars(self))


@dataclass(frozen=True)
class CurveVerdictRow(VerdictRow):
    """What may be said of several masses, and which are excluded: expected to be, where there is no data."""

    ranges_gev: tuple[Excluded, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it in JSON types; a reason that tells of several masses comes behind what is missing."""
        content = super().to_json()
        if self.basis is not None and self.limit_pb is None:
            content["reason"] = content.pop("reason")
        ranges = content.pop("ranges_gev")
        return {**content, "ranges_gev": [asdict(one) for one in ranges]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CurveVerdictRow:
        """What `to_json` made."""
        return cls(**{**content, "ranges_gev": tuple(Excluded(**one) for one in content["ranges_gev"])})


@dataclass(frozen=True)
class JetsRow:
    """What an error of the jets' energy, `relative`, does to the signal in the region of the limits.

    Acceptances with all jets that much lower and higher, and the relative `error` of the yield that follows.
    """

    relative: float
    acceptance_down: float
    acceptance_up: float
    error: float


_LIMITS = ("expected", "expected_band", "observed", "expected_error", "observed_error")
_HOW = ("calculator", "calculator_reason", "toys")


@dataclass(frozen=True)
class LimitRow:
    """Limits in pb, None without one, and how they were calculated; errors are those of pseudo-experiments.

    `expected_band` are the expected limits for -2 to 2 standard deviations, None for one that cannot be told.
    """

    expected: float | None = None
    expected_band: tuple[float | None, ...] | None = None
    observed: float | None = None
    expected_error: float | None = None
    observed_error: float | None = None
    calculator: str | None = None
    calculator_reason: str | None = None
    toys: int = 0

    @property
    def band(self) -> tuple[float, ...] | None:
        """The band of five limits, None if one of them is missing."""
        known = tuple(value for value in self.expected_band or () if value is not None)
        return known if len(known) == 5 else None

    def to_json(self) -> dict[str, Any]:
        """All of it in JSON types."""
        content = {f"limit_pb_{name}": getattr(self, name) for name in _LIMITS}
        band = None if self.expected_band is None else list(self.expected_band)
        return {**content, "limit_pb_expected_band": band, **{name: getattr(self, name) for name in _HOW}}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> LimitRow:
        """What `to_json` made, among other keys."""
        limits = {name: content[f"limit_pb_{name}"] for name in _LIMITS}
        band = None if limits["expected_band"] is None else tuple(limits["expected_band"])
        return cls(**{**limits, "expected_band": band}, **{name: content[name] for name in _HOW})


@dataclass(frozen=True)
class PublishedRow:
    """A peak in a channel and the published limit there: on the cross section, and on what is seen of it."""

    mass_gev: float
    width: float
    peak_acceptance: float
    limit_pb_observed: float | None
    limit_pb_expected: float | None
    visible_limit_pb_observed: float | None
    visible_limit_pb_expected: float | None
    note: str | None
    verdict: Verdict | None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PublishedRow:
        """What `asdict` made."""
        verdict = None if content["verdict"] is None else Verdict(**content["verdict"])
        return cls(**{**content, "verdict": verdict})


_CHANNEL = (
    "expected_events",
    "expected_events_error",
    "acceptance",
    "acceptance_error",
    "simulated_events",
    "background_events",
    "background",
    "background_effective_events",
    "function",
    "spurious_events",
    "signal_response",
    "response_effective_events",
    "counted_above_gev",
    "signal_unused",
    "range_gev",
    "observed_events",
)


@dataclass(frozen=True)
class ChannelRow:
    """A channel: what is expected in it and its limit, or why it has none.

    `expected_events` of signal are None without a cross section; `background` says where the background is from.
    `alternatives` are the median expected limits by what was done otherwise: with other functions, by name, and with
    the jets' energy down and up. `spurious_events` of signal may be faked by the `function` of the background. Its fit
    finds the part `signal_response` of a true signal, as so many effective events say. Where events above a mass,
    `counted_above_gev`, were counted in place of a fit, the others are None.
    """

    expected_events: float | None
    expected_events_error: float | None
    acceptance: float
    acceptance_error: float
    simulated_events: int
    background_events: float | None
    background: str | None
    background_effective_events: float | None
    function: str | None
    spurious_events: float
    signal_response: float | None
    response_effective_events: float | None
    counted_above_gev: float | None
    signal_unused: float
    range_gev: tuple[float, float]
    observed_events: float | None
    limit: LimitRow
    alternatives: Mapping[str, float]
    no_limit: ReasonRow | None
    published: PublishedRow | None

    def to_json(self) -> dict[str, Any]:
        """All of it in JSON types."""
        return {
            **{name: getattr(self, name) for name in _CHANNEL},
            "range_gev": list(self.range_gev),
            **self.limit.to_json(),
            "limit_pb_expected_alternatives": dict(self.alternatives),
            "no_limit_because": None if self.no_limit is None else self.no_limit.text,
            "no_limit": None if self.no_limit is None else asdict(self.no_limit),
            "published": None if self.published is None else asdict(self.published),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ChannelRow:
        """What `to_json` made."""
        low, high = content["range_gev"]
        return cls(
            **{**{name: content[name] for name in _CHANNEL}, "range_gev": (low, high)},
            limit=LimitRow.from_json(content),
            alternatives=content["limit_pb_expected_alternatives"],
            no_limit=None if content["no_limit"] is None else ReasonRow(**content["no_limit"]),
            published=None if content["published"] is None else PublishedRow.from_json(content["published"]),
        )


@dataclass(frozen=True)
class CombinedRow:
    """The limit of the `channels` together; `remark` is why it is no better one, `alternatives` as in `ChannelRow`."""

    method: str
    channels: tuple[str, ...]
    limit: LimitRow
    remark: str | None
    alternatives: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """All of it in JSON types."""
        names = {"method": self.method, "channels": list(self.channels)}
        others = {"limit_pb_expected_alternatives": dict(self.alternatives)}
        return {**names, **self.limit.to_json(), **others, "remark": self.remark}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CombinedRow:
        """What `to_json` made."""
        return cls(
            content["method"],
            tuple(content["channels"]),
            LimitRow.from_json(content),
            content["remark"],
            content["limit_pb_expected_alternatives"],
        )
