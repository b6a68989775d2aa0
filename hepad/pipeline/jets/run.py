"""Make jets of the particles of events: a file in the format of JetClass, one entry a jet, that all verbs read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, UsageError
from hepad.execution.executor import Execution
from hepad.execution.making import Making
from hepad.execution.parts import Part
from hepad.execution.run import OnEvents, Run, Skipped
from hepad.execution.store import MemoryStore
from hepad.execution.units import Step
from hepad.io.clustering import Clustered, cluster, soft_drop, subjettiness
from hepad.io.events import LABEL, Chunk, Fields, flat_columns
from hepad.io.jets import jet_columns, particle_columns, polar
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files, open_events, open_root
from hepad.io.root.ntuple import CLASS
from hepad.output.atomic import atomic_path, check_file
from hepad.output.root_file import recreate
from hepad.paths import InputPath
from hepad.provenance import command_line, provenance

__all__ = ["EVENTS", "PROVENANCE", "TREE", "Algorithm", "JetsOptions", "JetsReport", "jets_in_memory", "make_jets"]

Algorithm = Literal["anti-kt", "cambridge-aachen", "kt"]
JetFormat = Literal["root", "rntuple"]
"""Trees or RNTuples, in a ROOT file."""

TREE, EVENTS, PROVENANCE = "tree", "events", "provenance"
"""What is in such a file: jets, all events that were read, and how it was made."""
_OF = f"{EVENTS}."
_EVENTS_AT_A_TIME = 10_000
"""Events have hundreds of particles: more at a time need gigabytes."""


@dataclass(frozen=True)
class JetsOptions:
    """Options of `make_jets`: what a jet is, and which of each event are written, the `leading` ones or all (None).

    Soft drop and N-subjettiness are those of all jets, with their radius.
    """

    radius: float = 0.8
    algorithm: Algorithm = "anti-kt"
    min_pt: float = 200.0
    max_eta: float = 2.5
    leading: int | None = 2
    soft_drop: tuple[float, float] = (0.1, 0.0)
    format: JetFormat = "root"
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    execution: Execution = field(default_factory=Execution)
    on_events: OnEvents | None = None

    def __post_init__(self) -> None:
        if not 0 < self.radius < np.pi / 2 or self.min_pt <= 0 or self.max_eta <= 0:
            raise UsageError("a jet has a radius between 0 and pi / 2 and positive bounds of pT and |eta|")
        if self.leading is not None and self.leading < 1:
            raise UsageError("at least one jet an event is to be written")
        if not 0 < self.soft_drop[0] < 0.5:
            raise UsageError("soft drop has a z_cut between 0 and 0.5")


@dataclass(frozen=True)
class JetsReport:
    """What `make_jets` wrote: how many events were read, how many have a jet, and how many jets there are.

    `complete_before`: the output was there already. `output` is None if nothing was written.
    """

    output: Path | None
    events: int
    with_jets: int
    jets: int
    skipped: tuple[Skipped, ...] = ()
    complete_before: bool = False

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {**self.content(), "output": None if self.output is None else str(self.output)}

    def content(self) -> dict[str, Any]:
        """The report in JSON types, wherever it is written to."""
        own = asdict(self)
        return {name: own[name] for name in ("events", "with_jets", "jets", "skipped")}


@dataclass(frozen=True)
class JetsJob:
    """Makes the branches of the jets of a chunk of events, lists of particles flat."""

    fields: Fields
    options: JetsOptions

    def prepare(self) -> Step:
        """There is nothing to load."""
        return Step({name: set(features) for name, features in self.fields.items()}, self._make)

    def _make(self, chunk: Chunk) -> Part:
        events, own = chunk.events, self.options
        offsets, particles = flat_columns(events["particles"])
        pt, eta, phi, energy = (np.asarray(particles[n], dtype=np.float64) for n in ("pt", "eta", "phi", "energy"))
        momenta = np.array([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy])
        found = cluster(np.diff(offsets), momenta, radius=own.radius, min_pt=own.min_pt, algorithm=own.algorithm)
        found = found.take(np.abs(polar(*found.momenta[:3])["eta"]) < own.max_eta)
        rank = np.arange(len(found)) - np.searchsorted(found.event, found.event)
        if own.leading is not None:
            found, rank = found.take(rank < own.leading), rank[rank < own.leading]
        members = {name: values[found.members] for name, values in particles.items()}
        columns = {
            "counts": np.diff(found.offsets),
            **particle_columns(members, found.offsets, found.momenta),
            **jet_columns(found.momenta, np.diff(found.offsets)),
            **_substructure(found, momenta, own),
            **_origin(chunk, found.event, rank),
            f"{EVENTS}.file": np.full(len(events), chunk.file, dtype=np.int32),
            f"{EVENTS}.entry": ak.to_numpy(events.index).astype(np.int64),
            f"{EVENTS}.weight": ak.to_numpy(events.weight).astype(np.float64),
            f"{EVENTS}.jets": np.bincount(found.event, minlength=len(events)).astype(np.int32),
        }
        with_jets = len(np.unique(found.event))
        return Part(len(events), columns, sums={"counts": np.array([len(events), with_jets, len(found)])})


def make_jets(files: Sequence[str], output: Path, *, options: JetsOptions | None = None) -> JetsReport:
    """Cluster the particles of the events of files and write one entry a jet as ROOT, in the format of JetClass.

    Beside its branches: `jet_mass` (GeV), `weight` of the event, `event_file` and `event_entry` (the place of the file
    and the entry there, from 0) and `jet_rank`, 0 for the leading jet of an event. The tree `events` has file, entry,
    weight and number of jets of all events. What is known of particles in all
    files (charge, kind, impact parameters) and the labels of events are kept. `InputDataError` if a file has no
    particles, or there is no jet; `MissingExtraError` without FastJet.
    """
    options = options or JetsOptions()
    paths = expand_files(files)
    check_file(output, verb="jets", inputs=paths)
    job = JetsJob(_common_fields(paths), options)
    making = Making.of(output, paths, partial(_info, options=options), again=options.execution.force)
    if before := making.before(read=partial(_stored, kind=options.format)):
        return before
    with making.run_folder() as folder:
        made = {"fields": {name: sorted(features) for name, features in job.fields.items()}, "jets": _asked(options)}
        step_size = min(options.step_size, _EVENTS_AT_A_TIME)
        store = folder.store("jets", made)
        run = Run(job, paths, step_size, options.max_events, options.execution, store, options.on_events)
        with atomic_path(output, verb="jets") as temporary, _JetWriter(temporary, options.format) as out:
            counts = np.zeros(3, dtype=np.int64)
            for piece in run:
                out.write(piece.part.columns)
                counts += piece.part.sums["counts"]
            report = _report(output, counts, run)
            out.describe({**making.description(run.reasons(), run.whole), "report": report.content()})
    return report


def jets_in_memory(
    files: Sequence[str | InputPath], *, options: JetsOptions | None = None
) -> tuple[JetsReport, ak.Array]:
    """The same jets, but nothing is written: an array of the branches of the tree, one entry a jet."""
    options = options or JetsOptions()
    paths = expand_files(files)
    step_size = min(options.step_size, _EVENTS_AT_A_TIME)
    run = Run(JetsJob(_common_fields(paths), options), paths, step_size, options.max_events, options.execution,
              MemoryStore(), options.on_events)  # fmt: skip
    whole = Part.join([piece.part for piece in run])
    report = _report(None, whole.sums["counts"], run)
    lists, scalars, _ = _branches(whole.columns)
    parts = {f"part_{name}": lists[name] for name in lists.fields}
    return report, ak.zip({**parts, **scalars}, depth_limit=1)


def _report(output: Path | None, counts: npt.NDArray[np.int64], run: Run[JetsJob]) -> JetsReport:
    """`InputDataError` without any jet: that is no result."""
    read, with_jets, jets = map(int, counts)
    if jets == 0:
        own = run.job.options
        raise InputDataError(f"no jet above {own.min_pt:g} GeV within |eta| {own.max_eta:g} in {read} events")
    return JetsReport(output, read, with_jets, jets, tuple(run.skipped))


def _branches(columns: Mapping[str, npt.NDArray[Any]]) -> tuple[ak.Array, dict[str, Any], dict[str, Any]]:
    """Lists of the jets' particles, numbers of the jets, and those of all events."""
    parts = {name.removeprefix("part_"): column for name, column in columns.items() if name.startswith("part_")}
    own = {name.removeprefix(_OF): column for name, column in columns.items() if name.startswith(_OF)}
    scalars = {name: c for name, c in columns.items() if name != "counts" and not name.startswith(("part_", _OF))}
    return ak.unflatten(ak.zip(parts), columns["counts"]), scalars, own


