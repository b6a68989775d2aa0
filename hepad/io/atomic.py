"""Write beside the final name, rename when complete: an interrupted run leaves no half file."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

from hepad.errors import OutputError
from hepad.paths import InputPath
from hepad.provenance import recorded_files

__all__ = ["atomic_folder", "atomic_path", "check_file", "check_folder"]


@contextmanager
def atomic_path(target: Path, *, within: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path in the target's folder; on success it becomes `target`, on any error it is removed.

    `within` is another folder of the same file system for it, which somebody clears when even the process was killed.

    The temporary name keeps the target's ending, by which some writers choose their format.
    `OutputError` if the folder does not exist, cannot be written or the disk is full, or if the target is a device
    such as /dev/null, which a rename would replace. Errors about other files pass through unchanged.
    """
    check_file(target)
    with _output_errors(target):
        folder = within or target.absolute().parent
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=target.suffix, dir=folder)
    os.close(handle)
    temporary = Path(name)
    with _output_errors(target, temporary):
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path, *, ours: Sequence[str]) -> Iterator[Path]:
    """Like `atomic_path`, for a folder that is filled and then takes the name `target`.

    A folder already there is replaced only once the new one is complete, and only as `check_folder` allows.
    """
    check_folder(target, ours=ours)
    with _output_errors(target):
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.absolute().parent))
    with _output_errors(target, temporary):
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            check_folder(target, ours=ours)  # it may have been filled meanwhile
            _swap(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def check_file(target: Path, *, inputs: Iterable[InputPath] = ()) -> None:
    """Raise `OutputError` if no file can be written as `target`, or it is an input: ask before the work, not after.

    The files of the command line, cards among them, are inputs too.
    """
    _check_parent(target)
    if target.exists() and any(
        isinstance(path, Path) and path.exists() and target.samefile(path) for path in {*inputs, *recorded_files()}
    ):
        raise OutputError(f"{target} is an input; give another name with -o")
    if target.exists() and not target.is_file():
        raise OutputError(f"{target} is a folder or a device; give a file name with -o")


def check_folder(target: Path, *, ours: Sequence[str]) -> None:
    """Raise `OutputError` if no folder can be written as `target`: ask before the work, not after.

    A folder of the user's own work must not vanish because its name was given as an output. It is replaced only if
    all that is in it are files whose names match one of the patterns `ours`, those that hepad would write there; a
    pattern `sub/*` is for files in a sub-folder.
    """
    _check_parent(target)
    if not target.exists():
        return
    if not target.is_dir():
        raise OutputError(f"{target} is a file; give another name with -o")
    for path in sorted(target.rglob("*")):
        name = path.relative_to(target).as_posix()
        patterns = [pattern for pattern in ours if pattern.count("/") == name.count("/")]
        if path.is_dir():  # what is in it is asked after by itself
            depth = name.count("/") + 1
            above = ["/".join(pattern.split("/")[:depth]) for pattern in ours if pattern.count("/") >= depth]
            expected = any(fnmatchcase(name, pattern) for pattern in above)
        else:
            expected = any(fnmatchcase(name, pattern) for pattern in patterns)
        if not expected:
            raise OutputError(f"{target} holds {name}, which hepad did not write; move it or give another name with -o")


def _check_parent(target: Path) -> None:
    if not target.name:
        raise OutputError(f"{target} is no name for an output; give one with -o")
    if not target.absolute().parent.is_dir():
        raise OutputError(f"cannot write {target}: folder {target.parent} does not exist; create it or change -o")


def _swap(new: Path, target: Path) -> None:
    if not target.exists():
        new.replace(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.absolute().parent))
    try:
        target.replace(old)
        new.replace(target)
    except BaseException:
        if not target.exists():
            old.replace(target)
        else:
            with suppress(OSError):
                old.rmdir()  # only if empty: what was there is never deleted on this path
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _output_errors(target: Path, temporary: Path | None = None) -> Iterator[None]:
    """Name the target in system errors about it; what happens to an input inside the block is none of them."""
    try:
        yield
    except OSError as error:
        if temporary is not None and error.errno not in _STORAGE and not _is_about(error, (target, temporary)):
            raise
        raise OutputError(f"cannot write {target}: {error.strerror or error}; free space or change -o") from error


_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


def _is_about(error: OSError, ours: tuple[Path, Path]) -> bool:
    named = [Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    return any(name == path or path in name.parents for name in named for path in ours)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
