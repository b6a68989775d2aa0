"""A published search made ready: its card with the selections, models, regions and channels that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hepad.bundles.bundle import Bundle, load_bundle
from hepad.cards.analysis import RegionSpec
from hepad.cards.bundle import RegionCard
from hepad.cards.resolver import bundled_names, resolve
from hepad.cards.search import ALL, DISCOVERY_BINS, CategoryCard, SearchCard, load_search, located
from hepad.cards.selection import SelectionCard, load_selection
from hepad.errors import CardError, UsageError
from hepad.io.events import merge_fields
from hepad.objects.kinematics import mass_fields
from hepad.provenance import sha256_file
from hepad.search.channels import Channel, prepare_channels
from hepad.stats.scores.regions import Quantiles

__all__ = ["Category", "Channel", "Search", "prepare_search"]

Extra = dict[str, RegionSpec]
"""Regions beside those of the card, by name."""


@dataclass(frozen=True)
class Category:
    """A category of a search: selection, model or None, thresholds by region, and its channels.

    `shifted` are the thresholds with the efficiencies of the regions off by one standard deviation down and up:
    the uncertainty of a threshold that was set on finite background.
    """

    card: CategoryCard
    selection: SelectionCard
    bundle: Bundle | None
    regions: dict[str, RegionCard]
    shifted: dict[str, tuple[float, float]]
    channels: tuple[Channel, ...]

    @property
    def name(self) -> str:
        """Its name on the card."""
        return self.card.name

    def fields(self) -> dict[str, set[str]]:
        """What must be read from event files."""
        needed = self.selection.fields() if self.bundle is None else self.bundle.fields(self.selection)
        return merge_fields(needed, *(mass_fields(channel.objects) for channel in self.channels))


@dataclass(frozen=True)
class Search:
    """A search ready for events. `signal_region` is where limits are set; `regions` are looser to tighter, ALL first.

    With a simultaneous fit `signal_region` is DISCOVERY_BINS; each region of the card is then of those categories alone
    that have a bin of its name.

    `cards` maps what went into it to sha256, for provenance. `as_published` is False if a selection, model, region
    or luminosity other than the card's was asked for: published spectra do not go with it. `changes` are those of them
    that make it another search, which one of the card's own regions does not.
    """

    card: SearchCard
    folder: Path
    categories: tuple[Category, ...]
    regions: tuple[str, ...]
    signal_region: str
    cards: dict[str, str]
    as_published: bool
    changes: tuple[str, ...] = ()

    def fields(self) -> dict[str, set[str]]:
        """What must be read from event files for all categories."""
        return merge_fields(*(category.fields() for category in self.categories))

    def channel(self, name: str) -> Channel:
        """A channel by its name."""
        return next(own for category in self.categories for own in category.channels if own.name == name)

    def category_of(self, channel: str) -> Category:
        """The category that a channel belongs to."""
        return next(c for c in self.categories if any(channel == own.name for own in c.channels))


def prepare_search(
    name: str,
    *,
    model: str | None = None,
    selection: str | None = None,
    region: tuple[str, RegionSpec | None] | None = None,
    luminosity_fb: float | None = None,
) -> Search:
    """Load the search of a bundled name or a path, with another model, selection, signal region or luminosity.

    `region` is one of the card's (None for its spec), or a new one that is set on the held-out background of the
    bundles. `UsageError` if what is asked for does not go with the search; `CardError` for what is damaged.
    """
    card, folder = load_search(name)
    extra = _extra_region(card, region)
    if (model or selection) and len(card.categories) > 1:
        raise UsageError(
            f"{card.name} has {len(card.categories)} categories: --model and --selection need a single one"
        )
    if model and card.categories[0].bundle is None:
        raise UsageError(f"{card.name} uses no model: leave out --model")
    channels = prepare_channels(card, folder)
    bundles = {name: _bundle(card, folder, name, model) for name in {part.bundle for part in card.categories}}
    asked = {part.selection: selection or located(folder, "selections", part.selection) for part in card.categories}
    selections = {name: load_selection(path) for name, path in asked.items()}
    categories = tuple(
        _category(
            card,
            part,
            channels,
            selection=_with_steps(selections[part.selection], part),
            bundle=bundles[part.bundle],
            extra=extra,
        )
        for part in card.categories
    )
    for category in categories:
        _check_bins(category)
    if len({category.selection.collections for category in categories}) > 1:
        raise CardError(f"analysis {card.name}: the selections of its categories take different collections of a file")
    cards = {f"analysis {card.name}": sha256_file(resolve("analyses", name))}
    cards |= {f"bundle {c.bundle.card.name}": c.bundle.sha256 for c in categories if c.bundle}
    cards |= _parts(card, folder, selection)
    together = () if card.simultaneous is None else (DISCOVERY_BINS,)
    names = tuple(dict.fromkeys((ALL, *together, *card.regions, *extra)))
    own = DISCOVERY_BINS if together else card.limit_region
    chosen = region[0] if region else own
    given = {"selection": selection, "model": model, "region": extra}
    changes = [what for what, value in given.items() if value]
    if luminosity_fb is not None and (card.luminosity is None or luminosity_fb != card.luminosity.fb):
        card = _at_luminosity(card, luminosity_fb)
        changes.append("luminosity")
    as_published = not changes and chosen == own
    return Search(card, folder, categories, names, chosen, cards, as_published, tuple(changes))


def _parts(card: SearchCard, folder: Path, selection: str | None) -> dict[str, str]:
    """The selections and background functions of a search, with their sha256."""
    paths: dict[str, Path] = {}
    for name in dict.fromkeys(selection or category.selection for category in card.categories):
        path = resolve("selections", selection or located(folder, "selections", name))
        paths[f"selection {name if selection is None else path.stem}"] = path
    for name in dict.fromkeys(fit for channel in card.channels for fit in card.channel_fits(channel)):
        paths[f"fit {name}"] = Path(located(folder, "fits", name))
    return {what: sha256_file(path) for what, path in paths.items()}


def _at_luminosity(card: SearchCard, luminosity_fb: float) -> SearchCard:
    if card.luminosity is None:
        raise UsageError(f"{card.name} has no luminosity: it has acceptances only, leave out --luminosity")
    changed = card.luminosity.model_copy(update={"fb": luminosity_fb, "source": "as given"})
    return card.model_copy(update={"luminosity": changed})


def _extra_region(card: SearchCard, region: tuple[str, RegionSpec | None] | None) -> Extra:
    if region is None:
        return {}
    name, spec = region
    if spec is None:
        if name not in (ALL, *card.regions):
            raise UsageError(f"{card.name} has no region {name!r}: choose one of {', '.join((ALL, *card.regions))}")
        return {}
    if name in (ALL, *card.regions):
        raise UsageError(f"region {name!r} is one of {card.name}; give the new one another name")
    if any(category.bundle is None for category in card.categories):
        raise UsageError(f"{card.name} has no score to set region {name!r} on")
    return {name: spec}


def _category(
    card: SearchCard,
    part: CategoryCard,
    channels: Mapping[str, Channel],
    *,
    selection: SelectionCard,
    bundle: Bundle | None,
    extra: Extra,
) -> Category:
    names = part.bins if card.simultaneous is not None else card.regions
    regions = {} if bundle is None else _regions(card, names, bundle, extra)
    return Category(
        card=part,
        selection=selection,
        bundle=bundle,
        regions=regions,
        shifted={} if bundle is None else {name: _shifted(region, bundle) for name, region in regions.items()},
        channels=tuple(own for name, own in channels.items() if card.in_category(name, part)),
    )


def _with_steps(selection: SelectionCard, part: CategoryCard) -> SelectionCard:
    """The selection with the steps that a category adds to it."""
    return selection.and_then(part.require, f"category {part.name!r}") if part.require else selection


def _bundle(card: SearchCard, folder: Path, name: str | None, model: str | None) -> Bundle | None:
    if name is None:
        return None
    if model is None and "/" not in name and name not in bundled_names("bundles"):
        raise CardError(
            f"analysis {card.name}: its bundle {name!r} is not installed; give one with --model (bundled are "
            f"{', '.join(bundled_names('bundles')) or 'none'})"
        )
    return load_bundle(model or located(folder, "bundles", name))


def _regions(card: SearchCard, names: Sequence[str], bundle: Bundle, extra: Extra) -> dict[str, RegionCard]:
    """The regions of a category and of the command line, on a bundle; `CardError` if it lacks one."""
    known = bundle.card.regions
    missing = [name for name in names if name not in card.thresholds and name not in known and name != ALL]
    if missing:
        raise CardError(
            f"analysis {card.name} needs region {', '.join(missing)}, which bundle {bundle.card.name} lacks (it has "
            f"{', '.join(known) or 'none'}); train it with these regions, or set them under 'thresholds'"
        )
    every = bundle.regions({**card.thresholds, **extra})
    lowest = {DISCOVERY_BINS: every[names[0]]} if card.simultaneous is not None and names else {}
    return lowest | {name: every[name] for name in (*names, *extra) if name != ALL}


def _check_bins(category: Category) -> None:
    """`CardError` unless the regions of the bins of a category are of one score and their thresholds rise."""
    cuts = [category.regions[name] for name in category.card.bins]
    if len({cut.score for cut in cuts}) > 1 or any(cut.spec.other_scores for cut in cuts):
        raise CardError(f"bins of category {category.name} must be of one score alone")
    if any(low.threshold >= high.threshold for low, high in pairwise(cuts)):
        raise CardError(f"bins of category {category.name} must rise: {', '.join(category.card.bins)} do not")


def _shifted(region: RegionCard, bundle: Bundle) -> tuple[float, float]:
    """The thresholds at the region's efficiency minus and plus its error."""
    table = bundle.quantiles[region.score]
    if region.efficiency is None or region.efficiency_error is None or table is None:
        return region.threshold, region.threshold
    low = _threshold(table, region.efficiency - region.efficiency_error)
    return low, _threshold(table, region.efficiency + region.efficiency_error)


def _threshold(table: Quantiles, efficiency: float) -> float:
    """The threshold that keeps about this fraction of the background; the table's last one beyond its ends."""
    import numpy as np

    return float(np.interp(efficiency, table.efficiency, table.threshold))
