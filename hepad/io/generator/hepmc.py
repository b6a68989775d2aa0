"""HepMC2 and HepMC3 files in ascii (arXiv:1912.08005), of any generator: events that are hadronised already."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

from hepad.errors import InputDataError, MissingExtraError
from hepad.io.events import Fields, SampleInfo, check_finite
from hepad.io.generator.files import BLOCK, GeneratorFile
from hepad.io.generator.impact import IMPACT
from hepad.io.generator.particle_level import ParticleLevel
from hepad.io.generator.particles import Floats, Ints, Particles
from hepad.io.generator.stdout import own_stdout
from hepad.io.text import MAX_LINE, damage_as_input_error, open_text
from hepad.paths import InputPath

__all__ = ["MARKS", "HepmcFile"]

_log = logging.getLogger(__name__)

MARKS = {b"HepMC::IO_GenEvent-START_EVENT_LISTING": "HepMC2", b"HepMC::Asciiv3-START_EVENT_LISTING": "HepMC3"}
"""The line that begins the events, and the format of pyhepmc that reads them."""

_CROSS_SECTION = re.compile(rb"^(?:C|A 0 GenCrossSection) +([-+.\deE]+)", re.MULTILINE)
_VERTEX_OF_NO_NUMBER = re.compile(rb"^V (?!-[1-9])[^\n]*", re.MULTILINE)
"""HepMC3's reader of HepMC2 crashes the process on these."""
_WEIGHT_OF_NO_NUMBER = re.compile(rb"^W +(?![-+]?\.?\d)(\S+)", re.MULTILINE)
"""HepMC3's reader takes the event for one without weights."""
_PIECE = 1 << 24
_MAX_EVENT = 1 << 28
"""Most bytes of an event, or before the first one."""
_ONE_PLACE = "no vertex has a position of its own, so that d0 and dz of tracks are of resolution alone"
_BEGINNING, _ENDING = b"\nE ", b"END_EVENT_LISTING"


