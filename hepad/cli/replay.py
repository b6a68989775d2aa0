"""`hepad replay`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common

if TYPE_CHECKING:
    from hepad.pipeline.replay.run import ReplayReport

_MOST = 20


def replay(
    output: Annotated[
        Path, typer.Argument(help="What hepad wrote: a file, a folder, or a part of one.", show_default=False)
    ],
    inputs: Annotated[
        list[Path] | None,
        typer.Option(
            "--inputs",
            help="A folder below which the input files are. May be repeated.",
            show_default="here, and where the output is",
        ),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to keep the new output.", show_default=False)
    ] = None,
    json: common.Json = False,
) -> None:
    """Make an output again from its provenance, and compare: 0 if it is the same, 7 if not.

    Example: hepad replay w_lnu.scores.root --inputs examples/data
    """
    from hepad.pipeline.replay.run import ReplayOptions
    from hepad.pipeline.replay.run import replay as run

    report = run(output, options=ReplayOptions(inputs=tuple(inputs or ()), keep=keep))
    for name, (then, now) in report.versions.items():
        common.stderr().print(f"hepad: warning: {name} was {then or 'not there'}, is {now or 'not there'}")
    for change in report.record:
        common.stderr().print(f"hepad: warning: {change} is another than then")
    if json:
        common.print_json(report.to_json())
    else:
        _print(report)
    report.check()


def _print(report: ReplayReport) -> None:
    out = common.stdout()
    out.print(report.command)
    found = report.comparison
    files = f"{found.files} file{'' if found.files == 1 else 's'}"
    if found.status == "identical":
        out.print(f"identical: {files}, the same bytes")
    elif found.status == "equal":
        out.print(f"equal in content: {files}, other bytes in {', '.join(found.other_bytes)}")
    else:
        out.print("different:")
        for difference in found.differences[:_MOST]:
            out.print(f"  {difference}")
        if len(found.differences) > _MOST:
            out.print(f"  and {len(found.differences) - _MOST} more")
    if report.kept is not None:
        out.print(f"wrote {report.kept}")
