"""A signal against published limits on Gaussian resonances: its peak in a channel, and the limit there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hepad.pipeline.reinterpret.limits import ChannelLimit
from hepad.pipeline.reinterpret.rows import PublishedRow
from hepad.search.search import Search
from hepad.stats.fits.templates import signal_shape
from hepad.stats.limits.exclusion import PublishedLimit, Verdict, verdict

__all__ = ["Published", "published_limit"]

_PEAK = 2.0
"""Widths on either side of the peak within which events count as of the resonance."""


@dataclass(frozen=True)
class Published:
    """A peak of mass (GeV) and relative width, the acceptance within it, and the published limit there or None.

    The limit is on cross section times acceptance; `verdict` compares the product, None without a cross section.
    """

    mass_gev: float
    width: float
    peak_acceptance: float
    limit: PublishedLimit | None
    verdict: Verdict | None

    def row(self) -> PublishedRow:
        """The record of it, with the limits on the cross section itself, by the acceptance in the peak."""
        observed = None if self.limit is None else self.limit.observed_pb
        expected = None if self.limit is None else self.limit.expected_pb
        return PublishedRow(
            mass_gev=self.mass_gev,
            width=self.width,
            peak_acceptance=self.peak_acceptance,
            limit_pb_observed=None if observed is None else observed / self.peak_acceptance,
            limit_pb_expected=None if expected is None else expected / self.peak_acceptance,
            visible_limit_pb_observed=observed,
            visible_limit_pb_expected=expected,
            note=None if self.limit is None else self.limit.note,
            verdict=self.verdict,
        )


def published_limit(search: Search, limit: ChannelLimit, cross_section_pb: float | None) -> Published | None:
    """The published limit for a signal in a channel; None if the card has no table or the signal no events there."""
    if limit.name not in search.card.channels or not search.as_published or limit.signal.sum() <= 0:
        return None
    table = search.channel(limit.name).published
    if table is None:
        return None
    mass, width = signal_shape(limit.edges, limit.signal)
    centres = (limit.edges[:-1] + limit.edges[1:]) / 2
    near = np.abs(centres - mass) <= max(_PEAK * width * mass, float(np.diff(limit.edges).max()) / 2)
    fraction = limit.acceptance.value * float(limit.signal[near].sum() / limit.signal.sum())
    found = table.at(mass, width) if fraction > 0 else None
    judged = None
    if found is not None and cross_section_pb is not None:
        observed, expected = (None if v is None else v / fraction for v in (found.observed_pb, found.expected_pb))
        own = PublishedLimit(observed, expected, found.note)
        judged = verdict(cross_section_pb, own)
    return Published(mass, width, fraction, found, judged)
