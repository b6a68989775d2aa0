"""Events in memory: arrays that others have read or made, as hepad's Events, with the definitions of the file readers.

What is known of a format is in its reader alone: here arrays are only given the look of a tree, which it then reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from hepad.errors import InputDataError, UsageError
from hepad.io.detector.columns import MASSES, Columns
from hepad.io.detector.delphes import DelphesFile
from hepad.io.detector.jetclass import JetClassFile
from hepad.io.detector.nanoaod import NanoAodFile
from hepad.io.detector.physlite import PhysliteFile
from hepad.io.detector.trees import TreeFile
from hepad.io.events import (
    COLLECTION_FEATURES,
    SCALARS,
    SQRT_S,
    Fields,
    SampleInfo,
    check_not_negative,
    chosen,
    objects_of,
)

__all__ = ["events_from"]

_WHERE = Path("events in memory")
_BEAM = 7000.0  # GeV: no object of the LHC has more, but for the MeV of whom forgot to divide


def events_from(
    arrays: Any,
    fields: Fields | None = None,
    *,
    format: str | None = None,  # noqa: A002  the word for it
    sqrt_s_gev: float | None = None,
) -> ak.Array:
    """hepad's Events (see `hepad.io.events`) of arrays in memory, checked and ordered as those of a file.

    `arrays` is a coffea NanoEvents array (NanoAOD or Delphes schema), what uproot's `arrays()` gives of such a tree, an
    awkward record array, a mapping of names to arrays, or a structured numpy array. `format` is `nanoaod`, `delphes`,
    `physlite` or `jetclass` for branches of these: objects are identified, tagged and freed of overlaps as the reader
    of such files does it. It is `events` for collections with hepad's names (`jets`, `electrons`, `met` ... with `pt`
    and `mass` in GeV, `eta`, `phi`, `btag`, `charge`), which are taken as they are; there two-dimensional numpy arrays
    may be padded with objects of pT 0. None: the names tell. The weight is 1 where the arrays have none.

    `fields` says what is needed, as `Bundle.fields(selection)` does; None: all that can be made. `sqrt_s_gev` is the
    collision energy in GeV, for models that need it; None: that of a field `sqrt_s`, if there is one.

    `InputDataError` names what is missing, a value that is not finite, a negative pT, and momenta so large that they
    must be in MeV (half of them above half the collision energy, 7 TeV if it is not given). `UsageError` for what is
    no array of events.
    """
    leaves = _leaves(arrays)
    source = chosen(_source(leaves, format), fields or {})
    wanted = source.available() if fields is None else objects_of(fields)
    if not wanted:
        raise InputDataError(f"{_WHERE}: nothing is there that could be made into objects")
    step = max(source.entries, 1)
    (events,) = source.iterate(wanted, step_size=step, stop=step)
    _check_units(events, (sqrt_s_gev or 2 * _BEAM) / 2)
    if source.format == _SchemaFile.format and ("index",) in leaves:
        events = ak.with_field(events, leaves["index",], "index")
    if sqrt_s_gev is None and source.format == _SchemaFile.format and (SQRT_S,) in leaves:
        events = ak.with_field(events, leaves[SQRT_S,], SQRT_S)
    elif sqrt_s_gev is not None or SQRT_S in (fields or {}):
        events = ak.with_field(events, np.full(len(events), np.nan if sqrt_s_gev is None else sqrt_s_gev), SQRT_S)
    return events


class _Branch:
    """An array with the look of a branch of uproot."""

    def __init__(self, name: str, value: Any) -> None:
        self._name, self._value = name, value
        self._plain: ak.Array | None = None

    @property
    def num_entries(self) -> int:
        return len(self._value)

    @property
    def title(self) -> str:
        """What coffea keeps of the title of a branch."""
        layout: Any = getattr(self._value, "layout", None)
        while layout is not None:
            if layout.parameter("__doc__"):
                return str(layout.parameter("__doc__"))
            layout = getattr(layout, "content", None)
        return ""

    @property
    def typename(self) -> str:
        return str(self.array().type)

    def array(self, entry_start: int = 0, entry_stop: int | None = None) -> ak.Array:
        """The plain numbers: no records, no behaviours, no missing values if none is missing."""
        if self._plain is None:
            try:
                self._plain = _plain(self._value)
            except Exception as error:  # whatever stands behind a virtual array, or cannot become an array
                raise InputDataError(f"{_WHERE}: {self._name!r} cannot be read as an array ({error})") from error
        return self._plain[entry_start:entry_stop]


class _Tree:
    """Arrays of equal length with the look of a tree of uproot."""

    name = "arrays"

    def __init__(self, leaves: Mapping[str, Any]) -> None:
        self._branches = {name: _Branch(name, value) for name, value in leaves.items()}
        lengths = {branch.num_entries: name for name, branch in self._branches.items()}
        if len(lengths) > 1:
            (n, one), (m, other), *_ = lengths.items()
            raise InputDataError(f"{_WHERE}: {one!r} has {n} events, {other!r} has {m}")
        self.num_entries = next(iter(lengths))

    def keys(self, recursive: bool) -> list[str]:  # noqa: ARG002  uproot's
        return list(self._branches)

    def __getitem__(self, key: str) -> _Branch:
        return self._branches[key]

    def iterate(self, keys: Mapping[str, Any], **_: Any) -> Iterator[dict[str, ak.Array]]:
        yield {key: self._branches[key].array() for key in keys}


class _SchemaFile(TreeFile):
    """Arrays that have hepad's names already."""

    format = "events"
    title = "hepad's events"

    def available(self) -> dict[str, set[str]]:
        found = {name: {f for f in known if self.has(f"{name}.{f}")} for name, known in COLLECTION_FEATURES.items()}
        found |= {name: {feature} if self.has(name) else set() for name, feature in SCALARS.items()}
        return {name: present | ({"mass"} if name in MASSES else set()) for name, present in found.items() if present}

    def sample(self) -> SampleInfo:
        return SampleInfo()

    def weight_branches(self) -> set[str]:
        return {"weight"} if self.has("weight") else set()

    def branches(self, name: str, features: AbstractSet[str]) -> set[str]:
        self.refuse_unknown(name, features, {known: set(f) for known, f in COLLECTION_FEATURES.items()})
        needed = set(self._columns(name, features).values())
        self.require(sorted(needed), name)
        return needed

    def build(self, name: str, features: AbstractSet[str], columns: Columns) -> Any:
        branches = self._columns(name, features)
        if name == "met":
            return columns.momentum(branches)
        if name in SCALARS:
            values = columns.first(name)
            check_not_negative(values, path=self.path, branch=name, start=columns.start)
            return values
        objects = columns.objects(branches, whole={"btag"})
        if "btag" in objects.columns:
            objects.columns["btag"] = objects["btag"] != 0
        if "mass" in features and "mass" not in objects.columns:
            objects.columns["mass"] = np.full(len(objects["pt"]), MASSES[name], dtype=np.float32)
        return objects.to_awkward([f for f in COLLECTION_FEATURES[name] if f in features | {"pt"}])

    def _columns(self, name: str, features: AbstractSet[str]) -> dict[str, str]:
        """Property to array; the masses of electrons, muons and photons are known where they are not given."""
        if name in SCALARS:
            return {SCALARS[name]: name}
        wanted = [f for f in COLLECTION_FEATURES[name] if f in features | {"pt"}]
        known = name in MASSES and not self.has(f"{name}.mass")
        return {f: f"{name}.{f}" for f in wanted if not (f == "mass" and known)}


