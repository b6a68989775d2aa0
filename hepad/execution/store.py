"""Where the parts of a run are kept until its output is complete, so that an interrupted run can go on.

`OUTPUT.run/` holds a folder for each job of the run, with `plan.json` (what the parts are of), `journal.jsonl` (a line
a part, with its hash; a line is written when its part is) and the parts.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR
from typing import IO, Any, Protocol

from hepad.errors import CompanionError, InputDataError, InterruptedRunError, OutputError, UsageError, WorkerError
from hepad.execution.folder_store import FolderStore, Key, is_of_store, output_errors
from hepad.execution.parts import Part
from hepad.execution.units import Stamp, Unit

__all__ = ["FolderStore", "MemoryStore", "RunFolder", "Store"]

_LOCK = "lock"
_MARK = b"the folder of a run of hepad\n"
"""In the lock: without it what is there is somebody else's, whatever its names."""
_ATTEMPTS = 10
"""To make and lock a folder that others are removing at that moment."""


class Store(Protocol):
    """Keeps the parts of one job; `complete` is set when all have been handed out."""

    complete: bool

    def begin(self, plan: Mapping[str, Any], stamps: Sequence[Stamp | None]) -> None:
        """Say what the parts depend on: what is kept of another plan, or of files that have changed, is of no use."""
        ...

    def known(self) -> dict[int, tuple[int, ...]]:
        """The edges of the units of each file of which a part is there."""
        ...

    def __contains__(self, key: Key) -> bool: ...

    def put(self, unit: Unit, edges: tuple[int, ...], part: Part) -> None:
        """Keep a part."""
        ...

    def get(self, key: Key) -> Part:
        """Give a part back."""
        ...


class MemoryStore:
    """Keeps parts for as long as the process lives; see `Store`."""

    complete = False

    def __init__(self) -> None:
        self._parts: dict[Key, Part] = {}

    def begin(self, plan: Mapping[str, Any], stamps: Sequence[Stamp | None]) -> None:
        """Nothing is there that could be of another plan."""

    def known(self) -> dict[int, tuple[int, ...]]:
        """Nothing: a new process has no parts."""
        return {}

    def __contains__(self, key: Key) -> bool:
        return key in self._parts

    def put(self, unit: Unit, edges: tuple[int, ...], part: Part) -> None:  # noqa: ARG002
        """Keep a part."""
        self._parts[unit.file, unit.place] = part

    def get(self, key: Key) -> Part:
        """Give a part back; it is asked for once."""
        return self._parts.pop(key)


class RunFolder:
    """The folder `OUTPUT.run`, in which one process at a time may work."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stores: list[FolderStore] = []

    @classmethod
    @contextmanager
    def of(cls, output: Path, *, force: bool = False) -> Iterator[RunFolder]:
        """The run folder of an output: gone when all went well, kept if there was work left to do.

        `UsageError` if another process works in it, `InterruptedRunError` if a signal ended the run and parts of it
        are kept. With `force`, what an earlier run left there is forgotten.
        """
        folder = cls(output.with_name(f"{output.name}.run"))
        _check_ours(folder.path)
        with _locked(folder.path, output):
            folder._clear(parts=force)
            try:
                yield folder
            except (KeyboardInterrupt, SystemExit) as error:
                folder._end(of_use=True)
                if not folder.path.exists():
                    raise
                raise InterruptedRunError(
                    f"interrupted; {folder.done()} parts of the work are kept in {folder.path}, the same command goes "
                    "on from there",
                    error.code - 128
                    if isinstance(error, SystemExit) and isinstance(error.code, int)
                    else signal.SIGINT,
                ) from error
            except (InputDataError, OutputError, WorkerError) as error:
                folder._end(of_use=not isinstance(error, InputDataError))
                if not folder.path.exists():
                    raise
                raise type(error)(f"{error} (what is done is kept in {folder.path})") from error
            except CompanionError:  # the parts are of another companion than those to come
                folder.remove()
                raise
            except BaseException as error:  # an interrupted training says itself how it goes on
                folder._end(of_use=isinstance(error, InterruptedRunError))
                raise
            else:
                folder.remove()

    def store(self, name: str, key: Mapping[str, Any]) -> FolderStore:
        """The store of one job of the run; `key` is what its parts depend on besides the files."""
        store = FolderStore(self.path / name, key)
        self._stores.append(store)
        return store

    def done(self) -> int:
        """How many parts are there."""
        return sum(1 for _ in self.path.glob("*/*.safetensors"))

    def remove(self) -> None:
        """Forget all parts. The lock goes last: until then nobody else works here, and the folder is known as ours."""
        for store in self._stores:
            store.close()
        with suppress(OSError):
            self._clear(parts=True)
            (self.path / _LOCK).unlink()
            self.path.rmdir()

    def _end(self, *, of_use: bool) -> None:
        """Keep the parts if there are some, and they are of use or a job is unfinished.

        When all jobs are done and what was made of them was refused, going on would end the same way.
        """
        if self.done() and (of_use or not all(store.complete for store in self._stores)):
            for store in self._stores:
                store.close()
        else:
            self.remove()

    def _clear(self, *, parts: bool) -> None:
        """Remove what a process that was killed was writing, and on request all parts."""
        for path in self.path.iterdir():
            if path.is_dir():
                if parts:
                    shutil.rmtree(path)
            elif path.name != _LOCK:
                path.unlink()


def _check_ours(folder: Path) -> None:
    """Raise `OutputError` if there is something of that name that no run has made: it will be cleared."""
    try:
        ours = S_ISDIR(folder.lstat().st_mode) and all(_is_ours(path) for path in folder.iterdir())
        ours = ours and (_is_marked(folder) or all(path.name == _LOCK for path in folder.iterdir()))
    except FileNotFoundError:  # another process has just ended, and taken the folder with it
        return
    if not ours:
        raise OutputError(f"{folder} is in the way: hepad did not make it; move it or give another name with -o")


def _is_marked(folder: Path) -> bool:
    try:
        with (folder / _LOCK).open("rb") as lock:
            return lock.read(len(_MARK) + 1) == _MARK
    except FileNotFoundError:
        return False


def _is_ours(path: Path) -> bool:
    """Whether it is something that a run has in its folder: the lock, hidden files, and folders of parts."""
    if path.is_dir() and not path.is_symlink():
        return all(is_of_store(inside) for inside in path.iterdir())
    if path.is_symlink():
        return False
    return path.name == _LOCK or path.name.startswith(".") or not path.exists()


@contextmanager
def _locked(folder: Path, output: Path) -> Iterator[None]:
    """Make the folder, and keep others out of it; `UsageError` if another process is at work there."""
    for _ in range(_ATTEMPTS):
        with output_errors(folder, "change -o"):
            try:
                if not folder.is_dir():
                    folder.mkdir()
                lock = (folder / _LOCK).open("ab")
            except (FileExistsError, FileNotFoundError):  # others come and go, or the folder around it is gone
                if not folder.absolute().parent.is_dir():
                    raise
                continue
        with lock:
            _lock(lock, output)
            if _is_there(lock, folder / _LOCK):
                if not lock.tell():
                    lock.write(_MARK)
                    lock.flush()
                yield
                break
    else:
        raise UsageError(f"other processes are making {output}; wait for them or change -o")
    with suppress(OSError):  # NFS keeps the name of a file that is open, so that the folder was not empty
        folder.rmdir()


def _is_there(lock: IO[bytes], path: Path) -> bool:
    """Whether an open file has its name still."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(lock: IO[bytes], output: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"another process is making {output}; wait for it or change -o") from error
    except OSError:  # a file system without locks
        return
