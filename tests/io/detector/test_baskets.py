"""What baskets of ROOT files say of themselves: the sizes of compressed blocks, and offsets of jagged numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from uproot.source.chunk import Chunk
from uproot.source.cursor import Cursor

from hepad.io.detector.baskets import _check_offsets, _check_sizes


def block(packed: int, unpacked: int) -> bytes:
    """A block as ROOT's RZip.cxx writes it: algorithm, method, two sizes of three bytes, the lowest byte first."""
    return b"ZL\x08" + packed.to_bytes(3, "little") + unpacked.to_bytes(3, "little") + bytes(packed)


def check(data: bytes, unpacked: int) -> None:
    state: dict[str, Any] = {"cursor": Cursor(0), "start": Cursor(0), "context": {}}
    chunk = Chunk.wrap(None, np.frombuffer(data, dtype=np.uint8))
    _check_sizes(chunk=chunk, compressed_bytes=len(data), uncompressed_bytes=unpacked, **state)


def test_blocks_hold_what_they_say() -> None:
    data = block(0x10203, 0x40506) + block(5, 7)
    check(data, 0x40506 + 7)
    with pytest.raises(ValueError, match=f"hold {0x40506 + 7} of {0x40506 + 8} bytes"):
        check(data, 0x40506 + 8)
    with pytest.raises(ValueError, match=f"hold {0x40506} of"):
        check(block(0x10203, 0x40506), 0x40506 + 7)


@pytest.mark.parametrize("offsets", [[-1, 1, 3], [0, 2, 4], [0, 2, 1], [1, 0, 3]])
def test_offsets_that_do_not_fit_their_numbers(offsets: list[int]) -> None:
    _check_offsets(SimpleNamespace(offsets=np.array([1, 1, 3]), content=np.zeros(3)))
    with pytest.raises(ValueError, match="do not fit"):
        _check_offsets(SimpleNamespace(offsets=np.array(offsets), content=np.zeros(3)))
