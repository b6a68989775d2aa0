"""A table of events from their jets, an event a row: what `hepad hunt --table` and every data frame takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import HepadError, InputDataError, UsageError
from hepad.io.reader import open_root
from hepad.io.root.ntuple import open_table
from hepad.io.tables.files import TableWriter, check_format
from hepad.io.tables.scores import ScoreFile
from hepad.objects.kinematics import invariant_mass
from hepad.output.atomic import atomic_path, check_file
from hepad.pipeline.jets.events import check_made_of
from hepad.pipeline.jets.run import EVENTS, PROVENANCE, TREE
from hepad.provenance import command_line, file_record, provenance

__all__ = ["TableReport", "tabulate_jets"]

_OF_JETS = ("pt", "eta", "phi", "mass", "sdmass", "tau1", "tau2", "tau3", "tau4", "nparticles")
_TAUS = (("tau21", "tau2", "tau1"), ("tau32", "tau3", "tau2"), ("tau43", "tau4", "tau3"))
_JETS_AT_A_TIME = 200_000

_Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class TableReport:
    """What `tabulate_jets` wrote: of `events`, those `rows` that have so many jets, and the names of the columns."""

    output: Path
    events: int
    rows: int
    columns: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "events": self.events,
            "rows": self.rows,
            "columns": list(self.columns),
            "output": str(self.output),
        }


def tabulate_jets(jets: Path, output: Path, *, leading: int = 2, scores: Path | None = None) -> TableReport:
    """Write the `leading` jets of each event side by side, as .npz, .h5 or .parquet; `jets` is of `make_jets`.

    Jet k has the columns `fatjetk_pt`, `_eta`, `_phi`, `_mass`, `_sdmass`, `_tau1` to `_tau4`, `_tau21`, `_tau32`,
    `_tau43` (0 for a jet of too few particles) and `_nparticles`, as an input of event features names them; `mjj` and
    `deta` are of the first two jets; GeV and radians. `file` and `entry` say of which event a row is, `weight` and
    `label_*` are the event's. With `scores`, what `hepad score` made of the file of jets, there is a column
    `fatjetk_NAME` for each of them, NaN for a jet that was not selected. Events of fewer jets are left out;
    `InputDataError` if no event is left.
    """
    if leading < 1:
        raise UsageError("a row has at least one jet")
    check_file(output, verb="jets", inputs=[jets, *([] if scores is None else [scores])])
    check_format(output)
    with closing(open_root(jets)) as source:
        try:
            made = json.loads(str(source[PROVENANCE]))
            tree, events = open_table(source, TREE), int(source[EVENTS].num_entries)
            more = {} if scores is None else _scores(scores, jets, int(tree.num_entries))
            labels = tuple(name for name in tree.keys(recursive=False) if name.startswith("label_"))
            names: tuple[str, ...] = ()
            rows = 0
            with atomic_path(output, verb="jets") as temporary, TableWriter(temporary, np.array([], dtype="U1")) as out:
                for piece in _pieces(tree, labels, more):
                    first = _events(piece, leading)
                    if len(first):
                        columns = _side_by_side(piece, first, leading, labels, tuple(more))
                        out.write(columns)
                        names, rows = tuple(columns), rows + len(first)
                if rows == 0:
                    raise InputDataError(f"{jets}: no event has {leading} jets; take fewer with --leading")
                out.describe(_info(jets, made, leading, scores))
        except (HepadError, OSError):
            raise
        except Exception as error:  # uproot's are of many kinds
            raise InputDataError(f"{jets}: is no file of jets that 'hepad jets' wrote, or is damaged") from error
    return TableReport(output, events, rows, names)


def _scores(scores: Path, jets: Path, entries: int) -> _Columns:
    """The scores (jets,) of a file of jets, by name."""
    with closing(ScoreFile(scores)) as source:
        check_made_of(source, scores, jets, entries)
        names = {name: f"score_{name}" for name in source.scores}
        rows = source.rows(["selected", *names.values()], 0, source.entries)
    kept = rows["selected"].astype(bool)
    return {name: np.where(kept, rows[column], np.nan).astype(np.float64) for name, column in names.items()}


def _pieces(tree: Any, labels: tuple[str, ...], more: _Columns) -> Iterator[_Columns]:
    """The numbers of the jets, whole events at a time: one begins with its jet of rank 0."""
    names = [*(f"jet_{name}" for name in _OF_JETS), "jet_rank", "event_file", "event_entry", "weight", *labels]
    rest: _Columns = {}
    begin = 0
    for part in tree.iterate(names, step_size=_JETS_AT_A_TIME, library="np"):
        end = begin + len(part["jet_rank"])
        read, begin = {**part, **{name: values[begin:end] for name, values in more.items()}}, end
        jets = {name: np.concatenate([rest[name], read[name]]) if rest else read[name] for name in read}
        last = int(np.flatnonzero(jets["jet_rank"] == 0)[-1])
        rest = {name: column[last:] for name, column in jets.items()}
        yield {name: column[:last] for name, column in jets.items()}
    if rest:
        yield rest


def _events(jets: _Columns, leading: int) -> npt.NDArray[np.int64]:
    """The place of the first jet of each event that has so many; jets of an event follow one another by rank."""
    begins = np.flatnonzero(jets["jet_rank"] == 0)
    return begins[np.diff(np.append(begins, len(jets["jet_rank"]))) >= leading]


def _side_by_side(
    jets: _Columns, first: npt.NDArray[np.int64], leading: int, labels: tuple[str, ...], scores: tuple[str, ...] = ()
) -> _Columns:
    """The columns of the events whose jets begin there."""
    columns: _Columns = {}
    for k in range(leading):
        own = {name: jets[f"jet_{name}"][first + k].astype(np.float64) for name in _OF_JETS}
        own |= {name: jets[name][first + k] for name in scores}
        columns |= {f"fatjet{k + 1}_{name}": values for name, values in own.items()}
        for name, above, below in _TAUS:
            ratio = np.divide(own[above], own[below], out=np.zeros(len(first)), where=own[below] > 0)
            columns[f"fatjet{k + 1}_{name}"] = ratio
    if leading > 1:
        columns |= {"mjj": _mass(columns), "deta": np.abs(columns["fatjet1_eta"] - columns["fatjet2_eta"])}
    columns |= {"file": jets["event_file"][first], "entry": jets["event_entry"][first]}
    return columns | {name: jets[name][first] for name in ("weight", *labels)}


def _mass(columns: _Columns) -> npt.NDArray[np.float64]:
    """The mass in GeV of the first two jets together."""
    momenta = {
        name: np.column_stack([columns[f"fatjet{k}_{name}"] for k in (1, 2)]).ravel()
        for name in ("pt", "eta", "phi", "mass")
    }
    events = ak.zip({"fatjets": ak.unflatten(ak.zip(momenta), 2)}, depth_limit=1)
    masses, _ = invariant_mass(events, (("fatjets", 0), ("fatjets", 1)))
    return masses


def _info(jets: Path, made: dict[str, Any], leading: int, scores: Path | None) -> dict[str, Any]:
    """What a table says of itself."""
    command = command_line("jets --table", leading=leading)
    inputs = [file_record(path) for path in (jets, scores) if path is not None]
    return {"jets": made.get("jets"), "leading": leading, "provenance": provenance(command, inputs=inputs)}
