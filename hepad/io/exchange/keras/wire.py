"""Messages of protocol buffers, read field by field without their descriptions.

Wire format: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from hepad.errors import InputDataError

__all__ = ["Message", "varint"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DAMAGED = "a message ends too early or is no message: the file is damaged"


def varint(data: bytes, place: int) -> tuple[int, int]:
    """The number at a place, of at most 64 bits, and the place after it; `InputDataError` if it does not end."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, place
    raise InputDataError(_DAMAGED)


class Message:
    """A message: what each field number holds, in the order of the file. A field that is absent has its default.

    Numbers of fixed width are kept as bytes and unpacked by who knows their type; messages within are not looked at
    before they are asked for.
    """

    def __init__(self, data: bytes) -> None:
        self._fields: dict[int, list[int | bytes]] = {}
        for number, value in _fields(data):
            self._fields.setdefault(number, []).append(value)

    def __contains__(self, field: int) -> bool:
        return field in self._fields

    def integer(self, field: int, default: int = 0) -> int:
        """A signed integer, or a truth value; the last one given counts."""
        numbers = self.integers(field)
        return numbers[-1] if numbers else default

    def integers(self, field: int) -> list[int]:
        """Signed integers, one a field or many in one."""
        found: list[int] = []
        for value in self._fields.get(field, ()):
            if isinstance(value, bytes):
                place = 0
                while place < len(value):
                    number, place = varint(value, place)
                    found.append(number)
            else:
                found.append(value)
        return [number - (1 << 64) if number >= 1 << 63 else number for number in found]

    def fixed(self, field: int, kind: str) -> list[float]:
        """Numbers of fixed width, `f` or `d` as `struct` calls them, one a field or many in one."""
        joined = b"".join(self.many(field))
        if len(joined) % struct.calcsize(kind):
            raise InputDataError(_DAMAGED)
        return [value for (value,) in struct.iter_unpack(f"<{kind}", joined)]

    def many(self, field: int) -> list[bytes]:
        """The bytes of a field that may be repeated."""
        values = self._fields.get(field, [])
        if any(not isinstance(value, bytes) for value in values):
            raise InputDataError(_DAMAGED)
        return [value for value in values if isinstance(value, bytes)]

    def raw(self, field: int) -> bytes:
        """The bytes of a field, none if it is absent."""
        values = self.many(field)
        return values[-1] if values else b""

    def text(self, field: int) -> str:
        """A text, empty if it is absent."""
        return _text(self.raw(field))

    def texts(self, field: int) -> list[str]:
        """Texts."""
        return [_text(value) for value in self.many(field)]

    def message(self, field: int) -> Message:
        """A message, an empty one if it is absent."""
        return Message(self.raw(field))

    def messages(self, field: int) -> list[Message]:
        """Messages."""
        return [Message(value) for value in self.many(field)]

    def mapping(self, field: int) -> dict[str, Message]:
        """A map from texts to messages."""
        return {entry.text(1): entry.message(2) for entry in self.messages(field)}


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    place = 0
    while place < len(data):
        key, place = varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = varint(data, place)
            yield number, value
            continue
        if kind == _BYTES:
            size, place = varint(data, place)
        elif kind in {_FIXED32, _FIXED64}:
            size = 4 if kind == _FIXED32 else 8
        else:
            raise InputDataError(_DAMAGED)
        if number == 0 or size > len(data) - place:
            raise InputDataError(_DAMAGED)
        yield number, data[place : place + size]
        place += size


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InputDataError(_DAMAGED) from error
