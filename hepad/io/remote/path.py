"""Files on servers, by HTTP(S) or XRootD.

Nothing is copied to the disk: ROOT files are read basket by basket, others in blocks. A path is a string and its
methods; fsspec is imported when the file is opened.
"""

from __future__ import annotations

import gc
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import IO, Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from hepad.errors import HepadError, InputDataError, MissingExtraError
from hepad.io.remote.urls import is_url, shown
from hepad.paths import InputPath

__all__ = ["RemotePath", "as_given", "expand_url", "input_path"]

_FIRST_BLOCK, _BLOCK = 1 << 16, 1 << 22
"""Bytes in the first request of a stream, and at most: each that goes on where the last one ended asks for more."""

_PORTS = {"http": 80, "https": 443, "root": 1094}
_XROOTD = {"XRD_REQUESTTIMEOUT": "60", "XRD_CONNECTIONWINDOW": "20", "XRD_CONNECTIONRETRY": "2"}
"""Seconds that the XRootD client waits, and attempts to connect: its own defaults add up to half an hour."""


def input_path(name: str) -> InputPath:
    """The path that a name stands for: a URL or a file on the disk."""
    return RemotePath.parse(name) if is_url(name) else Path(name)


def as_given(path: InputPath) -> str:
    """The name that `input_path` makes this path of: `str` of a URL lacks what may be a secret. Keep it in memory."""
    return path.url if isinstance(path, RemotePath) else str(path)


def expand_url(url: str) -> list[RemotePath]:
    """The files of a URL: one, or those of an XRootD server that match its pattern of * and [], in sorted order.

    `InputDataError` if it cannot be the URL of a file, or no file matches.
    """
    parts = _split(url)
    if not (parts.scheme == "root" and _is_pattern(parts)):
        return [RemotePath.parse(url)]
    pattern = RemotePath(url)
    with _server_errors(pattern):
        files, name = pattern.filesystem()
        found = sorted(files.glob(name.partition("?")[0]))
        files.invalidate_cache()  # of names without the query, in which fsspec-xrootd would look for one with it
    if not found:
        raise InputDataError(f"{pattern}: no such file on the server")
    query = f"?{parts.query}" if parts.query else ""
    return [RemotePath.parse(f"root://{parts.netloc}/{path}{query}") for path in found]


