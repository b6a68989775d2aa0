"""What a selection card can ask of an event: whitelisted quantities with ranges and counts, no expressions."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from hepad.cards.base import Card

__all__ = [
    "COLLECTIONS",
    "DERIVED",
    "FOUR_MOMENTUM",
    "LABEL",
    "LEPTONS",
    "SOURCES",
    "TRIGGER",
    "ChargeSum",
    "Condition",
    "LabelName",
    "LeptonPairs",
    "ObjectCuts",
    "ObjectsRange",
    "Range",
    "TriggerBit",
]

COLLECTIONS = ("jets", "electrons", "muons", "photons", "taus", "fatjets")
"""Object collections that a file can hold and a card can cut on; each is sorted by falling pT."""

DERIVED = ("egammas", "widejets")
"""Collections that no file holds: a selection builds them, under its key `build`."""

LEPTONS = ("electrons", "muons")
"""What `leptons` stands for."""

SOURCES = "sources"
"""Among the fields to read: which branches of the file are our collections, each as `jets=JetPUPPI`."""

TRIGGER = "trigger"
"""Among the fields to read: the bits of the trigger whose names are given in place of properties."""

LABEL = "label"
"""Among the fields to read: what events were simulated as, by the names that are given in place of properties."""

FOUR_MOMENTUM = frozenset({"pt", "eta", "phi", "mass"})

_TAGGED = ("bjets", "lightjets")
_COUNTED = (*COLLECTIONS, *DERIVED, "leptons", "lepton_pairs")
_PAIRS = {"delta_eta": frozenset({"pt", "eta"}), "delta_phi": frozenset({"pt", "phi"}), "mass": FOUR_MOMENTUM}
_QUANTITIES = (*_COUNTED, *_PAIRS, "lepton_charge", "met", "scalar_ht", TRIGGER, LABEL)
_OBJECT = re.compile(r"([a-z]+)[1-9][0-9]?")
_MET = "met"


LabelName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
"""What an event was simulated as, by its name in the file."""


class Range(Card):
    """An open interval: `min` < value < `max`, as papers write their cuts."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Range:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"min {self.min:g} must be below max {self.max:g}")
        return self


class ObjectCuts(Card):
    """Cuts on single objects: pT and mass in GeV, `btag` for jets only."""

    pt: Range | None = None
    eta: Range | None = None
    abs_eta: Range | None = None
    mass: Range | None = None
    btag: bool | None = None

    def features(self) -> set[str]:
        """The object properties that these cuts look at."""
        used = {name for name in ("pt", "eta", "mass", "btag") if getattr(self, name) is not None}
        return used | ({"eta"} if self.abs_eta is not None else set())


def _known_objects(text: str) -> str:
    names = text.split("+")
    for name in names:
        if name == _MET:
            continue
        match = _OBJECT.fullmatch(name)
        if not match or f"{match[1]}s" not in (*COLLECTIONS, *DERIVED, *_TAGGED):
            raise ValueError(f"{name!r} is not an object: write for instance jet1+jet2")
    if len(names) < 2 or len(set(names)) != len(names):
        raise ValueError(f"{text!r} must name different objects, at least two")
    return text


class ObjectsRange(Range):
    """A range for a quantity of several objects, `jet1+jet2`; an event that lacks one of them is outside.

    `met`, which has an azimuth only, may be one of the two of `delta_phi`: `jet1+met`.
    """

    objects: Annotated[str, AfterValidator(_known_objects)]

    @property
    def collections(self) -> tuple[str, ...]:
        """The collections of the objects, one for each."""
        return tuple(n if n == _MET else f"{n.rstrip('0123456789')}s" for n in self.objects.split("+"))


class LeptonPairs(Card):
    """Pairs of two electrons or two muons of opposite charge that share no lepton, with a mass in GeV in a range.

    Pairs are taken nearest to the Z boson's mass first. Without a range the number of pairs is simply as large as
    charges and flavours allow.
    """

    mass: Range | None = None


