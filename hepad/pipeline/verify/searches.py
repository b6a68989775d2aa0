"""Published numbers that searches hold: backgrounds beside their spectra, and how odd those are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hepad.cards.search import SearchCard
from hepad.pipeline.bumphunt.options import BumpHuntOptions
from hepad.pipeline.bumphunt.run import hunt
from hepad.pipeline.verify.options import VerifyOptions
from hepad.pipeline.verify.report import Check, Found
from hepad.search.channels import Channel, prepare_channels

__all__ = ["search_checks"]

_NO_FIT = "a function that fits the observed spectrum (fits)"


def search_checks(card: SearchCard, folder: Path, options: VerifyOptions) -> list[Check]:
    """What a search holds of its channels: all of it is in the card's own files."""
    found = []
    for name, channel in prepare_channels(card, folder).items():
        found += list(_background(card, name, channel))
        found += list(_oddness(card, name, channel, options))
    return found


def _background(card: SearchCard, name: str, channel: Channel) -> Iterator[Check]:
    """The bin of a spectrum in which the published background and our fit are furthest apart."""
    spectrum = channel.observed
    theirs = None if spectrum is None else spectrum.reference
    if spectrum is None or theirs is None:
        return
    ours = channel.fitted
    far = 0 if ours is None else int(np.argmax(np.abs(ours - theirs) / np.sqrt(np.maximum(theirs, 1))))
    low, high = spectrum.edges[far : far + 2]
    check = _check(
        card,
        f"{name}: background from {low:g} to {high:g} GeV, where the fits differ most",
        float(theirs[far]),
        float(np.sqrt(max(theirs[far], 1))),
    )
    if ours is None:
        yield check.measured(None, _NO_FIT)
    else:
        how = f"{channel.functions[0].name} fitted to {spectrum.n_bins} bins; the error is that of the data"
        yield check.measured(Found(float(ours[far]), None, how))


def _oddness(card: SearchCard, name: str, channel: Channel, options: VerifyOptions) -> Iterator[Check]:
    """The global p-value of the most significant excess over the published background."""
    printed = card.channels[name].published_p
    if printed is None:
        return
    check = _check(card, f"{name}: global p-value of the largest excess", printed, None)
    if channel.observed is None or channel.observed.reference is None:
        yield check.measured(None, "an observed spectrum with a published background")
        return
    found = hunt([channel.observed], BumpHuntOptions(reference="column", toys=options.toys, seed=options.seed)).hunt
    assert found.global_p is not None  # noqa: S101  there are pseudo-experiments
    how = f"{options.toys} pseudo-experiments, window {found.window[0]:g} to {found.window[1]:g} GeV"
    yield check.measured(Found(found.global_p, found.global_p_error, how))


def _check(card: SearchCard, quantity: str, published: float, error: float | None) -> Check:
    return Check(
        card.name,
        card.name,
        quantity,
        published,
        error,
        fidelity=card.fidelity,
        reason=card.fidelity_note,
        reference=card.reference,
    )
