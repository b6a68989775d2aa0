"""The folder of a run: what is damaged in it, who may work in it, and a disk that is full."""

from __future__ import annotations

import fcntl
import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from hepad.errors import OutputError, UsageError
from hepad.execution.folder_store import FolderStore
from hepad.execution.parts import Part
from hepad.execution.store import RunFolder
from hepad.execution.units import Unit

STAMP = (10, 20)
EDGES = (0, 2, 4)


def put(folder: Path, *places: int) -> None:
    store = FolderStore(folder, {})
    store.begin({}, [STAMP])
    for place in places:
        store.put(Unit(0, Path("a.root"), STAMP, 2, place=place), EDGES, Part(2, {"x": np.arange(2)}))
    store.close()


def known(folder: Path) -> dict[int, tuple[int, ...]]:
    store = FolderStore(folder, {})
    store.begin({}, [STAMP])
    store.close()
    return {place: store.known()[0] for place in range(2) if (0, place) in store}


@pytest.mark.parametrize("kept", [1, 30, -2])
def test_a_line_that_was_cut_off_does_not_spoil_the_next(tmp_path, kept) -> None:
    folder = tmp_path / "s"
    put(folder, 0)
    journal = folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:kept])
    assert known(folder) == {}
    put(folder, 1)
    assert known(folder) == {1: EDGES}


def test_a_journal_with_other_edges_is_not_believed(tmp_path) -> None:
    folder = tmp_path / "s"
    put(folder, 0)
    journal = folder / "journal.jsonl"
    line = json.loads(journal.read_text())
    journal.write_text(json.dumps({**line, "edges": [0, 2, 3]}) + "\n")  # the last entry would be lost
    assert known(folder) == {}


@pytest.mark.parametrize("line", [b"\xff\xfe", b"1", b"[]", b'{"xxh3": 1}', b"\0" * 40])
def test_any_bytes_in_a_journal_are_no_fault(tmp_path, line) -> None:
    folder = tmp_path / "s"
    put(folder, 0)
    with (folder / "journal.jsonl").open("ab") as journal:
        journal.write(line)
    assert known(folder) == {0: EDGES}


def test_a_journal_that_cannot_be_written_is_an_output_error(tmp_path) -> None:
    store = FolderStore(tmp_path / "s", {})
    store.begin({}, [STAMP])
    store.close()
    store._journal = Path("/dev/full").open("w")  # noqa: SIM115
    with pytest.raises(OutputError, match=r"journal\.jsonl: No space left on device; free space and run the same"):
        store.put(Unit(0, Path("a.root"), STAMP, 2), EDGES, Part(2))
    store.close()


def test_a_lock_on_a_folder_that_has_gone_is_no_lock(tmp_path, monkeypatch) -> None:
    """Another process may end, and remove its folder, between our opening of the lock and our locking it."""
    output, went = tmp_path / "s.root", []
    lock = fcntl.flock

    def late(stream, how):
        if not went:
            went.append((output.parent / "s.root.run" / "lock").unlink())
        lock(stream, how)

    monkeypatch.setattr("fcntl.flock", late)
    with RunFolder.of(output), ExitStack() as stack, pytest.raises(UsageError, match="another process is making"):
        stack.enter_context(RunFolder.of(output))
    assert not list(tmp_path.iterdir())


def test_a_folder_with_a_lock_and_something_else_is_not_ours(tmp_path) -> None:
    folder = tmp_path / "s.root.run"
    folder.mkdir()
    (folder / "lock").touch()
    (folder / "thesis.tex").touch()
    with pytest.raises(OutputError, match="in the way"), RunFolder.of(tmp_path / "s.root"):
        pass
    assert (folder / "thesis.tex").exists()


@pytest.mark.parametrize("lock", [None, "", "my own lock"])
def test_a_folder_of_the_users_own_is_not_cleared_whatever_its_names(tmp_path, lock) -> None:
    """A run keeps parts as .safetensors in folders, and files that begin with a dot: so may others."""
    folder = tmp_path / "s.root.run"
    (folder / "weights").mkdir(parents=True)
    mine = [folder / "weights" / "model.safetensors", folder / ".notes"]
    for path in mine:
        path.write_text("mine")
    if lock is not None:
        (folder / "lock").write_text(lock)
    for force in (False, True):
        with pytest.raises(OutputError, match="in the way"), RunFolder.of(tmp_path / "s.root", force=force):
            pass
    assert all(path.read_text() == "mine" for path in mine)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to("elsewhere")
    with pytest.raises(OutputError, match="in the way"), RunFolder.of(tmp_path / "s.root"):
        pass
    assert all((tmp_path / "elsewhere" / path.relative_to(folder)).read_text() == "mine" for path in mine)
