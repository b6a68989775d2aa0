"""Delphes ROOT files: the tree `Delphes`, as the program writes it or as a slim with the same branch names.

Branch names and units are those of Delphes' `classes/DelphesClasses.h`: PT, Mass, MET, HT in GeV.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.events import Fields, SampleInfo, check_finite, check_not_negative, collection, missing_momentum

__all__ = ["TREE", "DelphesFile"]

TREE = "Delphes"

_BRANCHES: dict[str, tuple[str, dict[str, str]]] = {
    "jets": ("Jet", {"pt": "PT", "eta": "Eta", "phi": "Phi", "mass": "Mass", "btag": "BTag"}),
    "electrons": ("Electron", {"pt": "PT", "eta": "Eta", "phi": "Phi", "charge": "Charge"}),
    "muons": ("Muon", {"pt": "PT", "eta": "Eta", "phi": "Phi", "charge": "Charge"}),
    "photons": ("Photon", {"pt": "PT", "eta": "Eta", "phi": "Phi"}),
    "fatjets": ("FatJet", {"pt": "PT", "eta": "Eta", "phi": "Phi", "mass": "Mass", "btag": "BTag"}),
    "met": ("MissingET", {"pt": "MET", "phi": "Phi"}),
    "scalar_ht": ("ScalarHT", {"ht": "HT"}),
}
# Delphes stores no mass for these; GeV, Particle Data Group 2024.
_MASSES = {"electrons": 0.00051099895, "muons": 0.1056583755, "photons": 0.0}
_WEIGHTS = ("Weight.Weight", "Event.Weight")


class DelphesFile:
    """An open Delphes file; see `hepad.io.events.EventFile`."""

    format = "delphes"

    def __init__(self, path: Path, tree: Any) -> None:
        self.path = path
        self._tree = tree
        self.entries = int(tree.num_entries)
        # Below a split TClonesArray the branch is Jet/Jet.PT; in a slim it is Jet.PT at the top.
        self._keys = {key.rpartition("/")[2]: key for key in tree.keys(recursive=True)}

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this file can give."""
        found: dict[str, set[str]] = {}
        for name, (prefix, features) in _BRANCHES.items():
            present = {feature for feature, leaf in features.items() if f"{prefix}.{leaf}" in self._keys}
            if present and name in _MASSES:
                present.add("mass")
            if present:
                found[name] = present
        return found

    def sample(self) -> SampleInfo:
        """The generator's cross section in pb, its best estimate being that of the last event."""
        branch = self._keys.get("Event.CrossSection")
        if branch is None or self.entries == 0:
            return SampleInfo()
        try:
            last = ak.flatten(self._tree[branch].array(entry_start=self.entries - 1), axis=None)
        except Exception:  # noqa: BLE001  a damaged basket is reported when the events are read
            return SampleInfo()
        value = float(last[0]) if len(last) else 0.0
        return SampleInfo(cross_section_pb=value if np.isfinite(value) and value > 0 else None)

    def iterate(self, fields: Fields, *, step_size: int, stop: int) -> Iterator[ak.Array]:
        """Events [0, stop) in pieces of at most `step_size`, with the fields asked for.

        `InputDataError` names a missing branch, a value that is not finite, or a damaged basket.
        """
        wanted = {name: self._wanted(name, features) for name, features in fields.items()}
        weight = next((branch for branch in _WEIGHTS if branch in self._keys), None)
        branches = sorted(
            {b for columns in wanted.values() for b in columns.values()} | ({weight} if weight else set())
        )
        if not branches:
            raise InputDataError(f"{self.path}: nothing to read was asked for")
        start = 0
        for arrays in self._read(branches, step_size, stop):
            yield self._events(arrays, wanted, weight, start)
            start += len(arrays[branches[0]])

    def close(self) -> None:
        """Close the file."""
        self._tree.file.close()

    def _wanted(self, name: str, features: Any) -> dict[str, str]:
        """Property to branch for one collection, in a fixed order; pT is always there to give the counts."""
        if name not in _BRANCHES:
            raise InputDataError(f"{self.path}: Delphes files have no {name}")
        prefix, known = _BRANCHES[name]
        constant = {"mass"} if name in _MASSES else set()
        unknown = set(features) - set(known) - constant
        if unknown:
            raise InputDataError(f"{self.path}: Delphes stores no {', '.join(sorted(unknown))} for {name}")
        columns = {f: f"{prefix}.{known[f]}" for f in known if f in features or f == "pt"}
        missing = [branch for branch in columns.values() if branch not in self._keys]
        if missing:
            raise InputDataError(
                f"{self.path}: tree {TREE!r} has no branch {', '.join(repr(b) for b in missing)}, needed for {name}; "
                "run 'hepad inspect' to see which selections this file can feed"
            )
        return columns

    def _read(self, branches: list[str], step_size: int, stop: int) -> Iterator[dict[str, Any]]:
        keys = [self._keys[branch] for branch in branches]
        try:
            for arrays in self._tree.iterate(keys, step_size=step_size, entry_stop=stop, how=dict, library="ak"):
                yield {branch: arrays[key] for branch, key in zip(branches, keys, strict=True)}
        except (InputDataError, KeyboardInterrupt):
            raise
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputDataError(
                f"{self.path}: cannot read tree {TREE!r}, damaged or truncated ({reason[:120]}); copy it again"
            ) from error

    def _events(
        self, arrays: dict[str, Any], wanted: dict[str, dict[str, str]], weight: str | None, start: int
    ) -> ak.Array:
        n = len(next(iter(arrays.values())))
        record: dict[str, Any] = {}
        for name, columns in wanted.items():
            if name in ("met", "scalar_ht"):
                values = {f: self._single(arrays[b], b, start) for f, b in columns.items()}
                size = "pt" if name == "met" else "ht"
                check_not_negative(values[size], path=self.path, branch=columns[size], start=start)
                record[name] = missing_momentum(values) if name == "met" else values["ht"]
            else:
                record[name] = self._collection(name, {f: (b, arrays[b]) for f, b in columns.items()}, start)
        record["weight"] = np.ones(n) if weight is None else self._single(arrays[weight], weight, start)
        record["index"] = np.arange(start, start + n, dtype=np.int64)
        return ak.zip(record, depth_limit=1)

    def _collection(self, name: str, columns: dict[str, tuple[str, Any]], start: int) -> ak.Array:
        flat: dict[str, npt.NDArray[Any]] = {}
        offsets: npt.NDArray[np.int64] | None = None
        for feature, (branch, array) in columns.items():
            if array.ndim != 2:
                raise InputDataError(
                    f"{self.path}: branch {branch!r} must hold a list of numbers an event, not one number"
                )
            own, values = _jagged(array)
            if offsets is None:
                offsets = own
            elif not np.array_equal(offsets, own):
                raise InputDataError(
                    f"{self.path}: branch {branch!r} has other counts than its collection; the file is damaged"
                )
            check_finite(values, path=self.path, branch=branch, start=start, offsets=offsets)
            if feature == "pt":
                check_not_negative(values, path=self.path, branch=branch, start=start, offsets=offsets)
            flat[feature] = (values & 1).astype(bool) if feature == "btag" else values
        assert offsets is not None  # noqa: S101  pT is always among the columns
        if name in _MASSES:
            flat["mass"] = np.full(len(flat["pt"]), _MASSES[name], dtype=np.float32)
        return collection(offsets, flat)

    def _single(self, array: Any, branch: str, start: int) -> npt.NDArray[np.float64]:
        """The first value of each event, of shape (n,)."""
        if array.ndim == 1:  # a slim may hold plain numbers
            values = ak.to_numpy(array)
            check_finite(values, path=self.path, branch=branch, start=start)
            return np.asarray(values, dtype=np.float64)
        offsets, values = _jagged(array)
        if (np.diff(offsets) < 1).any():
            entry = start + int(np.flatnonzero(np.diff(offsets) < 1)[0])
            raise InputDataError(
                f"{self.path}: branch {branch!r} is empty at entry {entry}; one value an event is needed"
            )
        check_finite(values, path=self.path, branch=branch, start=start, offsets=offsets)
        return values[offsets[:-1]].astype(np.float64)


def _jagged(array: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Offsets starting at 0 and the flat values of a jagged array of numbers."""
    layout = ak.to_packed(array).layout
    return np.asarray(layout.offsets.data, dtype=np.int64), np.asarray(layout.content.data)