_FORMATS: dict[str, tuple[type[TreeFile], str, str]] = {
    "events": (_SchemaFile, ".", "jets.pt, electrons.pt or met.pt"),
    "nanoaod": (NanoAodFile, "_", "Jet_pt"),
    "delphes": (DelphesFile, ".", "Jet.PT"),
    "physlite": (PhysliteFile, ".", "AnalysisJetsAuxDyn.pt"),
    "jetclass": (JetClassFile, "_", "part_px"),
}
"""The reader, what joins the names of a collection and its property, and a name that tells the format."""
# In this order: coffea gives Delphes' collections `pt` beside `PT`.
_TELLS = {
    "events": ("jets.pt", "electrons.pt", "muons.pt", "photons.pt", "taus.pt", "fatjets.pt", "met.pt", "particles.pt"),
    "delphes": ("Jet.PT", "Electron.PT", "Muon.PT", "Photon.PT", "FatJet.PT", "MissingET.MET", "JetPUPPI.PT"),
    "physlite": ("AnalysisJetsAuxDyn.pt", "AnalysisElectronsAuxDyn.pt", "AnalysisMuonsAuxDyn.pt"),
    "jetclass": ("part_px",),
    "nanoaod": ("Jet_pt", "Electron_pt", "Muon_pt", "Photon_pt", "Tau_pt", "FatJet_pt", "PuppiMET_pt", "MET_pt"),
}


