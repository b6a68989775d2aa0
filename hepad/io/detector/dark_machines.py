"""The text format of the Dark Machines challenge (arXiv:2105.14027): one event a line, fields parted by semicolons.

`id;process;weight;MET;METphi;OBJECT;OBJECT;...;` with objects `kind,E,pt,eta,phi`; energies in MeV, angles in radians,
usually a semicolon at the end. Kinds: j jets, b b-tagged jets, e- e+ electrons, m- m+ (also mu- mu+) muons, g photons.
Numbers of events need not be unique: an event is its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count, islice
from typing import IO, Any

import awkward as ak
import numpy as np

from hepad.errors import InputDataError, NotStoredError
from hepad.io.detector.columns import Objects
from hepad.io.events import Fields, SampleInfo, missing_momentum
from hepad.io.text import MAX_LINE, damage_as_input_error, open_text
from hepad.paths import InputPath

__all__ = ["DarkMachinesFile", "is_dark_machines"]

_GEV = 1e-3
"""Of the file's MeV."""

_KINDS: dict[bytes, tuple[str, float]] = {
    b"j": ("jets", 0.0),
    b"b": ("jets", 1.0),
    b"e-": ("electrons", -1.0),
    b"e+": ("electrons", 1.0),
    b"m-": ("muons", -1.0),
    b"mu-": ("muons", -1.0),
    b"m+": ("muons", 1.0),
    b"mu+": ("muons", 1.0),
    b"g": ("photons", 0.0),
}
"""The collection of a kind, and its b-tag or charge."""

_OF_ALL = ("pt", "eta", "phi", "mass")
_FEATURES = {
    "jets": {*_OF_ALL, "btag"},
    "electrons": {*_OF_ALL, "charge"},
    "muons": {*_OF_ALL, "charge"},
    "photons": set(_OF_ALL),
    "met": {"pt", "phi"},
}
_NUMBER = rb"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?"
_FIRST = re.compile(
    rb"\s*[^;\n]*;[^;\n]*(?:;" + _NUMBER + rb"){3}(?:;[a-z]+[-+]?(?:," + _NUMBER + rb"){4})*;?\s*(?:\n|$)"
)


def is_dark_machines(start: bytes) -> bool:
    """Whether a text that starts so holds events of the challenge: its first line does."""
    return _FIRST.match(start) is not None


