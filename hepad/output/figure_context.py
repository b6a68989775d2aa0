"""What figures are of, as far as it is known: whose events, at which energy, how many, in whose search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["SIMULATION", "FigureContext", "joined", "simulated"]

SIMULATION = "Simulation (Delphes)"
"""The label of private simulation; never the name of an experiment."""


@dataclass(frozen=True)
class FigureContext:
    """What a figure is of; what is empty is not written.

    `label` says what the events are, such as `SIMULATION`, or whatever the user wants to stand there. `experiment` has
    taken the data, `source` is their reference. `sqrt_s` is the energy of the collisions in TeV, `luminosity` in fb-1.
    `process` is the signal, and `search` the published search that a signal is held against, `searcher` whose it is.
    """

    label: str = ""
    experiment: str = ""
    sqrt_s: float | None = None
    luminosity: float | None = None
    process: str = ""
    search: str = ""
    searcher: str = ""
    source: str = ""

    @property
    def data(self) -> str:
        """Whose data they are, and where they are published; empty for those of nobody."""
        told = ", ".join(filter(None, (self.experiment, self.source)))
        return f"Data: {told}" if told else ""

    @property
    def exposure(self) -> str:
        """Luminosity and energy as they stand above a figure: 137 fb-1 (13 TeV)."""
        fb = "" if self.luminosity is None else f"{self.luminosity:g} fb$^{{-1}}$"
        tev = "" if self.sqrt_s is None else f"{self.sqrt_s:g} TeV"
        return f"{fb} ({tev})" if fb and tev else fb or tev

    def note(self, label: str) -> str:
        """What stands below a figure: whose result it is not, data that its label does not name, signal, and search.

        What is made of an experiment's data or search is not a result of that experiment, and says so: first, for long
        lines are cut.
        """
        whose = self.experiment or self.searcher or "the collaboration"
        parts = [
            f"Not a result of {whose}" if self.search or self.experiment else "",
            "" if label == self.data else self.data,
            f"Signal: {self.process}" if self.process else "",
            f"Reinterpretation of {self.search}" if self.search else "",
        ]
        return "; ".join(filter(None, parts))


def joined(contexts: Sequence[FigureContext]) -> FigureContext:
    """The context of a figure of all of these: what they share, and all whose data and searches they are."""
    first = contexts[0]
    same = {key: value for key, value in vars(first).items() if all(getattr(other, key) == value for other in contexts)}
    named = {key: _listed([getattr(one, key) for one in contexts]) for key in ("experiment", "source", "search")}
    if named["experiment"] and not all(one.experiment for one in contexts):
        named["experiment"] += " and others"
    return FigureContext(**{**same, **named})


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(filter(None, names)))


def simulated(simulation: bool) -> FigureContext:
    """The context of a figure of which nothing is known but whether its events are simulated."""
    return FigureContext(label=SIMULATION if simulation else "")
