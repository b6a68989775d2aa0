"""Evaluate models: how well do their scores part signals from background, beside the published numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from hepad.bundles.systems import Training, load_trainings
from hepad.errors import UsageError
from hepad.execution.executor import Execution
from hepad.execution.making import Making
from hepad.execution.run import OnEvents, Skipped
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.output.atomic import check_folder
from hepad.paths import InputPath
from hepad.pipeline.evaluate.measure import compare_systems, measure_regions, measure_rows, summarise_systems
from hepad.pipeline.evaluate.output import write_report
from hepad.pipeline.evaluate.page import markdown
from hepad.pipeline.evaluate.report import formatted_metrics, formatted_regions
from hepad.pipeline.evaluate.results import EvaluateReport, RegionRow, Row
from hepad.pipeline.evaluate.samples import Selections, scored_samples
from hepad.pipeline.evaluate.titles import known_titles
from hepad.provenance import command_line, provenance
from hepad.samples.fresh import fresh_samples
from hepad.samples.scoring import ScoredSample
from hepad.samples.weighting import CrossSections

__all__ = [
    "EvaluateOptions",
    "EvaluateReport",
    "RegionRow",
    "Row",
    "evaluate",
    "evaluate_samples",
    "formatted_metrics",
    "formatted_regions",
    "markdown",
]


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of `evaluate`.

    `rejection_at` is the signal efficiency at which 1/eps_b is quoted, `more_rejections_at` are further ones; `fpr` are
    background efficiencies at which the signal efficiency is wanted; `min_background` is the least number of effective
    background events behind a TPR at small FPR and a significance improvement. The stochastic order is tested with the
    AUCs of `aso_subsets` subsets of `aso_events` events; 0 subsets leave it out. `cross_sections` are patterns of
    background files and pb, see `hepad.samples.weighting`; none leaves weights as they are. `selection` is in place of
    the models'; `selections` say by the names of samples, `background` among them, which of a file's events are theirs.
    """

    output: Path | None = None
    selection: str | None = None
    selections: Mapping[str, str] = field(default_factory=dict)
    rejection_at: float = 0.3
    replicas: int = 200
    seed: int = 1
    simulation: bool = True
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    execution: Execution = field(default_factory=Execution)
    on_events: OnEvents | None = None
    more_rejections_at: tuple[float, ...] = ()
    fpr: tuple[float, ...] = (1e-5,)
    min_background: float = 10
    aso_subsets: int = 1000
    aso_events: int = 2000
    cross_sections: Sequence[tuple[str, float]] = ()

    @property
    def folder(self) -> Path:
        """The output; `UsageError` if there is none."""
        if self.output is None:
            raise UsageError("give the folder that the report goes to")
        return self.output

    @property
    def rejections_at(self) -> tuple[float, ...]:
        """All signal efficiencies at which 1/eps_b is wanted, once each, that of the comparisons first."""
        return tuple(dict.fromkeys((self.rejection_at, *self.more_rejections_at)))