class _JetWriter:
    """Write jets in pieces, at the end what the file says of itself."""

    def __init__(self, path: Path, kind: JetFormat) -> None:
        self._path, self._kind, self._stack = path, kind, ExitStack()
        self._out: Any = None
        self._tables: tuple[Any, Any] = (None, None)

    def __enter__(self) -> _JetWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Append jets: `part_*` are flat, with `counts`."""
        lists, scalars, own = _branches(columns)
        if self._out is None:
            self._out = self._stack.enter_context(recreate(self._path))
            types = {name: column.dtype for name, column in scalars.items()}
            of_events = {name: column.dtype for name, column in own.items()}
            if self._kind == "rntuple":
                parts = {f"part_{name}": lists[name].type.content for name in lists.fields}
                self._tables = self._out.mkrntuple(TREE, parts | types), self._out.mkrntuple(EVENTS, of_events)
            else:
                tree = self._out.mktree(TREE, {"part": lists.type.content, **types}, counter_name="n{}".format)
                self._tables = tree, self._out.mktree(EVENTS, of_events)
        jets, events = self._tables
        events.extend(own)
        if len(lists):
            parts = (
                {f"part_{name}": lists[name] for name in lists.fields} if self._kind == "rntuple" else {"part": lists}
            )
            jets.extend(parts | scalars)

    def describe(self, info: Mapping[str, Any]) -> None:
        """Write what the file says of itself, after all jets."""
        self._out[PROVENANCE] = json.dumps(info, allow_nan=False)


def _common_fields(paths: Sequence[InputPath]) -> Fields:
    """What all files have of their particles, and their labels."""
    features: set[str] | None = None
    labels: set[str] | None = None
    for path in paths:
        with closing(open_events(path)) as source:
            known = source.available().get("particles", set())
            own = set(getattr(source, "labels", ()))
        if not {"pt", "eta", "phi", "energy"} <= known:
            raise InputDataError(
                f"{path}: has no particles with an energy, of which jets could be made; see 'hepad inspect'"
            )
        features = known if features is None else features & known
        labels = own if labels is None else labels & own
    return {"particles": features or set(), **({LABEL: labels} if labels else {})}


def _substructure(found: Clustered, momenta: npt.NDArray[np.float64], options: JetsOptions) -> dict[str, Any]:
    members = momenta[:, found.members]
    z_cut, beta = options.soft_drop
    taus = subjettiness(found.offsets, members, radius=options.radius)
    columns = {f"jet_tau{i + 1}": taus[:, i] for i in range(taus.shape[1])}
    columns["jet_sdmass"] = soft_drop(found.offsets, members, z_cut=z_cut, beta=beta, radius=options.radius)
    return {name: values.astype(np.float32) for name, values in columns.items()}


def _origin(chunk: Chunk, event: npt.NDArray[np.int64], rank: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Of which event each jet is, and what is known of that."""
    events = chunk.events
    labels = (
        {f"label_{name}": ak.to_numpy(events[LABEL][name])[event] for name in events[LABEL].fields}
        if (LABEL in events.fields)
        else {}
    )
    return {
        **labels,
        "weight": ak.to_numpy(events.weight).astype(np.float64)[event],
        "event_file": np.full(len(event), chunk.file, dtype=np.int32),
        "event_entry": ak.to_numpy(events.index).astype(np.int64)[event],
        "jet_rank": rank.astype(np.int32),
    }


