"""Pythia 8 (arXiv:2203.11601) as a function of Les Houches events: parton shower, hadrons, decays."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from hepad.errors import InputDataError, MissingExtraError
from hepad.io.generator.particles import Particles
from hepad.io.generator.stdout import own_stdout
from hepad.paths import InputPath

if TYPE_CHECKING:
    from hepad.io.generator.les_houches import LheEvent, LheHeader, Matching

__all__ = ["SEED", "Shower", "particles_of"]

SEED = 1
"""The seed of Pythia's random numbers: the same file gives the same events."""

_SETTINGS = (
    "Beams:frameType = 5",
    "Print:quiet = on",
    "SLHA:verbose = 0",
    "Random:setSeed = on",
    f"Random:seed = {SEED}",
)
_HOPELESS = 20  # so many events in a row are not rejected by chance
# The simplest of the ways that Pythia's manual gives for POWHEG ("POWHEG Matching"): the shower goes on where the
# first emission left off. Pythia and POWHEG define hardness differently; no emission is vetoed for that.
_POWHEG = ("SpaceShower:pTmaxMatch = 1", "TimeShower:pTmaxMatch = 1")


class Shower:
    """One run of Pythia 8 with the beams, processes and new particles of a file's header.

    MLM matching (Pythia's manual, "Jet Matching") is switched on where the file says so.
    `MissingExtraError` without pythia8mc.
    """

    def __init__(self, path: InputPath, header: LheHeader, matching: Matching | None = None) -> None:
        try:
            import pythia8mc
        except ImportError as error:
            raise MissingExtraError.of(error, "Les Houches events need", "pythia8mc", "particles") from error
        self._path = path  # for messages
        self._known: set[int] = set()
        self._pythia: Any = pythia8mc.Pythia("", False)
        self._feeder = _feeder(pythia8mc, header)
        self._hooks: Any = None
        for line in (*_SETTINGS, *(_POWHEG if header.powheg else ()), *(_mlm(matching) if matching else ())):
            if not self._pythia.readString(line):
                raise InputDataError(f"Pythia does not know the setting {line!r}; install pythia8mc 8.317.2")
        if matching:
            self._hooks = pythia8mc.JetMatchingMadgraph()
            self._pythia.addUserHooksPtr(self._hooks)
        self._pythia.setLHAupPtr(self._feeder)
        self._start(header.slha)

    def _start(self, slha: str | None) -> None:
        with tempfile.TemporaryDirectory() as folder, own_stdout():
            if slha is not None:
                card = Path(folder) / "slha.dat"
                card.write_text(slha, encoding="utf-8")
                self._pythia.settings.word("SLHA:file", str(card))
            started = self._pythia.init()
        if not started:
            raise InputDataError(f"{self._path}: Pythia cannot start with these beams and processes")

    def __enter__(self) -> Shower:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with own_stdout():  # Pythia prints a table when it ends
            self._pythia = self._hooks = self._feeder = None

    def run(self, events: Sequence[LheEvent], start: int) -> tuple[Particles, int]:
        """The particles of consecutive events, of which the first is entry `start`, and how many were rejected.

        A rejected event (Pythia failed, the matching vetoed it, or it had none before) has no particles.
        `InputDataError` if Pythia does not know a particle, or if all of many events are rejected.
        """
        self._check(events, start)
        feeder = self._feeder
        filled = [place for place, event in enumerate(events) if event.particles]  # Pythia cannot do with none
        feeder.queue, feeder.given = [events[place] for place in filled], 0
        pieces: list[ak.Array] = []
        done = 0
        with own_stdout():
            while done < len(filled):
                # A veto takes the next event at once, so fewer may come back than were asked for.
                batch = ak.drop_none(self._pythia.nextBatch(len(filled) - done, "none"))
                if feeder.given == done:
                    raise InputDataError(f"{self._path}: Pythia gave up at event {start + filled[done]}; leave it out")
                done = feeder.given
                pieces += [batch] if len(batch) else []
        if not pieces and len(filled) >= _HOPELESS:
            raise InputDataError(f"{self._path}: Pythia rejects all of the events {start} to {start + len(events) - 1}")
        if not pieces:
            return _nothing(len(events)), len(events)
        showered = ak.concatenate(pieces) if len(pieces) > 1 else pieces[0]
        # The feeder writes the place of the event, counted from 1, where a file gives the electromagnetic coupling.
        places = np.array(filled)[np.rint(ak.to_numpy(showered.info.alphaEM)).astype(np.int64) - 1]
        return particles_of(showered.prt, places, len(events)), len(events) - len(places)

    def _check(self, events: Sequence[LheEvent], start: int) -> None:
        for place, event in enumerate(events, start):
            for pdg in {int(p[0]) for p in event.particles} - self._known:
                if not self._pythia.particleData.isParticle(pdg):
                    raise InputDataError(
                        f"{self._path}: Pythia does not know the particle {pdg} of event {place}; the header needs an "
                        "<slha> block with its QNUMBERS, MASS and DECAY"
                    )
                self._known.add(pdg)


