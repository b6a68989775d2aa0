"""Train a scorer on background and write a bundle; an interrupted training can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad import registry
from hepad.bundles.bundle import bundle_tensors, recipe_content, scorer_content
from hepad.bundles.checkpoint import CheckpointFolder, Watch, check_checkpoint, fingerprint
from hepad.bundles.files import read_bundle, write_bundle_files
from hepad.cards.analysis import AnalysisCard, RegionSpec, TrainCard
from hepad.cards.bundle import RegionCard, Training
from hepad.errors import CardError, OutputError, UsageError
from hepad.execution.executor import Execution
from hepad.execution.making import Making
from hepad.execution.run import Skipped
from hepad.execution.store import Store
from hepad.inputs.base import Input, make_input
from hepad.inputs.batch import Batch
from hepad.nn.device import resolve_device, send_to
from hepad.nn.scorer import Checkpoint, EpochEnd, FitReport, Scorer, Trainable, TrainingData, trainable
from hepad.nn.supervised import is_supervised
from hepad.objects.cutflow import CutFlow
from hepad.output.atomic import atomic_folder, check_folder
from hepad.output.complete import made_with, selection_hash
from hepad.output.figure_context import FigureContext
from hepad.output.figure_kinds import figure_kinds
from hepad.paths import InputPath
from hepad.pipeline.train.plan import TrainOptions, TrainPlan
from hepad.provenance import FileRecords
from hepad.samples.background import Background, read_background
from hepad.samples.parting import SPLIT, Split, split_events
from hepad.stats.scores.regions import Quantiles, background_quantiles, set_region

__all__ = ["TrainOptions", "TrainReport", "Trained", "train", "train_in_memory", "write_trained"]


@dataclass(frozen=True)
class TrainReport:
    """What a training did; `skipped` are the files that were left out. `complete_before`: the bundle was there.

    `output` is None if nothing was written.
    """

    output: Path | None
    model: str
    cutflow: CutFlow
    fit: FitReport
    split: dict[str, int]
    regions: dict[str, RegionCard] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    complete_before: bool = False

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
            "skipped": [vars(skipped) for skipped in self.skipped],
            "output": None if self.output is None else str(self.output),
        }


@dataclass(frozen=True)
class Trained:
    """A bundle in memory: the content of its card, its numbers by name, and the report."""

    content: dict[str, Any]
    tensors: dict[str, npt.NDArray[Any]]
    report: TrainReport


def train(files: Sequence[str], model: str | AnalysisCard, *, options: TrainOptions) -> TrainReport:
    """Train the model of an analysis card on background files and write the bundle `options.output`.

    `model` is a card, or its bundled name or path. The background is parted into training, validation and held-out
    events, of which each knows its part whatever the files and their order (`hepad.samples.parting`); the input scale
    is fitted on the training events, regions are set on the held-out ones. The same files, options and seed give the
    same bundle, byte for byte, interrupted or not, on the processor; losses on another device agree to about a part in
    a thousand. A bundle that is there already, made by the same call of the same inputs, stays.
    """
    output, options = options.folder, replace(options, device=resolve_device(options.device))
    check_folder(output, verb="train")
    checkpoint = output.with_name(f"{output.name}.checkpoint")
    check_checkpoint(checkpoint, resume=options.resume, restart=options.restart)
    plan = TrainPlan.of(files, model, options)
    again = options.execution.force or options.restart
    making = Making.of(output, plan.inputs, partial(plan.provenance, options), again=again)
    if not options.resume and (before := making.before(read=_stored)):
        return before
    with making.run_folder() as folder:
        key = made_with(**selection_hash(plan.selection), input=plan.recipe.input.model_dump(mode="json"), split=SPLIT)
        background = _read(plan, plan.paths, options, options.execution, folder.store("background", key))
        signal = None
        if plan.against:
            signal = _read(plan, plan.against, options, options.execution, folder.store("against", key))
        # The parts stay until the bundle is there: a training that is resumed need not read again.
        return _train(plan, (background, signal), options, checkpoint, making.records)


def train_in_memory(files: Sequence[str | InputPath], model: str | AnalysisCard, *, options: TrainOptions) -> Trained:
    """The same training, but nothing is written: options of the output and of the execution are not heeded."""
    options = replace(options, device=resolve_device(options.device))
    plan = TrainPlan.of(files, model, options)
    files_of = FileRecords(plan.inputs)
    background = _read(plan, plan.paths, options)
    signal = _read(plan, plan.against, options) if plan.against else None
    records = files_of.wait()
    training = _Training.of(plan, options, (background, signal), records)
    return training.bundle(training.fit(options.on_epoch), records)


def _read(
    plan: TrainPlan,
    paths: Sequence[InputPath],
    options: TrainOptions,
    execution: Execution | None = None,
    store: Store | None = None,
) -> Background:
    return read_background(
        paths,
        plan.selection,
        make_input(plan.recipe.input),
        step_size=options.step_size,
        max_events=None if paths is plan.against and options.against_aside else options.max_events,
        cross_sections=plan.sections if paths is plan.paths else None,
        execution=execution,
        store=store,
    )


def _train(
    plan: TrainPlan,
    events: tuple[Background, Background | None],
    options: TrainOptions,
    checkpoint: Path,
    files: FileRecords,
) -> TrainReport:
    """Train on events that were read, background and perhaps a signal, and write the bundle."""
    background, signal = events
    reasons = {skipped.file: skipped.reason for skipped in background.skipped}
    if signal is not None:
        reasons |= {len(plan.paths) + skipped.file: skipped.reason for skipped in signal.skipped}
    records = files.wait(reasons)
    training = _Training.of(plan, options, (background, signal), records)
    store = CheckpointFolder(checkpoint, fingerprint(*plan.content(options), records, len(background.batch)))
    resume = store.begin(resume=options.resume, restart=options.restart)
    watch = Watch(store, options.on_epoch)
    with watch.signals():
        fit = training.fit(watch, resume)
    trained = training.bundle(fit, records)
    try:
        with atomic_folder(options.folder, verb="train") as folder:
            write_trained(trained, folder)
    except OutputError as error:
        watch.save_last()
        raise OutputError(f"{error}; the training is kept in {store.path}: mend that and add --resume") from error
    store.remove()
    return trained.report


@dataclass(frozen=True)
class _Training:
    """A training whose events were read: their parts, the regions asked for, input and scorer.

    `against` are those of a signal, for a supervised model.
    """

    plan: TrainPlan
    options: TrainOptions
    background: Background
    split: Split
    specs: dict[str, RegionSpec]
    vector: Input
    scorer: Trainable
    against: TrainingData | None

    @classmethod
    def of(
        cls,
        plan: TrainPlan,
        options: TrainOptions,
        events: tuple[Background, Background | None],
        records: Sequence[dict[str, Any]],
    ) -> _Training:
        background, signal = events
        recipe, raw = plan.recipe, background.batch
        specs = _complete_regions(plan.specs, raw if plan.sections else None)
        split = split_events(background.ids(records), plan.card, options.seed, options.set_aside).checked()
        _check_regions(specs, raw.weight[split.holdout] if plan.sections else np.ones(len(split.holdout)))
        vector = make_input(recipe.input).fitted(raw.take(split.train))
        scorer = trainable(registry.load(registry.SCORERS[recipe.model.name])(recipe.model.config, vector.layout))
        _check_signal(recipe.model.name, scorer, signal)
        against = None if signal is None else _signal_data(plan, options, signal, records, vector)
        return cls(plan, options, background, split, specs, vector, scorer, against)

    def _part(self, rows: npt.NDArray[np.int64]) -> Batch:
        return self.vector.scaled(self.background.batch.take(rows))

    def fit(self, on_epoch: Callable[[EpochEnd], None] | None, resume: Checkpoint | None = None) -> FitReport:
        """Train the scorer."""
        parts = [self._part(rows) for rows in (self.split.train, self.split.validation)]
        if not self.plan.card.weighted:
            parts = [replace(part, weight=np.ones_like(part.weight)) for part in parts]
        data = TrainingData(parts[0], parts[1], against=self.against)
        return self.scorer.fit(
            data,
            options=self.plan.card,
            seed=self.options.seed,
            device=self.options.device,
            on_epoch=on_epoch,
            resume=resume,
        )

    def bundle(self, fit: FitReport, records: Sequence[dict[str, Any]]) -> Trained:
        """Set the regions on the held-out events, and put the bundle together."""
        plan, split, scorer, flow = self.plan, self.split, self.scorer, self.background.cutflow
        send_to(scorer, self.options.device)
        quantiles = _calibrate(scorer, self._part(split.holdout))
        regions = {name: set_region(name, spec, quantiles, scorer.score_names[0]) for name, spec in self.specs.items()}
        content = {
            **recipe_content(plan.recipe, plan.selection),
            **scorer_content(scorer, self.vector),
            "regions": {name: region.model_dump(mode="json", exclude_none=True) for name, region in regions.items()},
            "training": _training(plan.card, self.options, split, fit).model_dump(mode="json", exclude_none=True),
            "provenance": {**plan.provenance(self.options, records), "cutflow": flow.to_json()},
        }
        sizes = {"train": len(split.train), "validation": len(split.validation), "holdout": len(split.holdout)}
        skipped = self.background.skipped
        report = TrainReport(self.options.output, plan.recipe.name, flow, fit, sizes, regions, skipped)
        return Trained(content, bundle_tensors(self.vector, scorer, quantiles), report)


def _check_signal(model: str, scorer: Trainable, signal: Background | None) -> None:
    """`UsageError` if a model learns from a signal and there is none, or the other way round."""
    if is_supervised(scorer) and signal is None:
        raise UsageError(f"model {model} learns to tell a signal from background: give files of one with --against")
    if signal is not None and not is_supervised(scorer):
        raise UsageError(f"model {model} learns from background alone: leave out --against")


def _signal_data(
    plan: TrainPlan, options: TrainOptions, signal: Background, records: Sequence[dict[str, Any]], vector: Input
) -> TrainingData:
    """The training and validation events of the signal; its others are held out, as those of background are."""
    ids, aside = signal.ids(records[len(plan.paths) :]), options.against_aside or options.set_aside
    split = split_events(ids, plan.card, options.seed, aside).checked()
    train, validation = (vector.scaled(signal.batch.take(rows)) for rows in (split.train, split.validation))
    return TrainingData(train, validation)


def _stored(output: Path) -> tuple[dict[str, Any], TrainReport]:
    """What a bundle that is there says of itself, and its report; `CardError` if it was not trained here."""
    card, _ = read_bundle(output)
    record, done = dict(card.provenance), card.training
    if done is None:
        raise CardError(f"{output}: was not trained here")
    flow = CutFlow.from_json(record.pop("cutflow"))
    places = enumerate(record["inputs"])
    skipped = tuple(Skipped(n, each["name"], each["skipped"]) for n, each in places if "skipped" in each)
    fit = FitReport(done.train_loss, done.validation_loss, done.best_epoch, done.stopped_early)
    sizes = {"train": done.events, "validation": done.validation_events, "holdout": done.holdout_events}
    report = TrainReport(output, card.name, flow, fit, sizes, dict(card.regions), skipped, complete_before=True)
    return record, report


def _complete_regions(specs: Mapping[str, RegionSpec], in_pb: Batch | None) -> dict[str, RegionSpec]:
    """The specs with the cross section of the background, if there is one with weights in pb."""
    total = None if in_pb is None else float(in_pb.weight.sum())
    return {name: spec.completed(total) for name, spec in specs.items()}


def _check_regions(specs: Mapping[str, RegionSpec], weights: npt.NDArray[np.float64]) -> None:
    """Refuse a region that the held-out events cannot set, before hours of training rather than after.

    Half of them must each stand for no more than the region keeps. The others, of the slices with the largest cross
    sections, must not have the highest scores: `set_region` refuses a region if one has.
    """
    most = len(weights) * float(np.median(weights)) / weights.sum()
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
        split=SPLIT,
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


def write_trained(trained: Trained, folder: Path) -> None:
    """The files of a bundle, and the figure of its losses unless there are to be none, into an existing folder."""
    write_bundle_files(folder, trained.content, trained.tensors)
    if not figure_kinds():
        return
    from hepad.output.figures import save_figure
    from hepad.plot.loss import plot_loss

    fit = trained.report.fit
    figure = plot_loss(fit.train_loss, fit.validation_loss, best_epoch=fit.best_epoch, context=FigureContext())
    save_figure(figure, folder / "loss", kinds=("png",), numbers=False)  # the one that packed analyses take along
