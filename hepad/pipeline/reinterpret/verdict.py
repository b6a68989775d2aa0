"""The verdict on a signal: excluded, not excluded, or what is missing to say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hepad.pipeline.reinterpret.combine import Limits
from hepad.pipeline.reinterpret.measure import Measured
from hepad.pipeline.reinterpret.published import Published
from hepad.pipeline.reinterpret.reasons import Cause, Reason, Reasons, nothing_left, said_of_all
from hepad.pipeline.reinterpret.rows import VerdictRow
from hepad.stats.limits.exclusion import Verdict, verdict

__all__ = ["Conclusion", "conclude"]


@dataclass(frozen=True)
class Conclusion:
    """A verdict by a limit, None without one or without a cross section; `missing` is why nothing can be said.

    `reasons` are those of the channels that have no limit, alike ones merged.
    """

    cross_section_pb: float | None
    verdict: Verdict | None
    missing: Reason | None
    reasons: tuple[Reasons, ...]

    def row(self) -> VerdictRow:
        """The record of it: status, numbers, and for "cannot say" the cause, what number is missing and what helps."""
        found, missing = self.verdict, None if self.missing is None else self.missing.row()
        reason = (found.reason if found else "") or (missing.text if missing else "")
        return VerdictRow(
            status="cannot say" if found is None else found.status,
            basis=None if found is None else found.basis,
            cross_section_pb=self.cross_section_pb if found is None else found.cross_section_pb,
            limit_pb=None if found is None else found.limit_pb,
            ratio=None if found is None else found.ratio,
            reason=reason,
            cause=None if missing is None else missing.cause,
            have=None if missing is None else missing.have,
            need=None if missing is None else missing.need,
            help=None if missing is None else missing.help,
        )


def conclude(
    section: float | None, measured: Measured, limits: Limits | None, published: Mapping[str, Published]
) -> Conclusion:
    """By our own combined limit; by the published limit that is strongest for this signal, where we have none."""
    channels = {} if limits is None else limits.channels
    reasons = Reasons.merged({name: limit.reason for name, limit in channels.items() if limit.reason is not None})
    found, missing = None, None
    if limits is not None and limits.combined.result is not None:
        found, missing = _by_limit(section, limits)
    else:
        judged = [one.verdict for one in published.values() if one.verdict is not None]
        found = max(judged, key=lambda one: one.ratio or 0.0) if judged else None
        missing = _missing(measured, reasons, len(channels)) if found is None or found.basis is None else None
    return Conclusion(section, found, missing, tuple(reasons))


def _by_limit(section: float | None, limits: Limits) -> tuple[Verdict | None, Reason | None]:
    result, reference = limits.combined.result, limits.inputs.yields.reference_pb
    assert result is not None  # noqa: S101  the caller has looked
    median = float(result.expected[2]) * reference
    if section is None:
        text = f"no cross section was given; the expected limit is {median:.3g} pb at 95 % CL"
        return None, Reason(Cause.NO_CROSS_SECTION, text)
    found = verdict(section, result, reference_pb=reference)
    if limits.combined.on_simulation and found.basis == "expected" and found.status == "not excluded":
        found = _cannot_say(found, median)
        return found, Reason(Cause.WEAK_BACKGROUND, found.reason)
    return found, Reason(Cause.NO_DATA, found.reason) if found.status == "cannot say" else None


def _missing(measured: Measured, reasons: list[Reasons], channels: int) -> Reason:
    """Why there is no limit: no event is left, the search has nothing to set one with, or no channel has enough."""
    nothing = nothing_left(measured)
    if nothing is not None:
        return nothing
    if not reasons:
        return Reason(Cause.NO_COUNTS, "this search has no published counts: acceptances only")
    # What helps is said by the channel that is nearest to a limit, of those that more signal events would help.
    nearest = max((group.reason for group in reasons), key=lambda one: (one.cause is Cause.FEW_SIGNAL, one.reached))
    return replace(nearest, summary=said_of_all(reasons, channels))


def _cannot_say(found: Verdict, limit: float) -> Verdict:
    """A limit on our own background is weaker than the search's: that it does not reach the signal proves nothing."""
    reason = (
        f"the cross section of {found.cross_section_pb:.3g} pb is below the limit of {limit:.3g} pb expected on "
        "simulated background; the limit of the search itself may be stronger"
    )
    return Verdict("cannot say", "expected", found.cross_section_pb, limit, found.cross_section_pb / limit, reason)
