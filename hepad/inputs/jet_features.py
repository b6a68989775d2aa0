"""Jet features: a list of quantities of a jet, of its momentum, its substructure and its particles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from hepad.cards.input import InputCard
from hepad.inputs.batch import Batch
from hepad.inputs.labels import places_of_labels
from hepad.inputs.ratios import TAU_RATIOS, ratio
from hepad.inputs.scale import Scale
from hepad.inputs.standardised import Standardised
from hepad.io.events import LABEL, flat_columns

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["JetFeatures", "JetFeaturesCard"]

FeatureName = Literal[
    "pt",
    "eta",
    "mass",
    "sdmass",
    "tau1",
    "tau2",
    "tau3",
    "tau4",
    "tau21",
    "tau32",
    "tau42",
    "tau43",
    "n",
    "ptd",
    "width",
    "major",
    "minor",
    "leading",
    "e2",
    "e3",
    "c2",
    "d2",
]

_STORED = ("pt", "eta", "mass", "sdmass", "tau1", "tau2", "tau3", "tau4")
_CORRELATIONS = frozenset({"e2", "e3", "c2", "d2"})
_LIMIT = 128
"""Particles of a jet in its correlations, by pT: triplets of 128 are 341 376."""

_Floats = npt.NDArray[np.float64]


class JetFeaturesCard(InputCard):
    """Input kind `jet_features`: quantities of the leading fat jet of an event and of its `particles`, and their scale.

    Of the jet: `pt`, `eta`, `mass`, the soft drop mass `sdmass`, N-subjettiness `tau1` to `tau4` and ratios of it,
    `tau21` = tau2 / tau1 and so on. Of its particles: how many, `n`; `ptd`, the root of the sum of pT^2 over the sum of
    pT; `width`, the mean distance from the axis weighted with pT; `major` and `minor`, the axes of their ellipse in eta
    and phi (roots of the eigenvalues of the covariance about their centre, weighted with pT^2); `leading`, the share of
    the hardest in their pT; the energy correlations at beta 1 (arXiv:1305.0007) `e2` and `e3` of the 128 hardest,
    `c2` = e3 / e2^2 and `d2` = e3 / e2^3 (arXiv:1409.6298). A jet lacks a ratio whose denominator is 0, and one without
    particles lacks all of theirs but `n`: there it is 0. `scale: standard` takes each quantity to mean 0 and standard
    deviation 1 over the jets that have it. `classes` are the labels of jets that a supervised model tells apart,
    background first; without them no file needs labels.
    """

    kind: Literal["jet_features"]
    features: tuple[FeatureName, ...] = Field(min_length=1, max_length=50)
    scale: Literal["none", "standard"] = "standard"
    classes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_features_once(self) -> JetFeaturesCard:
        if len(set(self.features)) != len(self.features):
            raise ValueError("features must name each quantity once")
        return self


class JetFeatures(Standardised):
    """Events to a `Batch` of kind `jet_features`: pt and masses in GeV before scaling; the mask says what is there.

    With `classes` `beside["label"]` is the place of a jet's label among them, for the training alone.
    """

    kind: ClassVar[str] = "jet_features"

    card: JetFeaturesCard

    def __init__(self, card: JetFeaturesCard, scale: Scale | None = None) -> None:
        super().__init__(card, scale)
        self.classes = card.classes

    @classmethod
    def from_state(cls, card: Any, state: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The input of a trained model, which has learned from the labels: it reads none."""
        trained = super().from_state(card, state)
        trained.classes = ()
        return trained

    def fields(self) -> dict[str, set[str]]:
        """The collections and properties that must be read."""
        return self._quantities() | ({LABEL: set(self.classes)} if self.classes else {})

    def _quantities(self) -> dict[str, set[str]]:
        wanted = set(self.card.features)
        stored = {name for name in wanted if name in _STORED}.union(
            *(TAU_RATIOS[n] for n in wanted & TAU_RATIOS.keys())
        )
        jet = {"fatjets": {"pt"} | stored}
        own = wanted - set(_STORED) - TAU_RATIOS.keys()
        if not own:
            return jet
        jet["fatjets"] |= {"eta", "phi"} if "width" in own else set()
        return {**jet, "particles": {"pt"} | ({"eta", "phi"} if own - {"n", "ptd", "leading"} else set())}

    def raw(self, events: ak.Array) -> Batch:
        """The batch in physical units, before scaling."""
        offsets, columns = flat_columns(events["fatjets"])
        has_jet = np.diff(offsets) > 0
        jet = {name: np.zeros(len(events)) for name in columns}
        for name, values in jet.items():
            values[has_jet] = columns[name][offsets[:-1][has_jet]]
        known = {**jet, **_ratios(jet, TAU_RATIOS)}
        if "particles" in self.fields():
            known |= _of_particles(*flat_columns(events["particles"]), jet, set(self.card.features))
        values = np.stack([known[name] for name in self.card.features], axis=1)
        mask = np.isfinite(values) & has_jet[:, None]
        x = np.where(mask, values, 0.0).astype(np.float32)
        beside = {LABEL: places_of_labels(events, self.classes)} if self.classes else {}
        return Batch(self.kind, self.layout, x, mask, ak.to_numpy(events.weight).astype(np.float64), beside)


