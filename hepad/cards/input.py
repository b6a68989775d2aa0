"""Input cards: one class for each input kind, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from hepad import registry
from hepad.cards.base import Card, parse_card

__all__ = ["INPUT_CARDS", "RMM_TYPES", "InputCard", "L1VectorCard", "RmmCard", "parse_input"]

Collection = Literal["jets", "muons", "electrons", "photons", "taus", "fatjets", "egammas"]
RmmType = Literal["jets", "lightjets", "bjets", "muons", "electrons", "photons"]

RMM_TYPES: tuple[RmmType, ...] = ("jets", "lightjets", "bjets", "muons", "electrons", "photons")
"""Object types of a rapidity-mass matrix in the order of its rows; `jets` are all, tagged or not."""


def _adc2021_counts() -> dict[Collection, int]:
    return {"jets": 10, "muons": 4, "electrons": 4}


class L1VectorCard(Card):
    """Input kind `l1_vector`: order, multiplicities, features and scaling."""

    kind: Literal["l1_vector"]
    features: tuple[Literal["pt", "eta", "phi"], ...] = ("pt",)
    order: tuple[Collection | Literal["met"], ...] = ("jets", "muons", "electrons", "met")
    counts: dict[Collection, Annotated[int, Field(ge=1, le=1000)]] = Field(default_factory=_adc2021_counts)
    scale: Literal["none", "max_with_floor", "standard"] = "none"

    @model_validator(mode="after")
    def _is_complete(self) -> L1VectorCard:
        if not self.features or len(set(self.features)) != len(self.features):
            raise ValueError("features must name pt, eta or phi, each once")
        if not self.order or len(set(self.order)) != len(self.order):
            raise ValueError("order must name collections or met, each once")
        missing = [name for name in self.order if name != "met" and self.counts.get(name, 0) < 1]
        if missing:
            raise ValueError(f"counts must give a positive number for {', '.join(missing)}")
        return self


def _t5n10() -> dict[RmmType, int]:
    return dict.fromkeys(RMM_TYPES[1:], 10)


def _adfilter_rows() -> dict[RmmType, int]:
    return dict.fromkeys(RMM_TYPES[3:], 5)


class RmmCard(Card):
    """Input kind `rmm`: the size of the matrix, and which of its cells a network sees.

    `counts` gives the objects of each type; types that it does not name are left out. A network sees the rows and
    columns of the leading `network_counts` objects of a type (of all, where it names no number), without the masses
    of the leading jets with one another and with the leading lepton or photon if `leave_out_masses` is set: a bump hunt
    wants a score that does not know them. With the defaults that is 1287 of 51 * 51 cells, as in arXiv:2307.01612.

    `met_min` in GeV: missing momentum below it counts as none. `sqrt_s_gev` is for files that do not say theirs.
    """

    kind: Literal["rmm"]
    counts: dict[RmmType, Annotated[int, Field(ge=1, le=50)]] = Field(default_factory=_t5n10, min_length=1)
    network_counts: dict[RmmType, Annotated[int, Field(ge=0)]] = Field(default_factory=_adfilter_rows)
    leave_out_masses: bool = True
    met_min: float = Field(default=30.0, ge=0)
    sqrt_s_gev: float = Field(default=13000.0, gt=0)

    @model_validator(mode="after")
    def _takes_each_jet_once(self) -> RmmCard:
        if "jets" in self.counts and {"lightjets", "bjets"} & self.counts.keys():
            raise ValueError("counts names jets and also lightjets or bjets: each jet must be there once")
        return self


INPUT_CARDS: dict[str, type[L1VectorCard | RmmCard]] = {"l1_vector": L1VectorCard, "rmm": RmmCard}
"""The card of each input kind; a test compares it with the registry."""


def _known_kind(content: Any) -> Any:
    if isinstance(content, dict) and "kind" in content and content["kind"] not in INPUT_CARDS:
        raise ValueError(f"unknown input kind {content['kind']!r}: choose one of {', '.join(sorted(INPUT_CARDS))}")
    return content


InputCard = Annotated[L1VectorCard | RmmCard, Field(discriminator="kind"), BeforeValidator(_known_kind)]
"""The card of any input kind."""


def parse_input(content: dict[str, Any], origin: str) -> L1VectorCard | RmmCard:
    """Validate `content` as the card of the kind that it names; `origin` is named in errors."""
    name = str(content.get("kind"))
    registry.lookup(registry.INPUTS, name, "input")
    return parse_card(INPUT_CARDS[name], content, origin)
