"""One file on an HTTP server as an fsspec file system: every answer is checked, and faults that pass are asked again.

fsspec's own takes a whole file for the range that was asked for, and gives up at the first fault. Headers, certificates
and the like for `http` in fsspec's configuration files are used; so are proxies and ~/.netrc.
"""

from __future__ import annotations

import asyncio
import os
import re
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import fsspec
from fsspec.implementations.http import HTTPFileSystem

from hepad.errors import InputDataError
from hepad.io.remote.urls import shown

__all__ = ["RETRY_DELAYS", "SCHEME", "TIMEOUT", "HttpFile"]

SCHEME = "hepad-http"
"""uproot is given this scheme: the URL itself goes beside it, so that no message of it repeats a secret."""

RETRY_DELAYS = (0.5, 2.0)
"""Seconds to wait before a request is made again."""

TIMEOUT = {"total": 300.0, "sock_connect": 20.0, "sock_read": 30.0}
"""Seconds for a request in all, to connect, and between two pieces of an answer."""

_PASSING = {408, 425, 429, 500, 502, 503, 504}
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class _PassingError(Exception):
    """A fault that may be gone the next time."""


class HttpFile(HTTPFileSystem):  # type: ignore[misc]
    """The file at `file_url`, whatever name it is asked for by."""

    cachable = False  # there may be ten thousand files

    def __init__(self, file_url: str, client_kwargs: dict[str, Any] | None = None, **options: Any) -> None:
        given = {"timeout": aiohttp.ClientTimeout(**TIMEOUT), "trust_env": True, **(client_kwargs or {})}
        super().__init__(client_kwargs=given, **options)
        self._url = file_url
        self._size: int | None = None
        self._changed: float | None = None

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        """The size of the file, which every answer states, and the time of its last change, which most do."""
        if self._size is None:
            await self._fetch(0, 1)
        return {"name": path, "size": self._size, "mtime": self._changed, "type": "file"}

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """The bytes [start, end), fewer only where the file ends before."""
        begin = start or 0
        stop: int = (await self._info(path))["size"] if end is None else end
        return await self._fetch(begin, stop) if stop > begin else b""

    async def _fetch(self, start: int, stop: int) -> bytes:
        """The bytes [start, stop); `InputDataError` if the last attempt fails too."""
        for delay in RETRY_DELAYS:
            try:
                return await self._request(start, stop)
            except _PassingError:
                await asyncio.sleep(delay)
        try:
            return await self._request(start, stop)
        except _PassingError as error:
            raise InputDataError(
                f"{shown(self._url)}: {error}, {len(RETRY_DELAYS) + 1} times; try again later or copy the file here"
            ) from error

    async def _request(self, start: int, stop: int) -> bytes:
        session = await self.set_session()
        headers = {**self.kwargs.get("headers", {}), "Range": f"bytes={start}-{stop - 1}"}
        headers["Accept-Encoding"] = "identity"  # a range of what is compressed on the way is no range of the file
        try:
            async with session.get(self.encode_url(self._url), **{**self.kwargs, "headers": headers}) as answer:
                size = self._checked(answer, start)
                changed = _time(answer.headers.get("Last-Modified"))
                expected = max(min(stop, size) - start, 0)
                data = await self._body(answer, expected) if expected else b""
        except asyncio.TimeoutError as error:
            raise _PassingError("the server does not answer in time") from error
        except aiohttp.ClientSSLError as error:
            raise InputDataError(
                f"{shown(self._url)}: no secure connection ({type(error).__name__}); is its certificate trusted here?"
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise _PassingError(f"cannot connect ({_reason(error)})") from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            raise _PassingError("the connection broke off before all bytes were sent") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise InputDataError(f"{shown(self._url)}: {type(error).__name__}; check the URL") from error
        if self._size is not None and (self._size, self._changed) != (size, changed):
            raise InputDataError(f"{shown(self._url)}: changed while it was read; run again")
        self._size, self._changed = size, changed
        if len(data) != expected:
            raise _PassingError(f"the server sent {len(data)} of {expected} bytes")
        return data

    async def _body(self, answer: Any, expected: int) -> bytes:
        """What was sent; no more than expected is taken into memory."""
        pieces, count = [], 0
        async for piece in answer.content.iter_chunked(1 << 20):
            pieces.append(piece)
            count += len(piece)
            if count > expected:
                raise InputDataError(f"{shown(self._url)}: the server sent more than was asked for; copy the file here")
        return b"".join(pieces)

    def _checked(self, answer: Any, start: int) -> int:
        """The size of the file, of an answer that is the range asked for or says that the file ends before it."""
        status, where = answer.status, shown(self._url)
        if status in _PASSING:
            raise _PassingError(f"the server answers HTTP {status}")
        if status in (404, 410):
            raise InputDataError(f"{where}: no such file on the server (HTTP {status}); check the URL")
        if status in (401, 403, 407):
            raise InputDataError(
                f"{where}: access denied (HTTP {status}); put credentials into ~/.netrc or fsspec's configuration"
            )
        if status == 200:
            raise InputDataError(
                f"{where}: the server ignores Range requests, it sends whole files only; copy the file here"
            )
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if status not in (206, 416) or found is None or "*" in found[2]:
            raise InputDataError(f"{where}: unexpected answer (HTTP {status}) to a Range request; copy the file here")
        if status == 206 and found[1] != str(start):
            raise InputDataError(f"{where}: the server sent another range than asked for; copy the file here")
        return int(found[2])


def _reason(error: aiohttp.ClientConnectorError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else "no such host"


def _time(text: str | None) -> float | None:
    """Seconds since 1970 of a time as HTTP writes it."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None


fsspec.register_implementation(SCHEME, HttpFile, clobber=True)
