"""Write beside the final name, rename when complete: an interrupted run leaves no half file."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hepad.errors import OutputError

__all__ = ["atomic_folder", "atomic_path"]


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path in the target's folder; on success it becomes `target`, on any error it is removed.

    The temporary name keeps the target's ending, by which some writers choose their format.
    `OutputError` if the folder does not exist, cannot be written or the disk is full.
    """
    folder = _checked_parent(target)
    if target.is_dir():
        raise OutputError(f"{target} is a folder; give a file name with -o")
    with _output_errors(target):
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=target.suffix, dir=folder)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Like `atomic_path`, for a folder that is filled and then takes the name `target`.

    A folder already there is replaced only once the new one is complete.
    """
    parent = _checked_parent(target)
    if target.exists() and not target.is_dir():
        raise OutputError(f"{target} is a file; give another name with -o")
    with _output_errors(target):
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=parent))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            _swap(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _swap(new: Path, target: Path) -> None:
    if not target.exists():
        new.replace(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    target.replace(old)
    try:
        new.replace(target)
    except BaseException:
        old.replace(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _checked_parent(target: Path) -> Path:
    parent = target.absolute().parent
    if not parent.is_dir():
        raise OutputError(f"cannot write {target}: folder {target.parent} does not exist; create it or change -o")
    return parent


@contextmanager
def _output_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and error.filename is None:
            raise
        raise OutputError(f"cannot write {target}: {error.strerror or error}; free space or change -o") from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
