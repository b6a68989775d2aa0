"""Les Houches event files (hep-ph/0609017; version 3: arXiv:1405.1067): partons, showered and hadronised on reading.

Only what the shower needs is parsed: the numbers of `<init>` and of each `<event>`, and the header's SLHA block.
"""

from __future__ import annotations

import logging
import re
from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from hepad.errors import InputDataError
from hepad.io.events import SampleInfo
from hepad.io.generator import BLOCK, GeneratorFile
from hepad.io.particle_level import ParticleLevel
from hepad.io.particles import Floats, Particles
from hepad.io.text import damage_as_input_error, open_text, text_lines
from hepad.paths import InputPath

__all__ = ["LheEvent", "LheFile", "LheHeader", "Matching", "read_events", "read_header"]

_log = logging.getLogger(__name__)

_REJECTED = "rejected by the shower or its matching; they count with their weight, without particles"
_END = b"</LesHouchesEvents>"
_MAX_HEADER = 1 << 28
_MAX_PARTICLES = 10_000
_IMBALANCE = 1e-3
"""Momentum that an event may lose, as a fraction of its incoming energy; Pythia's own check allows a tenth of it."""


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
    """`<init>`: beams (PDG number, energy in GeV), processes (number to cross section in pb), and the header's text."""

    beams: tuple[tuple[int, float], tuple[int, float]]
    processes: dict[int, float]
    text: str

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
    """One event: process, weight, scale in GeV, strong coupling; `particles` are rows of 13 numbers as in a file."""

    process: int
    weight: float
    scale: float
    alpha_s: float
    particles: tuple[tuple[float, ...], ...]


