"""Les Houches event files (hep-ph/0609017; version 3: arXiv:1405.1067): partons, showered and hadronised on reading.

Only what the shower needs is parsed: the numbers of `<init>` and of each `<event>`, and the header's SLHA block.
"""

from __future__ import annotations

import logging
import re
from array import array
from collections.abc import Iterator
from itertools import islice

import numpy as np

from hepad.errors import InputDataError
from hepad.io.events import SampleInfo
from hepad.io.generator.files import BLOCK, GeneratorFile
from hepad.io.generator.les_houches import LheEvent, LheHeader, Matching
from hepad.io.generator.markup import Markup, content
from hepad.io.generator.particle_level import ParticleLevel
from hepad.io.generator.particles import Floats, Particles
from hepad.io.text import damage_as_input_error, open_text
from hepad.paths import InputPath

__all__ = ["LheFile", "read_events", "read_header"]

_log = logging.getLogger(__name__)

_REJECTED = "rejected by the shower or its matching; they count with their weight, without particles"
_END = "</LesHouchesEvents>"
_MAX_PARTICLES = 10_000
_COLUMNS = 13
_LINE = re.compile(rb"\S[^\n]*")
_NOT_STATED = -1.0
"""POWHEG's cross section: where weights are cross sections, their mean is the one of the sample."""
_FORTRAN = re.compile(rb"([-+]?(?:\d+\.?\d*|\.\d+))[dDqQ]?((?<=[dDqQ])\d+|[-+]\d+)")
_IMBALANCE = 1e-3
"""Momentum that an event may lose, as a fraction of its incoming energy; Pythia's own check allows a tenth of it."""


