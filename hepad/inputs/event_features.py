"""Event features: a list of quantities of an event, such as masses, momenta, distances and multiplicities.

What weakly supervised searches train on, who choose by hand what does not follow the resonance's mass (Collins, Howe,
Nachman, arXiv:1902.02634; the R&D data of the LHC Olympics, arXiv:2101.08320).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from hepad.cards.input import InputCard
from hepad.errors import UsageError
from hepad.inputs.batch import Batch
from hepad.inputs.lepton_features import LEPTON_FEATURES, Leptons, lepton_fields
from hepad.inputs.ratios import JET_RATIOS, ratio
from hepad.inputs.scale import Scale
from hepad.inputs.standardised import Standardised
from hepad.io.events import merge_fields
from hepad.objects.kinematics import (
    MET,
    invariant_mass,
    mass_fields,
    named_objects,
    object_fields,
    object_records,
    parse_mass,
    separation,
)
from hepad.objects.naming import is_collection

__all__ = ["EventFeatures", "EventFeaturesCard"]

_Values = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]
"""The values (m,) of the events that have the quantity, and the mask (n,) of these events."""

_NAME = re.compile(r"(?P<of>[a-z0-9+]+)_(?P<what>[a-z]+[0-9]*)")


class EventFeaturesCard(InputCard):
    """Input kind `event_features`: the quantities, the mass beside them, and the scale.

    A quantity is `OBJECTS_WHAT`. Of one object, `jet1`: `pt`, `eta`, `phi`, `mass`; of a jet `btag`, 1 or 0; of a
    fat jet also `sdmass`, after soft drop, `sdrho`, that over `pt`, and ratios of its N-subjettiness, `tau21`, `tau32`,
    `tau42`, `tau43`. Of two or more, `jet1+jet2`: the invariant `mass`, and the `lightest` and `heaviest` of their
    masses; of two also their distances `deta`, `dphi` and `dr`. Of `met`: `pt`, `phi`. Of a collection, `jets`, or of
    `particles`: the number `n` and the sum of pT, `ht`; of `tracks`: `n`; of `jets` also `btags`, those with a b-tag.
    Of the `leptons`, electrons and muons: `n`, `ht`, and of the four leading ones together `pt`, `mass` and `mt`, the
    transverse mass with the missing momentum. Of these four `zpair` is the pair of same flavour and opposite charge
    with the mass nearest to the Z boson's, else one of opposite charge, else any; `otherpair` are the other two: `pt`,
    `mass`, `mt`. `zpair+lepton_heaviest` and `_lightest` are the masses of the pair with one of these.

    `mass` names objects whose invariant mass stands beside the batch, where no network sees it. `scale: standard` takes
    each quantity to mean 0 and standard deviation 1 over the events that have it; one that an event lacks is 0.
    `scale: log` does so with sign(x) ln(1 + |x|) in its place, for momenta and masses with long tails.
    """

    kind: Literal["event_features"]
    features: tuple[str, ...] = Field(min_length=1, max_length=1000)
    mass: str | None = None
    scale: Literal["none", "standard", "log"] = "standard"

    @field_validator("features")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("features must name each quantity once")
        for name in names:
            _understood(_quantity, name)
        return names

    @field_validator("mass")
    @classmethod
    def _is_of_objects(cls, name: str | None) -> str | None:
        if name is not None:
            _understood(parse_mass, name)
        return name


class EventFeatures(Standardised):
    """Events to a `Batch` of kind `event_features`: pt, mass and ht in GeV before scaling.

    `beside["mass"]` is the card's mass in GeV, NaN for events without its objects.
    """

    kind: ClassVar[str] = "event_features"

    card: EventFeaturesCard

    def __init__(self, card: EventFeaturesCard, scale: Scale | None = None) -> None:
        super().__init__(card, scale)
        self._quantities = [_quantity(name) for name in card.features]
        self._mass = None if card.mass is None else parse_mass(card.mass)

    def fields(self) -> dict[str, set[str]]:
        """The collections and properties that must be read."""
        mass = () if self._mass is None else (mass_fields(self._mass),)
        return merge_fields(*(quantity.fields for quantity in self._quantities), *mass)

    def raw(self, events: ak.Array) -> Batch:
        """The batch in physical units, before scaling."""
        shape = (len(events), *self.layout.shape)
        x, mask = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=bool)
        leptons = Leptons(events)
        for i, quantity in enumerate(self._quantities):
            values, there = quantity.of(leptons if quantity.of_leptons else events)
            x[there, i], mask[:, i] = values, there
        beside = {} if self._mass is None else {"mass": _spread(invariant_mass(events, self._mass))}
        return Batch(self.kind, self.layout, x, mask, ak.to_numpy(events.weight).astype(np.float64), beside)


@dataclass(frozen=True)
class _Quantity:
    """What must be read for a quantity, and how it is made of events; with `of_leptons`, of their `Leptons`."""

    fields: dict[str, set[str]]
    of: Callable[[Any], _Values]
    of_leptons: bool = False


def _quantity(name: str) -> _Quantity:
    """The quantity of a name; `UsageError` that says what there is otherwise."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise UsageError(f"{name!r} is no quantity: write OBJECTS_WHAT, for instance jet1_pt or jet1+jet2_mass")
    of, what = match["of"], match["what"]
    if of == "met":
        known = {kind: _Quantity({"met": {kind}}, partial(_met, feature=kind)) for kind in _MET}
    elif of == "tracks":
        known = {"n": _Quantity({"track_count": {"number"}}, _track_count)}
    elif of in LEPTON_FEATURES:
        known = {
            kind: _Quantity(lepton_fields(kind), made, of_leptons=True) for kind, made in LEPTON_FEATURES[of].items()
        }
    elif is_collection(of) or of == "particles":  # which have no names of their own
        known = {"n": _Quantity(object_fields([of], {"pt"}), partial(_count, name=of))}
        known["ht"] = _Quantity(object_fields([of], {"pt"}), partial(_ht, name=of))
        if of == "jets":
            known["btags"] = _Quantity(object_fields([of], {"btag"}), _btags)
    else:
        known = _of_objects(parse_mass(of))
    if what not in known:
        raise UsageError(f"{name!r} is no quantity: of {of} there are {', '.join(known)}")
    return known[what]


