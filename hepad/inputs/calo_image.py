"""Calorimeter images: the towers of an event summed in bins of eta and phi."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from hepad.cards.input import InputCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.inputs.pixels import event_of, phi_bin, pixel_names, summed, transverse
from hepad.inputs.unlearned import Unlearned
from hepad.io.events import flat_columns

__all__ = ["CaloImage", "CaloImageCard"]

Channel = Literal["et", "em", "had"]


class CaloImageCard(InputCard):
    """Input kind `calo_image`: the bins of the image, its channels and its scale.

    Channels are transverse energies in GeV: `et` of the whole tower, `em` and `had` of its electromagnetic and hadronic
    parts. Eta runs from `-eta_max` to `eta_max` in `eta_bins`, towers beyond are left out; phi goes around in
    `phi_bins`. `threshold` in GeV leaves out softer towers. `scale` is `none`, or `log1p` for ln(1 + E_T / GeV).
    """

    kind: Literal["calo_image"]
    channels: tuple[Channel, ...] = Field(default=("et",), min_length=1)
    eta_bins: int = Field(default=16, ge=2, le=512)
    phi_bins: int = Field(default=16, ge=2, le=512)
    eta_max: float = Field(default=4.0, gt=0, le=10)
    threshold: float = Field(default=0.0, ge=0)
    scale: Literal["none", "log1p"] = "log1p"

    @model_validator(mode="after")
    def _names_channels_once(self) -> CaloImageCard:
        if len(set(self.channels)) != len(self.channels):
            raise ValueError("channels must name et, em or had, each once")
        return self


class CaloImage(Unlearned):
    """Events to a `Batch` of kind `calo_image`, of shape (n, channels, eta, phi), in GeV before scaling.

    A tower on the edge of two bins belongs to the upper one. Nothing is learned from background.
    """

    kind: ClassVar[str] = "calo_image"

    card: CaloImageCard

    def __init__(self, card: CaloImageCard) -> None:
        super().__init__(card)
        self.layout = Layout.image(card.channels, card.eta_bins, card.phi_bins)

    @property
    def edges(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The edges of the pixels in eta and phi, the latter in radians from 0."""
        card = self.card
        return np.linspace(-card.eta_max, card.eta_max, card.eta_bins + 1), np.linspace(0, 2 * np.pi, card.phi_bins + 1)

    def fields(self) -> dict[str, set[str]]:
        """The collections and properties that must be read."""
        parts = {"em": {"eem"}, "had": {"ehad"}}
        return {"towers": {"pt", "eta", "phi"}.union(*(parts.get(name, set()) for name in self.card.channels))}

    def raw(self, events: ak.Array) -> Batch:
        """The images in GeV, before scaling."""
        card = self.card
        offsets, towers = flat_columns(events["towers"])
        rows = event_of(offsets)
        eta, phi = (np.asarray(towers[name], dtype=np.float64) for name in ("eta", "phi"))
        kept = (np.abs(eta) < card.eta_max) & (np.asarray(towers["pt"]) > card.threshold)
        place = np.floor((eta[kept] + card.eta_max) / (2 * card.eta_max) * card.eta_bins).astype(np.int64)
        pixel = (rows[kept] * card.eta_bins + np.minimum(place, card.eta_bins - 1)) * card.phi_bins
        pixel += phi_bin(phi[kept], card.phi_bins)
        x = np.empty((len(events), *self.layout.shape), dtype=np.float32)
        for channel, name in enumerate(card.channels):
            energy = transverse(towers, name, eta)[kept]
            x[:, channel] = summed(pixel, energy, (len(events), card.eta_bins, card.phi_bins))
        return Batch(self.kind, self.layout, x, None, ak.to_numpy(events.weight).astype(np.float64))

    def scaled(self, batch: Batch) -> Batch:
        """The batch as the network sees it."""
        return batch if self.card.scale == "none" else replace(batch, x=np.log1p(batch.x))

    @property
    def table_names(self) -> npt.NDArray[Any]:
        """The names of the pixels, of shape (channels, eta, phi)."""
        return pixel_names(self.layout)
