"""`jets`: the jets of events of particles, as all other verbs take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from hepad.api.events import as_files, load_events
from hepad.api.record import Record, Row
from hepad.pipeline.jets.run import Algorithm, JetsOptions, JetsReport, jets_in_memory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["JetsRecord", "jets"]


@dataclass(frozen=True, repr=False)
class JetsRecord(Record):
    """Jets, one entry each: `branches` is what `hepad jets` writes, by the names of JetClass."""

    report: JetsReport
    branches: ak.Array

    @property
    def events(self) -> ak.Array:
        """The jets as hepad's Events, each an event of one fat jet and its `particles`: what other verbs take."""
        return load_events(self.branches, format="jetclass")

    @property
    def event(self) -> Any:
        """The entry (n,) of the event, in its file, that each jet is from; `branches.event_file` is the file."""
        return self.branches.event_entry.to_numpy()

    def __len__(self) -> int:
        return self.report.jets

    def to_json(self) -> dict[str, Any]:
        """As `hepad jets --json`."""
        return self.report.to_json()

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        rows = [
            [name, f"{float(np.mean(self.branches[f'jet_{key}'])):.3g}"]
            for name, key in (("pT [GeV]", "pt"), ("mass [GeV]", "mass"), ("particles", "nparticles"))
        ]
        title = f"{self.report.jets} jets of {self.report.with_jets} of {self.report.events} events"
        return title, ["quantity", "mean"], rows

    def _draw(self, ax: Axes) -> None:
        ax.hist(self.branches.jet_mass.to_numpy(), bins=40, weights=self.branches.weight.to_numpy(), histtype="step")
        ax.set_xlabel("Jet mass [GeV]")
        ax.set_ylabel("Jets")


def jets(
    events: Any,
    *,
    radius: float = 0.8,
    algorithm: Algorithm = "anti-kt",
    min_pt: float = 200.0,
    max_eta: float = 2.5,
    leading: int | None = 2,
    soft_drop: tuple[float, float] = (0.1, 0.0),
    max_events: int | None = None,
) -> JetsRecord:
    """Cluster the particles of events to jets, with their soft drop mass and N-subjettiness.

    `events` are files, or arrays in memory as in `hepad.load_events`, with `particles` of pt, eta, phi and energy.
    `radius` and `algorithm` are FastJet's; jets have at least `min_pt` (GeV) and `abs(eta)` below `max_eta`; of each
    event there are the `leading` ones by pT, None takes all. `soft_drop` is z_cut and beta. What is known of particles
    (charge, kind, impact parameters) and the labels of events are kept.

    `InputDataError` for events without particles, or without a jet; `UsageError` for a radius or bound that cannot be;
    `MissingExtraError` without FastJet.

    >>> import hepad
    >>> found = hepad.jets("tests/data/lhco.h5", radius=1.0, min_pt=300)
    >>> len(found), [round(mass) for mass in found.branches.jet_mass[:2]]
    (6, [107, 63])
    """
    options = JetsOptions(
        radius=radius,
        algorithm=algorithm,
        min_pt=min_pt,
        max_eta=max_eta,
        leading=leading,
        soft_drop=soft_drop,
        max_events=max_events,
    )
    return JetsRecord(*jets_in_memory(as_files(events), options=options))
