"""Selection cards: object cuts, counts and event requirements; nothing to execute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from hepad.cards.base import Card, CardName, load_card
from hepad.cards.condition import COLLECTIONS, DERIVED, FOUR_MOMENTUM, SOURCES, Condition, ObjectCuts, Range
from hepad.cards.resolver import resolve
from hepad.errors import CardError

__all__ = [
    "COLLECTIONS",
    "BuildCard",
    "CollectionsCard",
    "Condition",
    "MergeRule",
    "ObjectCuts",
    "ObjectRule",
    "Range",
    "Requirement",
    "SelectionCard",
    "SumRule",
    "WideJetRule",
    "load_selection",
]


BranchName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


class ObjectRule(ObjectCuts):
    """Cuts that define a collection, and how many of its leading objects are kept."""

    max_count: int | None = Field(default=None, ge=1)


class WideJetRule(Card):
    """Wide jets: the two leading jets, each with the others nearer to it than `radius` and than to the other one.

    The definition of the CMS dijet searches, arXiv:1911.03947.
    """

    source: Literal["jets"] = Field(alias="from")
    radius: float = Field(gt=0)


class MergeRule(Card):
    """A collection of all objects of others, sorted by falling pT: a trigger's e/gamma is electron or photon."""

    source: tuple[Literal["electrons", "muons", "photons"], ...] = Field(alias="from", min_length=1)


class SumRule(ObjectCuts):
    """The scalar sum of the pT of objects that pass these cuts, besides those of their collection."""

    source: Literal["jets"] = Field(alias="from")


class BuildCard(Card):
    """Collections that no file holds, made of objects that have passed their cuts.

    `scalar_ht` takes the place of that of the file: a trigger sums its own jets.
    """

    widejets: WideJetRule | None = None
    egammas: MergeRule | None = None
    scalar_ht: SumRule | None = None

    def sources(self) -> dict[str, tuple[str, ...]]:
        """What each collection that is built is made of."""
        rules = {name: getattr(self, name) for name in DERIVED}
        return {
            name: (rule.source,) if isinstance(rule.source, str) else rule.source
            for name, rule in rules.items()
            if rule is not None
        }


class CollectionsCard(Card):
    """Which of a file's collections is which of ours, by the branch of each, where a file has several.

    Cards of Delphes write `JetPUPPI` beside `Jet`, `MuonLoose` and `MuonTight`, and so on; there `taus` are by default
    the tagged ones of what `jets` are. Level-1 files have emulated objects beside those of the detector.
    """

    jets: BranchName | None = None
    electrons: BranchName | None = None
    muons: BranchName | None = None
    photons: BranchName | None = None
    taus: BranchName | None = None
    fatjets: BranchName | None = None
    met: BranchName | None = None
    towers: BranchName | None = None
    tracks: BranchName | None = None


class Requirement(Card):
    """One step of the cut flow: any, or all, of its conditions."""

    name: str = Field(min_length=1)
    any: tuple[Condition, ...] = ()
    all: tuple[Condition, ...] = ()

    @model_validator(mode="after")
    def _has_conditions(self) -> Requirement:
        if bool(self.any) == bool(self.all):
            raise ValueError("give a list of conditions under either any or all")
        return self


class SelectionCard(Card):
    """A selection: which objects count, what is built of them, and which events are kept."""

    schema_: Literal["selection/1"] = Field(alias="schema")
    name: CardName
    title: str
    reference: str
    objects: dict[Literal["jets", "electrons", "muons", "photons", "taus", "fatjets"], ObjectRule] = Field(
        default_factory=dict
    )
    collections: CollectionsCard | None = None
    build: BuildCard | None = None
    require: tuple[Requirement, ...] = ()

    @model_validator(mode="after")
    def _step_names_differ(self) -> SelectionCard:
        names = [step.name for step in self.require]
        if len(set(names)) != len(names) or "all events" in names:
            raise ValueError("requirements need different names, none of them 'all events'")
        return self

    @model_validator(mode="after")
    def _builds_what_it_uses(self) -> SelectionCard:
        used = {name for step in self.require for condition in (*step.any, *step.all) for name in condition.fields()}
        missing = sorted(used & set(DERIVED) - self.built.keys())
        if missing:
            raise ValueError(f"requirements look at {', '.join(missing)}: say under build how they are made")
        return self

    @property
    def built(self) -> dict[str, tuple[str, ...]]:
        """The collections that this card builds, and what each is made of."""
        return self.build.sources() if self.build is not None else {}

    def within(self, sample: SelectionCard) -> SelectionCard:
        """This selection, of the events of a sample: what `sample` requires comes first, of this card's objects.

        `CardError` if `sample` does more than require, or names a step as this card does.
        """
        if sample.objects or sample.collections or sample.build:
            raise CardError(
                f"selection {sample.name!r} says which events are a sample's: it may have require, but neither objects "
                "nor collections nor build, which are the model's"
            )
        steps = {step.name for step in self.require}
        same = next((step.name for step in sample.require if step.name in steps), None)
        if same is not None:
            raise CardError(
                f"selections {sample.name!r} and {self.name!r} both have a step {same!r}: rename that of one"
            )
        return self.model_copy(update={"require": (*sample.require, *self.require)})

    def and_then(self, steps: Sequence[Requirement], by: str) -> SelectionCard:
        """This selection with the steps that `by` something follow; `CardError` if the two do not go together."""
        content = self.model_dump(by_alias=True, exclude_none=True)
        content["require"] = [*content["require"], *(step.model_dump(exclude_none=True) for step in steps)]
        try:
            return SelectionCard.model_validate(content)
        except ValidationError as error:
            said = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise CardError(f"{by} and its selection {self.name!r}: {said}") from error

    def fields(self) -> dict[str, set[str]]:
        """The collections and their properties that must be read to apply this card, and which branches they are."""
        needed: dict[str, set[str]] = {name: {"pt"} | rule.features() for name, rule in self.objects.items()}
        for step in self.require:
            for condition in (*step.any, *step.all):
                for name, features in condition.fields().items():
                    needed.setdefault(name, set()).update(features)
        for name, sources in self.built.items():
            needed.pop(name, None)
            for source in sources:
                needed.setdefault(source, set()).update(FOUR_MOMENTUM)
        if self.build is not None and (rule := self.build.scalar_ht) is not None:
            needed.pop("scalar_ht", None)
            needed.setdefault(rule.source, set()).update({"pt"} | rule.features())
        if self.collections is not None:
            chosen = self.collections.model_dump(exclude_none=True)
            needed[SOURCES] = {f"{name}={branch}" for name, branch in chosen.items()}
        return needed


def load_selection(name: str) -> SelectionCard:
    """The selection card of a bundled name or a path."""
    return load_card(SelectionCard, resolve("selections", name))
