"""A bundle put together: selection, input, scorer and regions, ready to score."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad import registry
from hepad.bundles.files import CARD, bundle_files, read_bundle
from hepad.cards.analysis import AnalysisCard, RegionSpec
from hepad.cards.base import parse_card
from hepad.cards.bundle import BundleCard, RegionCard
from hepad.cards.resolver import resolve
from hepad.cards.selection import SelectionCard
from hepad.errors import CardError
from hepad.inputs.base import Input, input_from_state
from hepad.inputs.layout import VECTOR
from hepad.io.events import merge_fields
from hepad.nn.scorer import Scorer
from hepad.provenance import sha256_bytes, sha256_file
from hepad.stats.scores.regions import Quantiles, set_region

__all__ = ["Bundle", "bundle_in_memory", "bundle_tensors", "load_bundle", "recipe_content", "scorer_content"]


@dataclass(frozen=True)
class Bundle:
    """A trained model with all that belongs to it; `sha256` is that of its card, which holds the other hashes.

    `quantiles` of a score are None if the model was imported without background.
    """

    card: BundleCard
    path: Path
    sha256: str
    input: Input
    scorer: Scorer
    quantiles: dict[str, Quantiles | None]

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        """To another process goes the path, not the model; it is loaded there, if it still is the same."""
        return _same_bundle, (str(self.path.absolute()), self.sha256)

    def fields(self, selection: SelectionCard) -> dict[str, set[str]]:
        """What must be read from event files."""
        return merge_fields(selection.fields(), self.input.fields())

    @property
    def background_cross_section_pb(self) -> float | None:
        """That of the background selected for the training, if its weights were in pb."""
        return next(
            (
                region.spec.background_cross_section_pb
                for region in self.card.regions.values()
                if region.spec.background_cross_section_pb is not None
            ),
            None,
        )

    def regions(self, overrides: Mapping[str, RegionSpec]) -> dict[str, RegionCard]:
        """The bundle's regions, with those of the same name replaced and new ones added."""
        default = self.card.scores[0]
        total = self.background_cross_section_pb
        complete = {name: spec.completed(total) for name, spec in overrides.items()}
        set_now = {name: set_region(name, spec, self.quantiles, default) for name, spec in complete.items()}
        return {**self.card.regions, **set_now}


def load_bundle(name: str | Bundle) -> Bundle:
    """The bundle of a bundled name or a folder; one in memory is itself.

    `CardError` if it is damaged or does not fit together.
    """
    if isinstance(name, Bundle):
        return name
    path = resolve("bundles", name)
    card, tensors = read_bundle(path)
    return _put_together(card, tensors, path, sha256_file(path / CARD))


def bundle_in_memory(content: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]) -> Bundle:
    """The bundle that `write_bundle_files` would write of these, as if it had been read again."""
    files = bundle_files(content, tensors)
    path = Path(f"{content['name']} in memory")
    card = parse_card(BundleCard, json.loads(files[CARD]), f"bundle {path}, {CARD}")
    return _put_together(card, tensors, path, sha256_bytes(files[CARD]))


def _put_together(card: BundleCard, tensors: Mapping[str, npt.NDArray[Any]], path: Path, sha256: str) -> Bundle:
    origin = f"bundle {path}"
    try:
        entry = registry.lookup(registry.SCORERS, card.model.name, "model")
        if card.input.kind not in entry.inputs:
            raise CardError(f"model {card.model.name} takes {' or '.join(entry.inputs)} input, not {card.input.kind}")
        vector = input_from_state(card.input, _part(tensors, "input."))
        if (vector.layout.features, vector.layout.shape) != (card.columns, card.shape or (len(card.columns),)):
            raise CardError("its columns are not those that its input makes")
        scorer: Scorer = registry.load(entry)(card.model.config, vector.layout)
        if tuple(scorer.score_names) != card.scores:
            raise CardError(f"its scores {', '.join(card.scores)} are not those of {card.model.name}")
        scorer.load_state(_part(tensors, "model."))
        quantiles = {score: _quantiles(_part(tensors, f"quantiles.{score}."), score, card) for score in card.scores}
    except CardError as error:
        raise CardError(f"{origin}: {error}") from error
    return Bundle(card, path, sha256, vector, scorer, quantiles)


@lru_cache(maxsize=8)
def _same_bundle(path: str, sha256: str) -> Bundle:
    bundle = load_bundle(path)
    if bundle.sha256 != sha256:
        raise CardError(f"bundle {path}: changed while it was used; run again")
    return bundle


def bundle_tensors(
    vector: Input, scorer: Scorer, quantiles: Mapping[str, Quantiles | None]
) -> dict[str, npt.NDArray[Any]]:
    """All numbers of a bundle under the names that `load_bundle` reads."""
    tensors = {f"input.{name}": array for name, array in vector.state().items()}
    tensors |= {f"model.{name}": array for name, array in scorer.state().items()}
    for score, table in quantiles.items():
        if table is None:
            continue
        tensors[f"quantiles.{score}.threshold"] = table.threshold
        tensors[f"quantiles.{score}.efficiency"] = table.efficiency
        tensors[f"quantiles.{score}.error"] = table.error
        tensors[f"quantiles.{score}.events"] = np.array([table.events, table.effective_events], dtype=np.float64)
    return tensors


def recipe_content(recipe: AnalysisCard, selection: SelectionCard) -> dict[str, Any]:
    """The part of a bundle's card that comes from the analysis card."""
    kept = {"name", "title", "reference", "fidelity", "fidelity_note", "input", "published"}
    return {
        "schema": "bundle/1",
        **recipe.model_dump(mode="json", include=kept),
        "selection": selection.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def scorer_content(scorer: Scorer, vector: Input) -> dict[str, Any]:
    """The part of a bundle's card that describes the model."""
    return {
        "model": {"name": scorer.name, **scorer.config},
        "columns": list(vector.layout.features),
        **({"shape": list(vector.layout.shape)} if vector.layout.axes != VECTOR else {}),
        "scores": list(scorer.score_names),
    }


def _part(tensors: Mapping[str, npt.NDArray[Any]], prefix: str) -> dict[str, npt.NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}


def _quantiles(part: Mapping[str, npt.NDArray[Any]], score: str, card: BundleCard) -> Quantiles | None:
    if not part and card.imported is not None and card.imported.calibration_events == 0:
        return None
    names = ("threshold", "efficiency", "events")
    if set(part) - {"error"} != set(names) or part["events"].shape != (2,):
        raise CardError(f"the background quantiles of score {score!r} are missing or damaged")
    threshold, efficiency, events = (np.asarray(part[name], dtype=np.float64) for name in names)
    if "error" in part:
        error = np.asarray(part["error"], dtype=np.float64)
    else:  # a bundle of hepad 0.1: right for equal weights only
        error = np.sqrt(np.clip(efficiency * (1 - efficiency), 0.0, None) / max(events[1], 1.0))
    if not threshold.shape == efficiency.shape == error.shape or threshold.ndim != 1 or len(threshold) == 0:
        raise CardError(f"the background quantiles of score {score!r} have different lengths, or none")
    finite = all(np.isfinite(v).all() for v in (threshold, efficiency, error, events)) and (events > 0).all()
    if not finite or (np.diff(threshold) >= 0).any() or (np.diff(efficiency) < 0).any():
        raise CardError(f"the background quantiles of score {score!r} are not finite and in order")
    return Quantiles(threshold, efficiency, error, int(events[0]), float(events[1]))
