"""What a Les Houches file says: its header, its events, and how they were matched to a shower."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

__all__ = ["LheEvent", "LheHeader", "Matching"]


@dataclass(frozen=True)
class Matching:
    """What MadGraph's run card says of MLM matching: kT cut in GeV, flavours counted as light, most extra partons."""

    xqcut: float
    flavours: int
    partons: int

    @property
    def q_cut(self) -> float:
        """The kT cut in GeV after the shower: 1.5 times that before it, MadGraph's default."""
        return 1.5 * self.xqcut


@dataclass(frozen=True)
class LheHeader:
    """`<init>`: beams (PDG number, energy in GeV), processes (number to cross section in pb), and the header's text.

    `stated` is false if a process has the cross section -1, which means that it is not known (POWHEG).
    """

    beams: tuple[tuple[int, float], tuple[int, float]]
    processes: dict[int, float]
    text: str
    stated: bool = True

    @property
    def sqrt_s(self) -> float:
        """The centre-of-mass energy in GeV of head-on beams, their masses neglected."""
        return float(2 * np.sqrt(self.beams[0][1] * self.beams[1][1]))

    def number(self, key: str) -> float | None:
        """A number of MadGraph's run card, in which `value = key` stands on a line."""
        found = re.search(rf"^\s*([-+.\dEeDd]+)\s*=\s*{key}\b", self.text, re.MULTILINE)
        try:
            return float(found[1].lower().replace("d", "e")) if found else None
        except ValueError:  # a lone point or sign
            return None

    @property
    def slha(self) -> str | None:
        """The SUSY Les Houches block: masses and decays of new particles."""
        found = re.search(r"<slha>(.*?)</slha>", self.text, re.DOTALL | re.IGNORECASE)
        return found[1] if found else None

    @property
    def powheg(self) -> bool:
        """Whether POWHEG made the file."""
        return "powheg" in self.text.lower()


@dataclass(frozen=True)
class LheEvent:
    """One event: process, weight, scale in GeV, strong coupling; `particles` are rows of 13 numbers as in a file.

    `more`: whether a line has further columns, which no standard knows and nobody reads.
    """

    process: int
    weight: float
    scale: float
    alpha_s: float
    particles: tuple[tuple[float, ...], ...]
    more: bool = False
