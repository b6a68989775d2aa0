"""Send samples through the levels of a trigger and a selection behind them, and write what is left after each."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hepad.bundles.systems import Training, trained_on
from hepad.cards.menu import load_menu
from hepad.errors import UsageError
from hepad.execution.making import Making
from hepad.execution.run import Run, Skipped
from hepad.execution.store import MemoryStore, RunFolder
from hepad.io.reader import expand_files
from hepad.output.atomic import check_folder
from hepad.output.complete import card_hash, made_with, stored_record
from hepad.paths import InputPath
from hepad.pipeline.chain.job import ChainJob
from hepad.pipeline.chain.measure import measure_chain
from hepad.pipeline.chain.options import LEVELS, ChainOptions
from hepad.pipeline.chain.output import PAGE, RESULT, write_report
from hepad.pipeline.chain.report import ChainReport, SampleChain, StepInfo
from hepad.pipeline.chain.steps import prepare_step
from hepad.provenance import command_line, provenance
from hepad.search.events import check_energy

__all__ = ["chain"]


def chain(samples: Mapping[str, Sequence[str | InputPath]], *, options: ChainOptions) -> ChainReport:
    """The fraction of each sample, by name, that passes each level of `options`, alone and after the levels before.

    With `options.output` a folder is written: chain.json, report.md, report.html and a figure. An interrupted run is
    kept in `OUTPUT.run` and goes on with the same call; a complete report stays.
    """
    job = _job(options)
    paths = {name: expand_files(files) for name, files in samples.items()}
    if not paths:
        raise UsageError("give event files")
    every = [path for group in paths.values() for path in group]
    described = partial(_provenance, job=job, paths=paths, options=options)
    if options.output is not None:
        check_folder(options.output, verb="chain")
    making = Making.of(options.output, every, described, again=options.execution.force)
    if before := making.before(read=_stored):
        return before
    if options.output is None:
        return _measured(job, paths, options, making, None)[0]
    with making.run_folder() as folder:
        report, record = _measured(job, paths, options, making, folder)
        write_report(report, options.output, simulation=options.simulation, record=record)
    return report


def _job(options: ChainOptions) -> ChainJob:
    if not options.steps:
        raise UsageError(f"a chain needs a step: give one with {', '.join(f'--{level}' for level in LEVELS)}")
    check_energy(options.sqrt_s_gev)
    twice = next((text for level, text in options.steps if options.steps.count((level, text)) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is given twice at one level")
    steps = tuple(prepare_step(level, text) for level, text in options.steps)
    return ChainJob(steps, None if options.menu is None else load_menu(options.menu), options.sqrt_s_gev)


def _measured(
    job: ChainJob,
    paths: Mapping[str, list[InputPath]],
    options: ChainOptions,
    making: Making,
    folder: RunFolder | None,
) -> tuple[ChainReport, dict[str, Any]]:
    """The report, and what it says of itself; what is done is kept in the folder."""
    found: list[SampleChain] = []
    skipped: list[Skipped] = []
    key = made_with(**_cards(job), sqrt_s_gev=options.sqrt_s_gev)
    stores = {
        name: MemoryStore() if folder is None else folder.store(f"sample{i}", key) for i, name in enumerate(paths)
    }
    first = 0
    for name, files in paths.items():
        run = Run(job, files, options.step_size, options.max_events, options.execution, stores[name], options.on_events)
        found.append(measure_chain(run, name))
        skipped += [replace(one, file=first + one.file) for one in run.skipped]
        first += len(files)
    records = making.records.wait({one.file: one.reason for one in skipped})
    steps = tuple(StepInfo(step.level, step.name, step.region, step.threshold) for step in job.steps)
    remarks = tuple(dict.fromkeys(trained_on(_trainings(job), records)))
    menu = None if job.menu is None else job.menu.name
    report = ChainReport(steps, menu, tuple(found), remarks, tuple(skipped), options.output)
    return report, making.described(records)


def _trainings(job: ChainJob) -> list[Training]:
    bundles = {c.bundle.sha256: c.bundle for step in job.steps for c in step.search.categories if c.bundle is not None}
    return [Training(bundle.card.name, bundle.card.name, bundle) for bundle in bundles.values()]


def _cards(job: ChainJob) -> dict[str, str]:
    """The sha256 of all that decisions depend on."""
    found: dict[str, str] = {}
    for step in job.steps:
        found |= step.search.cards
        for category in step.search.categories:
            found |= card_hash("selection", category.selection.name, category.selection)
    return found | ({} if job.menu is None else card_hash("menu", job.menu.name, job.menu))


def _provenance(
    records: Sequence[dict[str, Any]],
    *,
    job: ChainJob,
    paths: Mapping[str, Sequence[InputPath]],
    options: ChainOptions,
) -> dict[str, Any]:
    files = [shlex.quote(f"{name}={path.name}") for name, group in paths.items() for path in group]
    command = command_line(
        " ".join(["chain", *files, *([] if options.simulation else ["--recorded"])]),
        **{level: tuple(step.name for step in job.steps if step.level == level) for level in LEVELS},
        menu=None if job.menu is None else job.menu.name,
        sqrt_s=options.sqrt_s_gev,
        max_events=options.max_events,
    )
    return provenance(command, inputs=records, cards=_cards(job))


def _stored(output: Path) -> tuple[dict[str, Any], ChainReport]:
    """What a report that is there says of itself, and the report."""
    record, content = stored_record(output / RESULT, files=(PAGE,))
    return record, ChainReport.of_json(content, output)