def _mlm(matching: Matching) -> tuple[str, ...]:
    return (
        "JetMatching:merge = on",
        "JetMatching:setMad = off",
        "JetMatching:scheme = 1",
        "JetMatching:jetAlgorithm = 2",
        "JetMatching:slowJetPower = 1",
        "JetMatching:coneRadius = 1.0",
        "JetMatching:etaJetMax = 10.0",
        "JetMatching:exclusive = 2",
        "JetMatching:nJet = 0",
        f"JetMatching:eTjetMin = {matching.q_cut}",
        f"JetMatching:qCut = {matching.q_cut}",
        f"JetMatching:nQmatch = {matching.flavours}",
        f"JetMatching:nJetMax = {matching.partons}",
    )


def _feeder(pythia8mc: Any, header: LheHeader) -> Any:
    """An object that Pythia asks for one event after the other; all count alike, their weights are kept elsewhere."""

    class Feeder(pythia8mc.LHAup):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(3)
            self.queue: list[LheEvent] = []
            self.given = 0

        def setInit(self) -> bool:  # noqa: N802  Pythia's name
            for place, (pdg, energy) in zip((self.setBeamA, self.setBeamB), header.beams, strict=True):
                place(pdg, energy)
            self.setStrategy(3)
            for process, cross_section in header.processes.items():
                self.addProcess(process, cross_section if cross_section > 0 else 1.0, 0.0, 1.0)  # it only prints it
            return True

        def setEvent(self, process: int = 0) -> bool:  # noqa: ARG002, N802  Pythia's name and argument
            if self.given == len(self.queue):
                return False
            event = self.queue[self.given]
            self.given += 1
            self.setProcess(event.process, 1.0, event.scale, float(self.given), event.alpha_s)
            for p in event.particles:
                self.addParticle(*(int(value) for value in p[:6]), *p[6:], -1.0)
            return True

    return Feeder()


def particles_of(records: ak.Array, places: Any, size: int) -> Particles:
    """Pythia's event records as columns; `places` of shape (len(records),) are theirs among `size` events."""
    counts = np.zeros(size, dtype=np.int64)
    lengths = ak.to_numpy(ak.num(records)).astype(np.int64)
    counts[places] = lengths
    flat = ak.flatten(records)
    first = np.repeat(np.concatenate([[0], np.cumsum(lengths)])[:-1], lengths)
    mother = ak.to_numpy(flat.mother1).astype(np.int64)
    momenta = {name: ak.to_numpy(flat.p[name]) for name in ("px", "py", "pz", "e")}
    vertices = np.array([ak.to_numpy(ak.fill_none(flat.vProd[name], 0.0)) for name in ("px", "py", "pz")])  # in mm
    return Particles(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        ak.to_numpy(flat.id).astype(np.int64),
        ak.to_numpy(flat.status) > 0,
        np.where(mother > 0, first + mother, -1),
        **momenta,
        vertices=vertices,
    )


def _nothing(size: int) -> Particles:
    empty, none = np.empty(0, dtype=np.int64), np.empty(0)
    return Particles(np.zeros(size + 1, dtype=np.int64), empty, np.empty(0, dtype=bool), empty, none, none, none, none)
