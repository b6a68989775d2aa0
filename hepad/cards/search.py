"""Search cards: a published search that a new signal can be held against, `hepad reinterpret --analysis NAME`.

A search has categories (a selection each, with or without a model), regions in which it counts, and channels (spectra
of a mass). One without a model counts what its selection keeps, in the region `all`; one without channels counts
events; one without a luminosity, such as a trigger, has acceptances only.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from hepad.cards.analysis import RegionSpec
from hepad.cards.base import Card, CardName, parse_card, read_yaml
from hepad.cards.cite import CiteCard
from hepad.cards.hunt import HUNTS_FOLDER
from hepad.cards.paths import inside
from hepad.cards.resolver import bundled_names, resolve, shipped
from hepad.cards.selection import Requirement
from hepad.cards.simultaneous import SimultaneousCard
from hepad.errors import CardError

__all__ = [
    "ALL",
    "DISCOVERY_BINS",
    "SCHEMA",
    "BinningCard",
    "CategoryCard",
    "ChannelCard",
    "CountCard",
    "LuminosityCard",
    "SearchCard",
    "is_path",
    "is_search",
    "load_search",
    "located",
    "search_files",
    "search_names",
]

SCHEMA = "search/1"
ALL = "all"
"""The region of a search without a score: every selected event."""
DISCOVERY_BINS = "discovery_bins"
"""The region of a search with a simultaneous fit that has all its bins but the control ones, of every category."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
RelativeError = Annotated[float, Field(ge=0, lt=1)]


def _named(value: str) -> str:
    """The name of a card or bundle that ships with hepad, or a path below the card's own folder."""
    return inside(value) or "" if is_path(value) else value


def is_path(name: str) -> bool:
    """Whether a card names a selection, fit or bundle by a path below its folder."""
    return "/" in name or name.endswith((".yaml", ".yml"))


Named = Annotated[str, Field(min_length=1), AfterValidator(_named)]


class LuminosityCard(Card):
    """Integrated luminosity in inverse femtobarn, its relative error, and who says so."""

    fb: float = Field(gt=0)
    relative_error: RelativeError = 0.0
    source: str = Field(min_length=1)


class BinningCard(Card):
    """Bins of a mass in GeV from `low` to `high`: each is `absolute` + `relative` times its low edge wide.

    The last bin is the one that reaches `high`. Widths should be near the resolution of the mass.
    """

    low: float = Field(gt=0)
    high: float = Field(gt=0)
    absolute: float = Field(default=0.0, ge=0)
    relative: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _is_a_range(self) -> BinningCard:
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")
        first_width = self.absolute + self.relative * self.low
        if first_width <= 0 or (self.high - self.low) / first_width > 10_000:
            raise ValueError("absolute or relative must make bins, at most 10000 of them")
        if len(self.edges()) < 2:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g} by more than 1e-6 GeV")
        return self

    def edges(self) -> tuple[float, ...]:
        """The edges in GeV, rounded to 1e-6 GeV; `ValueError` if a bin is so narrow that its edges are equal then."""
        edges = [self.low]
        while edges[-1] < self.high - 1e-6:
            edges.append(round(edges[-1] + self.absolute + self.relative * edges[-1], 6))
            if edges[-1] <= edges[-2]:
                width = self.absolute + self.relative * edges[-1]
                raise ValueError(f"a bin of {width:g} GeV at {edges[-1]:g} is too narrow: its edges would be equal")
        return tuple(edges)


class CountCard(Card):
    """A counting experiment: expected background events, their absolute error, and the observed number or none."""

    background: float = Field(ge=0)
    background_error: float = Field(default=0.0, ge=0)
    observed: int | None = Field(default=None, ge=0)
    source: str = Field(min_length=1)


class CategoryCard(Card):
    """A set of events: a selection, and the bundle that scores them (None: the selection is all there is).

    `require` are steps that follow those of the selection, so that categories that differ in one cut share a file.
    `other_selections` may stand in for `selection`, as in a tool that offers several; `counts` are the published
    yields by region, for searches that count. `network` is the card of the network that the reference itself used, for
    `hepad import-model --analysis`. `bins`, for a simultaneous fit, are regions of rising threshold: a bin is what is
    in one and not in the next, and what is in none is the control bin `below`. Selections, bundles and networks are
    names of what ships with hepad, or paths below the card's folder: `located` tells them apart.
    """

    name: Name
    title: str
    selection: Named
    require: tuple[Requirement, ...] = ()
    other_selections: tuple[Named, ...] = ()
    bundle: Named | None = None
    network: Named | None = None
    counts: dict[Name, CountCard] = Field(default_factory=dict)
    bins: tuple[Name, ...] = ()


