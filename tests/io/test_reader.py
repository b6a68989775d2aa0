"""Opening files: formats told by content, globs, names from stdin."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import uproot

from hepad.errors import InputDataError, UsageError
from hepad.io.reader import expand_files, open_events
from hepad.io.tables.scores import ScoreFile
from hepad.io.tables.vectors import read_arrays
from hepad.pipeline.reinterpret.points import read_points


def test_globs_are_expanded_in_order(examples: Path) -> None:
    assert [p.name for p in expand_files([str(examples / "h*.h5")])] == ["h0.h5", "hplus.h5"]


def test_names_from_stdin(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{examples / 'h0.h5'}\n\n{examples / 'lq.h5'}\n"))
    assert [p.name for p in expand_files(["-"])] == ["h0.h5", "lq.h5"]


def test_a_file_whose_name_has_glob_characters(tmp_path: Path) -> None:
    path = tmp_path / "run[1].root"
    path.write_bytes(b"root")
    assert expand_files([str(path)]) == [path]


def test_missing_file_and_empty_glob(tmp_path: Path) -> None:
    for name in ("no.root", "*.root"):
        with pytest.raises(InputDataError, match="no such file"):
            expand_files([str(tmp_path / name)])


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Whoever opened it to read would wait until someone writes."""
    os.mkfifo(tmp_path / "f")
    readers = (lambda: expand_files([f"{tmp_path}/f*"]), lambda: open_events(tmp_path / "f"))
    readers += (
        lambda: ScoreFile(tmp_path / "f"),
        lambda: read_arrays(tmp_path / "f"),
        lambda: read_points(tmp_path / "f"),
    )
    for read in readers:
        with pytest.raises(InputDataError, match=f"{tmp_path}/f is no regular file"):
            read()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="is a folder"):
        expand_files([str(tmp_path)])


def test_the_same_file_twice_is_refused(examples: Path) -> None:
    with pytest.raises(UsageError, match="given twice"):
        expand_files([str(examples / "h0.h5"), str(examples / "h*.h5")])


def test_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="no input files"):
        expand_files([])


def test_the_format_is_told_by_content(examples: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "events.root"
    renamed.write_bytes((examples / "h0.h5").read_bytes())
    assert open_events(renamed).format == "adc2021"
    assert open_events(examples / "w_lnu.root").format == "delphes"


@pytest.mark.parametrize("content", [b"hello, I am a text file", b"\x1f\x8b\x08\x00"])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "events.root"
    path.write_bytes(content)
    with pytest.raises(InputDataError, match=r"events\.root is neither a ROOT nor an HDF5 file"):
        open_events(path)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "events.root").touch()
    with pytest.raises(InputDataError, match=r"events\.root is empty"):
        open_events(tmp_path / "events.root")


def test_a_name_that_no_system_allows() -> None:
    with pytest.raises(InputDataError, match="too long"):
        expand_files(["x" * 5000])


def test_closed_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="closed"):
        expand_files(["-"])


def test_only_a_root_header(tmp_path: Path) -> None:
    path = tmp_path / "events.root"
    path.write_bytes(b"root\x00\x00\xf0\x00")
    with pytest.raises(InputDataError, match="damaged or truncated"):
        open_events(path)


def test_an_rntuple_of_another_xaod_is_no_physlite(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "new.root") as file:
        file.mkrntuple("EventData", {"x": np.array([1.0, 2.0])})
        file.mktree("MetaData", {"x": "float64"})
    with pytest.raises(InputDataError, match=r"RNTuple 'EventData' has no field of PHYSLITE, such as"):
        open_events(tmp_path / "new.root")


def test_another_xaod_is_no_physlite(tmp_path: Path) -> None:
    """Older xAOD has a `CollectionTree` too; a `TTree` called EventData is not ATLAS'."""
    for name, said in [("CollectionTree", "no branch of PHYSLITE, such as"), ("EventData", "no tree of events")]:
        with uproot.recreate(tmp_path / "old.root") as file:
            file.mktree(name, {"AntiKt4TruthJetsAux.pt": "float64"}).extend({"AntiKt4TruthJetsAux.pt": np.ones(2)})
        with pytest.raises(InputDataError, match=said):
            open_events(tmp_path / "old.root")