def _ratios(of: Mapping[str, _Floats], ratios: Mapping[str, tuple[str, str]]) -> dict[str, _Floats]:
    """The ratios whose parts are there, NaN where the denominator is 0."""
    return {name: ratio(of[above], of[below]) for name, (above, below) in ratios.items() if above in of and below in of}


def _of_particles(
    offsets: npt.NDArray[np.int64],
    particles: Mapping[str, npt.NDArray[Any]],
    jet: Mapping[str, _Floats],
    wanted: set[str],
) -> dict[str, _Floats]:
    """The quantities (n,) of the particles of each jet that are wanted; NaN for those of no particles."""
    counts = np.diff(offsets)
    rows = np.repeat(np.arange(len(counts)), counts)
    flat = {name: np.asarray(values, dtype=np.float64) for name, values in particles.items()}
    pt = flat["pt"]

    def total(values: _Floats) -> _Floats:
        return np.bincount(rows, weights=values, minlength=len(counts)).astype(np.float64)

    sums = {"pt": total(pt), "root": np.sqrt(total(pt**2)), "first": np.zeros(len(counts))}
    sums["first"][counts > 0] = pt[offsets[:-1][counts > 0]]
    found = {"n": counts.astype(np.float64)}
    found |= _ratios(sums, {"ptd": ("root", "pt"), "leading": ("first", "pt")})
    if "width" in wanted:
        distance = np.hypot(flat["eta"] - jet["eta"][rows], _turn(flat["phi"] - jet["phi"][rows]))
        found |= _ratios({"sum": total(pt * distance), **sums}, {"width": ("sum", "pt")})
    if wanted & {"major", "minor"}:
        first = np.repeat(offsets[:-1], counts)
        found |= _ellipse(pt**2, flat["eta"], _turn(flat["phi"] - flat["phi"][first]), rows, len(counts))
    if wanted & _CORRELATIONS:
        from hepad.inputs.jet_kernel import correlations  # numba takes a second to import

        e2, e3 = correlations(offsets, pt, flat["eta"], flat["phi"], _LIMIT).T
        none = np.where(counts > 0, 0.0, np.nan)
        found |= {"e2": e2 + none, "e3": e3 + none}
        found |= _ratios({"e3": e3, "square": e2**2, "cube": e2**3}, {"c2": ("e3", "square"), "d2": ("e3", "cube")})
    return found


def _turn(angle: _Floats) -> _Floats:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _ellipse(weight: _Floats, eta: _Floats, phi: _Floats, rows: npt.NDArray[np.intp], n: int) -> dict[str, _Floats]:
    """The axes of the particles of each jet (n,), weighted; phi is measured from one of them."""

    def mean(values: _Floats) -> _Floats:
        sums = np.bincount(rows, weights=weight * values, minlength=n)
        return np.asarray(np.divide(sums, whole, out=np.full(n, np.nan), where=whole > 0))

    whole = np.bincount(rows, weights=weight, minlength=n).astype(np.float64)
    x, y = eta - mean(eta)[rows], phi - mean(phi)[rows]
    xx, yy, xy = mean(x * x), mean(y * y), mean(x * y)
    middle, apart = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    return {"major": np.sqrt(middle + apart), "minor": np.sqrt(np.maximum(middle - apart, 0.0))}
