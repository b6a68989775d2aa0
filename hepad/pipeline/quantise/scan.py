"""The designs of one model: a weight width each, rounded, and fine-tuned with several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from hepad.io.reader import expand_files
from hepad.paths import InputPath
from hepad.pipeline.quantise.report import QuantisedPoint
from hepad.pipeline.quantise.variant import Parted, Variant, fine_tuned, least_changed, part
from hepad.samples.trigger import TriggerModel, decision_flips, trigger_background, trigger_events, trigger_model
from hepad.stats.scores.roc import roc_curve
from hepad.trigger.calibration import clock_period
from hepad.trigger.logic import compile_logic
from hepad.trigger.network import operations

__all__ = ["Designs", "Scan", "Tuning", "expanded"]


@dataclass(frozen=True)
class Tuning:
    """How designs are fine-tuned: on which files, for how long, with which seeds."""

    files: tuple[InputPath, ...]
    epochs: int
    learning_rate: float
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Designs:
    """What the designs of a scan have in common; `tuning` is None if weights are only rounded."""

    bits: Mapping[str, int]
    shallow: bool
    tuning: Tuning | None


class Scan:
    """The designs of one model; `background` and `signals` are what they are judged by."""

    def __init__(
        self,
        name: str,
        background: Sequence[str],
        signals: Mapping[str, Sequence[str]],
        designs: Designs,
        *,
        max_events: int | None,
    ) -> None:
        self._name, self._designs = name, designs
        tuning = designs.tuning
        self.model = trigger_model(name, bits=designs.bits, shallow=designs.shallow)
        self.model.rounded  # noqa: B018  refuses what is in fixed point already, before any file is read
        self._batch = trigger_events(self.model, background, max_events=max_events)
        self._signals = {key: trigger_events(self.model, f, max_events=max_events) for key, f in signals.items()}
        self._reference = self._scores(self._batch)
        self.parted: Parted | None = None
        if tuning is not None:
            events = trigger_background(self.model, tuning.files, max_events=max_events)
            self.parted = part(self.model, events, tuning.files, seed=tuning.seeds[0])
        self.variants: dict[int, Variant] = {}

    @property
    def operations(self) -> dict[str, float]:
        """Those of the model in floating point, on the background."""
        return operations(self.model.rounded[0], self._batch.x)

    def points(self, weights: Sequence[int]) -> list[QuantisedPoint]:
        """The model in floating point, then the designs of each width; the variants chosen of it are kept."""
        auc = self._auc({key: self._scores(batch) for key, batch in self._signals.items()}, self._reference)
        found = [QuantisedPoint(self._name, "floating point", None, auc)]
        tuning, shallow = self._designs.tuning, self._designs.shallow
        for bits in weights:
            made = trigger_model(self._name, bits={**self._designs.bits, "weight": bits}, shallow=shallow)
            found.append(self._point(made))
            if tuning is not None and self.parted is not None:
                variants = [self._fine_tuned(made, self.parted, tuning, seed) for seed in tuning.seeds]
                self.variants[bits] = least_changed(variants)
                found += [self._point(v.model, v, chosen=v is self.variants[bits]) for v in variants]
        return found

    @staticmethod
    def _fine_tuned(made: TriggerModel, parted: Parted, tuning: Tuning, seed: int) -> Variant:
        return fine_tuned(made, parted, epochs=tuning.epochs, learning_rate=tuning.learning_rate, seed=seed)

    def _scores(self, batch: Any) -> npt.NDArray[Any]:
        return self.model.bundle.scorer.scores(batch)[self.model.score]

    def _point(self, made: TriggerModel, variant: Variant | None = None, *, chosen: bool = False) -> QuantisedPoint:
        _, design = made.rounded
        own = design.scores(self._batch.x)
        logic = compile_logic(design)
        period = clock_period(logic.cost)
        flips = decision_flips(self.model.regions(), self._reference, own)
        return QuantisedPoint(
            self._name,
            "rounded" if variant is None else "fine-tuned",
            design.precision.weight,
            self._auc({key: design.scores(batch.x) for key, batch in self._signals.items()}, own),
            max(flips, key=lambda f: f.passed).flips_same_rate if flips else None,
            round(logic.cost),
            logic.registers,
            logic.clock_edges,
            logic.clock_edges * period.ns,
            logic.clock_edges * period.error_ns,
            design.operations(self._batch.x),
            *(() if variant is None else (variant.seed, variant.loss, variant.flips, chosen)),
        )

    @staticmethod
    def _auc(scores: Mapping[str, npt.NDArray[Any]], background: npt.NDArray[Any]) -> dict[str, float]:
        return {key: roc_curve(values, background).auc for key, values in scores.items()}


def expanded(files: Sequence[str]) -> tuple[InputPath, ...]:
    """The paths of files given with globs; none of none."""
    return tuple(expand_files(files)) if files else ()