@dataclass(frozen=True, repr=False)
class RemotePath:
    """The URL of a file; `str` of it is without credentials and query, so that these get into no output.

    It can be pickled and hashed, and holds nothing open.
    """

    url: str

    @classmethod
    def parse(cls, url: str) -> RemotePath:
        """Check a URL without asking its server; `InputDataError` if it cannot be that of a file."""
        parts = _split(url)
        name = PurePosixPath(unquote(parts.path)).name
        if parts.scheme not in _PORTS:
            raise InputDataError(f"{shown(url)}: hepad reads http://, https:// and root:// URLs, and files on the disk")
        if not parts.hostname or name in ("", "..") or parts.path.endswith("/") or not name.isprintable():
            raise InputDataError(f"{shown(url)}: the URL names no file; write it as {parts.scheme}://HOST/FOLDER/FILE")
        if _is_pattern(parts):
            raise InputDataError(f"{shown(url)}: HTTP has no list of files to match; give each URL, or '-' and a list")
        return cls(parts.scheme + url[len(parts.scheme) :])

    @property
    def name(self) -> str:
        """The last segment, without the query."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name

    @property
    def stem(self) -> str:
        """The last segment without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The ending of the last segment, with its dot."""
        return PurePosixPath(self.name).suffix

    def __str__(self) -> str:
        return shown(self.url)

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def resolve(self) -> str:
        """The URL in a normal form, to compare with and not to open: what user asks for the file makes it no other."""
        parts = urlsplit(self.url)
        path = unquote(parts.path)
        if parts.scheme == "root":
            path = re.sub("/+", "/", path)
        return f"{parts.scheme}://{parts.hostname}:{_port(parts)}{path}?{parts.query}"

    def stat(self) -> RemoteStatus:
        """The size of the file and the time of its last change; `InputDataError` if the server does not answer."""
        with _server_errors(self):
            files, name = self.filesystem()
            found = files.info(name)
            return RemoteStatus(int(found["size"]), int(float(found.get("mtime") or 0) * 1e9))

    def open(self, mode: Literal["rb"] = "rb") -> IO[bytes]:  # noqa: ARG002  as that of pathlib
        """The bytes of the file, read in blocks as they are needed.

        `InputDataError` if the server does not give them, `MissingExtraError` without the packages that ask for them.
        """
        return io.BufferedReader(_RemoteStream(self), _BLOCK)

    def open_for_hdf5(self) -> IO[bytes]:
        """As `open`, for h5py, which asks for bytes while it holds its lock."""
        return _UncollectedReader(_RemoteStream(self), _BLOCK)

    def open_root(self) -> Any:
        """The file opened with uproot, which reads only what it needs, several baskets in one request."""
        import uproot

        if self._is_http():
            return uproot.open({f"{_http_file().SCHEME}://file": None}, file_url=self.url)
        _need_xrootd()
        return uproot.open({self.url: None})

    def filesystem(self) -> tuple[Any, str]:
        """The fsspec file system that has the file, and the name of the file in it."""
        if self._is_http():
            return _http_file().HttpFile(file_url=self.url), "file"
        _need_xrootd()
        import fsspec

        return fsspec.core.url_to_fs(self.url)  # type: ignore[no-any-return]

    def _is_http(self) -> bool:
        return urlsplit(self.url).scheme != "root"


@dataclass(frozen=True)
class RemoteStatus:
    """What is known of a file on a server: its size in bytes and the time of its last change (ns), 0 for unknown."""

    st_size: int
    st_mtime_ns: int


class _UncollectedReader(io.BufferedReader):
    """A stream that is read without collection of garbage.

    The bytes are fetched in another thread. HDF5 objects that the collector finds there wait for h5py's lock, which the
    reader of these bytes holds until it has them: both would wait for ever.
    """

    def readinto(self, buffer: Any) -> int:
        collecting = gc.isenabled()
        gc.disable()
        try:
            return super().readinto(buffer)
        finally:
            if collecting:
                gc.enable()


class _RemoteStream(io.RawIOBase):
    """The bytes of a remote file by requests for ranges; made to be wrapped in a buffer."""

    def __init__(self, path: RemotePath) -> None:
        super().__init__()
        self._path = path
        with _server_errors(path):
            self._fs, self._name = path.filesystem()
            self._size = int(self._fs.size(self._name))
        self._place = self._end = 0
        self._block = _FIRST_BLOCK

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(origin + offset, 0)
        return self._place

    def readinto(self, buffer: Any) -> int:
        self._block = min(4 * self._block, _BLOCK) if self._place == self._end > 0 else _FIRST_BLOCK
        stop = min(self._place + min(len(buffer), self._block), self._size)
        if stop <= self._place:
            return 0
        with _server_errors(self._path):
            data = self._fs.cat_file(self._name, start=self._place, end=stop)
        if len(data) != stop - self._place:
            raise InputDataError(
                f"{self._path}: the server sent {len(data)} of {stop - self._place} bytes; copy the file here"
            )
        buffer[: len(data)] = data
        self._place = self._end = stop
        return len(data)

    def readall(self) -> bytes:
        pieces = []
        while piece := self.read(_BLOCK):  # and not in the small pieces of the base class
            pieces.append(piece)
        return b"".join(pieces)


@contextmanager
def _server_errors(path: RemotePath) -> Iterator[None]:
    """The many kinds of error of a file system are made one, without what the URL may hold of secrets."""
    try:
        yield
    except HepadError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        parts = urlsplit(path.url)
        for secret in (path.url, parts.query, parts.netloc.rpartition("@")[0]):
            reason = reason.replace(secret, "...") if secret else reason
        raise InputDataError(
            f"{path}: cannot be read ({reason}); check the URL and the server, or copy the file here"
        ) from error


def _split(url: str) -> SplitResult:
    """The parts of a URL; `InputDataError` if it is none."""
    try:
        parts = urlsplit(url)
        _port(parts)
    except ValueError as error:
        where = re.sub("//.*@", "//", url.partition("?")[0])
        raise InputDataError(f"{where}: not a URL ({error})") from error
    return parts


def _is_pattern(parts: SplitResult) -> bool:
    return "*" in parts.path or "[" in parts.path


def _port(parts: SplitResult) -> int | None:
    return _PORTS.get(parts.scheme) if parts.port is None else parts.port


def _http_file() -> ModuleType:
    """The module of that name, which makes its scheme known to fsspec."""
    try:
        from hepad.io.remote import http_file
    except ImportError as error:
        raise MissingExtraError.of(error, "http:// and https:// URLs need", _package(error), "remote") from error
    return http_file


def _need_xrootd() -> None:
    for name, value in _XROOTD.items():  # read when the client is first used; what the user has set stays
        os.environ.setdefault(name, value)
    try:
        import fsspec_xrootd  # noqa: F401
        import XRootD.client  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.of(error, "root:// URLs need", _package(error), "remote") from error


def _package(error: ImportError) -> str:
    return (error.name or "hepad[remote]").partition(".")[0]
