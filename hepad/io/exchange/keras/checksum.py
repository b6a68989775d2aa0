"""CRC-32C, the checksum of TensorFlow's files, of many pieces of the data at once."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["crc32c", "unmasked"]

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, its bits reversed
_LANES = 4096
_Words = npt.NDArray[np.uint32]


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720.

    It is linear in the data: pieces of one length are summed side by side, and a sum is carried over the pieces after
    it by what so many zero bytes make of each of its four bytes.
    """
    length = len(data) // _LANES if len(data) >= 64 * _LANES else 0
    crc = 0xFFFFFFFF
    if length:
        pieces = np.frombuffer(data, dtype=np.uint8, count=length * _LANES).reshape(_LANES, length)
        sums = _rolled(np.zeros(_LANES, dtype=np.uint32), pieces)
        carry = _zeros(length)
        for found in sums.tolist():
            crc = _carried(carry, crc) ^ found
    table = _table().tolist()
    for byte in data[length * _LANES :]:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def unmasked(stored: int) -> int:
    """The checksum that TensorFlow stores rotated and shifted, so that it can stand in data that are summed again."""
    rotated = (stored - 0xA282EAD8) & 0xFFFFFFFF
    return ((rotated >> 17) | (rotated << 15)) & 0xFFFFFFFF


@cache
def _table() -> _Words:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table.astype(np.uint32)


def _rolled(sums: _Words, pieces: npt.NDArray[np.uint8]) -> _Words:
    table = _table()
    for column in np.ascontiguousarray(pieces.T):
        sums = table[(sums ^ column) & 0xFF] ^ (sums >> 8)
    return sums


def _zeros(length: int) -> list[list[int]]:
    """What `length` zero bytes make of a sum with one byte that is not zero, by which and its value: shape (4, 256)."""
    starts = (np.arange(256, dtype=np.uint32)[None, :] << np.arange(0, 32, 8, dtype=np.uint32)[:, None]).reshape(-1)
    found = _rolled(starts, np.zeros((1024, length), dtype=np.uint8))
    return [[int(value) for value in row] for row in found.reshape(4, 256)]


def _carried(carry: list[list[int]], crc: int) -> int:
    return carry[0][crc & 255] ^ carry[1][crc >> 8 & 255] ^ carry[2][crc >> 16 & 255] ^ carry[3][crc >> 24]