class ChannelCard(Card):
    """The spectrum of a mass, `lightjet1+muon1`, in the events of a category that have these objects.

    Bins are those of `edges`, of `binning`, else of the observed spectrum. `observed` and `background` are files as
    `hepad limit` reads them (CSV, UHI JSON or ROOT, `file:name`), `published` is a table of published limits; all are
    below the card's folder. `published_p` is the global p-value that the reference gives of the largest excess over the
    background in its table. `fits` name fit cards, the nominal function first; without any the card's apply.
    """

    mass: str
    title: str
    category: Name | None = None
    edges: tuple[float, ...] | None = None
    binning: BinningCard | None = None
    fits: tuple[Named, ...] = ()
    observed: str | None = None
    background: str | None = None
    published: str | None = None
    published_p: float | None = Field(default=None, gt=0, le=1)

    _paths_stay_inside = field_validator("observed", "background", "published")(inside)

    @model_validator(mode="after")
    def _edges_rise(self) -> ChannelCard:
        if self.edges is not None and self.binning is not None:
            raise ValueError("give edges or binning, not both")
        if self.edges is not None and (
            len(self.edges) < 2 or any(b <= a for a, b in zip(self.edges[:-1], self.edges[1:], strict=True))
        ):
            raise ValueError("edges must be at least two and rise")
        return self


class SearchCard(Card):
    """A published search. Without `luminosity` it has acceptances only, as a trigger does.

    `regions` are names: each is one that the bundles of all categories define, unless `thresholds` sets it here;
    limits are set in `signal_region`, with `simultaneous` in all bins at once. `signal_error` is the relative
    uncertainty of a signal's yield beside that of the luminosity. With `spurious_signal` what the first function of a
    channel fakes on a simulated background that follows its second one is an error of the limit. `background_events`
    is a folder that `hepad analysis background` made: simulated background in the regions, event by event. `vectors`
    is the file of test vectors.
    """

    schema_: Literal["search/1"] = Field(alias="schema")
    name: CardName
    title: str
    reference: str
    cite: CiteCard | None = None
    fidelity: Literal["exact", "approximate", "inspired"]
    fidelity_note: str = Field(min_length=1)
    sqrt_s_gev: float = Field(gt=0)
    luminosity: LuminosityCard | None = None
    categories: tuple[CategoryCard, ...] = Field(min_length=1)
    regions: tuple[Name, ...] = (ALL,)
    thresholds: dict[Name, RegionSpec] = Field(default_factory=dict)
    signal_region: Name | None = None
    binning: BinningCard | None = None
    fits: tuple[Named, ...] = ()
    channels: dict[Name, ChannelCard] = Field(default_factory=dict)
    signal_error: RelativeError = 0.0
    spurious_signal: bool = False
    background_events: str | None = None
    simultaneous: SimultaneousCard | None = None
    vectors: str | None = None

    _paths_stay_inside = field_validator("background_events", "vectors")(inside)

    @field_validator("categories")
    @classmethod
    def _categories_differ(cls, categories: tuple[CategoryCard, ...]) -> tuple[CategoryCard, ...]:
        names = [category.name for category in categories]
        if len(set(names)) != len(names):
            raise ValueError("categories need different names")
        return categories

    @model_validator(mode="after")
    def _regions_fit(self) -> SearchCard:
        scored = [category.bundle is not None for category in self.categories]
        if any(scored) != all(scored):
            raise ValueError("either all categories have a bundle or none has")
        if not self.regions or len(set(self.regions)) != len(self.regions):
            raise ValueError("regions must be named, each once")
        if not any(scored) and (self.regions != (ALL,) or self.thresholds):
            raise ValueError(f"a search without a bundle has the one region {ALL!r}; leave out regions and thresholds")
        if any(scored) and ALL in self.thresholds:
            raise ValueError(f"region {ALL!r} is every selected event; it has no threshold")
        for what, names in (
            ("thresholds", list(self.thresholds)),
            ("signal_region", [self.signal_region or self.regions[0]]),
            *((f"counts of {category.name}", list(category.counts)) for category in self.categories),
            *((f"bins of {category.name}", list(category.bins)) for category in self.categories),
        ):
            unknown = [name for name in names if name not in self.regions]
            if unknown:
                raise ValueError(f"{what} names region {', '.join(unknown)}, which regions does not")
        return self

    @model_validator(mode="after")
    def _channels_fit(self) -> SearchCard:
        names = [category.name for category in self.categories]
        for name, channel in self.channels.items():
            if channel.category is None and len(names) > 1:
                raise ValueError(f"channel {name!r} must name its category, one of {', '.join(names)}")
            if channel.category is not None and channel.category not in names:
                raise ValueError(f"channel {name!r} names category {channel.category!r}, which does not exist")
            if channel.edges is None and channel.binning is None and self.binning is None and channel.observed is None:
                raise ValueError(f"channel {name!r} needs edges, binning or an observed spectrum")
            for category in self.categories:
                if category.counts and channel.category in {None, category.name}:
                    raise ValueError(f"category {category.name!r} has counts and channel {name!r}: give one of them")
        counted = any(category.counts for category in self.categories)
        if self.luminosity is None and (self.channels or counted):
            raise ValueError("channels and counts need a luminosity")
        if self.background_events is not None and not self.channels:
            raise ValueError("background_events belong to channels, of which there are none")
        return self

    @model_validator(mode="after")
    def _bins_fit(self) -> SearchCard:
        binned = [category.name for category in self.categories if category.bins]
        if (self.simultaneous is not None) != bool(binned):
            raise ValueError("simultaneous and bins of categories go together")
        if binned and DISCOVERY_BINS in self.regions:
            raise ValueError(f"region {DISCOVERY_BINS!r} is all bins of a simultaneous fit: give another name")
        for category in self.categories:
            if len(set(category.bins)) != len(category.bins) or ALL in category.bins:
                raise ValueError(f"bins of {category.name} must be named, each once, without {ALL!r}")
            if category.bins and category.bundle is None:
                raise ValueError(f"category {category.name!r} has bins of a score: it needs a bundle")
        if binned and self.luminosity is None:
            raise ValueError("bins need a luminosity")
        if binned and (self.channels or any(category.counts for category in self.categories)):
            raise ValueError("a search has bins that are fitted together, or channels and counts: not both")
        return self

    @property
    def limit_region(self) -> str:
        """The region in which limits are set."""
        return self.signal_region or self.regions[0]

    def category(self, name: str | None) -> CategoryCard:
        """The category of that name; None is the only one."""
        return next(c for c in self.categories if name is None or c.name == name)

    def in_category(self, channel: str, category: CategoryCard) -> bool:
        """Whether a channel is one of that category."""
        return self.channels[channel].category in {None, category.name}

    def channel_fits(self, name: str) -> tuple[str, ...]:
        """The fit cards of a channel, the nominal one first; empty if it has none."""
        return self.channels[name].fits or self.fits

    def channel_edges(self, name: str) -> tuple[float, ...] | None:
        """The edges of a channel in GeV; None where the observed spectrum gives them."""
        channel = self.channels[name]
        if channel.edges is not None:
            return channel.edges
        binning = channel.binning or (None if channel.observed else self.binning)
        return None if binning is None else binning.edges()


