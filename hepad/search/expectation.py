"""The background that a channel of a search expects, from published spectra or from simulated events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.fit import FAMILIES
from hepad.cards.search import ALL
from hepad.errors import FitFailedError, InputDataError
from hepad.io.tables.background import read_background
from hepad.search.events import CategoryEvents
from hepad.search.search import Category, Search
from hepad.spectra.backgrounds import fit_functions
from hepad.spectra.files import Spectrum, same_edges
from hepad.spectra.models import BinnedData
from hepad.stats.fits.fit import fit_background
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.templates import kernel_template, kernel_width

__all__ = ["Expectation", "Simulated", "TooFewError", "published_expectation"]
__all__ += ["counted_expectation", "simulated_expectation"]

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_ENOUGH = 15.0
"""Effective simulated events that the shape of a spectrum is made of at least; with fewer a looser region gives it."""

_COUNTABLE = 3.0
"""The same for a spectrum that is only counted, with the background not subtracted."""
_SLICES = 100.0
"""Weights that differ by more than this factor are those of slices of one process."""
_LONE = 0.2
"""Width in ln m of the kernel of an event that is alone in its slice."""
_FAKED = 0.2
"""Standard deviations up to which a function may fake a signal: ATLAS, arXiv:1408.7084, accepts a fifth."""


class TooFewError(FitFailedError):
    """No region has enough simulated events: the most `effective` ones, of `needed`."""

    def __init__(self, effective: float) -> None:
        super().__init__(f"{effective:.1f} effective simulated background events are too few for a spectrum")
        self.effective, self.needed = effective, _ENOUGH


@dataclass(frozen=True)
class Expectation:
    """Background events (n,) expected in the bins of a channel, and observed counts (n,) or None.

    `background` None leaves it to a fit of the function to the observed counts. `simulated` (n,) are the simulated
    events that it was made of, with `variances` (n,); `effective` is their effective number, and `reach` the mass
    in GeV above which there are none that its shape is from. `how` says in words where it is from. `alternative` (n,)
    is what the second function of the channel makes of the same events, None without one or if it cannot be fitted.
    `orders` are the first function with ever more parameters, until it follows the second one: see `_orders`.
    """

    edges: FloatArray
    background: FloatArray | None
    observed: FloatArray | None
    how: str
    simulated: FloatArray | None = None
    variances: FloatArray | None = None
    effective: float | None = None
    reach: float | None = None
    alternative: FloatArray | None = None
    orders: tuple[BackgroundFunction, ...] = ()


def published_expectation(search: Search, name: str) -> Expectation | None:
    """What is published for a channel: observed counts, an expected background, or both; None if neither is."""
    channel = search.channel(name)
    observed, background, edges = channel.observed, channel.background, channel.edges
    for spectrum in (observed, background):
        if spectrum is not None and not same_edges(spectrum.edges, edges):
            raise InputDataError(f"{spectrum.name} has other bins than channel {name!r} of {search.card.name}")
    if observed is None and background is None:
        return None
    reference = None if observed is None else observed.reference
    expected = reference if background is None else background.counts
    how = "observed spectrum" if expected is None else "published background"
    return Expectation(edges, expected, None if observed is None else observed.counts, how)


class Simulated:
    """Simulated background of a search, event by event, with weights in events at its luminosity.

    `InputDataError` if it was made with another selection or model than the search as it is used has, for then its
    scores and masses are not those that the signal is held against.
    """

    def __init__(self, folder: Path, search: Search) -> None:
        columns, self.record = read_background(folder)
        self._search = search
        self._columns = columns
        self._check(folder)
        self.events = {c.name: self._events(i, c) for i, c in enumerate(search.categories)}
        self.smooth: dict[tuple[str, str], Expectation] = {}
        """Fits of all events that were made, by channel and region: many signals are held against the same."""

    def inside(self, category: Category, region: str) -> Mask | None:
        """Mask of the category's events in a region; None if events of that region were not kept."""
        events = self.events[category.name]
        if region == ALL:
            every = self._own(category).get("kept_all", category.bundle is None)
            return np.ones(len(events), dtype=np.bool_) if every else None
        cut = category.regions[region]
        kept = self._own(category)["kept_above"].get(cut.score)
        return None if kept is None or cut.threshold < kept else events.inside(category, region)

    def yields(self, category: Category, region: str) -> tuple[float, float]:
        """Events expected in a region and their statistical error, at the luminosity."""
        found = self._own(category)["regions"].get(region)
        if found is None:
            mask = self.inside(category, region)
            weights = self.events[category.name].weight[mask if mask is not None else slice(0)]
            return float(weights.sum()), float(np.sqrt(np.square(weights).sum()))
        return found["cross_section_pb"] * self._scale, found["error_pb"] * self._scale

    @property
    def _scale(self) -> float:
        luminosity = self._search.card.luminosity
        return 1.0 if luminosity is None else 1000 * luminosity.fb

    def _own(self, category: Category) -> Mapping[str, Any]:
        found: Mapping[str, Any] = next(own for own in self.record["categories"] if own["name"] == category.name)
        return found

    def _check(self, folder: Path) -> None:
        names = [own["name"] for own in self.record["categories"]]
        if names != [category.name for category in self._search.categories]:
            raise InputDataError(f"{folder} is of categories {', '.join(names)}, not those of {self._search.card.name}")
        for category in self._search.categories:
            own = self._own(category)
            if own["selection"] != category.selection.model_dump(mode="json", by_alias=True, exclude_none=True):
                raise InputDataError(f"{folder}: was made with another selection than {category.selection.name!r}")
            if own["bundle"] != (None if category.bundle is None else category.bundle.sha256):
                raise InputDataError(f"{folder}: was scored with another model than the one used")
            wanted = {f"m_{channel.name}" for channel in category.channels}
            if not wanted <= set(self._columns):
                raise InputDataError(
                    f"{folder}: has no {', '.join(sorted(wanted - set(self._columns)))}; make it again"
                )

    def _events(self, number: int, category: Category) -> CategoryEvents:
        mine = self._columns["category"] == number
        scores = () if category.bundle is None else category.bundle.card.scores
        return CategoryEvents(
            self._columns["event"][mine].astype(np.int64),
            self._columns["weight_pb"][mine].astype(np.float64) * self._scale,
            {name: self._columns[f"score_{name}"][mine] for name in scores},
            {c.name: self._columns[f"m_{c.name}"][mine].astype(np.float64) for c in category.channels},
        )


