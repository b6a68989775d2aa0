"""Cluster the events that a model's region keeps, and hold the clusters against simulation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.bundles.bundle import Bundle, load_bundle
from hepad.cards.bundle import RegionCard
from hepad.errors import InputDataError, UsageError
from hepad.execution.making import Making
from hepad.execution.run import Skipped
from hepad.io.reader import expand_files
from hepad.output.atomic import check_folder
from hepad.paths import InputPath
from hepad.pipeline.cluster.find import (
    NONE,
    check_enough,
    clusterer,
    differences,
    find_clusters,
    least_size,
    nearest,
    prepared,
)
from hepad.pipeline.cluster.options import ClusterOptions
from hepad.pipeline.cluster.output import write_report
from hepad.pipeline.cluster.report import Characteristic, ClusterReport, ClusterRow, Sampled
from hepad.samples.described import Described, DescribedJob, described_provenance, described_samples, space_of
from hepad.stats.counts.partition import PartitionTest, excess_p_values, partition_test

__all__ = ["BACKGROUND", "DATA", "Clustered", "cluster", "cluster_in_memory", "clusters_of"]

DATA, BACKGROUND = "data", "background"
_CHARACTERISTICS = 8


@dataclass(frozen=True)
class Clustered:
    """The events that were clustered, data before background: points (n, k), classes (n,), whether they are data."""

    points: npt.NDArray[np.float64]
    classes: npt.NDArray[np.int64]
    is_data: npt.NDArray[np.bool_]


def cluster(
    files: Sequence[str | InputPath],
    model: str | Bundle,
    *,
    background: Sequence[str | InputPath] = (),
    simulations: Mapping[str, Sequence[str | InputPath]] | None = None,
    options: ClusterOptions,
) -> ClusterReport:
    """Write a report folder: report.html, report.md, report.json, clusters.csv and figures.

    Data and background in the region are clustered together, without a look at which is which, and each cluster is
    tested for an excess of data. `simulations` are assigned to the clusters afterwards. Without background nothing is
    tested. An interrupted run is kept in `OUTPUT.run` and goes on with the same call; a complete report stays.
    """
    options.check()
    output = options.folder
    check_folder(output, verb="cluster")
    job, paths = _asked(load_bundle(model), options), _paths(files, background, simulations or {})
    making = Making.of(
        output,
        [path for some in paths.values() for path in some],
        partial(_provenance, options=options, bundle=job.bundle, paths=paths),
        again=options.execution.force,
    )
    if before := making.before(read=_stored):
        return replace(before, output=output)
    clusterer()  # whether it is there is known before all events are read
    with making.run_folder() as folder:
        cut = None if job.region is None else job.region.model_dump(mode="json")
        samples, skipped, whole = described_samples(job, paths, folder, options, region=cut, space=job.space)
        report, found = clusters_of(samples, job, options)
        report = replace(report, skipped=skipped, output=output)
        record = making.description({each.file: each.reason for each in skipped}, whole)
        write_report(report, found, samples, paths, output, simulation=options.simulation, record=record)
    return report


def cluster_in_memory(
    files: Sequence[str | InputPath],
    model: str | Bundle,
    *,
    background: Sequence[str | InputPath] = (),
    simulations: Mapping[str, Sequence[str | InputPath]] | None = None,
    options: ClusterOptions,
) -> tuple[ClusterReport, Clustered]:
    """What `cluster` does, but nothing is written."""
    options.check()
    job, paths = _asked(load_bundle(model), options), _paths(files, background, simulations or {})
    clusterer()
    samples, skipped, _ = described_samples(job, paths, None, options)
    report, found = clusters_of(samples, job, options)
    return replace(report, skipped=skipped), found


def clusters_of(
    samples: Mapping[str, Described], job: DescribedJob, options: ClusterOptions
) -> tuple[ClusterReport, Clustered]:
    """The clusters of samples by name, `data` and perhaps `background` among them; nothing is written."""
    labelled = [samples[name] for name in (DATA, BACKGROUND) if name in samples]
    for name, sample in samples.items():
        sample.check_weights(name)
    everything = np.concatenate([sample.points for sample in labelled])
    least = options.min_size or least_size(len(everything))
    for name, sample in samples.items():
        if name in {DATA, BACKGROUND} and not len(sample):
            raise InputDataError(f"no event of the {name} is in the region: take a looser --region or more files")
    check_enough(len(everything), least)
    points, mean, scale, axes = prepared(everything, options.components)
    classes = find_clusters(points, least)
    others = {name: samples[name] for name in samples if name not in {DATA, BACKGROUND}}
    found = Clustered(points, classes, np.arange(len(points)) < len(labelled[0]))
    of_others = {name: nearest(points, classes, ((one.points - mean) / scale) @ axes) for name, one in others.items()}
    test = _test(found, options) if BACKGROUND in samples else None
    quantities = np.concatenate([sample.quantities for sample in labelled])
    made = _Rows(found, test, of_others, quantities, labelled[0].names)
    rows = [made.row(place, number) for place, number in _numbered(classes)]
    report = ClusterReport(
        job.bundle.card.name,
        options.region or "all selected events",
        str(job.space),
        points.shape[1],
        least,
        {name: Sampled(sample.selected, len(sample)) for name, sample in samples.items()},
        tuple(rows),
        None if test is None else test.global_p_value,
        test is not None and test.reached == 0,
        options.toys,
        _region_p_value(samples) if test is not None and job.region is not None else None,
        tuple(_warnings(classes)),
    )
    return report, found


def _asked(bundle: Bundle, options: ClusterOptions) -> DescribedJob:
    region = _region(bundle, options)
    return DescribedJob(bundle, options.selection_of(bundle), region, space_of(bundle, options.space))


def _paths(
    files: Sequence[str | InputPath],
    background: Sequence[str | InputPath],
    simulations: Mapping[str, Sequence[str | InputPath]],
) -> dict[str, list[InputPath]]:
    paths = {DATA: expand_files(files), **({BACKGROUND: expand_files(background)} if background else {})}
    return paths | {name: expand_files(some) for name, some in simulations.items()}


def _region(bundle: Bundle, options: ClusterOptions) -> RegionCard | None:
    if options.region is None:
        if options.regions:
            raise UsageError("a region is defined and none is chosen")
        return None
    known = bundle.regions(options.regions)
    if options.region not in known:
        raise UsageError(
            f"--region {options.region}: {bundle.card.name} has {', '.join(known) or 'none'}; or define one, "
            f"{options.region}=efficiency:0.01 say"
        )
    return known[options.region]


def _numbered(classes: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Place in the tables of counts, and class: the clusters, and those in none if there are any."""
    numbers = [*range(int(classes.max(initial=NONE)) + 1), *([NONE] if (classes == NONE).any() else [])]
    return list(enumerate(numbers))


