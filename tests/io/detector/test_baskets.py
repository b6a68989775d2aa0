"""What baskets of ROOT files say of themselves: the sizes of compressed blocks, and offsets of jagged numbers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import deflate
import numpy as np
import pytest
import uproot
from uproot.source.chunk import Chunk
from uproot.source.cursor import Cursor

from hepad.io.detector.baskets import _check_offsets, _check_sizes, _first_damaged, find_damage
from hepad.io.reader import open_root


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


def test_damage_is_looked_for_among_the_entries_that_are_asked_for() -> None:
    """Three baskets of ten entries, of which the first and the last cannot be read."""

    def array(_: object, *, entry_start: int, entry_stop: int, library: str) -> None:
        if not 10 <= entry_start < entry_stop <= 20:
            raise ValueError

    branch = SimpleNamespace(
        num_baskets=3,
        basket_entry_start_stop=lambda number: (10 * number, 10 * number + 10),
        array=array,
        member=lambda name, none_if_missing: [100, 200] if (name, none_if_missing) == ("fBasketSeek", True) else None,
    )
    assert _first_damaged(branch, None, 10, 20) is None
    assert _first_damaged(branch, None, 9, 20) == "basket 0 at byte 100, entries 0 to 9"
    assert _first_damaged(branch, None, 10, 21) == "basket 2, which is in the tree's own record, entries 20 to 29"
    assert find_damage({"Jet/Jet.PT": branch}, {"Jet/Jet.PT": None}, 10, 20) is None
    assert find_damage({"Jet/x": branch}, {"Jet/x": None}, 0, 1) == "branch 'x', basket 0 at byte 100, entries 0 to 9"


def test_libdeflate_unpacks_what_zlib_has_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook is set on a private name of uproot's, which may go: it must not fail unseen."""
    numbers = np.arange(10_000)
    with uproot.recreate(tmp_path / "packed.root", compression=uproot.ZLIB(1)) as out:
        out["tree"] = {"number": numbers}
    sizes = []

    def unpacked(data: bytes, size: int) -> bytearray:
        sizes.append(size)
        return original(data, size)

    original = deflate.zlib_decompress
    monkeypatch.setattr(deflate, "zlib_decompress", unpacked)
    with open_root(tmp_path / "packed.root") as file:
        np.testing.assert_array_equal(file["tree"]["number"].array(library="np"), numbers)
    assert numbers.nbytes in sizes
