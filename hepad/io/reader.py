"""Open event files of any known format and read them in chunks."""

from __future__ import annotations

import glob
import sys
import weakref
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from hepad import registry
from hepad.errors import InputDataError, UsageError
from hepad.io.detector.baskets import check_blocks, unpack_fast
from hepad.io.events import SQRT_S, Chunk, EventFile, Fields, chosen, objects_of
from hepad.io.loaded import LoadedEvents, LoadedFile
from hepad.io.object_folder import ObjectFiles, object_files, objects_at
from hepad.io.remote.path import RemotePath, expand_url
from hepad.io.remote.urls import is_url
from hepad.io.root.index import OddRecordError
from hepad.io.root.lean import LeanFile
from hepad.io.tables.features import TableFile, TablePath
from hepad.io.text import check_regular, first_line, listed_names
from hepad.paths import InputPath

__all__ = ["DEFAULT_STEP_SIZE", "expand_files", "open_events", "open_root", "read_chunks", "read_events", "unit_edges"]

DEFAULT_STEP_SIZE = 100_000
"""Events in memory at a time."""

_ROOT_MAGIC = b"root"
_EVENT_DATA, _COLLECTION_TREE = "EventData", "CollectionTree"  # ATLAS' names for its RNTuple and its tree of events
_OLD_COMPRESSION = "unsupported compression algorithm"  # as uproot says of one that is known
_PARQUET_MAGIC = b"PAR1"
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_ZIP_MAGIC = b"PK\x03\x04"


def expand_files(names: Sequence[str | InputPath]) -> list[InputPath]:
    """Paths of the inputs: globs expanded in sorted order, `-` replaced by names read from stdin, URLs as they are.

    What is a path already, such as events in memory, is taken as it is.
    `InputDataError` for a file that is not there (of a URL that is asked when it is opened), `UsageError` if none or
    the same one twice is given.
    """
    paths: list[InputPath] = []
    for name in names:
        if not isinstance(name, str):
            paths.append(name)
            continue
        for line in listed_names([name]):
            paths.extend(_matches(line))
    if not paths:
        raise UsageError("no input files given")
    seen: set[Hashable] = set()
    for path in paths:
        known = {path.resolve(), _inode(path)} - {None}
        if known & seen:
            raise UsageError(f"{path} is given twice")
        seen |= known
    return paths


def _inode(path: InputPath) -> tuple[int, int] | None:
    """What a file has in common with its hard links; None if nothing is known."""
    try:
        status = path.stat() if isinstance(path, Path) else None
    except OSError:
        return None
    return status and ((status.st_dev, status.st_ino) if status.st_nlink > 1 else None)


def _matches(name: str) -> Sequence[InputPath]:
    if is_url(name):
        return expand_url(name)
    try:
        exists = Path(name).exists()
    except OSError as error:
        raise InputDataError(f"{name[:80]}: {error.strerror}") from error
    if exists:
        if ntuples := object_files(Path(name)):
            return ntuples
        if Path(name).is_dir():
            raise InputDataError(f"{name} is a folder; name its files, for instance '{name.rstrip('/')}/*.root'")
        check_regular(Path(name))
        return [objects_at(Path(name)) or Path(name)]
    found = sorted(glob.glob(name)) if glob.has_magic(name) else []  # noqa: PTH207  a pattern may be absolute
    if not found:
        raise InputDataError(f"{name}: no such file")
    paths = [Path(match) for match in found]
    for path in paths:
        check_regular(path)
    return list(dict.fromkeys(objects_at(path) or path for path in paths))  # `DATA/*/NTUPLE.parquet` is one input


def open_events(path: InputPath) -> EventFile:  # noqa: PLR0911  a format each
    """Open an event file; its format is told by its content, not its name.

    `InputDataError` if it is not a known format, damaged or truncated.
    """
    if isinstance(path, LoadedEvents):
        return LoadedFile(path)
    if isinstance(path, TablePath):
        return TableFile(path)
    if isinstance(path, ObjectFiles):
        from hepad.io.detector.l1_parquet import L1ParquetFile

        return L1ParquetFile(path)
    magic = _first_bytes(path)
    if not magic:
        raise InputDataError(f"{path} is empty")
    if magic.startswith(_ROOT_MAGIC):
        return _open_root_events(path)
    if magic.startswith(_PARQUET_MAGIC):
        raise InputDataError(
            f"{path}: a Parquet file in no folder of CMS's Level-1 set (jets/, muons/, ... side by side), which alone "
            "hepad reads as events in Parquet"
        )
    if magic.startswith(_HDF5_MAGIC):
        return _open_hdf5(path)
    if magic.startswith(_ZIP_MAGIC):
        return _open_npz(path)
    events = _open_text_events(path)
    if events is None:
        raise InputDataError(
            f"{path} is neither a ROOT nor an HDF5 file, nor LHE or HepMC, nor Dark Machines text; hepad reads event "
            "trees in ROOT files, ADC2021 HDF5, LHE, HepMC, Dark Machines text, .npz of detector images or jets, and "
            "folders of CMS's Level-1 Parquet"
        )
    return events