def evaluate(
    background: Sequence[str],
    signals: Mapping[str, Sequence[str]],
    models: Sequence[str],
    *,
    options: EvaluateOptions,
) -> EvaluateReport:
    """Score background and signals with each model and write a folder: report.html, report.md, report.json, figures.

    `models` are BUNDLE or NAME=BUNDLE; bundles of one NAME are trainings of one system, whose mean and standard
    deviation are given. Errors are bootstrap errors over events of both samples; differences between systems are
    paired. Events that one of the models has been trained on, of background or of a signal, are left out for all.
    An interrupted run is kept in `OUTPUT.run` and goes on with the same call; a report that is complete already stays.
    """
    output = options.folder
    check_folder(output, verb="evaluate")
    if not signals or not models:
        raise UsageError("give at least one --signal NAME=FILE and one --model")
    if options.aso_subsets == 1:
        raise UsageError("--aso-subsets: a distribution needs at least 2 subsets; 0 leaves the test out")
    paths = {"background": expand_files(background), **{name: expand_files(files) for name, files in signals.items()}}
    selections = Selections.of(options, paths)
    sections = CrossSections.of(options.cross_sections, paths["background"]) if options.cross_sections else None
    trainings = load_trainings(models)
    described = partial(
        _provenance, options=options, trainings=trainings, paths=paths, sections=sections, selections=selections
    )
    every = [path for files in paths.values() for path in files]
    making = Making.of(output, every, described, again=options.execution.force)
    if before := making.before(read=partial(_stored, options=options)):
        return before
    with making.run_folder() as folder:
        sampling = scored_samples(trainings, paths, folder, options, sections=sections, selections=selections)
        inputs = making.records.wait({each.file: each.reason for each in sampling.skipped}, sampling.whole)
        records = iter(inputs)
        of_sample = {name: [next(records) for _ in files] for name, files in paths.items()}
        samples, said = fresh_samples(trainings, sampling.samples, of_sample)
        report = evaluate_samples(trainings, samples, options)
        report = replace(
            report,
            titles=known_titles(report.rows, trainings),
            skipped=sampling.skipped,
            warnings=(*said, *report.warnings),
        )
        write_report(report, trainings, samples, output, simulation=options.simulation, record=described(inputs))
    return report


def evaluate_samples(
    trainings: Sequence[Training], samples: Mapping[str, Mapping[str, ScoredSample]], options: EvaluateOptions
) -> EvaluateReport:
    """The numbers of samples that were scored, by training and name, `background` among them; nothing is written."""
    rows = [row for training in trainings for row in measure_rows(training, samples[training.name], options)]
    comparisons, not_compared = compare_systems(trainings, samples, rows, options)
    return EvaluateReport(
        rows=tuple(rows),
        regions=tuple(r for training in trainings for r in measure_regions(training, samples[training.name])),
        events={name: len(sample.weights) for name, sample in samples[trainings[0].name].items()},
        rejection_at=options.rejection_at,
        warnings=tuple(not_compared),
        output=options.output,
        systems=tuple(summarise_systems(rows)),
        comparisons=tuple(comparisons),
        min_background=options.min_background,
    )


def _provenance(
    records: Sequence[dict[str, Any]],
    *,
    options: EvaluateOptions,
    trainings: Sequence[Training],
    paths: Mapping[str, Sequence[InputPath]],
    sections: CrossSections | None,
    selections: Selections,
) -> dict[str, Any]:
    of_sample = (f"{name}={Path(card).name}" for name, card in options.selections.items())
    command = command_line(
        "evaluate" if options.simulation else "evaluate --recorded",
        background=tuple(path.name for path in paths["background"]),
        signal=tuple(f"{name}={path.name}" for name, files in paths.items() if name != "background" for path in files),
        model=tuple(training.name for training in trainings),
        selection=(*([options.selection] if options.selection else []), *of_sample),
        cross_section=sections.words() if sections else None,
        rejection_at=options.rejections_at,
        fpr=options.fpr,
        min_background=options.min_background,
        bootstrap=options.replicas,
        aso_subsets=options.aso_subsets,
        aso_events=options.aso_events,
        max_events=options.max_events,
    )
    bundles = {f"bundle {training.name}": training.bundle.sha256 for training in trainings}
    return provenance(command, inputs=records, seed=options.seed, cards={**bundles, **selections.hashes()})


def _stored(output: Path, options: EvaluateOptions) -> tuple[dict[str, Any], EvaluateReport]:
    """What a report that is there says of itself, and the report."""
    content = json.loads((output / "report.json").read_text(encoding="utf-8"))
    record = content.pop("provenance")
    report = EvaluateReport(
        rows=(),
        regions=(),
        events=content["events"],
        rejection_at=options.rejection_at,
        warnings=tuple(content["warnings"]),
        output=options.output,
        skipped=tuple(Skipped(**skipped) for skipped in content["skipped"]),
        complete_before=content,
    )
    return record, report
