"""Published numbers that searches hold: backgrounds beside their spectra, and how odd those are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hepad.cards.search import SearchCard, located
from hepad.pipeline.bumphunt.options import BumpHuntOptions
from hepad.pipeline.bumphunt.run import hunt
from hepad.pipeline.limit.mass import mass_limits
from hepad.pipeline.limit.mass_report import MassLimitOptions
from hepad.pipeline.verify.options import VerifyOptions
from hepad.pipeline.verify.report import Check, Found
from hepad.search.channels import Channel, prepare_channels

__all__ = ["search_checks"]

_NO_LIMIT = "a luminosity, an observed spectrum, a function and a width above zero"
_HOW = "CLs with one function; the error is half of the expected band"
_NO_FIT = "a function that fits the observed spectrum (fits)"


def search_checks(card: SearchCard, folder: Path, options: VerifyOptions) -> list[Check]:
    """What a search holds of its channels: all of it is in the card's own files."""
    found = []
    for name, channel in prepare_channels(card, folder).items():
        found += list(_background(card, name, channel))
        found += list(_oddness(card, name, channel, options))
        found += list(_limits(card, folder, name, channel))
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
    check = Check.of(
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
    check = Check.of(card, f"{name}: global p-value of the largest excess", printed)
    if channel.observed is None or channel.observed.reference is None:
        yield check.measured(None, "an observed spectrum with a published background")
        return
    found = hunt([channel.observed], BumpHuntOptions(reference="column", toys=options.toys, seed=options.seed)).hunt
    assert found.global_p is not None  # noqa: S101  there are pseudo-experiments
    how = f"{options.toys} pseudo-experiments, window {found.window[0]:g} to {found.window[1]:g} GeV"
    yield check.measured(Found(found.global_p, found.global_p_error, how))


def _limits(card: SearchCard, folder: Path, name: str, channel: Channel) -> Iterator[Check]:
    """Limits on Gaussian resonances, at every mass and width of the published table."""
    table = channel.published
    if table is None:
        return
    for width in np.unique(table.widths):
        rows = [row for row in np.argsort(table.masses) if table.widths[row] == width]
        points = _points(card, folder, name, float(width), table.masses[rows])
        for row, point in zip(rows, points, strict=True):
            where = f"{table.masses[row]:g} GeV of width {width:.0%}"
            for what, printed in (("observed", table.observed_pb[row]), ("expected", table.expected_pb[row])):
                if not np.isnan(printed):
                    check = Check.of(card, f"{name}: {what} limit at {where} [pb]", float(printed))
                    yield check.measured(None if point is None else point[what], _NO_LIMIT)


def _points(
    card: SearchCard, folder: Path, name: str, width: float, masses: npt.NDArray[np.float64]
) -> list[dict[str, Found] | None]:
    """Our observed and expected limits at masses, whose errors are half of the expected 68 % band."""
    own = card.channels[name]
    fits = card.channel_fits(name)
    if card.luminosity is None or own.observed is None or not fits or width == 0:
        return [None] * len(masses)
    options = MassLimitOptions(
        function=located(folder, "fits", fits[0]),
        masses=",".join(f"{mass!r}" for mass in masses.tolist()),
        luminosity=card.luminosity.fb,
        luminosity_error=card.luminosity.relative_error,
        global_toys=0,
    )
    report = mass_limits(str(folder / own.observed), [f"gauss:{width}"], options=options)
    scale = report.pb_per_event
    assert scale is not None  # noqa: S101  there is a luminosity
    found: list[dict[str, Found] | None] = []
    for limit in (point.limit for point in report.points):
        error = (limit.expected[3] - limit.expected[1]) / 2 * scale
        assert limit.observed is not None  # noqa: S101  there is an observed spectrum
        values = {"observed": limit.observed, "expected": limit.expected[2]}
        found.append({what: Found(float(value * scale), float(error), _HOW) for what, value in values.items()})
    return found
