"""Events of files and of memory, as hepad's Events."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from hepad.errors import InputDataError, UsageError

if TYPE_CHECKING:
    import awkward as ak

    from hepad.io.events import Fields
    from hepad.paths import InputPath

__all__ = ["as_files", "file_names", "load_events"]


def load_events(
    source: Any,
    *,
    fields: Mapping[str, Iterable[str]] | None = None,
    format: str | None = None,  # noqa: A002  the word for it
    sqrt_s_gev: float | None = None,
    max_events: int | None = None,
) -> ak.Array:
    """hepad's Events of files, or of arrays in memory: one awkward record array in one schema, whatever came in.

    `source` is a path, glob or URL or a list of these, in any format that `hepad inspect` knows; or arrays: an awkward
    array with `jets.pt` and so on, a coffea NanoEvents array, a dict of numpy arrays, a structured numpy array
    (`hepad.io.memory.events_from` says more, and what `format` is). Events that were loaded before may be given again.

    `fields` says what is needed, `{"jets": {"pt", "eta"}, "met": {"pt"}}`; None: all that can be made, of several files
    what all have. `sqrt_s_gev` is the collision energy in GeV where the source does not say it; some models need it.
    `max_events` bounds the number of events over all files.

    The result has shape (n,): jagged `jets`, `electrons`, `muons`, `photons`, `taus`, `fatjets` by falling pT, `met`,
    `scalar_ht`, `weight` (1 where the source has none) and `index` (the entry in its file); pt, mass and ht in GeV, phi
    in radians. All of it is in memory: files that do not fit go to the verbs (`hepad.score`, ...) as paths.

    `InputDataError` names the file or array and what is missing, not finite or negative; `UsageError` for what is
    neither a path nor an array of events.

    >>> import hepad, numpy as np
    >>> events = hepad.load_events({"jets.pt": [[50.0, 30.0], []], "jets.eta": [[0.1, 2.0], []],
    ...                             "jets.phi": [[0.0, 3.0], []], "jets.mass": [[5.0, 4.0], []]})
    >>> events.jets.pt.tolist(), events.weight.tolist()
    ([[50.0, 30.0], []], [1.0, 1.0])
    >>> hepad.load_events({"jets.pt": [[np.nan]]})
    Traceback (most recent call last):
    ...
    hepad.errors.InputDataError: events in memory: branch 'jets.pt' holds nan at entry 0; repair that entry or ...
    """
    wanted = None if fields is None else {name: frozenset(features) for name, features in fields.items()}
    names = file_names(source)
    if names is not None:
        if format is not None:
            raise UsageError("the format of a file is told by its content; leave out format")
        events = _of_files(names, wanted, max_events)
        return events if sqrt_s_gev is None else _with_energy(events, sqrt_s_gev)
    from hepad.io.memory import events_from

    events = events_from(source, wanted, format=format, sqrt_s_gev=sqrt_s_gev)
    return events if max_events is None else events[:max_events]


def file_names(source: Any) -> list[str] | None:
    """The names of files, if that is what the source is; None for anything else."""
    if isinstance(source, str | os.PathLike):
        return [os.fspath(source)]
    if isinstance(source, list | tuple) and source and all(isinstance(one, str | os.PathLike) for one in source):
        return [os.fspath(one) for one in source]
    return None


def as_files(source: Any) -> Sequence[str | InputPath]:
    """What the verbs take: the names of files, or events in memory with the look of a file."""
    from hepad.io.loaded import LoadedEvents

    names = file_names(source)
    return names if names is not None else [LoadedEvents(load_events(source))]


def _of_files(names: Sequence[str], wanted: Fields | None, max_events: int | None) -> ak.Array:
    import awkward as ak

    from hepad.io.reader import expand_files, read_events

    paths = expand_files(names)
    chunks = read_events(paths, wanted or _in_all(paths), max_events=max_events)
    parts = [chunk.events for chunk in chunks]
    return parts[0] if len(parts) == 1 else ak.concatenate(parts)


def _in_all(paths: Sequence[InputPath]) -> dict[str, set[str]]:
    """What all files can give, and their collision energy if one of them says it."""
    from hepad.io.events import SQRT_S
    from hepad.io.reader import open_events

    common: dict[str, set[str]] | None = None
    energies = set()
    for path in paths:
        with closing(open_events(path)) as file:
            found = file.available()
            energies.add(file.sample().sqrt_s_gev)
        common = found if common is None else {n: have & found[n] for n, have in common.items() if n in found}
    if not common:
        raise InputDataError(f"{', '.join(str(p) for p in paths[:3])}: no collection is in all of these files")
    return {name: have for name, have in common.items() if have} | ({SQRT_S: set()} if energies - {None} else {})


def _with_energy(events: ak.Array, sqrt_s_gev: float) -> ak.Array:
    import awkward as ak
    import numpy as np

    from hepad.io.events import SQRT_S

    return ak.with_field(events, np.full(len(events), float(sqrt_s_gev)), SQRT_S)