_MET = ("pt", "phi")
Objects = tuple[tuple[str, int], ...]


def _of_objects(objects: Objects) -> dict[str, _Quantity]:
    collections = [name for name, _ in objects]

    def quantity(features: set[str], of: Callable[[ak.Array], _Values]) -> _Quantity:
        return _Quantity(object_fields(collections, {"pt"} | features), of)

    if len(objects) == 1:
        fat = collections[0] == "fatjets"
        tagged = ("btag",) if collections[0] in ("jets", "fatjets") else ()
        single = {
            feature: quantity({feature}, partial(_feature, objects=objects, feature=feature))
            for feature in ("pt", "eta", "phi", "mass", *(("sdmass",) if fat else ()), *tagged)
        }
        for name, of in JET_RATIOS.items() if fat else ():
            single[name] = quantity(set(of), partial(_ratio, objects=objects, of=of))
        return single
    mass = _Quantity(mass_fields(objects), partial(invariant_mass, objects=objects))
    if MET in collections:
        return {"mass": mass}
    known = {
        "mass": mass,
        "lightest": quantity({"mass"}, partial(_extreme, objects=objects, which=np.min)),
        "heaviest": quantity({"mass"}, partial(_extreme, objects=objects, which=np.max)),
    }
    if len(objects) == 2:
        known["deta"] = quantity({"eta"}, partial(separation, objects=objects, feature="eta"))
        known["dphi"] = quantity({"phi"}, partial(separation, objects=objects, feature="phi"))
        known["dr"] = quantity({"eta", "phi"}, partial(_distance, objects=objects))
    return known


def _met(events: ak.Array, feature: str) -> _Values:
    return ak.to_numpy(events.met[feature]).astype(np.float64), np.ones(len(events), dtype=np.bool_)


def _track_count(events: ak.Array) -> _Values:
    return ak.to_numpy(events.track_count).astype(np.float64), np.ones(len(events), dtype=np.bool_)


def _count(events: ak.Array, name: str) -> _Values:
    return ak.to_numpy(ak.num(named_objects(events, name))).astype(np.float64), np.ones(len(events), dtype=np.bool_)


def _btags(events: ak.Array) -> _Values:
    return ak.to_numpy(ak.sum(events.jets.btag > 0, axis=1)).astype(np.float64), np.ones(len(events), dtype=np.bool_)


def _ht(events: ak.Array, name: str) -> _Values:
    momenta = ak.values_astype(named_objects(events, name).pt, np.float64)
    return ak.to_numpy(ak.sum(momenta, axis=1)).astype(np.float64), np.ones(len(events), dtype=np.bool_)


def _features(events: ak.Array, objects: Objects, feature: str) -> tuple[list[npt.NDArray[np.float64]], Any]:
    records, there = object_records(events, objects)
    return [ak.to_numpy(record[feature]).astype(np.float64) for record in records], there


def _feature(events: ak.Array, objects: Objects, feature: str) -> _Values:
    (values,), there = _features(events, objects, feature)
    return values, there


def _ratio(events: ak.Array, objects: Objects, of: tuple[str, str]) -> _Values:
    """Of two properties of the jets, where there is one."""
    (above, _), (below, there) = (_feature(events, objects, feature) for feature in of)
    values = ratio(above, below)
    known = np.isfinite(values)
    there = there.copy()
    there[there] = known
    return values[known], there


def _extreme(events: ak.Array, objects: Objects, which: Callable[..., Any]) -> _Values:
    masses, there = _features(events, objects, "mass")
    return which(np.stack(masses), axis=0), there


def _distance(events: ak.Array, objects: Objects) -> _Values:
    (eta, there), (phi, _) = (separation(events, objects, feature) for feature in ("eta", "phi"))
    return np.hypot(eta, phi), there


def _spread(found: _Values) -> npt.NDArray[np.float64]:
    values, there = found
    column = np.full(len(there), np.nan)
    column[there] = values
    return column


def _understood(parse: Callable[[str], object], name: str) -> None:
    """Let pydantic tell of an error, with the place of the key."""
    try:
        parse(name)
    except UsageError as error:
        raise ValueError(str(error)) from error
