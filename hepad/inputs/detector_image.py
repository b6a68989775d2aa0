"""Images of a whole detector: tracks and both calorimeters, as the study of dark showers with CoDAE has them.

Reference: Anzalone, Chhibra, Maier, Chernyavskaya, Pierini, Mach. Learn.: Sci. Technol. 5 (2024) 035064: 286 x 360 bins
of 0.0174 in eta and one degree in phi, summed 5 by 5 to 58 x 72 pixels, zeros being added on both sides in eta.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from hepad.cards.input import InputCard
from hepad.inputs.batch import Batch
from hepad.inputs.labels import places_of_labels
from hepad.inputs.layout import Layout
from hepad.inputs.pixels import event_of, phi_bin, pixel_names, transverse
from hepad.inputs.sparse import SparseRows
from hepad.inputs.unlearned import Unlearned
from hepad.io.events import LABEL, flat_columns

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["TRACK_COUNT", "DetectorImage", "DetectorImageCard"]

Channel = Literal["track", "ecal", "hcal"]

TRACK_COUNT = "track_count"
"""Beside the batch: how many tracks an event has."""

_TOWERS = {"ecal": "em", "hcal": "had"}


class DetectorImageCard(InputCard):
    """Input kind `detector_image`: channels, bins and scale.

    Channels are sums of transverse momenta of tracks and of transverse energies in the electromagnetic and the hadronic
    calorimeter, in GeV. `eta_bins` of width `eta_step` around 0 and `phi_bins` from 0 on are summed `sum` by `sum`;
    where that leaves bins in eta over, empty ones are added on both sides. What lies beyond the bins is left out.
    `scale` is `none`, `log1p` for ln(1 + E_T / GeV), or `mask`: 1 in pixels that are not empty. `classes` are the
    labels of events that a supervised network tells apart, background first; without them no file needs labels.
    """

    kind: Literal["detector_image"]
    channels: tuple[Channel, ...] = Field(default=("track", "ecal", "hcal"), min_length=1)
    eta_bins: int = Field(default=286, ge=2, le=4096)
    eta_step: float = Field(default=0.0174, gt=0, le=1)
    phi_bins: int = Field(default=360, ge=2, le=4096)
    sum: int = Field(default=5, ge=1, le=64)
    scale: Literal["none", "log1p", "mask"] = "mask"
    classes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _goes_around(self) -> DetectorImageCard:
        if len(set(self.channels)) != len(self.channels):
            raise ValueError("channels must name track, ecal or hcal, each once")
        if self.phi_bins % self.sum:
            raise ValueError(f"phi_bins {self.phi_bins} must be a multiple of sum {self.sum}: phi goes around")
        return self


class DetectorImage(Unlearned):
    """Events to a `Batch` of kind `detector_image`, of shape (n, channels, eta, phi), in GeV before scaling.

    The images are `SparseRows`. Pixels that are empty are 0 in any scale, all others above 0. Rolling an image by a
    pixel in phi is turning the event by 360 degrees / 72. `beside["track_count"]` (n,) is the number of tracks that the
    file states, whatever the bins; with `classes` `beside["label"]` is the place of an event's label among them,
    for the training alone. Nothing is learned from background.
    """

    kind: ClassVar[str] = "detector_image"

    card: DetectorImageCard

    def __init__(self, card: DetectorImageCard) -> None:
        super().__init__(card)
        self.classes = card.classes
        self.layout = Layout.image(card.channels, -(-card.eta_bins // card.sum), card.phi_bins // card.sum)

    @classmethod
    def from_state(cls, card: Any, state: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The input of a trained network, which has learned from the labels: it reads none."""
        trained = super().from_state(card, state)
        trained.classes = ()
        return trained

    @property
    def edges(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The edges of the pixels in eta and phi, the latter in radians from 0."""
        card = self.card
        etas, phis = self.layout.shape[1:]
        before = (etas * card.sum - card.eta_bins) // 2
        eta = (np.arange(etas + 1) * card.sum - before - card.eta_bins / 2) * card.eta_step
        return np.asarray(eta, dtype=np.float64), np.linspace(0, 2 * np.pi, phis + 1)

    def fields(self) -> dict[str, set[str]]:
        """The collections and properties that must be read."""
        needed: dict[str, set[str]] = {TRACK_COUNT: {"number"}}
        if self.classes:
            needed[LABEL] = set(self.classes)
        for channel in self.card.channels:
            collection, own = ("tracks", "pt") if channel == "track" else ("towers", f"e{_TOWERS[channel]}")
            needed.setdefault(collection, {"pt", "eta", "phi"}).add(own)
        return needed

    def raw(self, events: ak.Array) -> Batch:
        """The images in GeV, before scaling."""
        shape = (len(events), *self.layout.shape)
        pixels, energies = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
        for place, channel in enumerate(self.card.channels):
            offsets, objects = flat_columns(events["tracks" if channel == "track" else "towers"])
            eta, phi = (np.asarray(objects[name], dtype=np.float64) for name in ("eta", "phi"))
            energy = transverse(objects, _TOWERS.get(channel, "et"), eta)
            kept, row = self._row(eta)
            image = event_of(offsets)[kept] * shape[1] + place
            turn = phi_bin(phi[kept], self.card.phi_bins) // self.card.sum
            pixels.append((image * shape[2] + row) * shape[3] + turn)
            energies.append(energy[kept])
        x: Any = SparseRows.summed(np.concatenate(pixels), np.concatenate(energies), shape)
        beside = {TRACK_COUNT: ak.to_numpy(events[TRACK_COUNT]).astype(np.float64)}
        if self.classes:
            beside[LABEL] = places_of_labels(events, self.classes)
        return Batch(self.kind, self.layout, x, None, ak.to_numpy(events.weight).astype(np.float64), beside)

    def scaled(self, batch: Batch) -> Batch:
        """The batch as the network sees it."""
        if self.card.scale == "none":
            return batch
        x: Any = batch.x
        return replace(batch, x=x.map(np.log1p if self.card.scale == "log1p" else np.sign))

    @property
    def table_names(self) -> npt.NDArray[Any]:
        """The names of the pixels, of shape (channels, eta, phi)."""
        return pixel_names(self.layout)

    def _row(self, eta: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """Which objects are within the bins, and of these the pixel in eta."""
        card, etas = self.card, self.layout.shape[1]
        place = np.floor(eta / card.eta_step + card.eta_bins / 2)
        kept = (place >= 0) & (place < card.eta_bins)
        before = (etas * card.sum - card.eta_bins) // 2  # as the convolution with padding that the paper sums with
        return kept, (place[kept].astype(np.int64) + before) // card.sum
