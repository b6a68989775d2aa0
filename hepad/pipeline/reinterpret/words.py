"""Numbers of a reinterpretation in words, as the terminal, reports and verdicts print them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from hepad.pipeline.reinterpret.rows import ChannelRow, JetsRow
from hepad.stats.limits.exclusion import Excluded
from hepad.stats.scores.acceptance import Acceptance

__all__ = [
    "counted_words",
    "fraction",
    "gev",
    "jets_words",
    "mass_ranges",
    "others_words",
    "percent",
    "verdict_tone",
]


def percent(bound: float) -> str:
    """An upper bound in percent with two digits, rounded up."""
    if not 0 < bound < 1:
        return f"{100 * bound:g} %"
    digits = 10.0 ** (1 - math.floor(math.log10(100 * bound)))
    return f"{math.ceil(round(100 * bound * digits, 6)) / digits:g} %"


def fraction(acceptance: Acceptance) -> str:
    """An acceptance with its error; where no event passes, its upper bound."""
    if not acceptance.events:
        return f"below {percent(acceptance.upper_95)} (95 % CL)"
    return f"{acceptance.value:.3%} ± {acceptance.error:.3%}"


def gev(mass: float) -> str:
    """A mass to one GeV, below a TeV to four digits."""
    return f"{mass:.0f}" if mass >= 1000 else f"{mass:.4g}"


def mass_ranges(found: Sequence[Excluded], *, ends: bool = False) -> str:
    """Ranges of mass, empty without any; with `ends` also whether they end only because no other mass was tested."""
    parts = []
    for one in found:
        text = f"{gev(one.low)} to {gev(one.high)}"
        if ends:
            text += " (from the lowest mass given on)" * one.from_start + " (up to the highest)" * one.to_end
        parts.append(text)
    return f"{', '.join(parts)} GeV" if parts else ""


def jets_words(jets: JetsRow, region: str) -> str:
    """What an error of the jets' energy does to the signal."""
    return (
        f"energy of jets ± {100 * jets.relative:g} %: acceptance in {region} from {jets.acceptance_down:.3%} to "
        f"{jets.acceptance_up:.3%}, an error of the signal of {jets.error:.2%}"
    )


def others_words(alternatives: Mapping[str, float]) -> str:
    """The expected limits by what was done otherwise."""
    return ", ".join(f"{value:.4g} pb {_otherwise(name)}" for name, value in alternatives.items())


def _otherwise(name: str) -> str:
    region = name.removeprefix("region_")
    return f"in region {region}" if region != name else f"with {name.replace('_', ' ')}"


def counted_words(channels: Mapping[str, ChannelRow]) -> str:
    """What is said of the channels whose events are counted above a mass; empty if none is."""
    listed = ", ".join(
        f"{name} above {one.counted_above_gev:.4g} GeV"
        for name, one in channels.items()
        if one.counted_above_gev is not None
    )
    alone = "each by itself, in no simultaneous fit and no likelihood for other programs"
    return f"counted, with no background subtracted, {alone}: {listed}" if listed else ""


def verdict_tone(status: str) -> Literal["yes", "no", "open"]:
    """How the answer to whether a model survives came out, by the status of its verdict."""
    if status == "cannot say":
        return "open"
    return "no" if status.startswith("excluded") else "yes"
