"""Cards of hunts: where in a spectrum several methods look for a resonance, and what is done with what they select."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hepad.cards.base import Card, CardName, check_edges, parse_card, read_yaml
from hepad.cards.cite import CiteCard
from hepad.cards.input import AnyInput
from hepad.cards.resolver import resolve
from hepad.errors import CardError, UsageError

__all__ = ["HUNTS_FOLDER", "FractionCard", "HuntCard", "bins_within", "is_hunt", "load_hunt"]

HUNTS_FOLDER = "analyses/hunts"

_Edges = Annotated[tuple[float, ...], Field(min_length=4)]


class FractionCard(Card):
    """The fraction of the background that is selected in windows whose middle is below a mass in GeV; None: in all."""

    below: float | None = Field(default=None, gt=0)
    fraction: float = Field(gt=0, le=1)


class HuntCard(Card):
    """Where several methods look for a resonance; `hepad hunt FILES --analysis NAME` needs nothing else.

    Each set of `windows` is a list of edges in GeV: all between two neighbours are windows but the first and the last,
    and the neighbours of a window are its sidebands. `fractions` are those of the sidebands' events that a method
    selects, the first that applies. The spectra of the selected events, in `bins` (edges in GeV), are fitted outside of
    the window with the first of `functions` that the next does not improve; with `count: densities`, which takes one
    function, densities are, by least squares, as the authors of CWoLa hunting do (arXiv:1902.02634). Whole, they are
    fitted with it and a resonance of `shape`, as of `hepad limit --signal-shape` without its mass, at many masses.
    `input` takes the place of that of a method's card if the method takes its kind and its card does not say
    `own_input`.
    """

    schema_: Literal["hunt/1"] = Field(alias="schema")
    name: CardName
    title: str
    reference: str
    cite: CiteCard | None = None
    fidelity: Literal["exact", "approximate", "inspired"]
    fidelity_note: str = ""
    selection: str
    mass: str
    windows: dict[CardName, _Edges] = Field(min_length=1)
    fractions: tuple[FractionCard, ...] = Field(min_length=1)
    bins: Annotated[tuple[float, ...], Field(min_length=6)]
    functions: tuple[str, ...] = Field(min_length=1)
    count: Literal["likelihood", "densities"] = "likelihood"
    shape: str = "gauss:0.05"
    methods: tuple[str, ...] = Field(min_length=1)
    input: AnyInput

    @model_validator(mode="after")
    def _rise(self) -> HuntCard:
        check_edges({**self.windows, "bins": self.bins})
        if self.fractions[-1].below is not None:
            raise ValueError("the last of fractions is that of all windows that are left: leave out its 'below'")
        if self.count == "densities" and len(self.functions) > 1:
            raise ValueError("count: densities takes one function")
        return self

    def within(self, limits: tuple[float, float] | None) -> HuntCard:
        """The same with spectra of the bins within limits in GeV; `UsageError` if fewer than 5 are left."""
        if limits is None:
            return self
        return self.model_copy(update={"bins": bins_within(self.bins, limits)})

    def fraction(self, low: float, high: float) -> float:
        """The fraction that is selected in a window."""
        middle = (low + high) / 2
        return next(one.fraction for one in self.fractions if one.below is None or middle < one.below)


def bins_within(bins: Sequence[float], limits: tuple[float, float]) -> tuple[float, ...]:
    """The edges of the bins within limits in GeV; `UsageError` if they are fewer than 5 bins."""
    left = tuple(edge for edge in bins if limits[0] <= edge <= limits[1])
    if len(left) < 6:
        raise UsageError(f"the range {limits[0]:g}:{limits[1]:g} GeV leaves {max(len(left) - 1, 0)} bins of 5")
    return left


def is_hunt(name: str) -> bool:
    """Whether a name is that of a hunt that ships, or a path that of a card of one, in windows or in a plane.

    False where nothing is there.
    """
    try:
        content: object = read_yaml(resolve(HUNTS_FOLDER, name))
    except CardError:
        return False
    return isinstance(content, dict) and str(content.get("schema", "")).startswith(("hunt/", "plane/"))


def load_hunt(name: str) -> HuntCard:
    """The card of a bundled name or a path; `CardError` for a hunt in a plane, in which nothing is trained."""
    path = resolve(HUNTS_FOLDER, name)
    content: object = read_yaml(path)
    if isinstance(content, dict) and str(content.get("schema", "")).startswith("plane/"):
        raise CardError(
            f"{name} is a hunt in the plane of two masses, where nothing is trained: use it with 'hepad hunt "
            f"--analysis {name}', which has limits on a signal with --signal"
        )
    return parse_card(HuntCard, content, str(path))
