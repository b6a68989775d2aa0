"""Baskets of ROOT files: where the damage in a tree is, and a check that uproot leaves out."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

__all__ = ["check_blocks", "find_damage", "unpack_fast", "words"]


_BLOCK = struct.Struct("2s7B")
"""Algorithm, method, then compressed and uncompressed size in three bytes each, the lowest first."""


def check_blocks() -> None:
    """Have uproot refuse records whose compressed blocks, or jagged numbers, are fewer than they say.

    It would reserve up to 2 GiB and take what memory held before for the rest. The checks are set where uproot lets
    others look at each block and basket, once for the process.
    """
    import uproot

    jagged = uproot.interpretation.jagged.AsJagged
    before = uproot.compression.decompress.hook_before_block
    if getattr(before, "checks_blocks", False):
        return

    def before_block(**state: Any) -> None:
        before(**state)
        if state["num_blocks"] == 0:
            _check_sizes(**state)

    before_block.checks_blocks = True  # type: ignore[attr-defined]
    uproot.compression.decompress.hook_before_block = before_block
    after = jagged.hook_after_basket_array

    def after_basket_array(interpretation: Any, **state: Any) -> None:
        after(interpretation, **state)
        _check_offsets(state["output"])

    jagged.hook_after_basket_array = after_basket_array


def unpack_fast() -> None:
    """Have uproot unpack zlib's blocks by libdeflate, which takes little more than half the time of Python's zlib.

    uproot's own switch for this (`ZLIB.library`) names an argument that libdeflate's package does not have. Where that
    package is not there (conda), uproot is left as it is.
    """
    try:
        import deflate
    except ModuleNotFoundError:
        return
    from uproot import compression

    def unpacked(data: bytes, uncompressed_bytes: int) -> bytearray:
        return deflate.zlib_decompress(data, uncompressed_bytes)

    compression._decompress_ZLIB.decompress = unpacked  # noqa: SLF001  for this process, as above


def _check_sizes(**state: Any) -> None:
    cursor, held = state["cursor"].copy(), 0
    while held < state["uncompressed_bytes"] and cursor.displacement(state["start"]) < state["compressed_bytes"]:
        _, _, *sizes = cursor.fields(state["chunk"], _BLOCK, state["context"])
        packed, unpacked = (low + (middle << 8) + (high << 16) for low, middle, high in (sizes[:3], sizes[3:]))
        cursor.skip(packed)
        held += unpacked
    if held < state["uncompressed_bytes"]:
        raise ValueError(f"compressed blocks hold {held} of {state['uncompressed_bytes']} bytes")


def _check_offsets(array: Any) -> None:
    offsets = array.offsets
    if offsets[0] < 0 or offsets[-1] > len(array.content) or (offsets[1:] < offsets[:-1]).any():
        raise ValueError("its counts do not fit its numbers")


def words(tree: Any) -> tuple[str, str]:
    """What messages call it and its parts: a tree and its branches, or an RNTuple and its fields."""
    kind, part = getattr(tree, "words", ("tree", "branch"))
    return kind, part


def find_damage(tree: Any, branches: Mapping[str, Any], start: int, stop: int) -> str | None:
    """The first basket that cannot be read of those with entries in [start, stop): branch, number, byte, entries.

    `branches` maps paths in the tree to their interpretation, None for uproot's own. The baskets are read one by one,
    which is done only after a reading has failed. None if each one can be read.
    """
    for name, interpretation in branches.items():
        try:
            held = tree[name]
            place = _first_damaged(held, interpretation, start, stop)
        except Exception:  # noqa: BLE001  the list of the baskets is damaged itself
            place = "the list of its baskets"
        if place:
            _, word = words(tree)
            return f"{word} {name.rpartition('/')[2]!r}, {place}"
    return None


def _first_damaged(branch: Any, interpretation: Any, start: int, stop: int) -> str | None:
    for number in range(branch.num_baskets):
        first, end = (int(entry) for entry in branch.basket_entry_start_stop(number))
        if end <= start or first >= stop:
            continue
        try:
            branch.array(interpretation, entry_start=max(first, 0), entry_stop=end, library="ak")
        except Exception:  # noqa: BLE001  damage surfaces as many kinds of error
            return f"{_place(branch, number)}, entries {first} to {end - 1}"
    return None


def _place(branch: Any, number: int) -> str:
    """The number of a basket, or of a cluster of an RNTuple, and where it begins in the file."""
    if hasattr(branch, "place"):
        return str(branch.place(number))
    seeks = branch.member("fBasketSeek", none_if_missing=True)
    seek = 0 if seeks is None or number >= len(seeks) else int(seeks[number])
    return f"basket {number} at byte {seek}" if seek else f"basket {number}, which is in the tree's own record"