def _open_npz(path: InputPath) -> EventFile:
    from hepad.io.detector.image_file import ImageFile
    from hepad.io.detector.jet_archive import MOMENTA, JetArchive
    from hepad.io.detector.npz import NpzFile

    archive = NpzFile(path)
    try:
        return JetArchive(path, archive) if MOMENTA in archive.names else ImageFile(path, archive)
    except InputDataError:
        archive.close()
        raise


def open_root(path: InputPath) -> Any:
    """Open a ROOT file with uproot; `InputDataError` if it cannot be."""
    import uproot

    if not _first_bytes(path).startswith(_ROOT_MAGIC):
        raise InputDataError(f"{path} is not a ROOT file")
    check_blocks()
    unpack_fast()
    try:
        if isinstance(path, RemotePath):
            file = path.open_root()
        else:  # read where it is asked for, not by a thread and a loop of its own
            file = uproot.open(path, handler=uproot.MultithreadedFileSource, use_threads=False)
        expected = int(file.file.fEND)
    except InputDataError:  # its server said why
        raise
    except Exception as error:  # a damaged header surfaces as many kinds of error
        raise InputDataError(f"{path}: {_cut_off(path) or 'damaged or truncated ROOT file'}; copy it again") from error
    size = path.stat().st_size
    if size < expected:  # what is missing may be read by nobody, but nobody knows that
        file.close()
        raise InputDataError(f"{path}: truncated, {size} of {expected} bytes are there; copy it again")
    return file


def _cut_off(path: InputPath) -> str:
    """How much of a ROOT file is there, if its header says that there was more (fVersion, fBEGIN, fEND); else empty."""
    try:
        with path.open("rb") as stream:
            head = stream.read(20)
        size = path.stat().st_size
    except OSError:
        return ""
    large = len(head) == 20 and int.from_bytes(head[4:8], "big") >= 1_000_000
    expected = int.from_bytes(head[12 : 20 if large else 16], "big")
    return f"truncated, {size} of {expected} bytes are there" if 0 < size < expected < 1 << 50 else ""


def read_events(
    files: Sequence[InputPath], fields: Fields, *, step_size: int = DEFAULT_STEP_SIZE, max_events: int | None = None
) -> Iterator[Chunk]:
    """All events of the files in order, in chunks of at most `step_size` events, with the fields asked for.

    `max_events` bounds the number of events over all files. `InputDataError` if there are no events at all.
    """
    left = sys.maxsize if max_events is None else max_events
    total = 0
    for number, path in enumerate(files):
        with closing(open_events(path)) as source:
            total += source.entries
            edges = unit_edges(source, fields, step_size, left)
            for start, stop in pairwise(edges):
                for events in read_chunks(source, fields, step_size=step_size, start=start, stop=stop):
                    yield Chunk(number, path, events)
            left -= edges[-1]
        if left == 0:
            return
    if total == 0:
        raise InputDataError(f"{', '.join(str(f) for f in files[:3])}: no entries; there is nothing to read")


def unit_edges(source: EventFile, fields: Fields, step_size: int, limit: int | None = None) -> tuple[int, ...]:
    """Where to cut the first `limit` events of a file into units of work: rising, from 0 to their number.

    A unit has at most `step_size` events and ends where the file is best cut, if it has such a place within them. A
    file that can only be read in one go is one unit. The edges depend on nothing but the file and the arguments.
    """
    stop = source.entries if limit is None else min(source.entries, limit)
    cuts = chosen(source, fields).cuts(objects_of(fields)) if stop > step_size else []
    if cuts == [source.entries]:  # [0, ..., entries] is what trees say
        return (0, stop)
    edges = [0]
    while edges[-1] < stop:
        furthest = min(edges[-1] + step_size, stop)
        best = cuts[bisect_right(cuts, furthest) - 1] if cuts and cuts[0] <= furthest else 0
        edges.append(best if edges[-1] < best and furthest < stop else furthest)
    return tuple(edges)


def read_chunks(source: EventFile, fields: Fields, *, step_size: int, start: int, stop: int) -> Iterator[ak.Array]:
    """The events [start, stop) of one file, with the sample's energy as a field if it was asked for."""
    energy = source.sample().sqrt_s_gev if SQRT_S in fields else None
    for events in chosen(source, fields).iterate(objects_of(fields), step_size=step_size, start=start, stop=stop):
        if SQRT_S not in fields:
            yield events
        else:
            yield ak.with_field(events, np.full(len(events), np.nan if energy is None else energy), SQRT_S)


def _first_bytes(path: InputPath) -> bytes:
    check_regular(path)
    try:
        with path.open("rb") as stream:
            return stream.read(8)
    except OSError as error:
        raise InputDataError(f"{path}: cannot be read ({error.strerror})") from error


def _root_formats() -> dict[str, list[registry.Entry]]:
    """The readers of each name of a tree of events."""
    formats: dict[str, list[registry.Entry]] = {}
    for entry in registry.READERS.values():
        for tree in filter(None, (entry.tree, *entry.also)):
            formats.setdefault(tree, []).append(entry)
    return formats


