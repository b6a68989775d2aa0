"""Every branch of every tree of ROOT files as `hepad.io.root` opens it, against uproot's own opening.

    python benchmarks/lean.py FILE ... [--branches 400]

A line a tree: its branches, the milliseconds of processor time that uproot and hepad need to open it, why hepad had
uproot read it as a whole (if it had), and what differs: keys, types, interpretations, titles, arrays and errors.
Of trees with more branches than asked for, as many are compared, evenly spread. The exit status is 1 if anything
differs. Run it with a new version of uproot before `_KNOWN` in `hepad/io/root/lean.py` takes it in.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from typing import Any

import awkward as ak
import numpy as np
import uproot

from hepad.io.detector.baskets import check_blocks
from hepad.io.root.lean import LeanFile

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def _described(value: Any) -> str:
    """What is left of objects without their places in memory."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return f"{value.dtype}{value.shape}{value.tobytes().hex()}"
    if isinstance(value, np.ndarray | list | tuple):
        return ",".join(_described(each) for each in value)
    if isinstance(value, dict):
        return ",".join(f"{key}:{_described(each)}" for key, each in value.items())
    if hasattr(value, "all_members"):
        return _described(value.all_members)
    return _ADDRESS.sub("", repr(value))


def content(tree: Any, key: str) -> list[str]:
    """What a branch says of itself and holds; errors by their kinds."""
    try:
        branch = tree[key]
        said = [branch.typename, _ADDRESS.sub("", repr(branch.interpretation)), branch.title]
    except Exception as error:  # noqa: BLE001  compared
        return [type(error).__name__]
    try:
        array = branch.array(library="ak")
        form, length, buffers = ak.to_buffers(ak.to_packed(array))
        return [*said, str(form), str(length), *(f"{name}{_described(data)}" for name, data in buffers.items())]
    except Exception as error:  # noqa: BLE001  what awkward cannot hold, numpy may
        said.append(type(error).__name__)
    try:
        return [*said, _described(branch.array(library="np"))]
    except Exception as error:  # noqa: BLE001  compared
        return [*said, type(error).__name__]


def differences(lean: Any, whole: Any, count: int) -> list[str]:
    """The names of what is not the same in two trees."""
    keys = whole.keys(recursive=True)
    chosen = keys[:: max(1, -(-len(keys) // count))]
    found = [] if lean.keys(recursive=True) == keys else ["the keys"]
    return found + [key for key in chosen if content(lean, key) != content(whole, key)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--branches", type=int, default=400)
    options = parser.parse_args()
    check_blocks()
    trees = wholes = wrong = 0
    for path in options.files:
        plain = uproot.open(path, object_cache=None, array_cache=None)
        lean = LeanFile(uproot.open(path, object_cache=None, array_cache=None))
        for name, kind in plain.classnames(cycle=False).items():
            if kind != "TTree":
                continue
            start = time.process_time()
            whole = plain[name]
            middle = time.process_time()
            ours = lean[name]
            end = time.process_time()
            found = differences(ours, whole, options.branches)
            trees, wholes, wrong = trees + 1, wholes + (name in lean.whole), wrong + bool(found)
            print(
                f"{path.rpartition('/')[2]:<45} {name:<40} {len(whole.keys()):5d} branches, uproot "
                f"{1000 * (middle - start):6.0f} ms, hepad {1000 * (end - middle):5.0f} ms"
                f"{', as a whole: ' + lean.whole[name] if name in lean.whole else ''}"
                f"{', DIFFERS: ' + ', '.join(found[:5]) if found else ''}",
                flush=True,
            )
    print(f"{trees} trees, {wholes} of them read as a whole, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
