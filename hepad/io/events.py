"""The schema of Events: one awkward record array, whatever the file was.

Fields: `jets, electrons, muons, photons, taus, fatjets` (jagged records by falling pT, whatever the file's order),
`towers` of a calorimeter (their pt is E_T, `eem` and `ehad` are energies in GeV), `particles` (see `hepad.io.jets`),
`tracks` (impact parameters in mm; in files of images a cell's: `track_count` counts the tracks), `met` (one record an
event), `scalar_ht` (GeV),
`vertices` (how many interactions were reconstructed), `weight` (dimensionless) and `index` (the entry in its file). pt,
mass and ht are in GeV, eta is dimensionless, phi is in radians, `btag` is a bool, `charge` of electrons and muons +1 or
-1. Only what was asked for is there.

Files of a Level-1 trigger have the integers of its hardware too: `hw_pt`, `hw_eta`, `hw_phi`, of towers `ieta`, `iphi`,
`iet`. Their muons are in the trigger's own order, by pT and quality. `trigger` (see `TRIGGER`) has the trigger's bits,
`label` what events of labelled samples are. Tables of features have `columns` alone, a record of numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.condition import LABEL, SOURCES, TRIGGER
from hepad.errors import InputDataError, UsageError
from hepad.paths import InputPath

__all__ = [
    "COLLECTION_FEATURES",
    "COLUMNS",
    "LABEL",
    "SCALARS",
    "SOURCES",
    "SQRT_S",
    "TRIGGER",
    "Chunk",
    "EventFile",
    "Fields",
    "SampleInfo",
    "check_finite",
    "check_not_negative",
    "check_within",
    "chosen",
    "collection",
    "contents",
    "flat_columns",
    "merge_fields",
    "missing_momentum",
    "numbers",
    "objects_of",
    "record",
    "taken",
]

Fields = Mapping[str, AbstractSet[str]]
"""What to read: collection (or `met`, `scalar_ht`) to the properties that are needed.

