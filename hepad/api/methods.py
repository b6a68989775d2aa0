"""`hunt`: a data-driven method on events in files or in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hepad.api.events import as_files
from hepad.api.record import Record, Row
from hepad.api.scores import columns_named
from hepad.methods.base import Window
from hepad.nn.scorer import EpochEnd
from hepad.pipeline.hunt.options import HuntOptions
from hepad.pipeline.hunt.report import HuntRegion, HuntReport
from hepad.pipeline.hunt.run import Hunted, hunt_in_memory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["HuntRecord", "hunt"]


@dataclass(frozen=True, repr=False)
class HuntRecord(Record):
    """Scores of all n events that were read, by networks that have not seen them, and what is in the window."""

    hunted: Hunted
    window: Window

    @property
    def report(self) -> HuntReport:
        """Losses of all networks, events by part, regions."""
        return self.hunted.report

    @property
    def scores(self) -> dict[str, npt.NDArray[np.float32]]:
        """Scores (n,) by name; NaN for an event that was not selected or lacks the objects of the mass."""
        return columns_named(self.hunted.columns, "score_")

    @property
    def masks(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Mask (n,) of the events in each region."""
        return columns_named(self.hunted.columns, "in_")

    @property
    def selected(self) -> npt.NDArray[np.bool_]:
        """Mask (n,) of the events that pass the selection."""
        return np.asarray(self.hunted.columns["selected"])

    @property
    def weight(self) -> npt.NDArray[np.float64]:
        """Weights (n,)."""
        return np.asarray(self.hunted.columns["weight"])

    @property
    def mass(self) -> npt.NDArray[np.float64]:
        """The mass (n,) in GeV; NaN for an event that was not selected or lacks the objects."""
        return self.hunted.mass

    @property
    def regions(self) -> dict[str, HuntRegion]:
        """For each region its threshold, the events in each part, and those expected in the window."""
        return self.report.regions

    def to_json(self) -> dict[str, Any]:
        """As `hepad hunt --json`; `output` is null."""
        return self.report.to_json()

    def _remarks(self) -> Sequence[str]:
        return [skipped.reason for skipped in self.report.skipped]

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        report = self.report
        rows = [
            [name, region.score, f"{region.threshold:.5g}", f"{region.events['window']}", f"{region.expected:.4g}"]
            for name, region in report.regions.items()
        ]
        title = f"{report.method} by {report.mass}: {report.events['window']} events in the window"
        return title, ["region", "score", "threshold", "in the window", "if as the sidebands"], rows

    def _draw(self, ax: Axes) -> None:
        from hepad.plot.roc import score_figure

        name, values = next(iter(self.scores.items()))
        parts = {part: rows & np.isfinite(values) for part, rows in self.window.parts(self.mass).items()}
        sides = parts["lower sideband"] | parts["upper sideband"]
        score_figure(
            values[sides],
            {"Window": values[parts["window"]]},
            background_weight=self.weight[sides],
            signal_weights={"Window": self.weight[parts["window"]]},
            thresholds={region: r.threshold for region, r in self.regions.items() if r.score == name},
            score=f"Score ({self.report.method}, {name})",
            background_name="Sidebands",
            ax=ax,
        )


def hunt(
    events: Any,
    method: str | Path = "cwola",
    *,
    mass: str,
    window: tuple[float, float],
    sidebands: tuple[float, float],
    features: Sequence[str] = (),
    regions: Mapping[str, str] | None = None,
    selection: str | None = None,
    folds: int | None = None,
    restarts: int | None = None,
    epochs: int | None = None,
    seed: int = 1,
    max_events: int | None = None,
    device: str = "cpu",
    on_epoch: Callable[[EpochEnd], None] | None = None,
) -> HuntRecord:
    """Tell a window of a mass from its sidebands, on the data themselves, and score every event.

    `events` are data: files, or arrays in memory as in `hepad.load_events`. `method` is a card, its bundled name or
    path. `mass` names the objects whose mass is hunted in ("jet1+jet2"), `window` and `sidebands`, which reach around
    it, are in GeV. `features` are what the networks see, none of which may follow the mass; `regions` are names to
    settings such as "efficiency:0.01", set on the sidebands. `folds`, `restarts`, `epochs` and `selection` replace the
    card's. As `hepad hunt` otherwise. The parts of events in memory follow from their content, not from their files.

    `InputDataError` for events that cannot be used or are too few; `UsageError` for a window that does not lie within
    its sidebands, or a feature that is the mass; `CardError` for a wrong card.

    >>> import hepad, numpy as np
    >>> rng = np.random.default_rng(1)
    >>> n = 400
    >>> pt, away = rng.uniform(200, 600, n), np.array([[0.0, 3.1]] * n)
    >>> jets = {"jets.pt": np.stack([pt, pt], axis=1), "jets.eta": rng.normal(0, 0.1, (n, 2)), "jets.phi": away,
    ...         "jets.mass": rng.uniform(10, 90, (n, 2))}
    >>> found = hepad.hunt(jets, mass="jet1+jet2", window=(700, 900), sidebands=(400, 1200), selection="all_events",
    ...                    features=["jet1+jet2_lightest"], epochs=1, restarts=1)
    >>> found.scores["rank"].shape, found.mass.shape
    ((400,), (400,))
    """
    from hepad.cards.bundle import parse_region

    options = HuntOptions(
        mass=mass,
        window=Window(*window, sidebands),
        selection=selection,
        features=tuple(features),
        regions=dict(parse_region(f"{name}={text}") for name, text in (regions or {}).items()),
        seed=seed,
        folds=folds,
        restarts=restarts,
        epochs=epochs,
        max_events=max_events,
        device=device,
        on_epoch=on_epoch,
    )
    return HuntRecord(hunt_in_memory(as_files(events), str(method), options=options), options.window)