class DarkMachinesFile:
    """An open file of the Dark Machines challenge; see `hepad.io.events.EventFile`.

    The mass of an object is that of its energy and momentum, 0 where rounding makes the energy the smaller.
    """

    format = "dark_machines"

    def __init__(self, path: InputPath) -> None:
        self.path = path
        with damage_as_input_error(path), open_text(path) as stream:
            self.entries = sum(1 for _ in _lines(stream))

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this format has."""
        return {name: set(features) for name, features in _FEATURES.items()}

    def sample(self) -> SampleInfo:
        """The challenge's energy; what its weights are normalised to, the file does not say."""
        return SampleInfo(sqrt_s_gev=13000.0)

    def cuts(self, fields: Fields) -> list[int]:  # noqa: ARG002  the same for all
        """Any entry is as good as another."""
        return []

    def iterate(self, fields: Fields, *, step_size: int, stop: int, start: int = 0) -> Iterator[ak.Array]:
        """Events [start, stop) in pieces of at most `step_size`, with the fields asked for."""
        for name, features in fields.items():
            if lacking := set(features) - _FEATURES.get(name, set()) or ({""} if name not in _FEATURES else set()):
                missing = ", ".join(sorted(f"{name}.{f}".rstrip(".") for f in lacking))
                raise NotStoredError(
                    f"{self.path}: the Dark Machines format has no {missing}; use a file of another format for it"
                )
        with damage_as_input_error(self.path), open_text(self.path) as stream:
            wanted = islice(_lines(stream), start, stop)
            for first in range(start, min(stop, self.entries), step_size):
                piece = list(islice(wanted, step_size))
                if len(piece) < min(step_size, stop - first, self.entries - first):
                    raise InputDataError(f"{self.path}: changed while it was read; run again")
                yield self._events(piece, fields, first)

    def close(self) -> None:
        """Nothing stays open."""

    def _events(self, lines: list[tuple[int, bytes]], fields: Fields, start: int) -> ak.Array:
        events = np.empty((len(lines), 3))
        found: dict[str, list[tuple[float, ...]]] = {name: [] for name in _FEATURES if name != "met"}
        counts = {name: np.zeros(len(lines), dtype=np.int64) for name in found}
        for row, (number, line) in enumerate(lines):
            try:
                events[row] = _event(line, row, found, counts)
            except ValueError as error:
                raise InputDataError(f"{self.path}: line {number}: {error}; repair the line or leave it out") from error
        record: dict[str, Any] = {}
        for name, features in fields.items():
            if name == "met":
                values = {"pt": events[:, 1] * _GEV, "phi": events[:, 2]}
                record[name] = missing_momentum({f: values[f] for f in sorted(features)})
                continue
            offsets = np.concatenate([[0], np.cumsum(counts[name])]).astype(np.int64)
            columns = _columns(np.array(found[name], dtype=np.float64).reshape(-1, 5), name)
            wanted = [f for f in columns if f in features or f == "pt"]
            record[name] = Objects(offsets, {f: columns[f] for f in wanted}).to_awkward(wanted)
        record["weight"] = events[:, 0]
        record["index"] = np.arange(start, start + len(lines), dtype=np.int64)
        return ak.zip(record, depth_limit=1)


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines that are not empty, with their numbers from 1; `ValueError` for one that is no line of text."""
    for number in count(1):
        line = stream.readline(MAX_LINE)
        if not line:
            return
        if len(line) == MAX_LINE:
            raise ValueError(f"line {number} has {MAX_LINE} bytes or more")
        if line.strip():
            yield number, line


def _event(
    line: bytes, row: int, found: dict[str, list[tuple[float, ...]]], counts: dict[str, Any]
) -> tuple[float, float, float]:
    """Weight, MET in MeV and its phi; the objects go to `found`. `ValueError` says what is wrong."""
    words = line.strip().split(b";")
    if words[-1] == b"":
        words.pop()
    if len(words) < 5:
        raise ValueError(f"{len(words)} fields, an event has id;process;weight;MET;METphi and objects")
    weight, met, phi = _numbers(words[2:5])
    if met < 0:
        raise ValueError(f"the missing momentum is {met:g}")
    for word in words[5:]:
        kind, *numbers = word.split(b",")
        if kind not in _KINDS or len(numbers) != 4:
            shown = word[:60].decode(errors="replace")
            raise ValueError(f"{shown!r} is no object, KIND,E,pt,eta,phi with KIND {b' '.join(_KINDS).decode()}")
        values = _numbers(numbers)
        if values[1] < 0:
            raise ValueError(f"pt is {values[1]:g} in {word[:60].decode(errors='replace')!r}")
        name, label = _KINDS[kind]
        found[name].append((*values, label))
        counts[name][row] += 1
    return weight, met, phi


def _numbers(words: list[bytes]) -> tuple[float, ...]:
    """Finite numbers as C writes them; `ValueError` names the one that is none."""
    values = []
    for word in words:
        if not re.fullmatch(_NUMBER, word.strip()):  # Python takes 1_000, nan and inf for numbers, too
            raise ValueError(f"{word[:40].decode(errors='replace')!r} is no number")
        values.append(float(word))
        if not np.isfinite(values[-1]):
            raise ValueError(f"{word[:40].decode()!r} is too large")
    return tuple(values)


def _columns(objects: Any, name: str) -> dict[str, Any]:
    """Properties of the objects of a collection in the schema's units, of rows E, pt, eta, phi, label."""
    energy, pt, eta, phi, label = objects.T.copy()
    energy, pt = energy * _GEV, pt * _GEV
    momentum = pt * np.cosh(np.clip(eta, -50, 50))
    mass = np.sqrt(np.clip((energy - momentum) * (energy + momentum), 0, None))
    columns = {"pt": pt, "eta": eta, "phi": phi, "mass": mass}
    if name == "jets":
        columns["btag"] = label > 0
    elif name != "photons":
        columns["charge"] = label.astype(np.int64)
    return columns