class ChargeSum(Card):
    """The values that the summed charge of all leptons may take, in units of the elementary charge."""

    values: tuple[int, ...] = Field(min_length=1)


class TriggerBit(Card):
    """What the trigger of the experiment decided: the bit of one of its algorithms, by its name in the file.

    `fired: false` asks for events that this algorithm did not accept.
    """

    bit: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
    fired: bool = True


class Condition(Card):
    """One quantity of an event and what it may be.

    A collection, `leptons` (electrons and muons together) or `lepton_pairs` is counted, against `min_count` and
    `max_count`. `mass` (GeV), `delta_eta` and `delta_phi` (both without sign) belong to named objects, the latter two
    to exactly two. `met` and `scalar_ht` are in GeV. `trigger` is a bit of the trigger that took the event. `label` is
    what the event was simulated as, by its name in the file, such as `Tbqq` or `signal`.
    """

    jets: ObjectCuts | None = None
    electrons: ObjectCuts | None = None
    muons: ObjectCuts | None = None
    photons: ObjectCuts | None = None
    taus: ObjectCuts | None = None
    fatjets: ObjectCuts | None = None
    egammas: ObjectCuts | None = None
    widejets: ObjectCuts | None = None
    leptons: ObjectCuts | None = None
    lepton_pairs: LeptonPairs | None = None
    lepton_charge: ChargeSum | None = None
    mass: ObjectsRange | None = None
    delta_eta: ObjectsRange | None = None
    delta_phi: ObjectsRange | None = None
    met: Range | None = None
    scalar_ht: Range | None = None
    trigger: TriggerBit | None = None
    label: LabelName | None = None
    min_count: int | None = Field(default=None, ge=1)
    max_count: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _names_one_quantity(self) -> Condition:
        named = [name for name in _QUANTITIES if getattr(self, name) is not None]
        if len(named) != 1:
            raise ValueError(f"a condition names exactly one of {', '.join(_QUANTITIES)}, found {named}")
        counted = self.min_count is not None or self.max_count is not None
        if counted != (named[0] in _COUNTED):
            raise ValueError("min_count or max_count goes with objects or pairs that are counted, and only with them")
        for pair in (self.delta_eta, self.delta_phi):
            if pair is not None and len(pair.collections) != 2:
                raise ValueError(f"{named[0]} is of two objects, not of {pair.objects!r}")
        for rule in (self.mass, self.delta_eta):
            if rule is not None and _MET in rule.collections:
                raise ValueError(f"{named[0]} is of objects, and 'met' is not an object: it may be in delta_phi only")
        return self

    @property
    def quantity(self) -> str:
        """The one quantity that this condition names."""
        return next(name for name in _QUANTITIES if getattr(self, name) is not None)

    def fields(self) -> dict[str, set[str]]:
        """The collections and their properties that this condition looks at; pT gives the counts."""
        name, rule = self.quantity, getattr(self, self.quantity)
        if isinstance(rule, ObjectCuts):
            return {n: {"pt"} | rule.features() for n in (LEPTONS if name == "leptons" else (name,))}
        if isinstance(rule, ObjectsRange):
            needed: dict[str, set[str]] = {}
            for collection in rule.collections:
                tagged = collection in _TAGGED
                own = needed.setdefault("jets" if tagged else collection, set())
                own |= _PAIRS[name] | ({"btag"} if tagged else set())
            return needed
        if isinstance(rule, LeptonPairs):
            return {n: {"pt", "charge"} | (FOUR_MOMENTUM if rule.mass else frozenset()) for n in LEPTONS}
        if isinstance(rule, ChargeSum):
            return {n: {"pt", "charge"} for n in LEPTONS}
        named = {TRIGGER: rule.bit if isinstance(rule, TriggerBit) else "", LABEL: rule, "scalar_ht": "ht"}
        return {name: {named.get(name, "pt")}}
