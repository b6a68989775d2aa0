"""A model that was fine-tuned for a weight width, as a bundle of its own: `snn_ae@w4`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hepad import registry
from hepad.bundles.bundle import Bundle, bundle_tensors
from hepad.bundles.files import write_bundle_files
from hepad.cards.bundle import RegionCard
from hepad.errors import InputDataError
from hepad.inputs.batch import Batch
from hepad.nn.layers import has_layers
from hepad.nn.scorer import Scorer
from hepad.paths import InputPath
from hepad.provenance import file_record, provenance
from hepad.samples.background import Background
from hepad.samples.parting import SPLIT, unseen
from hepad.samples.split import EventIds
from hepad.samples.trigger import TriggerModel, decision_flips
from hepad.stats.scores.regions import Quantiles, background_quantiles, set_region
from hepad.trigger.design import Design

__all__ = [
    "Parted",
    "Variant",
    "fine_tuned",
    "least_changed",
    "part",
    "regions_of",
    "variant_provenance",
    "write_variant",
]

_HOLDOUT = 0.2


@dataclass(frozen=True)
class Parted:
    """Background to fine-tune on, and background held out of it, with the model's scores there (m,)."""

    training: Batch
    holdout: Batch
    reference: Any


@dataclass(frozen=True)
class Variant:
    """A fine-tuned model and what background says of it.

    `loss` and `flips`, the fraction of decisions that are not the model's in its loosest region at the same rate (None
    without a region), are of the events held out. `losses`: before and after, of those that chose the epoch.
    """

    name: str
    model: TriggerModel
    seed: int
    epochs: int
    losses: tuple[float, float]
    loss: float
    flips: float | None


def part(model: TriggerModel, background: Background, paths: Sequence[InputPath], *, seed: int) -> Parted:
    """Hold events out of the background in files `paths`, scaled.

    Those that the model's own training holds out, which an event knows: then neither the model nor a fine-tuning has
    seen them. Where the training parted events by their rows, that takes the files of the training, all of them; with
    others, and for a model that was not trained here, a fifth is held out, drawn by the seed. `InputDataError` if there
    are too few events for that.
    """
    ids, training = background.ids([file_record(path) for path in paths]), model.bundle.card.training
    if training is not None and (training.split == SPLIT or _trained_on(model.bundle, ids)):
        mask = unseen(ids, training, model.bundle.card.name)
    else:
        mask = ids.part(seed=seed, fractions=(_HOLDOUT,), draw="fine-tuning") == 0
    if not 0 < mask.sum() < len(mask):
        raise InputDataError(f"{len(mask)} background events are too few to fine-tune on some and hold some out")
    tuning, holdout = (background.batch.take(np.flatnonzero(m)) for m in (~mask, mask))
    return Parted(tuning, holdout, model.bundle.scorer.scores(holdout)[model.score])


def _trained_on(bundle: Bundle, ids: EventIds) -> bool:
    training = bundle.card.training
    if training is None or training.set_aside or training.options.train_events:
        return False
    own = [record.get("sha256") for record in bundle.card.provenance.get("inputs", [])]
    complete = len(ids) == training.events + training.validation_events + training.holdout_events
    return complete and own == list(ids.sha256)


def fine_tuned(made: TriggerModel, parted: Parted, *, epochs: int, learning_rate: float, seed: int) -> Variant:
    """Fine-tune a design."""
    from hepad.trigger.finetune import finetune

    training, holdout = (batch.x.astype(np.float64) for batch in (parted.training, parted.holdout))
    _, rounded = made.rounded
    found = finetune(rounded, training, holdout, epochs=epochs, learning_rate=learning_rate, seed=seed)
    design = Design(found.network, rounded.precision, rounded.inputs, encoder=rounded.encoder, shallow=rounded.shallow)
    model = replace(made, network=found.network, design=design)
    flips = decision_flips(model.regions(), parted.reference, design.scores(holdout))
    return Variant(
        f"{made.bundle.card.name}@w{design.precision.weight}",
        model,
        seed,
        found.best_epoch,
        (found.loss_before, found.loss_after),
        found.loss_held_out,
        max(flips, key=lambda f: f.passed).flips_same_rate if flips else None,
    )


def least_changed(variants: Sequence[Variant]) -> Variant:
    """The one whose decisions on held-out background differ least from the model's; of equals, that of least loss.

    Only background tells: a choice by a signal would be tuned to it.
    """
    return min(variants, key=lambda v: (v.flips if v.flips is not None else 0.0, v.loss, v.seed))


def variant_provenance(variant: Variant, files: Sequence[InputPath], command: str) -> dict[str, Any]:
    """The provenance of a variant; its inputs are all events that its weights were trained on, first or again."""
    bundle = variant.model.bundle
    records = {record["sha256"]: record for record in (file_record(path) for path in files)}
    for record in bundle.card.provenance.get("inputs", []):
        records.setdefault(record["sha256"], record)
    cards = {bundle.card.name: bundle.sha256}
    return provenance(command, inputs=records.values(), seed=variant.seed, cards=cards)


def regions_of(bundle: Bundle, scorer: Scorer, holdout: Batch) -> tuple[dict[str, Quantiles], dict[str, RegionCard]]:
    """Quantiles of a scorer on held-out background, and the bundle's regions set by them.

    `UsageError` if the events are too few.
    """
    found = {name: background_quantiles(values, holdout.weight) for name, values in scorer.scores(holdout).items()}
    default = scorer.score_names[0]
    return found, {name: set_region(name, r.spec, found, default) for name, r in bundle.card.regions.items()}


def write_variant(variant: Variant, holdout: Batch, of: int, folder: Path, record: Mapping[str, Any]) -> None:
    """Write the bundle; its scores are those of the rounded weights in floating point, its regions set on them.

    `holdout` is background that the fine-tuning has not seen; `of` so many fine-tunings the variant was chosen.
    """
    bundle, (network, design) = variant.model.bundle, variant.model.rounded
    scorer: Scorer = registry.load(registry.SCORERS[bundle.card.model.name])(
        bundle.card.model.config, bundle.input.layout
    )
    scorer.load_state(has_layers(bundle.scorer).state_of(network))
    quantiles, regions = regions_of(bundle, scorer, holdout)
    content = {
        **bundle.card.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"hashes"}),
        "name": variant.name,
        "title": f"{bundle.card.title}, {design.precision.weight}-bit weights",
        "fidelity": "inspired",
        "fidelity_note": _note(variant, of),
        "published": {},
        "bits": design.precision.to_json(),
        "regions": {name: region.model_dump(mode="json", exclude_none=True) for name, region in regions.items()},
        "provenance": dict(record),
    }
    if content.get("training"):  # its losses are those of another model
        content["training"] |= {"train_loss": [], "validation_loss": []}
    folder.mkdir()
    write_bundle_files(folder, content, bundle_tensors(bundle.input, scorer, dict(quantiles)))


def _note(variant: Variant, of: int) -> str:
    bundle = variant.model.bundle
    flips = "" if variant.flips is None else f", {variant.flips:.2%} of decisions on held-out background differ"
    return (
        f"{bundle.card.name} ({bundle.sha256[:12]}) fine-tuned with rounded weights for {variant.epochs} epochs, seed "
        f"{variant.seed} of {of}, chosen on held-out background: loss {variant.losses[0]:.3g} to "
        f"{variant.losses[1]:.3g}{flips}; its key training is that of the model it was made from"
    )
