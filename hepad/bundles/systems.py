"""Which trainings are compared: bundles by name, several of one name being trainings of one system."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepad.bundles.bundle import Bundle, load_bundle
from hepad.errors import UsageError
from hepad.printable import NAME

__all__ = ["Training", "load_trainings", "trained_on"]

_NAME = re.compile(rf"({NAME})=(.+)")


@dataclass(frozen=True)
class Training:
    """One bundle; `name` is its own, `system` that which it shares with other trainings of the same system."""

    name: str
    system: str
    bundle: Bundle


def load_trainings(models: Sequence[str]) -> list[Training]:
    """Load BUNDLE or NAME=BUNDLE; bundles of one NAME are grouped and called NAME-1, NAME-2, ...

    A bundle without a NAME is called by its card. `UsageError` if two without a NAME are called the same, a group
    holds the same bundle twice, or its bundles differ in scores or selection.
    """
    groups: dict[str, list[Bundle]] = {}
    for text in models:
        match = None if Path(text).exists() else _NAME.fullmatch(text)
        bundle = load_bundle(match.group(2) if match else text)
        name = match.group(1) if match else bundle.card.name
        if name in groups and not match:
            raise UsageError(
                f"two of the models are called {name!r}; give each once, or all as NAME=BUNDLE, the same NAME for "
                "trainings of one system"
            )
        groups.setdefault(name, []).append(bundle)
    for name, bundles in groups.items():
        _check_group(name, bundles)
    trainings = [
        Training(name if len(bundles) == 1 else f"{name}-{i}", name, bundle)
        for name, bundles in groups.items()
        for i, bundle in enumerate(bundles, start=1)
    ]
    names = [training.name for training in trainings]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two of the trainings would be called {name!r}; give one of the systems another NAME")
    return trainings


def trained_on(trainings: Sequence[Training], files: Sequence[Mapping[str, Any]]) -> list[str]:
    """Warnings of files, by their records of provenance, that a model was trained on: they flatter it."""
    hashes = {record["sha256"]: record["name"] for record in files if "skipped" not in record}
    found = []
    for training in trainings:
        inputs = training.bundle.card.provenance.get("inputs", [])
        known = {record["sha256"] for record in inputs if "skipped" not in record}
        found += [
            f"{name} was used to train {training.name}: its numbers are too good"
            for sha256, name in hashes.items()
            if sha256 in known
        ]
    return found


def _check_group(name: str, bundles: Sequence[Bundle]) -> None:
    first = bundles[0]
    if len({bundle.sha256 for bundle in bundles}) < len(bundles):
        raise UsageError(f"two of the bundles of {name!r} are the same training, which would narrow its spread")
    for bundle in bundles[1:]:
        if bundle.card.scores != first.card.scores or bundle.card.selection != first.card.selection:
            raise UsageError(
                f"{bundle.path} and {first.path} differ in scores or selection: they are no trainings of one system "
                f"{name!r}"
            )
