"""Write beside the final name, rename when complete: an interrupted run leaves no half file.

What is there already is replaced only if the same command of hepad wrote it: see `hepad.output.owned`.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from hepad.errors import OutputError
from hepad.output.owned import SUMS, foreign_files, free_name, is_made_by, keep_files, stamps, sums_text
from hepad.paths import InputPath
from hepad.provenance import recorded_files

__all__ = [
    "atomic_folder",
    "atomic_path",
    "check_file",
    "check_files",
    "check_folder",
    "check_place",
    "check_removable",
    "is_replacing",
    "replacing",
    "write_files",
]

_log = logging.getLogger(__name__)

_FORCED: ContextVar[bool] = ContextVar("_FORCED", default=False)

_NO_FILES = (Path("/dev"), Path("/proc"), Path("/sys"))
_FILES_AFTER_ALL = Path("/dev/shm")  # noqa: S108  a file system in memory, which some use for scratch


@contextmanager
def replacing(forced: bool = True) -> Iterator[None]:
    """Within the block outputs may take the place of what hepad did not write, which is kept: the option --force."""
    token = _FORCED.set(forced)
    try:
        yield
    finally:
        _FORCED.reset(token)


def is_replacing() -> bool:
    """Whether we are within `replacing`."""
    return _FORCED.get()


@contextmanager
def atomic_path(target: Path, *, verb: str | None = None, within: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path in the target's folder; on success it becomes `target`, on any error it is removed.

    `within` is another folder of the same file system for it, which somebody clears when even the process was killed.
    A file already there is replaced only as `check_file` allows.

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
            if verb is None or not _is_new(temporary, target):
                _make_way(target, verb)
                temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path, *, verb: str | None) -> Iterator[Path]:
    """Like `atomic_path`, for a folder that `hepad VERB` fills and that then takes the name `target`.

    A folder already there is replaced only once the new one is complete, and only as `check_folder` allows. To the
    new one `SHA256SUMS` is added, by which the next run knows it. Without a verb nothing may be there.
    """
    check_folder(target, verb=verb)
    with _output_errors(target):
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.absolute().parent))
    with _output_errors(target, temporary):
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            if verb is not None:
                (temporary / SUMS).write_text(sums_text(verb, temporary), encoding="utf-8")
            check_folder(target, verb=verb)  # it may have been filled meanwhile
            _swap(temporary, target, verb)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def write_files(output: Path, texts: Mapping[str, str], *, verb: str) -> None:
    """Write texts by the names of their files, and what says that they are ours; foreign files are kept."""
    for name in foreign_files(output, verb):
        if name in texts:
            (output / name).rename(free_name(output / name))
    for file, text in texts.items():
        with atomic_path(output / file) as path:
            path.write_text(text, encoding="utf-8")
    with atomic_path(output / SUMS) as path:
        path.write_text(sums_text(verb, output, tuple(texts)), encoding="utf-8")


def check_file(target: Path, *, verb: str | None = None, inputs: Iterable[InputPath] = ()) -> None:
    """Raise `OutputError` if no file can be written as `target`, or it is an input: ask before the work, not after.

    The files of the command line, cards among them, are inputs too. With a verb, a file that is there must say in its
    provenance that `hepad VERB` wrote it, unless we are `replacing`.
    """
    _check_parent(target)
    if target.exists() and any(
        isinstance(path, Path) and path.exists() and target.samefile(path) for path in {*inputs, *recorded_files()}
    ):
        raise OutputError(f"{target} is an input; give another name with -o")
    if target.exists() and not target.is_file():
        raise OutputError(f"{target} is a folder or a device; give a file name with -o")
    check_place(target)
    if verb is not None and target.exists() and not _FORCED.get() and not is_made_by(verb, target):
        raise OutputError(
            f"{target} is there, and 'hepad {verb}' did not write it; give another name with -o, or add --force, "
            "which keeps it under another name"
        )


def check_folder(target: Path, *, verb: str | None) -> None:
    """Raise `OutputError` if no folder can be written as `target`: ask before the work, not after.

    What the user has in a folder must not vanish because its name was given as an output. It is replaced only if all
    in it is as `hepad VERB` wrote it; if we are `replacing`, what is not will be kept in it.
    """
    _check_parent(target)
    check_place(target)
    if not target.exists():
        return
    if not target.is_dir():
        raise OutputError(f"{target} is a file; give another name with -o")
    for path in sorted(recorded_files()):
        if path.exists() and target.resolve() in (path.resolve(), *path.resolve().parents):
            raise OutputError(f"{target} holds {path.name}, which is an input; give another name with -o")
    foreign = foreign_files(target, verb)
    if foreign and (verb is None or not _FORCED.get()):
        force = "" if verb is None else ", or add --force, which keeps it there"
        raise OutputError(
            f"{target} holds {foreign[0]}, which hepad did not write there, or not as it is now; move it, give another "
            f"name with -o{force}"
        )


def check_files(output: Path, names: Collection[str], *, verb: str) -> None:
    """Raise `OutputError` if one of these files of a folder is there and not as `hepad VERB` wrote it.

    What else is in the folder does not matter; if we are `replacing`, what is not ours will be kept in it.
    """
    foreign = [name for name in foreign_files(output, verb) if name in names]
    if foreign and not is_replacing():
        raise OutputError(
            f"{output} holds {foreign[0]}, which hepad did not write there, or not as it is now; move it, give another "
            "name with -o, or add --force, which keeps it there"
        )


def check_place(target: Path) -> None:
    """Raise `OutputError` if an output of this name would go through a link, among devices, or where none may be."""
    if target.is_symlink():
        raise OutputError(f"{target} is a link; give the name of what it leads to, or another one, with -o")
    folder = target.absolute().parent.resolve()
    around = (folder, *folder.parents)
    if _FILES_AFTER_ALL not in around and any(place in around for place in _NO_FILES):
        raise OutputError(f"cannot write there: {target} is among devices of the system; change -o")
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write there: {target}: Permission denied; change -o")


def check_removable(target: Path, *, verb: str) -> None:
    """Raise `OutputError` if a folder of that name is there that `hepad VERB` did not make, or has more in it."""
    check_place(target)
    foreign = foreign_files(target, verb, changed=False) if target.is_dir() else [] if not target.exists() else [""]
    if foreign:
        raise OutputError(f"{target / foreign[0]} is in the way: hepad did not make it; move it or change -o")


def _check_parent(target: Path) -> None:
    if not target.name:
        raise OutputError(f"{target} is no name for an output; give one with -o")
    if not target.absolute().parent.is_dir():
        raise OutputError(f"cannot write {target}: folder {target.parent} does not exist; create it or change -o")


def _is_new(temporary: Path, target: Path) -> bool:
    """Give a complete file its name if nothing has it; a file that comes at that very moment is not written over."""
    try:
        os.link(temporary, target)
    except OSError:  # something is there, or the file system has no links
        return False
    return True


def _make_way(target: Path, verb: str | None) -> None:
    """Keep a file that is not ours under another name, if it may be replaced."""
    check_file(target, verb=verb)
    if verb is not None and target.exists() and not is_made_by(verb, target):
        for _, name in keep_files(target.parent, target.parent, [target.name]):
            _log.warning("%s was not written by 'hepad %s': it is kept as %s", target, verb, target.with_name(name))


def _swap(new: Path, target: Path, verb: str | None) -> None:
    if not target.exists():
        new.replace(target)
        return
    before, foreign = stamps(target), foreign_files(target, verb)
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.absolute().parent))
    try:
        target.replace(old)
        if stamps(old) != before:
            raise OutputError(f"{target} was written to by others while it was made; run again")
        for name, other in keep_files(old, new, foreign):
            _log.warning("%s was not written by 'hepad %s': it is kept as %s", target / name, verb, target / other)
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
