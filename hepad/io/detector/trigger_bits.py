"""Bits of a trigger: what it decided of an event, algorithm by algorithm, by CMS's names (`L1_AXO_Tight`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from difflib import get_close_matches

import awkward as ak
import numpy as np

from hepad.errors import InputDataError
from hepad.io.detector.columns import Columns
from hepad.io.events import record
from hepad.paths import InputPath

__all__ = ["bits_among", "check_bits", "read_bits"]

_MENUS = ("L1_", "HLT_")


def bits_among(branches: Iterable[str]) -> tuple[str, ...]:
    """The branches of NanoAOD that are bits of the Level-1 or the high-level trigger."""
    return tuple(branch for branch in branches if branch.startswith(_MENUS))


def check_bits(path: InputPath, wanted: AbstractSet[str], known: Collection[str]) -> None:
    """Raise `InputDataError` for bits that the file does not have, with the names most like the first."""
    unknown = sorted(wanted - set(known))
    if not wanted or unknown:
        what = f"no trigger bit {unknown[0]!r}" if unknown else "no trigger bit was named"
        near = get_close_matches(unknown[0], known, 3) if unknown else []
        of = f"; near it are {', '.join(near)}" if near else ""
        raise InputDataError(f"{path}: {what} (the file has {len(known) or 'none'}{of}); see hepad inspect --json")


def read_bits(columns: Columns, branches: Mapping[str, str]) -> ak.Array:
    """The record of bits by their names, of branches with one number an event."""
    return record({name: np.asarray(columns.first(branches[name]) != 0) for name in sorted(branches)})
