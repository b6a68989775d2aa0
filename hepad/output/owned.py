"""What hepad wrote itself, and may replace: proved by provenance, not by names.

A single file proves itself by the provenance in it. In a folder `SHA256SUMS`, which `sha256sum -c` reads, names the
command that wrote it and its files; a file that is not named there, or has changed since, is somebody else's.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from hepad.errors import InputDataError
from hepad.output.record import record_of
from hepad.provenance import file_record, sha256_file

__all__ = ["SUMS", "foreign_files", "free_name", "is_made_by", "keep_files", "stamps", "sums_text"]

SUMS = "SHA256SUMS"
_HEADER = "# written by: hepad "
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def sums_text(verb: str, folder: Path, names: Iterable[str] | None = None) -> str:
    """The content of `SHA256SUMS` for files of a folder, all if no names are given, that `hepad VERB` wrote."""
    names = (path.relative_to(folder).as_posix() for path in _files(folder)) if names is None else names
    lines = "".join(f"{sha256_file(folder / name)}  {name}\n" for name in sorted(names) if name != SUMS)
    return f"{_HEADER}{verb}\n{lines}"


def foreign_files(folder: Path, verb: str | None, *, changed: bool = True) -> list[str]:
    """The files below a folder, links among them, that are not proved to be as `hepad VERB` wrote them, in order.

    Files of hepad's that were `changed` since are foreign too, unless that is of no matter.
    """
    command, sums = _sums(folder)
    ours = sums if verb is not None and command == verb else {}
    names = ((path, path.relative_to(folder).as_posix()) for path in _files(folder))
    own = {name for name in ours if not changed} | ({SUMS} if command else set())
    return [name for path, name in names if name not in own and not _is_as_written(path, ours.get(name))]


def is_made_by(verb: str, path: Path) -> bool:
    """Whether the provenance in a file says that `hepad VERB` wrote it."""
    try:
        record = record_of(path)
    except InputDataError:
        return False
    return record is not None and f"{record['command']} ".startswith(f"hepad {verb} ")


def keep_files(old: Path, new: Path, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Let files of one folder be in another too; yields the names of those that get another name, and that name."""
    for name in names:
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        target = free_name(new / name)
        try:
            os.link(old / name, target, follow_symlinks=False)
        except OSError:  # a file system without links
            shutil.copy2(old / name, target, follow_symlinks=False)
        if target.name != (new / name).name:
            yield name, target.relative_to(new).as_posix()


def free_name(path: Path) -> Path:
    """The path, or if something is there the first of `path.~1~`, `path.~2~`, ... where nothing is."""
    found, number = path, 0
    while found.exists() or found.is_symlink():
        number += 1
        found = path.with_name(f"{path.name}.~{number}~")
    return found


def stamps(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Something that changes when a file below the folder does."""
    found = ((path, path.lstat()) for path in _files(folder))
    return {str(path.relative_to(folder)): (each.st_ino, each.st_size, each.st_mtime_ns) for path, each in found}


def _files(folder: Path) -> list[Path]:
    """All that is no folder, in order; links are not followed."""
    paths = (Path(root, name) for root, dirs, files in os.walk(folder) for name in (*dirs, *files))
    return sorted(path for path in paths if path.is_symlink() or not path.is_dir())


def _sums(folder: Path) -> tuple[str, dict[str, str]]:
    """The command that wrote a folder and the sha256 of its files; the command is empty if it is not hepad's."""
    path = folder / SUMS
    try:
        header, *lines = [] if path.is_symlink() else path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return "", {}
    command = header.removeprefix(_HEADER) if header.startswith(_HEADER) else ""
    found = (_LINE.fullmatch(line) for line in lines)
    return command, {match[2]: match[1] for match in found if match}


def _is_as_written(path: Path, sha256: str | None) -> bool:
    try:
        return sha256 is not None and path.is_file() and not path.is_symlink() and file_record(path)["sha256"] == sha256
    except OSError:
        return False