def _format_of(tree: Any, entries: list[registry.Entry]) -> Callable[..., EventFile]:
    """Of the formats with a tree of this name, the one with a branch that tells it, or else the one that needs none."""
    formats: list[Callable[..., EventFile]] = [registry.load(entry) for entry in entries]
    leaves = {key.rpartition("/")[2] for key in tree.keys(recursive=True)} if len(formats) > 1 else set()
    told = [each for each in formats if leaves & set(_tells(each))]
    return (told or [each for each in formats if not _tells(each)] or formats)[0]


def _tells(reader: Any) -> tuple[str, ...]:
    return getattr(reader, "tells", ())


def _open_root_events(path: InputPath) -> EventFile:
    formats = _root_formats()
    file = LeanFile(open_root(path))
    tree = "of events"
    try:
        classes = file.classnames(cycle=False, recursive=True)
        trees = [name for name, kind in classes.items() if kind == "TTree" or "RNTuple" in kind]
        known = [name for name in formats if name in trees]
        if not known and "RNTuple" in classes.get(_EVENT_DATA, ""):
            known = [_EVENT_DATA]
        if not known:
            raise InputDataError(
                f"{path}: no tree of events that hepad knows (trees in it: {', '.join(trees) or 'none'}); it reads "
                + ", ".join(f"{entry.title} (tree {entry.tree!r})" for entry in registry.READERS.values())
            )
        tree = known[0]
        if "Experimental" in classes[tree]:
            raise InputDataError(
                f"{path}: {tree!r} is an RNTuple of a ROOT before 6.34, whose format was not final; write it again"
            )
        of_name = formats[_COLLECTION_TREE if tree == _EVENT_DATA else tree]
        return _format_of(file[tree], of_name)(path, file, tree)
    except InputDataError:
        file.close()
        raise
    except Exception as error:
        file.close()
        why = "the file is damaged or truncated; copy it again"
        if _OLD_COMPRESSION in str(error):
            why = "it is compressed as ROOT does no longer; write it anew with ROOT: hadd -f505 NEW.root OLD.root"
        elif isinstance(error, OddRecordError):
            why = f"it is an RNTuple of a kind that hepad does not know ({error}); write it as a TTree"
        raise InputDataError(f"{path}: tree {tree!r} cannot be read, {why}") from error


def _open_hdf5(path: InputPath) -> EventFile:
    import h5py

    try:
        handle = h5py.File(path.open_for_hdf5() if isinstance(path, RemotePath) else path, "r")
    except Exception as error:  # h5py's errors are of many kinds
        raise InputDataError(f"{path}: damaged or truncated HDF5 file; copy it again") from error
    try:
        source = _hdf5_format(path, handle)(path, handle)
    except InputDataError:
        handle.close()
        raise
    if isinstance(path, RemotePath):
        weakref.finalize(source, handle.close)  # left open, HDF5 asks for the stream after Python's end and crashes
    return source


def _hdf5_format(path: InputPath, handle: Any) -> Callable[[InputPath, Any], EventFile]:
    """The format whose dataset the file has; `InputDataError` that names those it has if it is none."""
    from hepad.io.detector import adc2021, jet_tables, region_file

    try:
        found = list(handle)
    except Exception as error:  # h5py's errors are of many kinds
        raise InputDataError(f"{path}: damaged HDF5 file ({first_line(error)}); copy it again") from error
    if adc2021.DATASET in found:
        return adc2021.Adc2021File
    if region_file.DATASET in found:
        return region_file.RegionFile
    if {"events", "particles", "procInfo"} <= set(found):
        raise InputDataError(
            f"{path}: Les Houches events in HDF5 (LHEH5), which hepad reads as text alone; convert them, "
            "for instance with pylhe: LHEFile.fromfile(name).tofile('events.lhe')"
        )
    if (table := jet_tables.table_of(path, handle, found)) is not None:
        return lambda *_: table
    raise InputDataError(
        f"{path}: no dataset {adc2021.DATASET!r} (datasets in it: {', '.join(found) or 'none'}); is it an ADC2021 "
        f"file? One of calorimeter regions has {region_file.DATASET!r}, one of JetNet 'particle_features', those of "
        "top tagging and of the LHC Olympics a frame of pandas"
    )


def _open_text_events(path: InputPath) -> EventFile | None:
    """Open a text file of events, compressed or not; None if it is none."""
    from hepad.io.text import head

    start = head(path)
    if b"<leshouchesevents" in start.lower():
        from hepad.io.generator.lhe import LheFile

        return LheFile(path)
    if b"HepMC::" in start:
        from hepad.io.generator.hepmc import MARKS, HepmcFile

        dialect = next((name for mark, name in MARKS.items() if mark in start), None)
        if dialect is None:
            raise InputDataError(f"{path}: neither HepMC2 nor HepMC3 in ascii; convert it to one of these")
        return HepmcFile(path, dialect)
    from hepad.io.detector.dark_machines import DarkMachinesFile, is_dark_machines

    return DarkMachinesFile(path) if is_dark_machines(start) else None
