"""The layout of CMS's public Level-1 set of 2025: a folder per kind of object, a Parquet file per ntuple in each.

`DATA/jets/NTUPLE.parquet` and `DATA/muons/NTUPLE.parquet` are of the same events. Together they are one input.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

from hepad.errors import InputDataError

__all__ = ["ObjectFiles", "object_files", "objects_at"]

_OBJECTS = ("muons", "jets", "egammas", "taus", "ET", "HT", "MET", "MHT", "FET", "FHT", "cica", "event_info", "seeds")
_TELLING = ("muons", "jets", "egammas", "taus", "MET")
_ENDING = ".parquet"


class _Status(NamedTuple):
    st_size: int
    st_mtime_ns: int


@dataclass(frozen=True)
class ObjectFiles:
    """The files of one ntuple in all folders of a data set, as an input path: `InputPath` says what that is."""

    folder: Path
    name: str

    @property
    def stem(self) -> str:
        """The ntuple's name without its ending."""
        return Path(self.name).stem

    @property
    def suffix(self) -> str:
        """The ending, with its dot."""
        return _ENDING

    def __str__(self) -> str:
        return str(self.folder / "*" / self.name)

    @property
    def files(self) -> dict[str, Path]:
        """The file of each kind of object; `InputDataError` if a folder of the data set lacks one."""
        files = {kind: self.folder / kind / self.name for kind in _kinds(self.folder)}
        lacks = [kind for kind, file in files.items() if not file.is_file()]
        if lacks:
            has = next((kind for kind in files if kind not in lacks), "none")
            raise InputDataError(f"{self.folder / lacks[0]} has no {self.name}, which {self.folder / has} has")
        return files

    def resolve(self) -> tuple[Path, str]:
        """What is equal for two ways to write the same path."""
        return self.folder.resolve(), self.name

    def stat(self) -> _Status:
        """The size of all files together and the time of their last change."""
        found = [file.stat() for file in self.files.values()]
        return _Status(sum(one.st_size for one in found), max(one.st_mtime_ns for one in found))

    def open(self, mode: Literal["rb"] = "rb", /) -> IO[bytes]:  # noqa: ARG002
        """The bytes of the files, one after the other in the order of their folders, for who hashes them."""
        return io.BufferedReader(_Chained(iter(self.files.values())), 1 << 20)


class _Chained(io.RawIOBase):
    """The bytes of files one after the other."""

    def __init__(self, files: Iterator[Path]) -> None:
        super().__init__()
        self._files = files
        self._current: IO[bytes] = io.BytesIO()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not (data := self._current.read(len(buffer))):
            file = next(self._files, None)
            if file is None:
                return 0
            self._current.close()
            self._current = file.open("rb")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._current.close()
        super().close()


def object_files(folder: Path) -> list[ObjectFiles]:
    """The ntuples of a folder of this layout, by their names; none if it is not of this layout."""
    if not _is_data_set(folder):
        return []
    names = {file.name for kind in _kinds(folder) for file in (folder / kind).glob(f"*{_ENDING}")}
    return [ObjectFiles(folder, name) for name in sorted(names)]


def objects_at(file: Path) -> ObjectFiles | None:
    """The ntuple that a file is a part of; None if it is in no folder of this layout."""
    folder = file.parent.parent
    is_part = file.suffix == _ENDING and file.parent.name in _OBJECTS and _is_data_set(folder)
    return ObjectFiles(folder, file.name) if is_part else None


def _is_data_set(folder: Path) -> bool:
    return folder.is_dir() and any(next((folder / kind).glob(f"*{_ENDING}"), None) for kind in _TELLING)


def _kinds(folder: Path) -> list[str]:
    return [kind for kind in _OBJECTS if (folder / kind).is_dir()]