def simulated_expectation(
    simulated: Simulated, search: Search, channel: str, region: str, keep: Mask | None = None
) -> Expectation:
    """The smooth background of a channel in a region, from simulated events (of `keep` only, if given).

    The function of the channel with as many parameters as the events support is fitted to their spectrum, scaled to
    the effective number of events (G. Bohm and G. Zech, arXiv:1309.1287). Where a region has too few events, the shape
    is that of the next looser one with enough, scaled to the yield in the region; where that is zero, by the ratio
    of the regions' total yields. `FitFailedError` if no region has enough events, or no fit converges.
    """
    if keep is not None:
        return _expectation(simulated, search, channel, region, keep)
    if (channel, region) not in simulated.smooth:
        simulated.smooth[channel, region] = _expectation(simulated, search, channel, region, None)
    return simulated.smooth[channel, region]


def counted_expectation(simulated: Simulated, search: Search, channel: str, region: str) -> Expectation | None:
    """The simulated events of a channel in a region as they are, smeared if they are slices, for counts in its tail.

    They are too few for the shape that a fit needs. Where they are next to nothing, those of a looser region are taken,
    by the ratio of the regions' yields; None without any.
    """
    category, edges = search.category_of(channel), search.channel(channel).edges
    events = simulated.events[category.name]
    for name in (region, *reversed(_looser(simulated, category, region))):
        mask = simulated.inside(category, name)
        if mask is None:
            continue
        counts, variances = _fill(events, channel, edges, mask)
        effective = _effective(counts, variances)
        if effective >= _COUNTABLE:
            data, how, scale = _data(events, channel, edges, mask), "simulation, too little for a fit", 1.0
            if name != region:
                scale = simulated.yields(category, region)[0] / simulated.yields(category, name)[0]
                how = f"simulation, too little for a fit, of region {name}"
            reach = float(edges[np.flatnonzero(counts > 0)[-1] + 1])
            return Expectation(edges, scale * data.counts * data.weights, None, how, effective=effective, reach=reach)
    return None