class LheFile(GeneratorFile):
    """An open Les Houches event file; see `hepad.io.events.EventFile`.

    Opening it reads it once from start to end, so that damage is found before hours of showering.
    """

    format = "lhe"

    def __init__(self, path: InputPath, settings: ParticleLevel | None = None) -> None:
        super().__init__(path, settings)
        weights = array("d")
        partons = more = 0
        self.header = read_header(path)
        flavours = int(self.header.number("maxjetflavor") or 4)
        matched = self.header.number("ickkw") == 1
        flow = _ColourFlow()
        for event in read_events(path):
            weights.append(event.weight)
            more += event.more
            flow.see(event)
            partons = max(partons, _light_partons(event, flavours)) if matched else 0
        if flow.missing:
            raise InputDataError(
                f"{path}: its quarks and gluons have no colour flow (all 0), which a shower needs; shower the events "
                "with their own generator (Sherpa) and give the HepMC file"
            )
        self._weights: Floats = np.array(weights)
        self.entries = len(self._weights)
        self.rejected = 0
        self._read = 0
        self._more = more
        cut = self.header.number("xqcut") or 0.0
        self.matching = Matching(cut, flavours, partons) if matched and cut > 0 else None

    def sample(self) -> SampleInfo:
        """The sum of the cross sections of all processes, and the energy of the beams."""
        total = sum(self.header.processes.values())
        known = self.header.stated and np.isfinite(total) and total > 0
        return SampleInfo(
            cross_section_pb=total if known else None,
            sqrt_s_gev=self.header.sqrt_s,
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        notes = ["showered and hadronised with Pythia 8, particle level, no detector"]
        if self.matching:
            notes.append(f"MLM matching at qCut {self.matching.q_cut:g} GeV; the cross section is that before it")
        if self.header.powheg:
            notes.append("POWHEG: the shower starts at the event's scale")
        if not self.header.stated:
            notes.append("its cross section is not stated (XSECUP -1): give it yourself")
        if self._more:
            notes.append(f"{self._more} events have particles with more than {_COLUMNS} columns; these are not read")
        if "parton_shower" in self.header.text:
            notes.append("MC@NLO subtraction is not matched by this shower")
        if self.rejected:
            notes.append(f"{self.rejected} of {self._read} events read were {_REJECTED}")
        return tuple(notes)

    def blocks(self, stop: int) -> Iterator[tuple[Particles, Floats]]:
        """Showered particles and weights; a rejected event has its weight and no particles."""
        from hepad.io.generator.shower import Shower

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


class _ColourFlow:
    """Whether the events hold quarks or gluons, and none of them has a colour."""

    def __init__(self) -> None:
        self._partons = self._colours = False

    @property
    def missing(self) -> bool:
        return self._partons and not self._colours

    def see(self, event: LheEvent) -> None:
        if not self._colours:
            self._colours = any(p[4] or p[5] for p in event.particles)
            self._partons |= any(abs(p[0]) <= 6 or p[0] == 21 for p in event.particles)


def _light_partons(event: LheEvent, flavours: int) -> int:
    """Final quarks and gluons that come from the beams and not from a decay."""
    return sum(
        p[1] == 1 and p[2] in (1, 2) and (abs(p[0]) <= flavours or p[0] == 21) and p[3] in (0, 1, 2)
        for p in event.particles
    )


def read_header(path: InputPath) -> LheHeader:
    """The header of a file; `InputDataError` if it is not one of Les Houches events."""
    with damage_as_input_error(path), open_text(path) as stream:
        text, init = _until_init(Markup(stream, path))
        return _header(path, text.decode("utf-8", errors="replace"), init)


def read_events(path: InputPath) -> Iterator[LheEvent]:
    """The events of a file, one at a time; `InputDataError` names the event that is damaged or comes last."""
    number = 0
    with damage_as_input_error(path), open_text(path) as stream:
        markup = Markup(stream, path)
        _until_init(markup)
        while (name := markup.tag()[1]) == b"event":
            yield _event(path, number, markup.element(name))
            number += 1
        if not name:
            raise InputDataError(f"{path}: truncated after event {number}, there is no {_END}; copy it again")
        if name != _END[1:-1].lower().encode():
            raise InputDataError(f"{path}: <{name.decode()}> stands where event {number} should begin; a tag was lost")
        if markup.tag()[1]:  # reads to the end, where the checksum of a compressed file stands
            raise InputDataError(f"{path}: more events follow {_END}; give files joined to one each by itself")


def _until_init(markup: Markup) -> tuple[bytes, bytes | None]:
    """The text before `<init>`, and what that holds; None if it is not there or does not end."""
    passed: list[bytes] = []
    size = 0
    while True:
        before, name = markup.tag()
        passed.append(before)
        commented_out = before.rpartition(b"\n")[2].lstrip().startswith(b"#")
        if not name or (name == b"init" and not commented_out):
            return b"".join(passed), markup.element(name) if name else None
        size += len(before)
        markup.limit(size, len(passed))


def _header(path: InputPath, text: str, init: bytes | None) -> LheHeader:
    try:
        lines = _lines(content(init or b""))
        first = _row(next(lines), 10)
        beams = ((int(first[0]), first[2]), (int(first[1]), first[3]))
        processes: dict[int, float] = {}
        stated = True
        for _ in range(int(first[9])):
            cross_section, _, _, process = _row(next(lines), 4)
            processes[int(process)] = processes.get(int(process), 0.0) + cross_section
            stated &= cross_section != _NOT_STATED
    except (StopIteration, ValueError, IndexError, OverflowError) as error:
        raise InputDataError(f"{path}: <init> is missing or damaged; is it a Les Houches event file?") from error
    if not all(np.isfinite(energy) and energy > 0 for _, energy in beams) or not processes:
        raise InputDataError(f"{path}: <init> has no beam energies or no processes; make the file again")
    return LheHeader(beams, processes, text, stated)


def _event(path: InputPath, number: int, inside: bytes | None) -> LheEvent:
    if inside is None:
        raise InputDataError(f"{path}: event {number} is truncated or damaged: it has no </event>; copy the file again")
    try:
        lines = _lines(content(inside))
        first = _row(next(lines, []), 6)
        count = int(first[0])
        if not 0 <= count <= _MAX_PARTICLES:
            raise ValueError(f"it says that it has {count} particles")
        found = list(islice(lines, count))
        if len(found) < count:
            raise ValueError(f"it says that it has {count} particles, and holds {len(found)}")
        rows = tuple([_row(line, _COLUMNS) for line in found])
        more = any(len(line) > _COLUMNS and not line[_COLUMNS].startswith(b"#") for line in found)
        event = LheEvent(int(first[1]), first[2], first[3], first[5], rows, more)
        _check_sums(np.array(rows).reshape(-1, _COLUMNS))
    except (ValueError, OverflowError) as error:
        raise InputDataError(f"{path}: event {number} is truncated or damaged: {error}") from error
    if not np.isfinite(event.weight):
        raise InputDataError(f"{path}: event {number} has the weight {event.weight}; leave it out")
    return event


def _check_sums(rows: Floats) -> None:
    """`ValueError` unless all numbers are finite and what goes out has the momentum and energy of what came in."""
    if not np.isfinite(rows).all():
        raise ValueError("not all of its numbers are finite")
    status, momenta = rows[:, 1], rows[:, 6:10]
    came_in = momenta[status == -1]
    if len(came_in) == 0:
        return
    lost = np.abs(came_in.sum(axis=0) - momenta[status == 1].sum(axis=0)).max()
    energy = np.abs(came_in[:, 3]).sum()
    if not lost <= _IMBALANCE * energy:
        raise ValueError(f"its particles come in with {energy:.6g} GeV, and go out with {lost:.3g} GeV more or less")


def _lines(text: bytes) -> Iterator[list[bytes]]:
    """The words of each line that is neither empty nor a comment."""
    for line in _LINE.finditer(text):
        words = line[0].split()
        if words and not words[0].startswith(b"#"):
            yield words


def _row(words: list[bytes], size: int) -> tuple[float, ...]:
    """The first `size` numbers of a line; `ValueError` if they are not there."""
    if len(words) < size:
        raise ValueError(f"{b' '.join(words).decode(errors='replace')[:60]!r} holds {len(words)} of {size} numbers")
    try:
        row = tuple([float(word) for word in words[:size]])
    except ValueError:
        return tuple([_number(word) for word in words[:size]])
    if b"_" in b"".join(words[:size]):  # which Python takes for a separator of digits
        raise ValueError(f"{b' '.join(words).decode(errors='replace')[:60]!r} holds what is no number")
    return row


def _number(word: bytes) -> float:
    """A number as C or Fortran writes it, which has D for E and leaves it out before exponents of three digits."""
    text = re.split(rb"[<#]", word, maxsplit=1)[0]  # a comment or tag may follow at once
    fortran = _FORTRAN.fullmatch(text)
    try:
        return float(b"%be%b" % fortran.groups() if fortran else text)
    except ValueError:
        raise ValueError(f"{word.decode(errors='replace')[:40]!r} is no number") from None