def located(folder: Path, kind: str, name: str) -> str:
    """The path of a card or bundle that a search in `folder` names; `kind` is `selections`, `fits` or `bundles`.

    A bare name is what ships with hepad, whatever the working directory holds; `CardError` if nothing does.
    """
    return str(folder / name if is_path(name) else shipped(kind, name))


def is_search(content: dict[str, object]) -> bool:
    """Whether the content of a card of the folder `analyses` says that it is a search."""
    return str(content.get("schema", "")).startswith("search/")


def search_names() -> list[str]:
    """Names of the searches that ship with hepad."""
    return [name for name in bundled_names("analyses") if is_search(read_yaml(resolve("analyses", name)))]


def _no_search(name: str) -> str:
    """What to say of a name that is no card: other analyses, which are models to train, would not do either."""
    searches, hunts = search_names(), bundled_names(HUNTS_FOLDER)
    if name in hunts:
        return f"{name} is a hunt, which learns from the data: use it with 'hepad hunt --analysis'"
    near = get_close_matches(name, (*searches, *hunts), n=1)
    meant = f", did you mean {near[0]}?" if near else ":"
    return f"no search named {name!r}{meant} bundled are {', '.join(searches) or 'none'}; or give a path"


def load_search(name: str) -> tuple[SearchCard, Path]:
    """The search of a bundled name or a path, and the folder that its own paths are relative to.

    `CardError` for a name that is none of a search, a card of a model that is trained, and a file that the card names
    and that is not there.
    """
    try:
        path = resolve("analyses", name)
    except CardError as error:
        if is_path(name):
            raise
        raise CardError(_no_search(name)) from error
    content = read_yaml(path)
    if str(content.get("schema", "")).startswith("analysis/"):
        raise CardError(
            f"{name} is a model to train, not a published search: use it with 'hepad train --model', or choose one of "
            f"{', '.join(search_names()) or 'none'}"
        )
    card = parse_card(SearchCard, content, str(path))
    folder = path.parent
    for what, file in _files(card):
        target = folder / _file_name(file)
        if not target.exists():
            raise CardError(f"{path}: {what} names {file}, which is not in {folder}")
        if not target.resolve().is_relative_to(folder.resolve()):
            raise CardError(f"{path}: {what} names {file}, a link that leaves {folder}")
    return card, folder


def search_files(card: SearchCard) -> list[str]:
    """The files and folders that a card names, relative to its folder, each once."""
    return list(dict.fromkeys(_file_name(file) for _, file in _files(card)))


def _files(card: SearchCard) -> list[tuple[str, str]]:
    """All files that a card names, with the key that names them."""
    found = [("background_events", card.background_events), ("vectors", card.vectors)]
    if card.simultaneous is not None:
        found += [(f"simultaneous.{key}", getattr(card.simultaneous, key)) for key in ("yields", "observed")]
    for name, channel in card.channels.items():
        found += [(f"channels.{name}.{key}", getattr(channel, key)) for key in ("observed", "background", "published")]
    return [(key, file) for key, file in found if file is not None]


def _file_name(spec: str) -> str:
    """The path of `path:histogram`."""
    for suffix in (".root", ".json", ".csv"):
        before, found, _ = spec.partition(f"{suffix}:")
        if found:
            return before + suffix
    return spec