def _expectation(simulated: Simulated, search: Search, channel: str, region: str, keep: Mask | None) -> Expectation:
    category = search.category_of(channel)
    events, own = simulated.events[category.name], search.channel(channel)
    edges, functions = own.edges, own.functions
    mask = simulated.inside(category, region)
    if mask is None:
        raise FitFailedError(f"simulated events of region {region} were not kept")
    part = np.ones(len(events), dtype=np.bool_) if keep is None else keep
    counts, variances = _fill(events, channel, edges, mask & part)
    effective = _effective(counts, variances)
    total, most = float(counts.sum()), 0.0
    for name in (region, *reversed(_looser(simulated, category, region))):
        inside = simulated.inside(category, name)
        if inside is None:
            continue
        shape, spread = _fill(events, channel, edges, inside & part)
        most = max(most, _effective(shape, spread))
        if _effective(shape, spread) < _ENOUGH:
            continue
        data = _data(events, channel, edges, inside & part)
        smooth = _smooth(data, functions)
        other = _alternative(data, functions[1:])
        reach = float(edges[np.flatnonzero(shape > 0)[-1] + 1])
        how, scale = "simulation", 1.0
        if name != region:
            ratio = simulated.yields(category, region)[0] / simulated.yields(category, name)[0]
            how, scale = f"simulation, shape of region {name}", (total or float(shape.sum()) * ratio) / smooth.sum()
        other = None if other is None else other * scale
        return Expectation(
            edges=edges,
            background=smooth * scale,
            observed=None,
            how=how,
            simulated=counts,
            variances=variances,
            effective=effective,
            reach=reach,
            alternative=other,
            orders=_orders(edges, functions, other, reach) if search.card.spurious_signal else (),
        )
    raise TooFewError(most)


def _orders(
    edges: FloatArray, functions: Sequence[BackgroundFunction], other: FloatArray | None, reach: float
) -> tuple[BackgroundFunction, ...]:
    """The first function with ever more parameters, until it follows what the second one expects below `reach`.

    Where its fit to those events leaves a deviance D, no signal, of whatever shape, is faked by more than the root of D
    in standard deviations, for adding it lowers the deviance by its significance squared.
    """
    if other is None:
        return ()
    first = functions[0]
    bins, found = int(np.searchsorted(edges, reach)), [first]
    for n in range(first.n_parameters, FAMILIES[first.family][1] + 1):
        if n > first.n_parameters:
            found.append(BackgroundFunction(f"{first.family}{n}", first.family, n, first.sqrt_s))
        try:
            left = fit_background(edges[: bins + 1], other[:bins], found[-1]).deviance
        except (FitFailedError, InputDataError):  # more parameters than the spectrum has
            return tuple(found[:-1])
        if left <= _FAKED**2:
            break
    return tuple(found)


def _alternative(data: BinnedData, functions: Sequence[BackgroundFunction]) -> FloatArray | None:
    """The same events by the next function; None if there is none, or it does not describe them."""
    if not functions:
        return None
    try:
        return _smooth(data, functions)
    except (FitFailedError, InputDataError):
        return None


