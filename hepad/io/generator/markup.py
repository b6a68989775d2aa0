"""The elements of a Les Houches file, found as XML has them: wherever they stand on a line, and not within comments.

Headers are often no XML, so that nothing but the few tags of interest is looked at. What lies between two of them has
a bound: a small compressed file can hold gigabytes of nothing.
"""

from __future__ import annotations

import re
from typing import IO

from hepad.errors import InputDataError
from hepad.paths import InputPath

__all__ = ["MAX_BETWEEN", "Markup", "content"]

MAX_BETWEEN = 1 << 26
"""Most bytes before `<init>`, between two events, within one, and after the last."""

_MAX_PARTS = 400_000
"""Most pieces of text between two elements, where comments part them."""
_PIECE = 1 << 20
_OVERLAP = 64
"""Bytes looked at again with the next piece: longer than any match of the patterns below."""
_TAG = re.compile(rb"<(?:(!--|!\[CDATA\[)|/?(?:init|event|LesHouchesEvents)(?=[\s/>]))", re.IGNORECASE)
_HIDDEN = {b"<!--": re.compile(rb"-->"), b"<![cdata[": re.compile(rb"\]\]>")}
_ENDS = {
    b"event": re.compile(rb"</event\s{0,9}>|<(?:event|/?LesHouchesEvents)(?=[\s/>])", re.IGNORECASE),
    b"init": re.compile(rb"</init\s{0,9}>|(?=<(?:event|/LesHouchesEvents)[\s/>])", re.IGNORECASE),
}
_START = re.compile(rb"""(?:[^<>"']|"[^"]*"|'[^']*')*>""")
_COMMENT = re.compile(rb"<!--.*?-->|<!\[CDATA\[|\]\]>", re.DOTALL)


class Markup:
    """A stream of text, read from tag to tag; `InputDataError` where something is longer than `MAX_BETWEEN`."""

    def __init__(self, stream: IO[bytes], path: InputPath) -> None:
        self._stream = stream
        self._path = path  # for messages
        self._data = b""
        self._at = 0

    def tag(self) -> tuple[bytes, bytes]:
        """The text before the next tag of interest, and its name in small letters (`/event`); empty at the end."""
        passed: list[bytes] = []
        size = 0
        while True:
            before, found = self._until(_TAG)
            found = found or b"<"
            name = found.lower()
            if name not in _HIDDEN:
                return b"".join([*passed, before]), name[1:]
            hidden, end = self._until(_HIDDEN[name])
            if end is None:
                raise ValueError(f"{found.decode()} has no end")
            passed += [before, found, hidden, end]
            size += len(before) + len(hidden)
            self.limit(size, len(passed))

    def element(self, name: bytes) -> bytes | None:
        """What the element holds whose tag was the last one, attributes and `>` first; None if it does not end."""
        inside, end = self._until(_ENDS[name])
        complete = end is not None and not end.lower().startswith((b"<event", b"<les", b"</les"))
        return inside if complete else None

    def limit(self, size: int, parts: int) -> None:
        """`InputDataError` if that is more text than may lie between two elements, or in too many parts."""
        if size > MAX_BETWEEN or parts > _MAX_PARTS:
            raise self._too_much()

    def _too_much(self) -> InputDataError:
        return InputDataError(
            f"{self._path}: more than {MAX_BETWEEN} bytes or {_MAX_PARTS} parts between two elements, or in one; "
            "take out what is no event"
        )

    def _until(self, pattern: re.Pattern[bytes]) -> tuple[bytes, bytes | None]:
        """The bytes before the next match, and the match; all that is left and None if there is none."""
        start = look = self._at
        while True:
            found = pattern.search(self._data, look)
            if (found.start() if found else len(self._data)) - start > MAX_BETWEEN:
                raise self._too_much()
            if found:
                self._at = found.end()
                return self._data[start : found.start()], found[0]
            left = len(self._data) - start
            # Twice as much each time, so that no byte is copied often, and no more than is refused.
            piece = self._stream.read(min(max(_PIECE, left), MAX_BETWEEN + _PIECE - left))
            self._data = self._data[start:] + piece
            start, look = 0, max(left - _OVERLAP, 0)
            if not piece:
                self._at = left
                return self._data, None


def content(inside: bytes) -> bytes:
    """The text of an element without attributes, comments and marks of CDATA; `ValueError` if its tag has no end."""
    start = _START.match(inside)
    if not start or inside[: start.end()].endswith(b"/>"):
        raise ValueError("it holds nothing")
    text = inside[start.end() :]
    return _COMMENT.sub(b"", text) if b"<!" in text else text