`SQRT_S` among the collections asks for a field of that name: the sample's energy in GeV, the same for all events of a
file, NaN where the file does not say. `SOURCES` among them asks for other branches than the usual ones, each as
`jets=JetPUPPI`; `TRIGGER` for a record of booleans, one for each trigger bit that is named in place of a property,
`LABEL` for one of what events were simulated as.
"""

SQRT_S = "sqrt_s"

COLUMNS = "columns"
"""The columns of a table of features, by their names."""

_HARDWARE = ("hw_pt", "hw_eta", "hw_phi")

COLLECTION_FEATURES: dict[str, tuple[str, ...]] = {
    "jets": ("pt", "eta", "phi", "mass", "btag", *_HARDWARE),
    "electrons": ("pt", "eta", "phi", "mass", "charge", *_HARDWARE),
    "muons": ("pt", "eta", "phi", "mass", "charge", *_HARDWARE),
    "photons": ("pt", "eta", "phi", "mass", *_HARDWARE),
    "taus": ("pt", "eta", "phi", "mass", *_HARDWARE),
    "fatjets": ("pt", "eta", "phi", "mass", "btag", "sdmass", "tau1", "tau2", "tau3", "tau4"),
    "met": ("pt", "phi", "hw_pt", "hw_phi"),
    "scalar_ht": ("ht",),
    "vertices": ("number",),
    "towers": ("pt", "eta", "phi", "eem", "ehad", "ieta", "iphi", "iet"),
    "particles": ("pt", "eta", "phi", "energy", "charge", "id", "d0", "d0err", "dz", "dzerr"),
    "tracks": ("pt", "eta", "phi", "charge", "d0", "d0err", "dz", "dzerr"),
    "track_count": ("number",),
}


SCALARS = {"scalar_ht": "ht", "vertices": "number", "track_count": "number"}
"""What is one number an event, and the name of that property."""


@dataclass(frozen=True)
class SampleInfo:
    """What a file says of the sample it holds; None where it does not.

    `cross_section_pb` is that of the generated process, `generated_events` and `generated_weight` (the sum of weights)
    count the events before any selection, where the file holds only some of them. `notes` are sentences for people:
    what was done to the events that they should know of.
    """

    cross_section_pb: float | None = None
    sqrt_s_gev: float | None = None
    generated_events: int | None = None
    generated_weight: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chunk:
    """Consecutive events of one file: `file` is the place of that file in the list of inputs."""

    file: int
    path: InputPath
    events: ak.Array


class EventFile(Protocol):
    """An open event file of some format."""

    format: str
    path: InputPath
    entries: int

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this file can give."""
        ...

    def sample(self) -> SampleInfo:
        """What the file says of its sample."""
        ...

    def cuts(self, fields: Fields) -> list[int]:
        """Rising entries at which reading these fields may best begin or end; others cost more, or cannot be.

        Empty if any entry will do.
        """
        ...

    def iterate(self, fields: Fields, *, step_size: int, stop: int, start: int = 0) -> Iterator[ak.Array]:
        """Events [start, stop) in pieces of at most `step_size`, with the fields asked for."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def merge_fields(*parts: Fields) -> dict[str, set[str]]:
    """The union of several needs."""
    merged: dict[str, set[str]] = {}
    for part in parts:
        for name, features in part.items():
            merged.setdefault(name, set()).update(features)
    return merged


def objects_of(fields: Fields) -> dict[str, AbstractSet[str]]:
    """Of what is to be read, the collections and quantities that stand in the tree."""
    return {name: features for name, features in fields.items() if name not in (SQRT_S, SOURCES)}


def chosen(source: EventFile, fields: Fields) -> EventFile:
    """The same file with the branches for collections that `fields` ask for.

    `UsageError` if they ask for two of one kind, `InputDataError` if the file has no such branches.
    """
    branches: dict[str, str] = {}
    for name, branch in sorted(pair.split("=") for pair in fields.get(SOURCES, ())):
        if name in branches:
            raise UsageError(f"{name} are {branches[name]} in one selection and {branch} in another: use the same")
        branches[name] = branch
    if not branches:
        return source
    choose = getattr(source, "choosing", None)
    if choose is None:
        name, branch = next(iter(branches.items()))
        raise InputDataError(
            f"{source.path}: the selection takes {branch!r} for {name} (its key collections), which Delphes and "
            f"Level-1 files alone can have, not {source.format}"
        )
    found: EventFile = choose(branches)
    return found


def collection(offsets: npt.NDArray[np.int64], features: Mapping[str, npt.NDArray[np.generic]]) -> ak.Array:
    """A jagged record array from offsets of shape (n+1,) and flat properties.

    It has the name `Momentum4D` when pt, eta, phi and mass are all there, for `vector` refuses incomplete vectors.
    """
    complete = {"pt", "eta", "phi", "mass"} <= features.keys()
    content = ak.contents.RecordArray(
        [ak.contents.NumpyArray(values) for values in features.values()],
        list(features),
        parameters={"__record__": "Momentum4D"} if complete else None,
        length=int(offsets[-1]),
    )
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), content))


def record(fields: Mapping[str, Any], name: str | None = None) -> ak.Array:
    """A record array of arrays of equal length, which awkward's `zip` would broadcast first, at many times the cost."""
    contents = [_layout(values) for values in fields.values()]
    if len({len(content) for content in contents}) != 1:
        raise ValueError(f"fields of different lengths: {', '.join(fields)}")
    parameters = {"__record__": name} if name else None
    return ak.Array(ak.contents.RecordArray(contents, list(fields), parameters=parameters))


def contents(events: ak.Array) -> dict[str, Any]:
    """The fields of events as awkward's layouts: arrays take longer to make than a small chunk to cut."""
    layout = events.layout
    if not isinstance(layout, ak.contents.RecordArray):
        layout = ak.to_packed(events).layout
    return {name: layout.content(name) for name in layout.fields}


def numbers(values: Any) -> npt.NDArray[Any]:
    """One number an event, an array or a layout, as numpy has them."""
    layout = _layout(values)
    return np.asarray(layout.data) if isinstance(layout, ak.contents.NumpyArray) else ak.to_numpy(layout)


def taken(events: ak.Array, keep: npt.NDArray[np.bool_]) -> ak.Array:
    """The events of a mask of shape (n,), their collections laid out as `collection` does it."""
    rows = np.flatnonzero(keep)  # to find them once is cheaper than to look at a mask for each column
    return record({name: _taken(layout, keep, rows) for name, layout in contents(events).items()})


