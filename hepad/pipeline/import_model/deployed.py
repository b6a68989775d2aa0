"""What the triggers' libraries give: outputs of the released versions for known inputs, and the deployed thresholds.

The inputs are made up and the outputs are those of the collaborations' C++ (cms-hls4ml/AXOL1TL and cms-hls4ml/CICADA),
which hepad's authors ran; the libraries' own numbers are not among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from hepad.cards.resolver import shipped_file
from hepad.io.tables.vectors import read_arrays
from hepad.models.fixed.network import FixedNetwork

__all__ = ["THRESHOLDS", "Release", "known_scores", "recognised"]

_FILES = {"l1_hardware": "axol1tl", "calo_regions": "cicada"}
_NAMES = ("very_loose", "loose", "nominal", "tight", "very_tight")
_CICADA_2025 = ("very_loose", "loose", "medium", "tight", "very_tight", "vv_tight", "vvv_tight", "vvvv_tight")
THRESHOLDS: dict[str, dict[str, float]] = {
    # Level-1 menus of Run 3 (cms-l1-dpg/L1MenuRun3): AXOL1TL compares 16 times its score, CICADA its score.
    "axol1tl v3": dict(zip(_NAMES, (15717, 17596, 18580, 20486, 30161), strict=True)),  # 2024
    "axol1tl v4": dict(zip(_NAMES, (346, 389, 415, 456, 557), strict=True)),  # 2025
    "axol1tl v5": dict(zip(_NAMES, (2010, 2375, 2801, 3318, 4762), strict=True)),  # 2025
    "axol1tl v6.0.3": dict(zip(_NAMES, (2899, 3257, 3541, 3865, 7874), strict=True)),  # 2026
    "cicada v2p1p2": dict(
        zip(("very_loose", "loose", "medium", "tight", "very_tight"), (113, 116, 121, 127, 131), strict=True)
    ),  # 2024
    "cicada v2p2p0": dict(zip(_CICADA_2025, (50, 60, 70, 80, 90, 110, 125, 135), strict=True)),  # 2025
}


@dataclass(frozen=True)
class Release:
    """A released version whose outputs a network gives, and for how many inputs that was seen."""

    name: str
    compared: int


def recognised(kind: str, network: FixedNetwork) -> Release | None:
    """The released version of an input kind that gives the same score for every known input, if there is one."""
    inputs = _inputs(kind)
    if network.layout.size != inputs.shape[1]:
        return None
    found = network.exact(inputs)
    for version, scores in _outputs(kind).items():
        if np.array_equal(found, scores):
            return Release(f"{_FILES[kind]} {version}", len(scores))
    return None


def known_scores(name: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]] | None:
    """The known inputs (n, d) of a released version, `axol1tl v4` say, and its scores (n,); None for another name."""
    family, _, version = name.partition(" ")
    kind = next((kind for kind, file in _FILES.items() if file == family), "")
    if not kind or version not in _outputs(kind):
        return None
    return _inputs(kind), _outputs(kind)[version]


@cache
def _arrays(kind: str) -> dict[str, npt.NDArray[np.generic]]:
    return dict(read_arrays(shipped_file(f"analyses/vectors/l1_libraries/{_FILES[kind]}.npz")))


def _inputs(kind: str) -> npt.NDArray[np.float32]:
    return _arrays(kind)["inputs"].astype(np.float32)


def _outputs(kind: str) -> dict[str, npt.NDArray[np.float64]]:
    """Scores (n,) by version, in units of the thresholds."""
    if kind == "calo_regions":
        return {name: values.astype(np.float64) for name, values in _arrays(kind).items() if name != "inputs"}
    scores = {name: values for name, values in _arrays(kind).items() if name.endswith("_score")}
    return {name.removesuffix("_score"): values.astype(np.float64) * 16 for name, values in scores.items()}
