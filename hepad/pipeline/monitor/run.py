"""Compare runs with a reference, in all that a model sees and says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.bundles.bundle import Bundle, load_bundle
from hepad.errors import UsageError
from hepad.execution.making import Making
from hepad.io.reader import expand_files
from hepad.output.atomic import check_folder
from hepad.paths import InputPath
from hepad.pipeline.monitor.options import MonitorOptions
from hepad.pipeline.monitor.output import write_report
from hepad.pipeline.monitor.report import MonitorReport, QuantityRow, RunRow
from hepad.samples.described import Described, DescribedJob, described_provenance, described_samples
from hepad.stats.counts.shift import adjusted, shift
from hepad.stats.scores.regions import region_of

__all__ = ["REFERENCE", "columns_of", "compare_runs", "monitor", "monitor_in_memory"]

REFERENCE = "reference"

Columns = dict[str, npt.NDArray[np.float64]]


def monitor(
    reference: Sequence[str | InputPath],
    runs: Mapping[str, Sequence[str | InputPath]],
    model: str | Bundle,
    *,
    options: MonitorOptions,
) -> MonitorReport:
    """Write a report folder: report.html, report.md, report.json, shifts.csv and figures.

    Scores, the fractions in the model's regions, numbers and sums of objects and the model's inputs are compared, of
    the selected events. An interrupted run is kept in `OUTPUT.run` and goes on with the same call; a complete report
    stays. What `options.check` asks for is the caller's to raise: see `MonitorReport.passed`.
    """
    options.verify()
    output = options.folder
    check_folder(output, verb="monitor")
    job, paths = _asked(reference, runs, model, options)
    making = Making.of(
        output,
        [path for files in paths.values() for path in files],
        partial(_provenance, options=options, bundle=job.bundle, paths=paths),
        again=options.execution.force,
    )
    if before := making.before(read=_stored):
        return replace(before, output=output)
    with making.run_folder() as folder:
        samples, skipped, whole = described_samples(job, paths, folder, options)
        columns = {name: columns_of(sample, job.bundle) for name, sample in samples.items()}
        report = replace(compare_runs(samples, columns, job.bundle, options), skipped=skipped, output=output)
        record = making.description({each.file: each.reason for each in skipped}, whole)
        write_report(report, columns, output, simulation=options.simulation, record=record)
    return report


def monitor_in_memory(
    reference: Sequence[str | InputPath],
    runs: Mapping[str, Sequence[str | InputPath]],
    model: str | Bundle,
    *,
    options: MonitorOptions,
) -> MonitorReport:
    """What `monitor` does, but nothing is written."""
    options.verify()
    job, paths = _asked(reference, runs, model, options)
    samples, skipped, _ = described_samples(job, paths, None, options)
    columns = {name: columns_of(sample, job.bundle) for name, sample in samples.items()}
    return replace(compare_runs(samples, columns, job.bundle, options), skipped=skipped)


def _asked(
    reference: Sequence[str | InputPath],
    runs: Mapping[str, Sequence[str | InputPath]],
    model: str | Bundle,
    options: MonitorOptions,
) -> tuple[DescribedJob, dict[str, list[InputPath]]]:
    if not runs:
        raise UsageError("give at least one --run NAME=FILE to compare with the reference")
    bundle = load_bundle(model)
    paths = {REFERENCE: expand_files(reference), **{name: expand_files(files) for name, files in runs.items()}}
    _check_apart(paths)
    return DescribedJob(bundle, options.selection_of(bundle)), paths


def compare_runs(
    samples: Mapping[str, Described], columns: Mapping[str, Columns], bundle: Bundle, options: MonitorOptions
) -> MonitorReport:
    """The report on samples by name, `reference` among them, and their `columns_of`; nothing is written."""
    for name, sample in samples.items():
        sample.check_weights(name)
    known = columns[REFERENCE]
    runs = [name for name in columns if name != REFERENCE]
    keys = [(name, quantity) for name in runs for quantity in known]
    shifts = [
        shift(known[quantity], columns[name][quantity], toys=options.toys, seed=_seed(options.seed, place))
        for place, (name, quantity) in enumerate(keys)
    ]
    corrected = adjusted([one.p_value for one in shifts])
    rows: dict[str, list[QuantityRow]] = {name: [] for name in runs}
    for (name, quantity), one, p_value in zip(keys, shifts, corrected, strict=True):
        mean, of_reference = (float(values[quantity].mean()) for values in (columns[name], known))
        far = bool(p_value < options.alpha and one.distance >= options.min_distance)
        rows[name].append(QuantityRow(quantity, one.distance, one.p_value, float(p_value), mean, of_reference, far))
    found = tuple(
        RunRow(name, len(samples[name]), tuple(sorted(some, key=lambda row: (row.p_value, -row.distance))))
        for name, some in rows.items()
    )
    reference = len(samples[REFERENCE])
    return MonitorReport(bundle.card.name, reference, len(keys), options.alpha, options.min_distance, found)


def columns_of(sample: Described, bundle: Bundle) -> Columns:
    """What is compared, (n,) by name: scores, whether events are in regions, and quantities."""
    columns = {f"score {name}": values.astype(np.float64) for name, values in sample.scores.items()}
    for name, card in bundle.card.regions.items():
        columns[f"in region {name}"] = region_of(card).inside(sample.scores).astype(np.float64)
    return columns | {name: sample.quantities[:, place] for place, name in enumerate(sample.names)}


def _check_apart(paths: Mapping[str, Sequence[InputPath]]) -> None:
    """`UsageError` if a file of the reference is among those of a run: it would be compared with itself."""
    known = {path.resolve() for path in paths[REFERENCE]}
    for name, files in paths.items():
        for path in files:
            if name != REFERENCE and path.resolve() in known:
                raise UsageError(f"{path} is of the reference and of run {name}: compare with other events")


def _seed(seed: int, place: int) -> int:
    return int(np.random.SeedSequence([seed, place]).generate_state(1, np.uint32)[0])


def _provenance(
    records: Sequence[dict[str, Any]],
    *,
    options: MonitorOptions,
    bundle: Bundle,
    paths: Mapping[str, Sequence[InputPath]],
) -> dict[str, Any]:
    return described_provenance(
        "monitor",
        records,
        bundle,
        options,
        files=tuple(path.name for path in paths[REFERENCE]),
        run=tuple(f"{name}={path.name}" for name, files in paths.items() if name != REFERENCE for path in files),
        model=bundle.card.name,
        selection=options.selection,
        alpha=options.alpha,
        min_distance=options.min_distance,
        toys=options.toys,
    )


def _stored(output: Path) -> tuple[dict[str, Any], MonitorReport]:
    """What a report that is there says of itself, and the report."""
    content = json.loads((output / "report.json").read_text(encoding="utf-8"))
    record = content.pop("provenance")
    return record, MonitorReport.of_json(content)
