"""A model that was fine-tuned for a weight width, as a bundle of its own: `snn_ae@w4`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hepad import registry
from hepad.inputs.batch import Batch
from hepad.io.bundle import write_bundle_files
from hepad.nn.scorer import Scorer
from hepad.pipeline.bundle import bundle_tensors
from hepad.pipeline.trigger import TriggerModel
from hepad.stats.regions import background_quantiles, set_region
from hepad.trigger.design import Design
from hepad.trigger.network import state_of

__all__ = ["Variant", "fine_tuned", "write_variant"]

_HOLDOUT = 0.2


@dataclass(frozen=True)
class Variant:
    """A fine-tuned model, and the background that was held out of the fine-tuning, for its regions."""

    name: str
    model: TriggerModel
    holdout: Batch
    loss_before: float
    loss_after: float
    epochs: int


def fine_tuned(made: TriggerModel, background: Batch, *, epochs: int, learning_rate: float, seed: int) -> Variant:
    """Fine-tune a design on background (n events), of which a fifth is held out."""
    from hepad.trigger.finetune import finetune

    order = np.random.default_rng(seed).permutation(len(background))
    cut = round(len(order) * _HOLDOUT)
    holdout, training = background.take(np.sort(order[:cut])), background.take(np.sort(order[cut:]))
    found = finetune(made.design, training.x.astype(np.float64), epochs=epochs, learning_rate=learning_rate, seed=seed)
    design = Design(found.network, made.design.precision, made.design.inputs, encoder=made.design.encoder)
    name = f"{made.bundle.card.name}@w{design.precision.weight}"
    model = replace(made, network=found.network, design=design)
    return Variant(name, model, holdout, found.loss_before, found.loss_after, found.best_epoch)


def write_variant(variant: Variant, folder: Path, record: Mapping[str, Any]) -> None:
    """Write the bundle; its scores are those of the rounded weights in floating point, its regions set on them.

    `CardError` for a model that cannot take the weights.
    """
    bundle, design = variant.model.bundle, variant.model.design
    scorer: Scorer = registry.load(registry.SCORERS[bundle.card.model.name])(
        bundle.card.model.config, bundle.input.columns
    )
    scorer.load_state(state_of(variant.model.network))
    quantiles = {
        name: background_quantiles(values, variant.holdout.weight)
        for name, values in scorer.scores(variant.holdout).items()
    }
    regions = {
        name: set_region(name, region.spec, quantiles, scorer.score_names[0])
        for name, region in bundle.card.regions.items()
    }
    note = (
        f"{bundle.card.name} ({bundle.sha256[:12]}) fine-tuned with rounded weights, {variant.epochs} epochs, loss "
        f"{variant.loss_before:.3g} to {variant.loss_after:.3g}; its key training is that of the model it was made from"
    )
    content = {
        **bundle.card.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"hashes"}),
        "name": variant.name,
        "fidelity": "inspired",
        "fidelity_note": note,
        "published": {},
        "bits": design.precision.to_json(),
        "regions": {name: region.model_dump(mode="json", exclude_none=True) for name, region in regions.items()},
        "provenance": dict(record),
    }
    folder.mkdir()
    write_bundle_files(folder, content, bundle_tensors(bundle.input, scorer, dict(quantiles)))
