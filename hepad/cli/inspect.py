"""`hepad inspect`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hepad.cli import common

if TYPE_CHECKING:
    from hepad.io.events import SampleInfo
    from hepad.pipeline.inspect import FileReport


def inspect(files: common.Files, json: common.Json = False) -> None:
    """Show what is in files: format, entries, sample, objects, and which bundled selections can run.

    Example: hepad inspect examples/data/w_lnu.root
    """
    from hepad.io.reader import expand_files
    from hepad.pipeline.inspect import inspect_file

    reports = [inspect_file(path) for path in expand_files(files)]
    if json:
        common.print_json([report.to_json() for report in reports])
        return
    for report in reports:
        _print(report)


def _print(report: FileReport) -> None:
    console = common.stdout()
    console.print(f"{report.path}: {report.format}, {report.entries} entries")
    if stated := _sample(report.sample):
        console.print(f"sample: {stated}")
    for note in report.sample.notes:
        console.print(f"note: {note}", markup=False)
    if report.model:
        console.print(f"model {report.model}; regions {', '.join(report.regions) or 'none'}")
    if report.objects:
        rows = [
            [name, ", ".join(found.features), "" if found.mean_count is None else f"{found.mean_count:.2f}"]
            for name, found in report.objects.items()
        ]
        common.print_table("Objects", ["objects", "properties", "mean number"], rows, numbers_from=2)
    for name, branches in report.others.items():
        choice = f"collections: {{{name}: {branches[0]}}}"
        console.print(f"also {name}: {', '.join(branches)} (in a selection card: {choice})", markup=False)
    if report.triggers:
        console.print(_triggers(report.triggers), markup=False)
    if report.labels:
        console.print(f"labels (in a selection card: {{label: {report.labels[0]}}}): {', '.join(report.labels)}")
    if report.objects:
        runs = [
            [name, "yes" if not lacks else f"no: lacks {', '.join(lacks)}"] for name, lacks in report.selections.items()
        ]
        common.print_table("Bundled selections", ["selection", "runs"], runs, numbers_from=2)


def _triggers(names: tuple[str, ...]) -> str:
    """How many bits of each menu there are, and which are of anomaly triggers."""
    counts = Counter(name.partition("_")[0] for name in names)
    anomaly = [name for name in names if name.startswith(("L1_AXO_", "L1_CICADA_"))]
    listed = f"; of anomaly triggers: {', '.join(anomaly)}" if anomaly else ""
    return f"trigger bits: {', '.join(f'{number} {menu}' for menu, number in counts.items())}{listed}"


def _sample(sample: SampleInfo) -> str:
    """What a file states of its sample; empty if nothing."""
    parts = {
        "cross section {:g} pb": sample.cross_section_pb,
        "sqrt(s) {:g} GeV": sample.sqrt_s_gev,
        "{:d} events generated": sample.generated_events,
        "sum of their weights {:g}": sample.generated_weight,
    }
    return ", ".join(text.format(value) for text, value in parts.items() if value is not None)
