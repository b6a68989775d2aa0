"""The network of a folder of C++ headers, checked against what the released versions are known to give."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hepad.cards.bundle import Compared, Imported
from hepad.errors import CardError, CheckFailedError, InputDataError
from hepad.inputs.layout import Layout
from hepad.io.exchange.hls_headers import read_headers
from hepad.io.tables.vectors import read_arrays
from hepad.models.fixed.network import FixedNetwork
from hepad.pipeline.import_model.deployed import THRESHOLDS, recognised
from hepad.pipeline.import_model.structure import LibraryNetwork, networks_of
from hepad.provenance import sha256_bytes

__all__ = ["Library", "read_library"]

_LAYOUTS = {"calo_regions": Layout.image(("et",), 14, 18)}
_TITLES = {
    "l1_hardware": "Network of trigger objects, in the fixed-point arithmetic of its C++ library",
    "calo_regions": "Network of calorimeter regions, in the fixed-point arithmetic of its C++ library",
}
_REFERENCES = {
    "axol1tl": "CMS, https://github.com/cms-hls4ml/AXOL1TL",
    "cicada": "CMS, https://github.com/cms-hls4ml/CICADA",
}


@dataclass(frozen=True)
class Library:
    """A network of a library with all that a bundle says of it; `thresholds` are deployed ones, by name of region."""

    scorer: FixedNetwork
    kind: str
    words: dict[str, Any]
    thresholds: dict[str, float]
    imported: Imported
    files: tuple[Path, ...]


def read_library(folder: Path, vectors: Path | None) -> Library:
    """The network of a folder of headers.

    It is `exact` if it gives the scores of a released version, or of `vectors`: a .npz with `x`, integers of the
    hardware (n, d), and `score` (n,). `InputDataError` names file and line of what is not understood,
    `CheckFailedError` the first difference from the vectors.
    """
    headers = read_headers(folder)
    networks = list(networks_of(headers))
    kind, scorers = networks[0].kind, [_scorer(network) for network in networks]
    release = next(((found, scorer) for scorer in scorers if (found := recognised(kind, scorer))), None)
    compared: list[Compared] = []
    scorer = scorers[0]
    if release is not None:
        found, scorer = release
        compared.append(_equal(f"score of {found.name}", found.compared))
    if vectors is not None:
        scorer, count = _agreeing([scorer] if release else scorers, vectors)
        compared.append(_equal("score", count))
    elif release is None and len(scorers) > 1:
        raise CardError(
            f"{folder}: nothing tells whether weights lie by rows or by columns; give inputs and scores with --vectors"
        )
    name = release[0].name if release else ""
    family = name.partition(" ")[0]
    content = b"".join(path.read_bytes() for path in headers.files)
    kinds = dict.fromkeys(layer["kind"] for layer in networks[0].config["layers"])
    title = _TITLES[kind]
    words = {
        "name": re.sub(r"[^A-Za-z0-9_.@+-]+", "_", folder.resolve().name).strip("_.") or "library",
        "title": f"{_release_title(name)}: {title}" if name else title,
        "reference": _REFERENCES.get(family, f"the headers in {folder.name}"),
        "fidelity": "exact" if compared else "approximate",
        "fidelity_note": ""
        if compared
        else "the arithmetic is that of the headers; no outputs of the library were compared",
    }
    imported = Imported(
        file=folder.resolve().name,
        sha256=sha256_bytes(content),
        operators=tuple(kinds),
        parity_checked=bool(compared),
        parity=tuple(compared),
    )
    return Library(scorer, kind, words, THRESHOLDS.get(name, {}), imported, headers.files)


def _release_title(name: str) -> str:
    """`AXOL1TL v5` for `axol1tl v5`."""
    family, _, version = name.partition(" ")
    return f"{family.upper()} {version}"


def _scorer(network: LibraryNetwork) -> FixedNetwork:
    layout = _LAYOUTS.get(network.kind)
    if layout is None or layout.size != network.inputs:
        layout = Layout.vector([f"input{i + 1}" for i in range(network.inputs)])
    scorer = FixedNetwork(network.config, layout)
    scorer.load_state(network.tensors)
    return scorer


def _agreeing(candidates: Sequence[FixedNetwork], vectors: Path) -> tuple[FixedNetwork, int]:
    """The network that gives the scores of the vectors, and how many these are."""
    arrays = read_arrays(vectors)
    if not {"x", "score"} <= arrays.keys():
        raise InputDataError(f"{vectors}: needs x, the integers that the network sees, and score")
    x, score = arrays["x"], np.asarray(arrays["score"], dtype=np.float64).ravel()
    if x.ndim != 2 or len(x) != len(score) or x.shape[1] != candidates[0].layout.size:
        raise InputDataError(f"{vectors}: x has shape {x.shape}, needed is ({len(score)}, {candidates[0].layout.size})")
    found = [scorer.exact(x) for scorer in candidates]
    for scorer, values in zip(candidates, found, strict=True):
        if np.array_equal(values, score):
            return scorer, len(score)
    row = int(np.flatnonzero(found[0] != score)[0])
    raise CheckFailedError(
        f"{vectors}: row {row} has score {score[row]:g}, the network gives {found[0][row]:g}; nothing was written"
    )


def _equal(quantity: str, compared: int) -> Compared:
    return Compared(quantity=quantity, compared=compared, largest_difference=0.0, tolerance=0.0)
