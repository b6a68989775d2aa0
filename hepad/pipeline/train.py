"""Train a scorer on background and write a bundle; an interrupted training can be resumed."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad import registry
from hepad.cards.analysis import AnalysisCard, RegionSpec, TrainCard, load_analysis
from hepad.cards.bundle import RegionCard, SetAside, Training
from hepad.cards.selection import load_selection
from hepad.errors import OutputError, UsageError
from hepad.inputs.base import make_input
from hepad.inputs.batch import Batch
from hepad.io.atomic import atomic_folder, check_folder
from hepad.io.bundle import CARD, WEIGHTS, write_bundle_files
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.nn.scorer import EpochEnd, FitReport, Scorer
from hepad.objects.cutflow import CutFlow
from hepad.pipeline.background import Split, read_background, set_aside, split_events
from hepad.pipeline.bundle import bundle_tensors, recipe_content, scorer_content
from hepad.pipeline.checkpoint import CheckpointFolder, Watch, fingerprint
from hepad.pipeline.figures import save_figure
from hepad.pipeline.weighting import CrossSections
from hepad.provenance import file_record, provenance
from hepad.stats.regions import Quantiles, background_quantiles, set_region

_OURS = (CARD, WEIGHTS, "loss.png")

__all__ = ["TrainOptions", "TrainReport", "train"]


@dataclass(frozen=True)
class TrainOptions:
    """Options of `train`; None takes the value of the model's card. `resume` goes on from a checkpoint.

    `set_aside` names selected background that the training must not see in any way, because a study measures on it.
    `cross_sections` are patterns of files and pb: see `hepad.pipeline.weighting`; none leaves weights as they are.
    """

    output: Path
    selection: str | None = None
    seed: int = 1
    train: TrainCard | None = None
    regions: Mapping[str, RegionSpec] | None = None
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    set_aside: SetAside | None = None
    cross_sections: Sequence[tuple[str, float]] = ()
    resume: bool = False
    restart: bool = False
    on_epoch: Callable[[EpochEnd], None] | None = None


@dataclass(frozen=True)
class TrainReport:
    """What a training did."""

    output: Path
    model: str
    cutflow: CutFlow
    fit: FitReport
    split: dict[str, int]
    regions: dict[str, RegionCard] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "model": self.model,
            "events": self.cutflow.total.events,
            "selected": self.cutflow.selected.events,
            "cutflow": self.cutflow.to_json(),
            "split": self.split,
            "epochs": self.fit.epochs,
            "best_epoch": self.fit.best_epoch,
            "stopped_early": self.fit.stopped_early,
            "train_loss": self.fit.train_loss[-1],
            "validation_loss": self.fit.validation_loss[-1],
            "regions": {
                name: {
                    "threshold": r.threshold,
                    "score": r.score,
                    "efficiency": r.efficiency,
                    "efficiency_error": r.efficiency_error,
                }
                for name, r in self.regions.items()
            },
            "output": str(self.output),
        }


def train(files: Sequence[str], model: str | AnalysisCard, *, options: TrainOptions) -> TrainReport:
    """Train the model of an analysis card on background files and write the bundle `options.output`.

    `model` is a card, or its bundled name or path. The background is parted into training, validation and held-out
    events; the input scale is fitted on the training events, regions are set on the held-out ones. The same files,
    options and seed give the same bundle, byte for byte, interrupted or not.
    """
    check_folder(options.output, ours=_OURS)
    recipe = load_analysis(model) if isinstance(model, str) else model
    if not registry.SCORERS[recipe.model.name].trainable:
        raise UsageError(f"a model of kind {recipe.model.name} is not trained; bring it with 'hepad import-model'")
    paths = expand_files(files)
    selection = load_selection(options.selection or recipe.selection)
    card = options.train or recipe.train
    vector = make_input(recipe.input)
    sections = CrossSections.of(options.cross_sections, paths) if options.cross_sections else None
    raw, flow = read_background(
        paths, selection, vector, step_size=options.step_size, max_events=options.max_events, cross_sections=sections
    )
    specs = _complete_regions(recipe.regions if options.regions is None else options.regions, raw if sections else None)
    if options.set_aside:
        raw = raw.take(set_aside(len(raw), options.set_aside).rest)
    split = split_events(len(raw), card, options.seed)
    _check_regions(specs, raw.weight[split.holdout] if sections else np.ones(len(split.holdout)))
    vector = vector.fitted(raw.take(split.train))
    scorer: Scorer = registry.load(registry.SCORERS[recipe.model.name])(recipe.model.config, vector.columns)
    records = [file_record(path) for path in paths]
    store = CheckpointFolder(
        options.output.with_name(f"{options.output.name}.checkpoint"),
        fingerprint(
            recipe.model_dump(mode="json"),
            selection.model_dump(mode="json"),
            card.model_dump(mode="json"),
            options.seed,
            records,
            len(raw),
            options.set_aside.model_dump(mode="json") if options.set_aside else None,
            *([sections.words()] if sections else []),
        ),
    )
    resume = store.begin(resume=options.resume, restart=options.restart)
    watch = Watch(store, options.on_epoch)
    with watch.signals():
        fit = scorer.fit(
            vector.scaled(raw.take(split.train)),
            vector.scaled(raw.take(split.validation)),
            options=card,
            seed=options.seed,
            on_epoch=watch,
            resume=resume,
        )
    quantiles = _calibrate(scorer, vector.scaled(raw.take(split.holdout)))
    regions = {name: set_region(name, spec, quantiles, scorer.score_names[0]) for name, spec in specs.items()}
    record = provenance(
        _command(options, recipe, Path(model).stem if isinstance(model, str) else model.name, sections),
        inputs=records,
        seed=options.seed,
    )
    training = _training(card, options, split, fit)
    content = {
        **recipe_content(recipe, selection),
        **scorer_content(scorer, vector),
        "regions": {name: region.model_dump(mode="json", exclude_none=True) for name, region in regions.items()},
        "training": training.model_dump(mode="json", exclude_none=True),
        "provenance": record,
    }
    try:
        _write(options.output, content, bundle_tensors(vector, scorer, quantiles), fit)
    except OutputError as error:
        watch.save_last()
        raise OutputError(f"{error}; the training is kept in {store.path}: mend that and add --resume") from error
    store.remove()
    sizes = {"train": len(split.train), "validation": len(split.validation), "holdout": len(split.holdout)}
    return TrainReport(options.output, recipe.name, flow, fit, sizes, regions)


def _complete_regions(specs: Mapping[str, RegionSpec], in_pb: Batch | None) -> dict[str, RegionSpec]:
    """The specs with the cross section of the background, if there is one with weights in pb."""
    total = None if in_pb is None else float(in_pb.weight.sum())
    return {name: spec.completed(total) for name, spec in specs.items()}


def _check_regions(specs: Mapping[str, RegionSpec], weights: npt.NDArray[np.float64]) -> None:
    """Refuse a region that the held-out events cannot set, before hours of training rather than after.

    The heaviest event must not stand for more than the region keeps: it might be the one of the highest score.
    """
    most = len(weights) * weights.max() / weights.sum()
    for name, spec in specs.items():
        if spec.efficiency is not None and spec.efficiency * len(weights) < most * (1 - 1e-12):
            raise UsageError(
                f"region {name!r} at background efficiency {spec.efficiency:g} needs "
                f"{int(np.ceil(most / spec.efficiency))} held-out events, there are {len(weights)}: "
                "give more background, or other regions with --region"
            )


def _calibrate(scorer: Scorer, holdout: Batch) -> dict[str, Quantiles]:
    return {name: background_quantiles(values, holdout.weight) for name, values in scorer.scores(holdout).items()}


def _training(card: TrainCard, options: TrainOptions, split: Split, fit: FitReport) -> Training:
    return Training(
        options=card,
        seed=options.seed,
        set_aside=options.set_aside,
        events=len(split.train),
        validation_events=len(split.validation),
        holdout_events=len(split.holdout),
        epochs=fit.epochs,
        best_epoch=fit.best_epoch,
        stopped_early=fit.stopped_early,
        train_loss=fit.train_loss,
        validation_loss=fit.validation_loss,
    )


def _command(options: TrainOptions, recipe: AnalysisCard, model: str, sections: CrossSections | None) -> str:
    """The command in a form that does not depend on where the output went or whether it was resumed."""
    selection = options.selection or recipe.selection
    given = "".join(f" --cross-section {shlex.quote(word)}" for word in (sections.words() if sections else ()))
    return f"hepad train --model {model} --selection {selection} --seed {options.seed}{given}"


def _write(output: Path, content: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]], fit: FitReport) -> None:
    from hepad.plot.loss import plot_loss

    with atomic_folder(output, ours=_OURS) as folder:
        write_bundle_files(folder, content, tensors)
        save_figure(
            plot_loss(fit.train_loss, fit.validation_loss, best_epoch=fit.best_epoch), folder / "loss", kinds=("png",)
        )
