"""Evaluate models: how well do their scores part signals from background, beside the published numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hepad.cards.selection import load_selection
from hepad.errors import UsageError
from hepad.execution.run import Run
from hepad.io.atomic import check_folder
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.paths import InputPath
from hepad.pipeline.bundle import Bundle
from hepad.pipeline.evaluate_measure import compare_systems, measure_regions, measure_rows, summarise_systems
from hepad.pipeline.evaluate_report import REPORT_FILES, formatted_metrics, formatted_regions, markdown, write_report
from hepad.pipeline.evaluate_results import EvaluateReport, RegionRow, Row
from hepad.pipeline.scoring import SampleJob, ScoredSample, scored_sample
from hepad.pipeline.systems import Training, load_trainings
from hepad.pipeline.weighting import CrossSections
from hepad.provenance import command_line, provenance, sha256_file

__all__ = [
    "EvaluateOptions",
    "EvaluateReport",
    "RegionRow",
    "Row",
    "evaluate",
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
    background files and pb, see `hepad.pipeline.weighting`; none leaves weights as they are.
    """

    output: Path
    selection: str | None = None
    rejection_at: float = 0.3
    replicas: int = 200
    seed: int = 1
    simulation: bool = True
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    on_sample: Callable[[str], None] | None = None
    more_rejections_at: tuple[float, ...] = ()
    fpr: tuple[float, ...] = (1e-5,)
    min_background: float = 10
    aso_subsets: int = 1000
    aso_events: int = 2000
    cross_sections: Sequence[tuple[str, float]] = ()

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
    """Score background and signals with each model and write a report folder: report.md, report.json and figures.

    `models` are BUNDLE or NAME=BUNDLE; bundles of one NAME are trainings of one system, whose mean and standard
    deviation are given. Errors are bootstrap errors over events of both samples; differences between systems are
    paired. A background file that a model was trained on is warned of: its numbers would flatter the model.
    """
    check_folder(options.output, ours=REPORT_FILES)
    if not signals or not models:
        raise UsageError("give at least one --signal NAME=FILE and one --model")
    if options.aso_subsets == 1:
        raise UsageError("--aso-subsets: a distribution needs at least 2 subsets; 0 leaves the test out")
    paths = {"background": expand_files(background), **{name: expand_files(files) for name, files in signals.items()}}
    sections = CrossSections.of(options.cross_sections, paths["background"]) if options.cross_sections else None
    trainings = load_trainings(models)
    samples = {training.name: _samples(training.bundle, paths, options, sections) for training in trainings}
    rows = [row for training in trainings for row in measure_rows(training, samples[training.name], options)]
    comparisons, not_compared = compare_systems(trainings, samples, rows, options)
    report = EvaluateReport(
        rows=tuple(rows),
        regions=tuple(r for training in trainings for r in measure_regions(training, samples[training.name])),
        events={name: sample.cutflow.selected.events for name, sample in samples[trainings[0].name].items()},
        rejection_at=options.rejection_at,
        warnings=(*_warnings(trainings, paths), *not_compared),
        output=options.output,
        systems=tuple(summarise_systems(rows)),
        comparisons=tuple(comparisons),
        min_background=options.min_background,
    )
    record = provenance(
        command_line(
            "evaluate",
            model=tuple(training.name for training in trainings),
            selection=options.selection,
            cross_section=sections.words() if sections else None,
            rejection_at=options.rejections_at,
            fpr=options.fpr,
            min_background=options.min_background,
            bootstrap=options.replicas,
            aso_subsets=options.aso_subsets,
            aso_events=options.aso_events,
            max_events=options.max_events,
        ),
        inputs=[path for files in paths.values() for path in files],
        seed=options.seed,
        cards={f"bundle {training.name}": training.bundle.sha256 for training in trainings},
    )
    write_report(report, trainings, samples, simulation=options.simulation, record=record)
    return report


def _samples(
    bundle: Bundle, paths: Mapping[str, Sequence[InputPath]], options: EvaluateOptions, sections: CrossSections | None
) -> dict[str, ScoredSample]:
    selection = bundle.card.selection if options.selection is None else load_selection(options.selection)
    samples = {}
    for name, files in paths.items():
        if options.on_sample:
            options.on_sample(f"{bundle.card.name}: {name}")
        run = Run(SampleJob(bundle, selection), files, options.step_size, options.max_events)
        samples[name] = scored_sample(run, cross_sections=sections if name == "background" else None)
    return samples


def _warnings(trainings: Sequence[Training], paths: Mapping[str, Sequence[InputPath]]) -> list[str]:
    hashes = {sha256_file(path): path for path in paths["background"]}
    found = []
    for training in trainings:
        trained_on = {record["sha256"] for record in training.bundle.card.provenance.get("inputs", [])}
        found += [
            f"{path.name} was used to train {training.name}: its numbers are too good"
            for h, path in hashes.items()
            if h in trained_on
        ]
    return found