def _test(found: Clustered, options: ClusterOptions) -> PartitionTest:
    numbers = [number for _, number in _numbered(found.classes)]
    counts = [
        np.array([np.count_nonzero(found.classes[which] == number) for number in numbers])
        for which in (found.is_data, ~found.is_data)
    ]
    return partition_test(*counts, toys=options.toys, seed=options.seed)


@dataclass(frozen=True)
class _Rows:
    """What the rows of a report are made of; `others` are the classes of simulations, `quantities` of all events."""

    found: Clustered
    test: PartitionTest | None
    others: Mapping[str, npt.NDArray[np.int64]]
    quantities: npt.NDArray[np.float64]
    names: Sequence[str]

    def row(self, place: int, number: int) -> ClusterRow:
        """The row of a class, whose counts are at a place of the test."""
        test, is_data = self.test, self.found.is_data
        inside = self.found.classes == number
        return ClusterRow(
            "none" if number == NONE else str(number + 1),
            int(np.count_nonzero(inside & is_data)),
            None if test is None else int(np.count_nonzero(inside & ~is_data)),
            None if test is None else float(test.expected[place]),
            None if test is None else float(test.p_value[place]),
            {name: float((found == number).mean()) if len(found) else 0.0 for name, found in self.others.items()},
            self._characteristics(inside),
        )

    def _characteristics(self, inside: npt.NDArray[np.bool_]) -> tuple[Characteristic, ...]:
        distance = differences(self.quantities, inside)
        largest = [i for i in np.argsort(-np.abs(distance), kind="stable")[:_CHARACTERISTICS] if distance[i] != 0]
        if not largest:
            return ()
        means = [self.quantities[which].mean(axis=0) for which in (inside, ~inside)]
        return tuple(
            Characteristic(self.names[i], float(distance[i]), float(means[0][i]), float(means[1][i])) for i in largest
        )


def _region_p_value(samples: Mapping[str, Described]) -> float:
    data, background = samples[DATA], samples[BACKGROUND]
    inside = len(data) + len(background)
    return float(excess_p_values(len(data), inside, data.selected, data.selected + background.selected))


def _warnings(classes: npt.NDArray[np.int64]) -> list[str]:
    found = int(classes.max(initial=NONE)) + 1
    if found >= 2:
        return []
    what = "one cluster was" if found else "no cluster was"
    return [f"{what} found: a smaller --min-size, another --space or a tighter --region may part the events"]


def _provenance(
    records: Sequence[dict[str, Any]],
    *,
    options: ClusterOptions,
    bundle: Bundle,
    paths: Mapping[str, Sequence[InputPath]],
) -> dict[str, Any]:
    return described_provenance(
        "cluster",
        records,
        bundle,
        options,
        files=tuple(path.name for path in paths[DATA]),
        background=tuple(path.name for path in paths.get(BACKGROUND, ())),
        simulation=tuple(f"{n}={p.name}" for n, some in paths.items() if n not in {DATA, BACKGROUND} for p in some),
        model=bundle.card.name,
        region=options.region,
        regions=tuple(f"{name}={spec.model_dump_json(exclude_none=True)}" for name, spec in options.regions.items()),
        selection=options.selection,
        space=options.space,
        components=options.components,
        min_size=options.min_size,
        toys=options.toys,
    )


def _stored(output: Path) -> tuple[dict[str, Any], ClusterReport]:
    """What a report that is there says of itself, and the report."""
    content = json.loads((output / "report.json").read_text(encoding="utf-8"))
    record = content.pop("provenance")
    rows = tuple(
        ClusterRow(**{**row, "characteristics": tuple(Characteristic(**one) for one in row["characteristics"])})
        for row in content["rows"]
    )
    return record, ClusterReport(
        **{
            **content,
            "rows": rows,
            "samples": {name: Sampled(**one) for name, one in content["samples"].items()},
            "skipped": tuple(Skipped(**one) for one in content["skipped"]),
            "warnings": tuple(content["warnings"]),
            "complete_before": content,
        }
    )