def _source(leaves: Mapping[tuple[str, ...], Any], kind: str | None) -> TreeFile:
    """The reader of a format, told by the names of the arrays if it is None, over these arrays."""
    if kind is not None and kind not in _FORMATS:
        raise UsageError(f"format {kind!r}: events in memory are {', '.join(_FORMATS)}")
    named = {
        name: {joint.join(key): value for key, value in leaves.items()} for name, (_, joint, _) in _FORMATS.items()
    }
    told = [kind] if kind else [name for name, tells in _TELLS.items() if any(t in named[name] for t in tells)]
    if not told:
        found = ", ".join(sorted({key[0] for key in leaves})[:12])
        known = "; ".join(f"{name}: {example}" for name, (_, _, example) in _FORMATS.items())
        raise InputDataError(f"{_WHERE}: names of no known format ({known}); found {found or 'none'}")
    reader = _FORMATS[told[0]][0]
    tree = _Tree(named[told[0]])
    source = reader(_WHERE, {tree.name: tree}, tree.name)
    source.hint = f"those that are there are {', '.join(sorted({key[0] for key in leaves})[:12])}"
    return source


def _leaves(arrays: Any) -> dict[tuple[str, ...], Any]:
    """The arrays by their names, (collection, property) for those of records; nothing is read of virtual ones."""
    if hasattr(arrays, "compute"):
        raise UsageError(f"events in memory are no lazy {type(arrays).__name__}: give its .compute(), or its parts")
    if isinstance(arrays, np.ndarray) and arrays.dtype.names:
        arrays = {name: arrays[name] for name in arrays.dtype.names}
    if isinstance(arrays, ak.Array):
        arrays = {name: arrays[name] for name in arrays.fields}
    if not isinstance(arrays, Mapping) or not arrays:
        found_type = "empty" if isinstance(arrays, Mapping) else type(arrays).__name__
        raise UsageError(f"events in memory are a record array or a mapping of names to arrays, not {found_type}")
    found: dict[tuple[str, ...], Any] = {}
    for key, value in arrays.items():
        name = str(key)
        if name.endswith(".offsets"):  # coffea's, beside the collection
            continue
        if isinstance(value, Mapping):
            found |= {(name, leaf): part for leaf, part in _unpadded(value).items()}
        elif isinstance(value, ak.Array) and value.fields:
            found |= {(name, leaf): value[leaf] for leaf in value.fields}
        else:
            found[name,] = value if hasattr(value, "__len__") else np.asarray(value)
    return found | _flat_unpadded(found)


def _flat_unpadded(found: Mapping[tuple[str, ...], Any]) -> dict[tuple[str, ...], Any]:
    """The same for collections whose arrays are called `jets.pt` and so on."""
    unpadded: dict[tuple[str, ...], Any] = {}
    for prefix in {key[0].removesuffix("pt") for key in found if len(key) == 1 and key[0].endswith(".pt")}:
        own = {key[0].removeprefix(prefix): value for key, value in found.items() if key[0].startswith(prefix)}
        unpadded |= {(f"{prefix}{leaf}",): value for leaf, value in _unpadded(own).items()}
    return unpadded


def _unpadded(objects: Mapping[str, Any]) -> Mapping[str, Any]:
    """The properties of a collection without the objects of pT 0 that fill up two-dimensional numpy arrays."""
    pt = objects.get("pt")
    if not (isinstance(pt, np.ndarray) and pt.ndim == 2):
        return objects
    there = ak.from_regular(ak.Array(pt != 0), axis=1)
    same = {name: isinstance(value, np.ndarray) and value.shape == pt.shape for name, value in objects.items()}
    return {n: ak.from_regular(ak.Array(v), axis=1)[there] if same[n] else v for n, v in objects.items()}


def _plain(value: Any) -> ak.Array:
    array = ak.Array(ak.materialize(value) if isinstance(value, ak.Array) else value, behavior={})
    if "string" in str(array.type):  # which are lists of numbers without their parameters
        return array
    array = ak.without_parameters(ak.from_regular(array, axis=None))
    if "unknown" in str(array.type):  # lists of which all are empty
        array = ak.values_astype(array, np.float64, including_unknown=True)
    if "?" in str(array.type) or "option" in str(array.type):  # as tables of Parquet have it
        for axis in range(array.ndim):
            if not ak.any(ak.is_none(array, axis=axis), axis=None):
                array = ak.drop_none(array, axis=axis)
    return ak.to_packed(array)


def _check_units(events: ak.Array, beam: float) -> None:
    """Raise `InputDataError` if half the events have an object of more than the beam's energy in GeV."""
    for name in events.fields:
        if name not in COLLECTION_FEATURES or name in SCALARS:
            continue
        pt = events[name].pt
        leading = ak.to_numpy(pt if name == "met" else pt[ak.num(pt) > 0][:, 0])
        if len(leading) and np.median(leading) > beam:
            raise InputDataError(
                f"{_WHERE}: the median of the leading {name}.pt is {np.median(leading):.4g}, more than the {beam:g} "
                "GeV of a beam: it seems to be in MeV; divide momenta and masses by 1000"
            )
