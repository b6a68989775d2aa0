"""Where the damage in a tree is: which basket of which branch cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["find_damage"]


def find_damage(tree: Any, branches: Mapping[str, Any], start: int, stop: int) -> str | None:
    """The first basket that cannot be read of those with entries in [start, stop): branch, number, byte, entries.

    `branches` maps paths in the tree to their interpretation, None for uproot's own. The baskets are read one by one,
    which is done only after a reading has failed. None if each one can be read.
    """
    for name, interpretation in branches.items():
        held = tree[name]
        for number in range(held.num_baskets):
            first, end = (int(entry) for entry in held.basket_entry_start_stop(number))
            if end <= start or first >= stop:
                continue
            try:
                held.array(interpretation, entry_start=max(first, 0), entry_stop=end, library="ak")
            except Exception:  # noqa: BLE001  damage surfaces as many kinds of error
                return f"branch {name.rpartition('/')[2]!r}, {_place(held, number)}, entries {first} to {end - 1}"
    return None


def _place(branch: Any, number: int) -> str:
    """The number of a basket and where it begins in the file."""
    seeks = branch.member("fBasketSeek", none_if_missing=True)
    seek = 0 if seeks is None or number >= len(seeks) else int(seeks[number])
    return f"basket {number} at byte {seek}" if seek else f"basket {number}, which is in the tree's own record"