def _taken(layout: Any, keep: npt.NDArray[np.bool_], rows: npt.NDArray[np.int64]) -> Any:
    if isinstance(layout, ak.contents.NumpyArray):
        return ak.contents.NumpyArray(layout.data[rows], parameters=layout.parameters)
    if isinstance(layout, ak.contents.RecordArray) and layout.fields:
        parts = [_taken(layout.content(name), keep, rows) for name in layout.fields]
        return ak.contents.RecordArray(parts, layout.fields, parameters=layout.parameters)
    if not (isinstance(layout, ak.contents.ListOffsetArray) and _is_packed(layout)):
        return ak.Array(layout)[keep].layout
    offsets, features = flat_columns(layout)
    counts = np.diff(offsets)
    objects = np.flatnonzero(np.repeat(keep, counts))
    offsets = np.concatenate([[0], np.cumsum(counts[rows])])
    return collection(offsets, {feature: column[objects] for feature, column in features.items()})


def _layout(values: Any) -> Any:
    if type(values) is np.ndarray and values.ndim == 1 and values.dtype.kind in "biuf" and values.dtype.isnative:
        return ak.contents.NumpyArray(values)  # to ask whether it is masked, awkward would import `numpy.ma`
    return values.layout if isinstance(values, ak.Array) else ak.to_layout(values)


def flat_columns(objects: Any) -> tuple[npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]:
    """What `collection` was made of: offsets (n+1,) from 0 on and flat properties, copied only where that is needed.

    `objects` is an array or its layout.
    """
    layout = _layout(objects)
    if not (isinstance(layout, ak.contents.ListOffsetArray) and _is_packed(layout)):
        layout = ak.to_layout(ak.to_packed(objects)).to_ListOffsetArray64(True)
    content = layout.content
    return np.asarray(layout.offsets.data, dtype=np.int64), {n: np.asarray(content[n].data) for n in content.fields}


def _is_packed(layout: Any) -> bool:
    """Whether a list of records is laid out as `collection` does it."""
    content, offsets = layout.content, layout.offsets.data
    return (
        isinstance(content, ak.contents.RecordArray)
        and offsets[0] == 0
        and offsets[-1] == content.length
        and all(isinstance(part, ak.contents.NumpyArray) and len(part) == content.length for part in content.contents)
    )


def missing_momentum(features: Mapping[str, npt.NDArray[np.float64]]) -> ak.Array:
    """The `met` record array from properties of shape (n,); `Momentum2D` when pt and phi are both there."""
    complete = {"pt", "phi"} <= features.keys()
    return record(features, "Momentum2D" if complete else None)


def check_finite(
    values: npt.NDArray[np.generic],
    *,
    path: InputPath,
    branch: str,
    start: int,
    offsets: npt.NDArray[np.int64] | None = None,
) -> None:
    """Raise `InputDataError` that names file, branch and entry if a value is NaN or infinite.

    `values` is flat; `offsets` gives the events of a jagged branch, `start` the entry of the first event.
    """
    _refuse(~np.isfinite(values), values, path, branch, start, offsets)


def check_not_negative(
    values: npt.NDArray[np.generic],
    *,
    path: InputPath,
    branch: str,
    start: int,
    offsets: npt.NDArray[np.int64] | None = None,
) -> None:
    """Raise `InputDataError` like `check_finite` if a momentum is negative."""
    _refuse(np.asarray(values) < 0, values, path, branch, start, offsets)


def check_within(
    values: npt.NDArray[np.generic],
    low: int,
    high: int,
    *,
    path: InputPath,
    branch: str,
    start: int,
    offsets: npt.NDArray[np.int64] | None = None,
) -> None:
    """Raise `InputDataError` like `check_finite` if an integer is not from `low` to `high`."""
    outside = (np.asarray(values) < low) | (np.asarray(values) > high)
    _refuse(outside, values, path, branch, start, offsets, f", which is not {low} to {high}")


def _refuse(  # noqa: PLR0917  only called above
    bad: npt.NDArray[np.bool_],
    values: npt.NDArray[np.generic],
    path: InputPath,
    branch: str,
    start: int,
    offsets: npt.NDArray[np.int64] | None,
    why: str = "",
) -> None:
    if not bad.any():
        return
    position = int(np.flatnonzero(bad)[0])
    row = position if offsets is None else int(np.searchsorted(offsets, position, side="right")) - 1
    raise InputDataError(
        f"{path}: branch {branch!r} holds {values[position]} at entry {start + row}{why}; "
        "repair that entry or leave it out"
    )