class HepmcFile(GeneratorFile):
    """An open HepMC file; see `hepad.io.events.EventFile`. Opening it reads it once from start to end."""

    format = "hepmc"

    def __init__(self, path: InputPath, dialect: str, settings: ParticleLevel | None = None) -> None:
        super().__init__(path, settings)
        self._dialect = dialect
        self._weighted = True
        self._empty = 0
        self._one_place = False
        with damage_as_input_error(path):
            self.entries, self._cross_section = _scan(path)

    def sample(self) -> SampleInfo:
        """The cross section that the last event states, and the energy of the first event's beams."""
        value = self._cross_section
        return SampleInfo(
            cross_section_pb=value if value is not None and np.isfinite(value) and value > 0 else None,
            sqrt_s_gev=next(map(_sqrt_s, self._read(1)), None),
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        notes = ["particle level, no detector"]
        if self._one_place:
            notes.append(_ONE_PLACE)
        if self._empty:
            notes.append(f"{self._empty} of the events read have no particles; they count with their weight")
        return tuple(notes)

    def iterate(self, fields: Fields, *, step_size: int, stop: int, start: int = 0) -> Iterator[ak.Array]:
        """See `GeneratorFile.iterate`; warns of impact parameters of particles that were all made in one place."""
        yield from super().iterate(fields, step_size=step_size, stop=stop, start=start)
        if self._one_place and not fields.get("tracks", set()).isdisjoint(IMPACT):
            _log.warning("%s: %s", self.path, _ONE_PLACE)

    def blocks(self, stop: int) -> Iterator[tuple[Particles, Floats]]:
        """Particles and weights (the first one of each event, 1 if the file has none)."""
        found: list[_Event] = []
        self._empty, places = 0, False
        for number, event in enumerate(self._read(stop), 1):
            found.append(event)
            if len(found) == BLOCK or number == stop:
                particles, weights = self._join(found, number - len(found))
                places = places or bool(np.any(particles.vertices))
                yield particles, weights
                found = []
        self._one_place = not places and self._empty < stop
        if self._empty:
            _log.warning("%s: %d of %d events have no particles; they count", self.path, self._empty, stop)

    def _join(self, events: list[_Event], start: int) -> tuple[Particles, Floats]:
        if start == 0:
            self._weighted = events[0].weight is not None
        for number, event in enumerate(events, start):
            if (event.weight is not None) != self._weighted:
                has, first = ("no weight", "has one") if self._weighted else ("a weight", "has none")
                raise InputDataError(f"{self.path}: event {number} has {has}, and the first one {first}; leave it out")
        self._empty += sum(len(event.columns) == 0 for event in events)
        particles, weights = _join(events)
        check_finite(weights, path=self.path, branch="weights", start=start)
        for name in ("px", "py", "pz", "e"):
            values = getattr(particles, name)
            check_finite(values, path=self.path, branch=name, start=start, offsets=particles.offsets)
        return particles, weights

    def _read(self, stop: int) -> Iterator[_Event]:
        try:
            import pyhepmc
        except ImportError as error:
            raise MissingExtraError.of(error, "HepMC files need", "pyhepmc", "particles") from error
        readers = {"HepMC2": pyhepmc.io.ReaderAsciiHepMC2, "HepMC3": pyhepmc.io.ReaderAscii}
        number = 0
        with damage_as_input_error(self.path), open_text(self.path) as stream:
            reader = readers[self._dialect](pyhepmc.io.pyiostream(stream))
            while number < stop:
                yield self._event(reader, number, pyhepmc)
                number += 1

    def _event(self, reader: Any, number: int, pyhepmc: Any) -> _Event:
        event = pyhepmc.GenEvent()
        try:
            with own_stdout(errors=True):  # it prints what it cannot parse
                parsed = reader.read_event(event)
            # At the end of the file an event is both read and failed: one that holds something is the last.
            if parsed and (len(event.particles) or not reader.failed()):
                return _Event.of(event, pyhepmc)
        except (RuntimeError, IndexError, ValueError, MemoryError) as error:
            raise InputDataError(f"{self.path}: event {number} is damaged ({error}); copy the file again") from error
        raise InputDataError(f"{self.path}: event {number} is damaged; copy the file again")


@dataclass(frozen=True)
class _Event:
    """The particles of one event as columns, `mother` counted within the event, `made` (3, particles) where in mm from
    the collision, and its first weight, if it has any.
    """

    columns: Any
    mother: Ints
    made: Floats
    weight: float | None

    @classmethod
    def of(cls, event: Any, pyhepmc: Any) -> _Event:
        event.set_units(pyhepmc.Units.MomentumUnit.GEV, pyhepmc.Units.LengthUnit.MM)
        data = pyhepmc.GenEventData()
        event.write_data(data)
        weights = np.asarray(data.weights)
        links = np.array(data.links1), np.array(data.links2)
        mother = _mothers(len(data.particles), len(data.vertices), *links)
        made = _made(len(data.particles), np.array(data.vertices), *links)
        return cls(np.array(data.particles), mother, made, float(weights[0]) if len(weights) else None)


def _mothers(particles: int, vertices: int, links1: Ints, links2: Ints) -> Ints:
    """The first incoming particle of each particle's production vertex, -1 for none.

    A link of HepMC3 goes from a particle (positive, counted from 1) into a vertex (negative), or out of one.
    """
    into = links1 > 0
    first = np.full(vertices + 1, -1, dtype=np.int64)
    first[-links2[into][::-1]] = links1[into][::-1] - 1  # backwards: the first one stays
    mother = np.full(particles, -1, dtype=np.int64)
    mother[links2[~into] - 1] = first[-links1[~into]]
    return mother


def _made(particles: int, vertices: Any, links1: Ints, links2: Ints) -> Floats:
    """The place of each particle's production vertex, of shape (3, particles), from that of the first vertex.

    A vertex at exactly 0 has no place of its own, and is that of the collision.
    """
    made = np.zeros((3, particles))
    if len(vertices):
        places = np.array([vertices[name] for name in ("x", "y", "z")])
        places[:, ~places.any(axis=0)] = places[:, :1]
        out = links1 < 0
        made[:, links2[out] - 1] = (places - places[:, :1])[:, -links1[out] - 1]
    return made


def _sqrt_s(event: _Event) -> float | None:
    """The invariant mass of the two beams in GeV; None if there are not two."""
    columns = event.columns
    beams = columns[columns["status"] == 4]
    if len(beams) != 2:
        return None
    x, y, z, e = (float(beams[name].sum()) for name in ("px", "py", "pz", "e"))
    return float(np.sqrt(max(e**2 - x**2 - y**2 - z**2, 0.0))) or None


def _join(events: list[_Event]) -> tuple[Particles, Floats]:
    columns = np.concatenate([event.columns for event in events])
    counts = [len(event.columns) for event in events]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    mother = np.concatenate([event.mother for event in events])
    mother = np.where(mother >= 0, mother + np.repeat(offsets[:-1], counts), -1)
    momenta = {name: np.ascontiguousarray(columns[name]) for name in ("px", "py", "pz", "e")}
    vertices = np.concatenate([event.made for event in events], axis=1)
    pdg = columns["pid"].astype(np.int64)
    particles = Particles(offsets, pdg, columns["status"] == 1, mother, **momenta, vertices=vertices)
    return particles, np.array([1.0 if event.weight is None else event.weight for event in events])


def _scan(path: InputPath) -> tuple[int, float | None]:
    """The number of events and the cross section of the last one; `InputDataError` if the last line is missing.

    Reads pieces that end with a line, so that no line is cut.
    """
    count, cross_section, rest, ended, held = 0, None, b"\n", False, 0
    with open_text(path) as stream:
        while piece := stream.read(_PIECE):
            text, line, rest = (rest + piece).rpartition(b"\n")
            if len(rest) > MAX_LINE:
                raise ValueError(f"a line is longer than {MAX_LINE} bytes")
            _refuse_unread(path, text, count)
            count += text.count(_BEGINNING)
            for found in _CROSS_SECTION.finditer(text):
                cross_section = found
            begins, ends = text.rfind(_BEGINNING), text.rfind(_ENDING)
            held = held + len(text) if begins < 0 else len(text) - begins
            if held > _MAX_EVENT:
                raise ValueError(f"more than {_MAX_EVENT} bytes without an event")
            ended = ends > begins if max(begins, ends) >= 0 else ended
            rest = line + rest  # whole lines and the end of the one before
    if not (ended or _ENDING in rest):
        raise InputDataError(
            f"{path}: truncated after event {count}, its last line is not ...{_ENDING.decode()}; copy it again"
        )
    return count, None if cross_section is None else float(cross_section[1])


def _refuse_unread(path: InputPath, text: bytes, before: int) -> None:
    """`InputDataError` for what HepMC3's readers get wrong without a word; `before` events were before this text."""
    for pattern in (_VERTEX_OF_NO_NUMBER, _WEIGHT_OF_NO_NUMBER):
        wrong = pattern.search(text)
        if wrong is None:
            continue
        number = before + text.count(_BEGINNING, 0, wrong.start()) - 1
        if pattern is _WEIGHT_OF_NO_NUMBER:
            value = wrong[1][:40].decode(errors="replace")
            raise InputDataError(
                f"{path}: branch 'weights' holds {value} at entry {number}; repair the file or leave that entry out"
            )
        raise InputDataError(f"{path}: event {number} is damaged at {wrong[0][:40]!r}; copy the file again")