def _asked(options: JetsOptions) -> dict[str, Any]:
    names = ("radius", "algorithm", "min_pt", "max_eta", "leading", "soft_drop")
    return {name: getattr(options, name) for name in names} | {"soft_drop": list(options.soft_drop)}


def _info(records: Sequence[dict[str, Any]], *, options: JetsOptions) -> dict[str, Any]:
    """What a file of jets says of itself."""
    command = command_line(
        "jets",
        radius=f"{options.radius:g}",
        algorithm=options.algorithm,
        min_pt=f"{options.min_pt:g}",
        max_eta=f"{options.max_eta:g}",
        leading=options.leading or 0,
        soft_drop=":".join(f"{value:g}" for value in options.soft_drop),
        max_events=options.max_events,
    )
    return {
        "jets": _asked(options),
        "max_events": options.max_events,
        "provenance": provenance(command, inputs=records),
    }


def _stored(output: Path, *, kind: JetFormat) -> tuple[dict[str, Any], JetsReport]:
    """What an output of a format that is there says of itself, and its report; `InputDataError` if it is another."""
    with closing(open_root(output)) as file:
        if (file.key(TREE).fClassName == CLASS) != (kind == "rntuple"):
            raise InputDataError(f"{output} is not of format {kind}")
        info = json.loads(str(file[PROVENANCE]))
    content = info.pop("report")
    skipped = tuple(Skipped(**each) for each in content.pop("skipped"))
    return info, JetsReport(output, **content, skipped=skipped, complete_before=True)
