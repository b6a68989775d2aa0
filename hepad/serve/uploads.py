"""A form with its files, written to disk as it comes: counted, in time, under names of our own.

Nothing of a file is in memory but the piece at hand. Fields come before files in our forms, so that who may not ask is
refused before a file is written.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from hepad.printable import printable
from hepad.serve.commands import stored_name
from hepad.serve.limits import Limits
from hepad.serve.store import Upload

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["Form", "Refused", "content_length", "drain", "receive_form"]

_FIELD = 300_000
"""Bytes of all fields together: pasted spectra are some kB."""
_FIELDS = 200
"""Parts of a form, with files and without."""
_HEADERS = 4_000
_PIECE = 262_144
"""Bytes that are written at a time."""
_WRITER = ThreadPoolExecutor(1, "uploads")
"""A disk that is busy is not to hold up the pages, and neither are many threads."""
_DRAIN_SECONDS = 15.0
"""How long what is not wanted is read and dropped."""


class Refused(Exception):  # noqa: N818  it is an answer
    """An upload that is not taken, why in one line, and the status of the answer."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class Form:
    """The fields and files of a form."""

    values: dict[str, list[str]] = field(default_factory=dict)
    """Every value of each field: a list may be chosen from several times."""
    uploads: list[Upload] = field(default_factory=list)

    @property
    def fields(self) -> dict[str, str]:
        """One value of each field."""
        return {name: values[-1] for name, values in self.values.items()}


async def receive_form(
    request: Request,
    form: Form,
    folder: Path,
    stem: str,
    *,
    length: int,
    limits: Limits,
    check: Callable[[Form], None],
    most: int,
) -> None:
    """Take in a form of `length` bytes, its files into `folder`; `check` sees the fields before the first file is made.

    `Refused` says why if anything is wrong; what was written stays in `folder`, which is the caller's.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 1 <= len(boundary) <= 200:
        raise Refused("this is not a form with files", 415)
    taker = _Taker(folder, stem, form, check, most)
    try:
        parser = MultipartParser(boundary, taker.callbacks())
        await _feed(parser, request, limits, length)
        parser.finalize()
        if not taker.complete:
            raise Refused("the upload ended before it was complete; send it again")
        check(form)
    except MultipartParseError as error:
        raise Refused("this form cannot be read; send it again from the page") from error
    except Refused:
        await drain(request)
        raise
    except ClientDisconnect as error:
        raise Refused("the connection was closed before the upload was complete") from error
    finally:
        taker.close()


async def content_length(request: Request, limits: Limits) -> int:
    """How many bytes a request says that it has; `Refused` if it does not say, or they are too many."""
    text = request.headers.get("content-length", "")
    if not text.isdecimal() or "transfer-encoding" in request.headers:  # in which case the length is not what counts
        raise Refused("how long this upload is must be said before", 411)
    if int(text) > limits.upload:
        await drain(request)
        raise Refused(_too_much(limits), 413)
    return int(text)


async def _feed(parser: MultipartParser, request: Request, limits: Limits, length: int) -> None:
    begin, total = time.monotonic(), 0
    stream = request.stream()
    pieces = bytearray()
    while (piece := await _next(stream, limits.idle)) is not None:
        total += len(piece)
        if total > length:  # for which there may be no room
            raise Refused(f"more came than the {length} bytes that this upload said it has", 413)
        seconds = time.monotonic() - begin
        if seconds > limits.upload_seconds or total < (seconds - limits.idle) * limits.rate:
            raise Refused(f"the upload is too slow: {total} bytes in {seconds:.0f} s", 408)
        pieces += piece
        if len(pieces) >= _PIECE:
            await asyncio.get_running_loop().run_in_executor(_WRITER, parser.write, bytes(pieces))
            pieces.clear()
    parser.write(bytes(pieces))


async def _next(stream: AsyncIterator[bytes], seconds: float) -> bytes | None:
    try:
        return await asyncio.wait_for(anext(stream, None), seconds)
    except asyncio.TimeoutError:
        raise Refused(f"nothing came for {seconds:g} s; send it again", 408) from None


def _too_much(limits: Limits) -> str:
    return f"more than {limits.upload / 1e9:g} GB in one upload, which is all that is taken here"


async def drain(request: Request) -> None:
    """Read and drop what is left of a request: browsers read no answer before they have sent all."""

    async def drop() -> None:
        async for _ in request.stream():
            pass

    try:
        await asyncio.wait_for(drop(), _DRAIN_SECONDS)
    except (asyncio.TimeoutError, ClientDisconnect, RuntimeError):
        return


class _Taker:
    """What the parser tells of the parts of a form, one call each."""

    def __init__(self, folder: Path, stem: str, form: Form, check: Callable[[Form], None], most: int) -> None:
        self.form, self.complete = form, False
        self._folder, self._stem, self._check, self._most = folder, stem, check, most
        self._header = [b"", b""]
        self._disposition = b""
        self._name = ""
        self._shown: str | None = None
        self._value: list[bytes] = []
        self._fields = self._number = 0
        self._file: BinaryIO | None = None
        self._size = 0

    def callbacks(self) -> MultipartCallbacks:
        """The calls by the names that the parser has for them."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._add(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._add(1, data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers,
            "on_part_data": lambda data, start, end: self._data(data[start:end]),
            "on_part_end": self._end,
            "on_end": self._all,
        }

    def close(self) -> None:
        """Close a file that is not complete."""
        if self._file is not None:
            self._file.close()

    def _begin(self) -> None:
        self._number += 1
        if self._number > _FIELDS:
            raise Refused("this form has too many fields")
        self._header, self._disposition, self._value = [b"", b""], b"", []

    def _add(self, which: int, data: bytes) -> None:
        self._header[which] += data
        if len(self._header[which]) > _HEADERS:
            raise Refused("the header of a part of this form is too long")

    def _header_end(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = self._header[1]
        self._header = [b"", b""]

    def _headers(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise Refused("a part of this form has no name")
        self._name = options[b"name"].decode("utf-8", "replace")[:100]
        shown = options.get(b"filename")
        self._shown = None if shown is None else printable(shown.decode("utf-8", "replace"))[:200]
        if not self._shown:  # a field, or a file that was not chosen
            return
        self._check(self.form)
        if len(self.form.uploads) >= self._most:
            raise Refused(f"at most {self._most} files are taken at once" if self._most else "no file is wanted here")
        name = stored_name(self._stem, len(self.form.uploads) + 1, self._shown)
        self._file, self._size = (self._folder / name).open("xb"), 0

    def _data(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)
            self._size += len(data)
            return
        self._fields += len(data)
        if self._fields > _FIELD:
            raise Refused("the fields of this form are too long")
        self._value.append(data)

    def _end(self) -> None:
        if self._file is not None and self._shown:
            self._file.close()
            name = Path(self._file.name).name
            self.form.uploads.append(Upload(shown=self._shown, name=name, size=self._size))
            self._file = None
        elif self._shown is None:
            self.form.values.setdefault(self._name, []).append(b"".join(self._value).decode("utf-8", "replace"))

    def _all(self) -> None:
        self.complete = True
