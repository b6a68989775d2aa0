"""What hepad must be told of a user's network: that it reads what a bundled model reads, in the same scale."""

from __future__ import annotations

import io

import numpy as np
import yaml

from hepad.cards.resolver import resolve

__all__ = ["MADE", "network_files"]

MADE = ("card.yaml", "scale.npz")
"""The names of what is made."""


def network_files(model: str, score: str) -> dict[str, bytes]:
    """Card and, where there is one, scale of a network with the inputs of a bundled model."""
    from hepad.bundles.files import read_bundle

    card, tensors = read_bundle(resolve("bundles", model))
    content = {
        "schema": "analysis/1",
        "name": "network",
        "title": "A network that was sent to hepad serve",
        "reference": "none",
        "fidelity": "inspired",
        "selection": card.selection.name,
        "input": card.input.model_dump(mode="json", exclude_defaults=True) | {"kind": card.input.kind},
        "model": {"name": "onnx", "score": score},
        "regions": {"all": {"threshold": 0.0}},
    }
    made = {"card.yaml": yaml.safe_dump(content, sort_keys=False).encode()}
    if "input.gain" in tensors:
        stream = io.BytesIO()
        np.savez(stream, gain=tensors["input.gain"], offset=tensors["input.offset"])
        made["scale.npz"] = stream.getvalue()
    return made
