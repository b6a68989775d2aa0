"""Why a search says nothing of a signal: causes with the number that is missing and what helps, alike ones merged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from hepad.cards.search import ALL
from hepad.errors import InputDataError
from hepad.pipeline.reinterpret.measure import Measured
from hepad.pipeline.reinterpret.rows import CONTROL, NoLimitRow, ReasonRow
from hepad.pipeline.reinterpret.words import percent

__all__ = ["Cause", "NoLimitError", "Reason", "Reasons", "nothing_left", "said_of_all"]


class Cause(Enum):
    """What is missing. The values are what JSON says."""

    NO_COUNTS = "no published counts"
    NOTHING_SELECTED = "nothing selected"
    NOT_IN_REGION = "nothing in the region"
    NOT_IN_RANGE = "no signal in the range"
    FEW_SIGNAL = "too few signal events"
    NO_BACKGROUND = "no background"
    CONTROL = CONTROL
    FEW_BACKGROUND = "too few background events"
    FIT_FAILED = "no fit"
    NO_CROSS_SECTION = "no cross section"
    NO_DATA = "no data"
    WEAK_BACKGROUND = "background of our own"


_HELP = {
    Cause.NO_COUNTS: "write the counts or spectra of the search into a card of your own, see 'hepad schema search'",
    Cause.NOTHING_SELECTED: "more simulated events lower the bound",
    Cause.NOT_IN_REGION: "set limits in a looser region with --region",
    Cause.NOT_IN_RANGE: "simulate more events, or another region with --region",
    Cause.NO_BACKGROUND: "simulate it with 'hepad analysis background', and give the folder with --background",
    Cause.FEW_BACKGROUND: "more simulated background with --background, or a looser region with --region",
    Cause.NO_CROSS_SECTION: "give that of your signal with --xsec",
}


@dataclass(frozen=True)
class Reason:
    """A cause in words; `have` of `need` is the number that falls short, `help` what can be done about it.

    `summary` are the words for several channels, of which this one is nearest to a limit.
    """

    cause: Cause
    text: str
    have: float | None = None
    need: float | None = None
    summary: str | None = None

    def words(self) -> str:
        """The cause with its number."""
        if self.summary is not None:
            return self.summary
        return f"{self.text} ({self.have:.3g} of {self.need:g} needed)" if self.need is not None else self.text

    @property
    def reached(self) -> float:
        """The part of what is needed that is there."""
        return (self.have or 0.0) / self.need if self.need else 0.0

    @property
    def help(self) -> str | None:
        """The option or command that helps, None if nothing does."""
        if self.cause is Cause.FEW_SIGNAL and self.have and self.need is not None:
            return f"simulate at least {math.ceil(self.need / self.have)} times as many events"
        return _HELP.get(self.cause)

    def row(self) -> ReasonRow:
        """The record of it."""
        return ReasonRow(self.cause.value, self.words(), self.have, self.need, self.help)


class NoLimitError(InputDataError):
    """There is no limit, for a reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.words())
        self.reason = reason


@dataclass(frozen=True)
class Reasons:
    """Channels (names) that have no limit for one reason, each with its own `have`, the best of which is `reason`'s."""

    channels: tuple[str, ...]
    reason: Reason
    least: float | None = None

    @classmethod
    def merged(cls, reasons: Mapping[str, Reason]) -> list[Reasons]:
        """One for each cause, text and need; in the order of the channels."""
        alike: dict[tuple[Cause, str, float | None], dict[str, Reason]] = {}
        for name, reason in reasons.items():
            alike.setdefault((reason.cause, reason.text, reason.need), {})[name] = reason
        found = []
        for own in alike.values():
            ordered = sorted(own.values(), key=lambda reason: reason.have or 0.0)
            found.append(cls(tuple(own), ordered[-1], ordered[0].have))
        return found

    def words(self) -> str:
        """The channels, or how many they are, and the reason."""
        reason, names = self.reason, self.channels
        who = ", ".join(names) if len(names) <= 2 else f"{len(names)} channels"
        said = reason.words()
        if reason.need is not None and self.least is not None and f"{self.least:.3g}" != f"{reason.have:.3g}":
            said = f"{reason.text} ({self.least:.3g} to {reason.have:.3g} of {reason.need:g} needed)"
        return f"{who}: {said}"

    def row(self) -> NoLimitRow:
        """The record of them."""
        return NoLimitRow(self.channels, replace(self.reason.row(), text=self.words()))


def nothing_left(measured: Measured) -> Reason | None:
    """Why no event is in the region of the limits: the step that the last ones fail; None if there are some."""
    search, region = measured.search, measured.search.signal_region
    every, inside = measured.acceptance(ALL), measured.acceptance(region)
    if inside.events > 0:
        return None
    bound = f"acceptance below {percent(inside.upper_95)} at 95 % CL"
    if every.events > 0:
        text = f"none of {every.events} selected events is in region {region}: {bound}"
        return Reason(Cause.NOT_IN_REGION, text)
    if len(search.categories) > 1:
        said = f"none of {measured.read.events} events is in any of the {len(search.categories)} categories"
    else:
        steps = measured.flows[search.categories[0].name].steps
        step = next(step.name for step in steps if step.events == 0)
        said = f'none of {measured.read.events} events passes "{step}"'
    return Reason(Cause.NOTHING_SELECTED, f"{said}: {bound}")


def said_of_all(groups: Sequence[Reasons], channels: int) -> str:
    """The reasons of all channels in one line."""
    if len(groups) == 1 and channels > 1:
        return f"all {channels} channels: {groups[0].words().partition(': ')[2]}"
    return "; ".join(group.words() for group in groups)