def _data(events: CategoryEvents, channel: str, edges: FloatArray, mask: Mask) -> BinnedData:
    """The spectrum that is fitted: events as they are, those of slices smeared, each slice for itself.

    An event of a slice with a large cross section stands for as many as thousands of others: where it is alone, it
    looks like a peak, and where none happens to be, like a background that is known to be small. Smeared by a Gaussian
    kernel in ln m of the width that so few events need, both go. Events beyond the edges give a slice its shape near
    them, but none of its yield: each slice keeps the sum of weights that it has in the range.
    """
    masses, weights = events.masses[channel], events.weight
    inside = mask & (masses > 0) & (weights != 0)
    sizes = np.abs(weights[inside])
    if not len(sizes) or sizes.max() < _SLICES * sizes.min():
        return BinnedData.of(Spectrum("simulated events", edges, *_fill(events, channel, edges, mask)))
    alike = np.floor(np.log2(np.abs(weights, where=weights != 0, out=np.ones_like(weights)))).astype(int)
    counts, variances = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    for which in np.unique(alike[inside]):
        own, every = inside & (alike == which), (alike == which) & (masses > 0)
        width = kernel_width(masses[every], np.ones(int(every.sum())), int(own.sum()))
        places = _drawn_together(masses[own], masses[every], width)
        shape = kernel_template(edges, places, np.abs(weights[own]), width=width if width > 0 else _LONE)
        total, squares = (float(part.sum()) for part in _fill(events, channel, edges, own))
        if squares > 0:
            counts += shape * (total / shape.sum())
            variances += shape * (squares / shape.sum())
    filled = (counts > 0) & (variances > 0)
    typical = np.divide(variances, counts, where=filled, out=np.full_like(counts, np.inf))
    typical = np.minimum(np.where(filled, typical, typical[filled].min()), sizes.max())
    counts = np.where(filled, counts, 0.0)
    return BinnedData(Spectrum("simulated events", edges, counts, variances), counts / typical, typical)


def _drawn_together(masses: FloatArray, every: FloatArray, width: float) -> FloatArray:
    """Masses nearer to the middle of their slice, in ln m, so that a kernel leaves it as wide as it is.

    Where a spectrum falls by orders of magnitude what is smeared outwards is more than what is there (B. Silverman and
    G. Young, Biometrika 74 (1987) 469, shrink so).
    """
    logs = np.log(every)
    middle, spread = float(logs.mean()), float(logs.std())
    share = np.sqrt(max(1 - (width / spread) ** 2, 0.0)) if spread > 0 else 1.0
    return np.asarray(np.exp(middle + share * (np.log(masses) - middle)))


def _looser(simulated: Simulated, category: Category, region: str) -> list[str]:
    """The regions with more background than this one, the largest first."""
    yields = {name: simulated.yields(category, name)[0] for name in (ALL, *category.regions)}
    return sorted((n for n in yields if yields[n] > yields.get(region, 0.0)), key=lambda n: -yields[n])


def _fill(events: CategoryEvents, channel: str, edges: FloatArray, mask: Mask) -> tuple[FloatArray, FloatArray]:
    """Sums of weights and of their squares (n,), each bin for itself.

    `numpy.histogram` takes differences of a running sum, in which the small weights of a slice of high masses are lost
    behind the large ones of another.
    """
    masses, weights = events.masses[channel], events.weight
    inside = mask & (masses >= edges[0]) & (masses < edges[-1])
    bins = np.searchsorted(edges, masses[inside], side="right") - 1
    counts, variances = (
        np.bincount(bins, values[inside], len(edges) - 1).astype(np.float64) for values in (weights, np.square(weights))
    )
    return counts, variances


def _effective(counts: FloatArray, variances: FloatArray) -> float:
    """(sum of w)^2 / sum of w^2 of the whole spectrum (L. Kish, Survey Sampling, 1965): few where few heavy ones rule.

    That of each bin for itself, summed, would count any event that is alone in its bin as a full one, however much less
    it stands for than others.
    """
    squares = float(variances.sum())
    return float(counts.sum()) ** 2 / squares if squares > 0 else 0.0


def _smooth(data: BinnedData, functions: Sequence[BackgroundFunction]) -> FloatArray:
    """The fit of the simplest sufficient function of the nominal family; the counts themselves without a function."""
    if not functions:
        return data.spectrum.counts
    nominal = functions[0]
    candidates = [
        BackgroundFunction(f"{nominal.family}{n}", nominal.family, n, nominal.sqrt_s)
        for n in range(FAMILIES[nominal.family][0], nominal.n_parameters + 1)
    ]
    return fit_functions(data, candidates)[0].expected * data.weights
