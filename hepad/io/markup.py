"""The elements of a Les Houches file, found as XML has them: wherever they stand on a line, and not within comments.

Headers are often no XML, so that nothing but the few tags of interest is looked at. What lies between two of them has
a bound: a small compressed file can hold gigabytes of nothing.
"""

from __future__ import annotations

import re
from typing import IO

__all__ = ["MAX_BETWEEN", "Markup", "content"]

MAX_BETWEEN = 1 << 26
"""Most bytes before `<init>`, between two events, within one, and after the last."""

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
    """A stream of text, read from tag to tag; `ValueError` where something is longer than `MAX_BETWEEN`."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._data = b""
        self._at = 0

    def tag(self) -> tuple[bytes, bytes]:
        """The text before the next tag of interest, and its name in small letters (`/event`); empty at the end."""
        passed: list[bytes] = []
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
            if sum(map(len, passed)) > MAX_BETWEEN:
                raise ValueError(f"more than {MAX_BETWEEN} bytes between two elements")

    def element(self, name: bytes) -> bytes | None:
        """What the element holds whose tag was the last one, attributes and `>` first; None if it does not end."""
        inside, end = self._until(_ENDS[name])
        complete = end is not None and not end.lower().startswith((b"<event", b"<les", b"</les"))
        return inside if complete else None

    def _until(self, pattern: re.Pattern[bytes]) -> tuple[bytes, bytes | None]:
        """The bytes before the next match, and the match; all that is left and None if there is none."""
        start = look = self._at
        while True:
            found = pattern.search(self._data, look)
            if (found.start() if found else len(self._data)) - start > MAX_BETWEEN:
                raise ValueError(f"more than {MAX_BETWEEN} bytes between two elements")
            if found:
                self._at = found.end()
                return self._data[start : found.start()], found[0]
            left = len(self._data) - start
            piece = self._stream.read(max(_PIECE, left))  # twice as much each time: no byte is copied often
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
