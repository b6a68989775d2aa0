"""Read and write bundles: a folder with `card.json`, `model.safetensors` and, for a network of others, `model.onnx`.

Nothing in a bundle is run: the card is JSON that is checked against a schema, the weights are safetensors, and only
these fixed names are opened, so that no path in a bundle can lead out of its folder. The bytes of `model.onnx` travel
among the tensors as an array of uint8 under that name; `hepad.io.exchange.onnx_file` says what is accepted in them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.base import parse_card
from hepad.cards.bundle import BundleCard
from hepad.cards.document import each_key_once
from hepad.errors import CardError
from hepad.provenance import sha256_bytes

__all__ = ["CARD", "GRAPH", "WEIGHTS", "bundle_files", "read_bundle", "read_card", "read_content", "read_tensors"]
__all__ += ["write_bundle_files"]

CARD = "card.json"
WEIGHTS = "model.safetensors"
GRAPH = "model.onnx"

MAX_BYTES = 1 << 30
"""Largest file of a bundle."""

Tensors = dict[str, npt.NDArray[Any]]


def write_bundle_files(folder: Path, card: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write all files into an existing folder; `hashes` is added to the card."""
    for name, data in bundle_files(card, tensors).items():
        (folder / name).write_bytes(data)


def bundle_files(card: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]) -> dict[str, bytes]:
    """What the files of a bundle hold, by their names; `hashes` is added to the card."""
    from safetensors.numpy import save

    kept = {name: np.ascontiguousarray(array) for name, array in sorted(tensors.items()) if name != GRAPH}
    files = {WEIGHTS: save(kept)}
    if GRAPH in tensors:
        files[GRAPH] = np.asarray(tensors[GRAPH], dtype=np.uint8).tobytes()
    complete = {**card, "hashes": {CARD: _content_hash(card), **{n: sha256_bytes(d) for n, d in files.items()}}}
    return {**files, CARD: (json.dumps(complete, indent=1, allow_nan=False) + "\n").encode()}


def read_bundle(folder: Path) -> tuple[BundleCard, Tensors]:
    """The card and the tensors; `CardError` if a file is missing, damaged, or does not match its hash."""
    card = read_card(folder)
    tensors = read_tensors(_read_hashed(folder, WEIGHTS, card), str(folder / WEIGHTS))
    if GRAPH in card.hashes:
        tensors[GRAPH] = np.frombuffer(_read_hashed(folder, GRAPH, card), dtype=np.uint8)
    return card, tensors


def read_card(folder: Path) -> BundleCard:
    """The card alone."""
    if not folder.is_dir():
        raise CardError(f"{folder} is not a bundle: a bundle is a folder with {CARD} and {WEIGHTS}")
    try:
        content = json.loads(_read_bytes(folder / CARD), object_pairs_hook=each_key_once)
        card = parse_card(BundleCard, content, f"bundle {folder}, {CARD}")
        content.pop("hashes")
        found = _content_hash(content)
    except (ValueError, RecursionError) as error:  # also a NaN, which is no JSON, where any value may stand
        raise CardError(f"bundle {folder}: {CARD} is not valid JSON ({error})") from error
    if found != card.hashes.get(CARD):
        raise CardError(
            f"bundle {folder}: {CARD} does not match its own sha256; it was altered or damaged, get it again"
        )
    return card


def read_content(folder: Path) -> dict[str, Any]:
    """What a card says, for a list: it is as it was written, and nothing is loaded to check what it means."""
    try:
        content = json.loads(_read_bytes(folder / CARD), object_pairs_hook=each_key_once)
        altered = content.pop("hashes")[CARD] != _content_hash(content)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise CardError(f"bundle {folder}: {CARD} is no card of a bundle ({error})") from error
    if altered:
        raise CardError(f"bundle {folder}: {CARD} does not match its own sha256; get it again")
    return dict(content)


def _read_hashed(folder: Path, name: str, card: BundleCard) -> bytes:
    data = _read_bytes(folder / name)
    if sha256_bytes(data) != card.hashes.get(name):
        raise CardError(
            f"bundle {folder}: {name} does not match the sha256 in {CARD}; it was altered or damaged, get it again"
        )
    return data


def _content_hash(content: Mapping[str, Any]) -> str:
    """The sha256 of a card without its hashes, however it is laid out."""
    return sha256_bytes(json.dumps(content, sort_keys=True, allow_nan=False).encode())


def read_tensors(data: bytes, origin: str) -> Tensors:
    """The arrays in safetensors bytes; `CardError` names `origin` if they are damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(data))
    except (SafetensorError, ValueError, KeyError) as error:
        raise CardError(f"{origin}: not a valid safetensors file ({error})") from error


def _read_bytes(path: Path) -> bytes:
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise CardError(f"bundle {path.parent}: {path.name} is not a regular file")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CardError(f"bundle {path.parent}: {path.name} has more than {MAX_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise CardError(f"bundle {path.parent}: cannot read {path.name} ({error.strerror})") from error
