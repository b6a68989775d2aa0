"""ADFilter ntuples: the tree `Ntuple` and the histogram `meta` (arXiv:2409.03065, github.com/chekanov/ADFilter).

Momenta and masses are in GeV. `JET_` are the jets without and `bJET_` those with a b-tag: `jets` holds both, with
`btag`, by falling pT. Masses of electrons and muons are the known ones, photons have none (`PH_e` is not read). The
first of `Evt_Weight` is the event's weight. `meta` has a bin labelled `CMS energy [GeV]` and one `cross section [PB]`;
without labels they are the first and the second, as ADFilter writes and reads them. Zero means not stated.

Older files hold `vector<Double32_t>`, which uproot does not read: per event a byte count, a version and a length, then
the numbers in single precision. `_doubles32` checks all three.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.detector.columns import MASSES, Columns, Objects, jagged
from hepad.io.detector.trees import TreeFile, positive
from hepad.io.events import SampleInfo

__all__ = ["TREE", "AdfilterFile"]

TREE = "Ntuple"

_ENERGY, _CROSS_SECTION = "CMS energy [GeV]", "cross section [PB]"
_DEFAULT = (
    "'meta' states a cross section of 1 pb, which ADFilter's converters write when nobody gives one: make sure that it "
    "is meant, or give the right one with --xsec"
)
_JET = ("pt", "eta", "phi", "mass")
_BRANCHES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "jets": (("JET", "bJET"), _JET),
    "electrons": (("EL",), _JET[:3]),
    "muons": (("MU",), _JET[:3]),
    "photons": (("PH",), _JET[:3]),
}
_MET = {"pt": "MET_met", "phi": "MET_phi"}
_KNOWN = {"jets": {*_JET, "btag"}, "met": set(_MET)} | {name: set(_JET) for name in MASSES}
_WEIGHT = "Evt_Weight"
_HEADER = np.dtype([("bytes", ">u4"), ("version", ">u2"), ("length", ">u4")])
_BYTE_COUNT = 0x40000000  # ROOT's kByteCountMask


class AdfilterFile(TreeFile):
    """An open ADFilter ntuple."""

    format = "adfilter"
    title = "ADFilter"

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this file can give."""
        found: dict[str, set[str]] = {}
        for name, (prefixes, features) in _BRANCHES.items():
            present = {f for f in features if self.has(*(f"{prefix}_{f}" for prefix in prefixes))}
            if present:
                found[name] = present | ({"btag"} if name == "jets" else {"mass"})
        met = {feature for feature, branch in _MET.items() if self.has(branch)}
        return {**found, "met": met} if met else found

    def sample(self) -> SampleInfo:
        """The energy and the cross section of `meta`."""
        if "meta" not in self.directory:
            return SampleInfo()
        try:
            meta = self.directory["meta"]
            contents = meta.values()
            labels = {str(label): int(label.member("@fUniqueID")) for label in meta.axis().member("fLabels") or ()}
        except Exception as error:
            raise InputDataError(f"{self.path}: histogram 'meta' cannot be read; repair it or leave it out") from error
        if not labels:
            labels = {_ENERGY: 1, _CROSS_SECTION: 2}
        stated = {name: positive(contents[place - 1]) for name, place in labels.items() if 1 <= place <= len(contents)}
        section = stated.get(_CROSS_SECTION)
        notes = (_DEFAULT,) if section == 1 else ()
        return SampleInfo(cross_section_pb=section, sqrt_s_gev=stated.get(_ENERGY), notes=notes)

    def weight_branches(self) -> set[str]:
        """`Evt_Weight`, if it is there."""
        return {_WEIGHT} if self.has(_WEIGHT) else set()

    def branches(self, name: str, features: AbstractSet[str]) -> set[str]:
        """The branches of one collection, and the counts that go with it if they are there."""
        self.refuse_unknown(name, features, _KNOWN)
        if name == "met":
            needed = {_MET[feature] for feature in features | {"pt"}}
            counts: set[str] = set()
        else:
            prefixes, _ = _BRANCHES[name]
            needed = {branch for prefix in prefixes for branch in self._columns(name, prefix, features).values()}
            counts = {f"{prefix}_n" for prefix in prefixes if self.has(f"{prefix}_n")}
        self.require(sorted(needed), name)
        return needed | counts

    def build(self, name: str, features: AbstractSet[str], columns: Columns) -> Any:
        """One field of Events."""
        if name == "met":
            return columns.momentum({feature: _MET[feature] for feature in _MET if feature in features | {"pt"}})
        prefixes, _ = _BRANCHES[name]
        parts = [self._part(name, prefix, features, columns) for prefix in prefixes]
        objects = Objects.merged(*parts) if len(parts) > 1 else parts[0]
        return objects.to_awkward(objects.columns)

    def interpretation(self, branch: str) -> Any:
        """Bytes for a `vector<Double32_t>`."""
        import uproot

        held = self.branch(branch)
        if not held.has_member("fClassName") or "Double32_t" not in held.member("fClassName"):
            return None
        return uproot.AsJagged(uproot.AsDtype("u1"))

    def decode(self, branch: str, array: ak.Array, start: int) -> ak.Array:
        """The numbers of a `vector<Double32_t>`."""
        return array if self.interpretation(branch) is None else self._doubles32(branch, array, start)

    @staticmethod
    def _columns(name: str, prefix: str, features: AbstractSet[str]) -> dict[str, str]:
        return {f: f"{prefix}_{f}" for f in _BRANCHES[name][1] if f in features or f == "pt"}

    def _part(self, name: str, prefix: str, features: AbstractSet[str], columns: Columns) -> Objects:
        objects = columns.objects(self._columns(name, prefix, features))
        if f"{prefix}_n" in columns.arrays:
            wrong = np.flatnonzero(columns.first(f"{prefix}_n") != objects.counts)
            if len(wrong):
                raise InputDataError(
                    f"{self.path}: branch '{prefix}_pt' holds {objects.counts[wrong[0]]} numbers at entry "
                    f"{columns.start + wrong[0]}, '{prefix}_n' says otherwise; the file is damaged, copy it again"
                )
        if name == "jets" and "btag" in features:
            objects.columns["btag"] = np.full(len(objects["pt"]), prefix == "bJET")
        if name in MASSES:
            objects.columns["mass"] = np.full(len(objects["pt"]), MASSES[name])
        return objects

    def _doubles32(self, branch: str, array: ak.Array, start: int) -> ak.Array:
        """Jagged float32 of n events from their bytes; `InputDataError` if a byte count or a length is wrong."""
        offsets, data = jagged(array)
        data = data.view(np.uint8)
        sizes = np.diff(offsets)
        short = sizes < _HEADER.itemsize
        header = np.zeros(len(sizes), dtype=_HEADER)
        places = offsets[:-1][~short, None] + np.arange(_HEADER.itemsize)
        header[~short] = np.ascontiguousarray(data[places]).view(_HEADER)[:, 0]
        lengths = header["length"].astype(np.int64)
        wrong = short | (header["bytes"] != _BYTE_COUNT + sizes - 4) | (sizes != _HEADER.itemsize + 4 * lengths)
        if wrong.any():
            raise InputDataError(
                f"{self.path}: branch {branch!r} has a wrong length at entry {start + int(np.flatnonzero(wrong)[0])}; "
                "the file is damaged, copy it again"
            )
        is_number: npt.NDArray[np.bool_] = np.ones(len(data), dtype=bool)
        is_number[places.reshape(-1)] = False
        values = data[is_number].view(">f4").astype(np.float32)
        content = ak.contents.NumpyArray(values)
        ends = np.concatenate([[0], np.cumsum(lengths)])
        return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(ends), content))