class LheFile(GeneratorFile):
    """An open Les Houches event file; see `hepad.io.events.EventFile`.

    Opening it reads it once from start to end, so that damage is found before hours of showering.
    """

    format = "lhe"

    def __init__(self, path: InputPath, settings: ParticleLevel | None = None) -> None:
        super().__init__(path, settings)
        weights = array("d")
        partons = 0
        self.header = read_header(path)
        flavours = int(self.header.number("maxjetflavor") or 4)
        matched = self.header.number("ickkw") == 1
        for event in read_events(path):
            weights.append(event.weight)
            partons = max(partons, _light_partons(event, flavours)) if matched else 0
        self._weights: Floats = np.array(weights)
        self.entries = len(self._weights)
        self.rejected = 0
        self._read = 0
        cut = self.header.number("xqcut") or 0.0
        self.matching = Matching(cut, flavours, partons) if matched and cut > 0 else None

    def sample(self) -> SampleInfo:
        """The sum of the cross sections of all processes, and the energy of the beams."""
        total = sum(self.header.processes.values())
        return SampleInfo(
            cross_section_pb=total if np.isfinite(total) and total > 0 else None,
            sqrt_s_gev=self.header.sqrt_s,
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        notes = ["showered and hadronised with Pythia 8, particle level, no detector"]
        if self.matching:
            notes.append(f"MLM matching at qCut {self.matching.q_cut:g} GeV; the cross section is that before it")
        if self.header.powheg:
            notes.append("POWHEG: the shower starts at the event's scale")
        if "parton_shower" in self.header.text:
            notes.append("MC@NLO subtraction is not matched by this shower")
        if self.rejected:
            notes.append(f"{self.rejected} of {self._read} events read were {_REJECTED}")
        return tuple(notes)

    def blocks(self, stop: int) -> Iterator[tuple[Particles, Floats]]:
        """Showered particles and weights; a rejected event has its weight and no particles."""
        from hepad.io.shower import Shower

        events = read_events(self.path)
        self.rejected = self._read = 0
        with Shower(self.path, self.header, self.matching) as shower:
            for start in range(0, stop, BLOCK):
                size = min(BLOCK, stop - start)
                batch = list(islice(events, size))
                if len(batch) < size:
                    raise InputDataError(f"{self.path}: changed while it was read; run again")
                particles, rejected = shower.run(batch, start)
                self.rejected += rejected
                self._read += size
                yield particles, self._weights[start : start + size]
        if self.rejected:
            _log.warning("%s: %d of %d events were %s", self.path, self.rejected, self._read, _REJECTED)


def _light_partons(event: LheEvent, flavours: int) -> int:
    """Final quarks and gluons that come from the beams and not from a decay."""
    return sum(
        p[1] == 1 and p[2] in (1, 2) and (abs(p[0]) <= flavours or p[0] == 21) and p[3] in (0, 1, 2)
        for p in event.particles
    )


def read_header(path: InputPath) -> LheHeader:
    """The header of a file; `InputDataError` if it is not one of Les Houches events."""
    with damage_as_input_error(path), open_text(path) as stream:
        lines = text_lines(stream)
        text = b"".join(_until_init(lines))
        return _header(path, text.decode("utf-8", errors="replace"), lines)


def read_events(path: InputPath) -> Iterator[LheEvent]:
    """The events of a file, one at a time; `InputDataError` names the event that is damaged or comes last."""
    number = 0
    with damage_as_input_error(path), open_text(path) as stream:
        lines = text_lines(stream)
        deque(_until_init(lines), maxlen=0)
        for line in lines:
            text = line.lstrip()
            if text.startswith((b"<event>", b"<event ")):
                yield _event(path, number, lines)
                number += 1
            elif text.startswith(_END):
                _check_end(path, lines)
                return
    raise InputDataError(f"{path}: truncated after event {number}, there is no {_END.decode()}; copy it again")


def _check_end(path: InputPath, lines: Iterator[bytes]) -> None:
    """Read to the end, where the checksum of a compressed file stands; no other events may follow."""
    for line in lines:
        if line.lstrip().startswith((b"<LesHouchesEvents", b"<event>", b"<event ")):
            raise InputDataError(f"{path}: more events follow {_END.decode()}; give files joined to one each by itself")


def _until_init(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The lines before `<init>`, which is taken too; `ValueError` if they fill the memory."""
    size = 0
    for line in lines:
        if line.lstrip().startswith(b"<init>"):
            return
        size += len(line)
        if size > _MAX_HEADER:
            raise ValueError(f"more than {_MAX_HEADER} bytes before <init>")
        yield line


def _header(path: InputPath, text: str, lines: Iterator[bytes]) -> LheHeader:
    try:
        first = next(lines).split()
        beams = ((int(first[0]), _number(first[2])), (int(first[1]), _number(first[3])))
        rows = [next(lines).split() for _ in range(int(first[9]))]
        processes: dict[int, float] = {}
        for row in rows:
            processes[int(row[3])] = processes.get(int(row[3]), 0.0) + _number(row[0])
    except (StopIteration, ValueError, IndexError, OverflowError) as error:
        raise InputDataError(f"{path}: <init> is missing or damaged; is it a Les Houches event file?") from error
    if not all(np.isfinite(energy) and energy > 0 for _, energy in beams) or not processes:
        raise InputDataError(f"{path}: <init> has no beam energies or no processes; make the file again")
    return LheHeader(beams, processes, text)


def _event(path: InputPath, number: int, lines: Iterator[bytes]) -> LheEvent:
    try:
        first = _row(lines)
        count = int(first[0])
        if not 1 <= count <= _MAX_PARTICLES:
            raise ValueError(count)
        rows = [_row(lines) for _ in range(count)]
        if any(len(row) != 13 for row in rows) or not _is_balanced(np.array(rows)):
            raise ValueError(count)
        event = LheEvent(int(first[1]), first[2], first[3], first[5], tuple(rows))
    except (StopIteration, ValueError, IndexError, OverflowError) as error:
        raise InputDataError(f"{path}: event {number} is truncated or damaged; copy the file again") from error
    if not np.isfinite(event.weight):
        raise InputDataError(f"{path}: event {number} has the weight {event.weight}; leave it out")
    return event


def _is_balanced(rows: Floats) -> bool:
    """Whether all numbers are finite and what goes out has the momentum and the energy of what came in, if any did."""
    if not np.isfinite(rows).all():
        return False
    status, momenta = rows[:, 1], rows[:, 6:10]
    came_in = momenta[status == -1]
    if len(came_in) == 0:
        return True
    lost = came_in.sum(axis=0) - momenta[status == 1].sum(axis=0)
    return bool(np.abs(lost).max() <= _IMBALANCE * np.abs(came_in[:, 3]).sum())


def _row(lines: Iterator[bytes]) -> tuple[float, ...]:
    return tuple(_number(field) for field in next(lines).split())


def _number(field: bytes) -> float:
    """A number as C or Fortran writes it."""
    return float(field.replace(b"D", b"e").replace(b"d", b"e"))
