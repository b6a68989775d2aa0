"""Cards of studies of sensitivity: which signals are hidden in which mock data, and who looks for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hepad.cards.base import Card, CardName, check_edges, parse_card, read_yaml
from hepad.cards.resolver import resolve
from hepad.cards.study import FileNames, StudyCard

__all__ = ["PublishedGain", "SensitivityCard", "SensitivitySignal", "TableCard", "load_any_study"]

_SCHEMA = "sensitivity/1"

Names = Annotated[tuple[CardName, ...], Field(min_length=1)]
Injected = Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=2)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Bounds = tuple[float | None, float | None]


class TableCard(Card):
    """For files that are tables of features: the mass in GeV and expressions of columns for names of features."""

    mass: str
    selection: str = "all_events"
    columns: dict[str, str] = Field(default_factory=dict)


class PublishedGain(Card):
    """What a reference says of a signal: by how much the best method beats the best `classical` one, and which it is.

    Improvements of the expected limit at 95 % CL and of the cross section that is discovered with 5 sigma.
    """

    classical: CardName
    limit: tuple[float, str]
    discovery: tuple[float, str]


class SensitivitySignal(Card):
    """A signal: its files in the data folder, the window it is looked for in, how jets split, and what is published."""

    files: FileNames
    window: CardName
    prongs: str = ""
    published: PublishedGain | None = None


class SensitivityQuick(Card):
    """What `--quick` replaces; None leaves it as it is."""

    seeds: Seeds | None = None
    events: Injected | None = None
    classical_events: tuple[Annotated[float, Field(gt=0)], ...] | None = None
    signals: Names | None = None
    methods: Names | None = None


class SensitivityCard(Card):
    """How small a cross section each of several methods finds, and excludes, in mock data.

    Mock data are `data_fraction` of the background, other events by each of the `seeds`, and signal: of each of
    `signals` so many events in the mean as `events` says, whatever their mass. `hunt` is the card that has the input,
    the fraction that is selected, bins and functions. `windows` are lists of four edges in GeV, that of the
    lower sideband first; `range` is of the spectra that are fitted. `require` has bounds on features that all events
    must keep. `classical` are those of `methods` that the others are held against.

    Methods that want background have the rest of it. Of the signals `prior_fraction` of the events is kept for methods
    that want some, which are never injected or judged: of all `others` than the one that is looked for, or, for those
    in `knows_signal`, of that alone. `classical_events` are more numbers of events, for classical methods.
    `sqrt_s_gev` is the energy of the collisions in the files that are named, which figures say.
    """

    schema_: Literal["sensitivity/1"] = Field(alias="schema")
    name: CardName
    title: str
    reference: str
    note: str = ""
    hunt: str
    table: TableCard | None = None
    require: dict[str, Bounds] = Field(default_factory=dict)
    range: tuple[float, float]
    sqrt_s_gev: float | None = Field(default=None, gt=0)
    windows: dict[CardName, tuple[float, float, float, float]] = Field(min_length=1)
    background: FileNames
    signals: dict[CardName, SensitivitySignal] = Field(min_length=1)
    seeds: Seeds
    events: Injected
    classical_events: tuple[Annotated[float, Field(gt=0)], ...] = ()
    data_fraction: Fraction = 0.6
    prior_fraction: Fraction = 0.3
    methods: Names
    classical: Names
    knows_signal: tuple[CardName, ...] = ()
    labels: dict[CardName, str] = Field(default_factory=dict)
    quick: SensitivityQuick = Field(default_factory=SensitivityQuick)

    @model_validator(mode="after")
    def _is_consistent(self) -> SensitivityCard:
        check_edges({**self.windows, "range": self.range})
        for what, values in (("seeds", self.seeds), ("methods", self.methods)):
            if len(set(values)) != len(values):
                raise ValueError(f"{what} must each be given once")
        quick = (self.quick.events or self.events, self.quick.classical_events or self.classical_events)
        for what, parts in (("events", (self.events, self.classical_events)), ("quick.events", quick)):
            every = [number for part in parts for number in part]
            if every != sorted(set(every)):
                raise ValueError(f"{what}, and classical_events behind them, must rise")
        _known("signals", (one.window for one in self.signals.values()), "windows", self.windows)
        _known("classical", self.classical, "methods", self.methods)
        _known("quick.signals", self.quick.signals or (), "signals", self.signals)
        return self

    @property
    def systems(self) -> tuple[str, ...]:
        """What is studied: the names of the methods."""
        return self.methods

    @property
    def file_names(self) -> list[str]:
        """All names and patterns of files that are looked for in a data folder."""
        return sorted({*self.background, *(name for signal in self.signals.values() for name in signal.files)})

    def injected(self, method: str) -> tuple[float, ...]:
        """The numbers of signal events, in the mean, in the mock data of a method."""
        return (*self.events, *self.classical_events) if method in self.classical else self.events

    def label(self, name: str) -> str:
        """How figures call a method or a signal."""
        return self.labels.get(name, name)

    def quickened(self) -> SensitivityCard:
        """The card with what its `quick` key replaces."""
        changes = {key: value for key, value in self.quick if value is not None and key != "signals"}
        if self.quick.signals:
            changes["signals"] = {name: self.signals[name] for name in self.quick.signals}
        if self.quick.methods:
            changes["classical"] = tuple(name for name in self.classical if name in self.quick.methods)
        return self.model_copy(update=changes)


def _known(what: str, names: Iterable[str], where: str, known: Collection[str]) -> None:
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"{what} names {', '.join(unknown)}; {where} has {', '.join(known)}")


def load_any_study(name: str) -> StudyCard | SensitivityCard:
    """The study of a bundled name or a path, of trainings or of sensitivity."""
    path = resolve("analyses/studies", name)
    content: object = read_yaml(path)
    if isinstance(content, dict) and content.get("schema") == _SCHEMA:
        return parse_card(SensitivityCard, content, str(path))
    return parse_card(StudyCard, content, str(path))
