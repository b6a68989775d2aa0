"""The card of a bundle: everything about a trained model but its numbers."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from hepad.cards.analysis import REGION_KINDS, ModelCard, Published, RegionSpec, TrainCard, region_keys
from hepad.cards.base import Card, CardName, validation_summary
from hepad.cards.input import AnyInput
from hepad.cards.selection import SelectionCard
from hepad.errors import UsageError

__all__ = ["BundleCard", "Compared", "Imported", "RegionCard", "SetAside", "Training", "parse_region", "region_words"]

_REGION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class RegionCard(Card):
    """A region as it was set: events with `score` at or above `threshold` are in it that pass what else `spec` asks.

    `efficiency` is the fraction of the calibration background above the threshold, `efficiency_error` its
    statistical error; both are None when the threshold was given by hand.
    """

    score: str
    threshold: float
    spec: RegionSpec
    efficiency: float | None = None
    efficiency_error: float | None = None
    calibration_events: int = Field(default=0, ge=0)


class SetAside(Card):
    """Background kept away from a training: this fraction of the selected events, drawn by this seed."""

    fraction: float = Field(gt=0, lt=1)
    seed: int = Field(ge=0)


class Training(Card):
    """How the weights came about.

    `split` is the rule that parted the events (`hepad.samples.parting`): bundles from before there were two lack it.
    """

    options: TrainCard
    seed: int
    split: Literal["rows/1", "entries/1"] = "rows/1"
    events: int
    validation_events: int
    holdout_events: int
    set_aside: SetAside | None = None
    epochs: int
    best_epoch: int
    stopped_early: bool
    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]


class Compared(Card):
    """A quantity held against what its author got: how many numbers, and the largest relative difference."""

    quantity: str
    compared: int = Field(ge=1)
    largest_difference: float = Field(ge=0)
    tolerance: float = Field(ge=0)


class Imported(Card):
    """Where the weights of others came from.

    `parity` is what their author's vectors were held against; without vectors `parity_checked` is False: nobody knows.
    `opset` is that of an ONNX file, whose `operators` are its own; a C++ library has kinds of layers, a file of weights
    neither.
    """

    file: str
    sha256: str
    opset: int | None = None
    operators: tuple[str, ...]
    calibration_events: int = Field(default=0, ge=0)
    parity_checked: bool
    parity: tuple[Compared, ...] = ()

    @model_validator(mode="after")
    def _says_what_was_checked(self) -> Imported:
        if self.parity_checked != bool(self.parity):
            raise ValueError("parity_checked must say whether parity holds anything")
        return self


class BundleCard(Card):
    """`card.json` of a bundle. `hashes` holds the sha256 of the other files.

    It has `training` if hepad trained the model, `imported` if its weights are from elsewhere. `bits` are the widths in
    logic that its weights were trained for, by the names of `hepad.trigger.design.Precision`.
    """

    schema_: Literal["bundle/1"] = Field(alias="schema")
    name: CardName
    title: str
    reference: str
    fidelity: Literal["exact", "approximate", "inspired"]
    fidelity_note: str = ""
    selection: SelectionCard
    input: AnyInput
    model: ModelCard
    columns: tuple[str, ...]
    shape: tuple[int, ...] | None = None
    scores: tuple[str, ...] = Field(min_length=1)
    regions: dict[str, RegionCard]
    training: Training | None = None
    imported: Imported | None = None
    bits: dict[str, int] | None = None
    published: Published = Field(default_factory=dict)
    provenance: dict[str, Any]
    hashes: dict[str, str]

    @field_validator("regions")
    @classmethod
    def _names_are_branches(cls, regions: dict[str, RegionCard]) -> dict[str, RegionCard]:
        for name in regions:
            if not _REGION_NAME.fullmatch(name):
                raise ValueError(f"region name {name!r} must be letters, digits and underscores, a letter first")
        return regions

    @model_validator(mode="after")
    def _weights_have_one_origin(self) -> BundleCard:
        if (self.training is None) == (self.imported is None):
            raise ValueError("a bundle has either training or imported")
        return self

    @model_validator(mode="after")
    def _regions_cut_on_known_scores(self) -> BundleCard:
        for name, region in self.regions.items():
            for score in (region.score, *region.spec.other_scores):
                if score not in self.scores:
                    raise ValueError(f"region {name!r} cuts on score {score!r}, which is none of {list(self.scores)}")
        return self


def parse_region(text: str) -> tuple[str, RegionSpec]:
    """The name and spec of a region given on the command line as `NAME=[SCORE@]KIND:VALUE`.

    `loose=efficiency:0.01`, `l1=rate:0.5/30` (kHz of input kHz), `gold=cross_section:10/48000` (pb of background
    pb, which may be left out where events have weights in pb), `cut=kl@threshold:4.2`, `box=kl@threshold:4.2,
    mse@threshold:1` of several scores. `UsageError` if it is none of these.
    """
    name, equals, setting = text.partition("=")
    forms = "NAME=efficiency:0.01, NAME=rate:OUT/IN, NAME=cross_section:OUT[/IN] or NAME=threshold:X"
    if not _REGION_NAME.fullmatch(name):
        raise UsageError(f"--region {text!r}: write {forms}")
    if not equals:
        raise UsageError(f"--region {text!r}: regions that are there are taken anyway; a new one is {forms}")
    try:
        return name, RegionSpec(**region_keys(setting))
    except ValidationError as error:
        raise UsageError(f"--region {text!r}: {validation_summary(error)}") from error
    except ValueError as error:
        raise UsageError(f"--region {text!r}: {error}") from error


def region_words(name: str, spec: RegionSpec | None) -> str:
    """The option `--region` that `parse_region` reads; the name alone for a region that is known by it."""
    for kind, (part_key, whole_key) in REGION_KINDS.items():
        part, whole = getattr(spec, part_key, None), getattr(spec, whole_key or "", None)
        if spec is not None and part is not None:
            score = f"{spec.score}@" if spec.score else ""
            others = "".join(f",{other}@threshold:{bounds.min!r}" for other, bounds in (spec.where or {}).items())
            return f"{name}={score}{kind}:{part!r}" + ("" if whole is None else f"/{whole!r}") + others
    return name
