"""What all commands share: consoles, option types, tables, progress, JSON output. Imports nothing heavy."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import typer

from hepad.cli.every_command import running_verb
from hepad.errors import UsageError
from hepad.printable import NAME

if TYPE_CHECKING:
    from hepad.cards.analysis import RegionSpec
    from hepad.cli.terminal import Terminal
    from hepad.execution.executor import Execution
    from hepad.execution.run import Skipped
    from hepad.objects.cutflow import CutFlow
    from hepad.output.document import Table

__all__ = [
    "CalculatorOption",
    "CrossSection",
    "Device",
    "Executor",
    "Files",
    "Force",
    "Json",
    "MaxEvents",
    "Model",
    "Output",
    "OutputFolder",
    "Regions",
    "ReportFolder",
    "Restart",
    "Resume",
    "Scheduler",
    "Seed",
    "Selection",
    "Simulated",
    "SkipBadFiles",
    "StepSize",
    "Workers",
    "event_progress",
    "execution",
    "parse_columns",
    "parse_cross_sections",
    "parse_files",
    "parse_pair",
    "parse_range",
    "parse_regions",
    "parse_samples",
    "parse_selections",
    "parse_signals",
    "percent",
    "print_complete",
    "print_cutflow",
    "print_json",
    "print_lines",
    "print_made",
    "print_notes",
    "print_skipped",
    "print_table",
    "print_warnings",
    "say_wrote",
    "show",
    "stderr",
    "stdout",
]


class Made(Protocol):
    """The report of a command that keeps what it finished; `complete_before` holds if the output was there already."""

    @property
    def output(self) -> Path | None: ...
    @property
    def complete_before(self) -> object: ...
    @property
    def skipped(self) -> Sequence[Skipped]: ...

    def to_json(self) -> dict[str, Any]: ...


SKIPPED_EXIT_CODE = 8
"""All went well, but files were left out."""

CrossSection = Annotated[
    list[str] | None,
    typer.Option(
        "--cross-section",
        help="FILE_OR_GLOB=PB, once a sample of background: its events then stand for so many pb together, in "
        "proportion to their weights. May be repeated; every background file needs one.",
        show_default="weights as in the files",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        help="cpu, cuda, mps or auto.",
    ),
]
Executor = Annotated[
    str,
    typer.Option("--executor", help="local, dask (hepad[dask])."),
]
Force = Annotated[bool, typer.Option("--force", help="Make it again; replace what is there.")]


Files = Annotated[
    list[str],
    typer.Argument(
        help="Input files; globs are expanded, '-' reads names from stdin, one a line, # begins a comment.",
        show_default=False,
    ),
]
CalculatorOption = Annotated[
    str,
    typer.Option(
        "--calculator",
        help="auto, asymptotic, toys or exact; auto takes exact sums for counts, and toys where fewer than ten events "
        "carry the sensitivity.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON to stdout.")]
MaxEvents = Annotated[
    int | None,
    typer.Option("--max-events", min=1, help="Read at most this many events over all files.", show_default="all"),
]
Model = Annotated[
    str,
    typer.Option("--model", "-m", help="A bundled model ('hepad list models') or a bundle folder.", show_default=False),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Where to write the result.", show_default=False)]
OutputFolder = Annotated[Path, typer.Option("--output", "-o", help="The folder to write.", show_default=False)]
ReportFolder = Annotated[Path, typer.Option("--output", "-o", help="The report folder to write.", show_default=False)]
Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        help="NAME=efficiency:0.01, NAME=rate:OUT/IN (kHz), NAME=cross_section:OUT or OUT/IN (pb) or NAME=threshold:X; "
        "SCORE@ before the kind picks another score; more of SCORE@threshold:X after commas. May be repeated.",
        show_default="the bundle's",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the random numbers.")]
Selection = Annotated[
    str | None, typer.Option("--selection", "-s", help="A bundled selection or a card.", show_default="the model's")
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        help="Of Dask: tcp://HOST:PORT or its file.",
        show_default=False,
    ),
]
Simulated = Annotated[bool, typer.Option("--simulated/--recorded", help="What the events are, above figures.")]
SkipBadFiles = Annotated[bool, typer.Option("--skip-bad-files", help="Leave out unreadable files; exit code 8.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted training.")]
Restart = Annotated[bool, typer.Option("--restart", help="Forget an interrupted training.")]
Workers = Annotated[int, typer.Option("--workers", "-j", min=1, help="Processes side by side.")]
StepSize = Annotated[int, typer.Option("--step-size", min=1, help="Events at a time.")]


def stdout() -> Terminal:
    """The console for results; silent if nothing but warnings and errors are wanted."""
    from hepad.cli.progress import is_quiet
    from hepad.cli.terminal import Terminal

    return Terminal(quiet=is_quiet())


def stderr() -> Terminal:
    """The console for progress and remarks; keeps stdout clean."""
    from hepad.cli.terminal import Terminal

    return Terminal(to_stderr=True)


def print_lines(text: str) -> None:
    """Print a text of several lines to stdout."""
    for line in text.splitlines():
        stdout().print(line)


def say_wrote(output: Path | None) -> None:
    """Say what was written, if anything was, and which page of it to open."""
    if output is not None:
        page = output / "report.html"
        stdout().print(f"wrote {output}{f'; open {page}' if page.is_file() else ''}")


def print_json(result: dict[str, Any] | list[Any]) -> None:
    """Print one JSON document to stdout, whose schema is that of the command; a NaN is a fault, never printed."""
    from hepad.output.json_text import json_text

    sys.stdout.write(json_text(running_verb(), result, indent=2))


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers_from: int = 1) -> None:
    """Print a table; columns from `numbers_from` on are aligned to the right and stay whole."""
    from hepad.cli.terminal import show_table

    show_table(stdout(), title, header, rows, numbers_from=numbers_from)


def show(title: str, table: Table) -> None:
    """Print a table as reports have it."""
    print_table(title, table.header, table.rows, numbers_from=table.numbers_from)


def print_warnings(warnings: Iterable[str]) -> None:
    """Print what one must know of a result to stderr, a line each."""
    for warning in warnings:
        stderr().print(f"hepad: warning: {warning}")


def print_notes(notes: Iterable[str]) -> None:
    """Print what is good to know of a result to stderr, a line each."""
    for note in notes:
        stderr().print(f"hepad: note: {note}")


def print_cutflow(flow: CutFlow, selection: str) -> None:
    """Print a cut flow with the efficiency of each step."""
    rows = [
        [step.name, f"{step.events}", f"{step.weight:.6g}", f"{step.events / max(flow.total.events, 1):.2%}"]
        for step in flow.steps
    ]
    print_table(f"Selection {selection}", ["step", "events", "sum of weights", "of all"], rows)


def parse_files(texts: list[str]) -> dict[str, list[str]]:
    """The files of samples by name, of FILE, which is of the sample `events`, and NAME=FILE."""
    from hepad.io.remote.urls import is_url

    samples: dict[str, list[str]] = {}
    for text in texts:
        plain = is_url(text) or Path(text).exists()
        match = None if plain else re.fullmatch(rf"({NAME})=(.+)", text)
        name, file = match.groups() if match else ("events", text)
        samples.setdefault(name, []).append(file)
    return samples


def parse_range(text: str | None) -> tuple[float, float] | None:
    """The two numbers of LOW:HIGH, None for None; `UsageError` if it is not that."""
    return None if text is None else parse_pair("--range", text)


def parse_pair(option: str, text: str) -> tuple[float, float]:
    """The two numbers of LOW:HIGH; `UsageError` that names the option if it is not that."""
    low, colon, high = text.partition(":")
    try:
        if colon:
            return float(low), float(high)
    except ValueError:
        pass
    raise UsageError(f"{option} is LOW:HIGH in GeV, found {text!r}")


def parse_regions(texts: list[str] | None) -> dict[str, RegionSpec]:
    """The regions given with `--region`."""
    from hepad.cards.bundle import parse_region

    regions: dict[str, RegionSpec] = {}
    for text in texts or []:
        name, spec = parse_region(text)
        if name in regions:
            raise UsageError(f"--region {name} is given twice")
        regions[name] = spec
    return regions


def parse_cross_sections(texts: list[str] | None) -> list[tuple[str, float]]:
    """The patterns of files and cross sections in pb given with `--cross-section`."""
    from hepad.samples.weighting import parse_cross_section

    return [parse_cross_section(text) for text in texts or []]


def parse_signals(texts: list[str] | None) -> dict[str, list[str]]:
    """The files given with `--signal NAME=FILE`, by name."""
    return parse_samples("--signal", texts, reserved=("background",))


def parse_samples(option: str, texts: list[str] | None, *, reserved: Sequence[str] = ()) -> dict[str, list[str]]:
    """The files given with an option as NAME=FILE, by name; `reserved` names are taken by other samples."""
    samples: dict[str, list[str]] = {}
    for text in texts or []:
        name, equals, file = text.partition("=")
        if not (equals and file and re.fullmatch(NAME, name)) or name in reserved:
            other = f" other than {' or '.join(map(repr, reserved))}" if reserved else ""
            raise UsageError(f"{option} {text!r}: write NAME=FILE, with a NAME of letters, digits and _.+-{other}")
        samples.setdefault(name, []).append(file)
    return samples


def parse_columns(texts: list[str] | None) -> dict[str, str]:
    """The expressions given with `--column NAME=EXPRESSION`, by name."""
    columns: dict[str, str] = {}
    for text in texts or []:
        name, equals, expression = text.partition("=")
        if not (name and equals and expression):
            raise UsageError(f"--column {text!r}: write NAME=EXPRESSION, for instance fatjet1_tau21=j1_tau2/j1_tau1")
        columns[name.strip()] = expression
    return columns


def parse_selections(texts: list[str] | None) -> tuple[str | None, dict[str, str]]:
    """The selection given as CARD, None without, and those given as SAMPLE=CARD by sample."""
    whole: list[str] = []
    of_sample: dict[str, str] = {}
    for text in texts or []:
        name, equals, card = text.partition("=")
        if not equals or Path(text).exists():
            whole.append(text)
        elif not card or not re.fullmatch(NAME, name) or name in of_sample:
            raise UsageError(f"--selection {text!r}: write CARD, or once a sample SAMPLE=CARD")
        else:
            of_sample[name] = card
    if len(whole) > 1:
        raise UsageError(f"--selection {whole[1]!r}: a second one for all samples; write SAMPLE=CARD for one of them")
    return (whole[0] if whole else None), of_sample


def execution(
    workers: int = 1,
    executor: str = "local",
    scheduler: str | None = None,
    skip_bad_files: bool = False,
    force: bool = False,
) -> Execution:
    """How the events are to be worked on, from the options of the command line."""
    from hepad.execution.executor import Execution

    if executor not in ("local", "dask"):
        raise UsageError(f"--executor {executor!r}: choose local or dask")
    kind: Literal["local", "dask"] = "dask" if executor == "dask" else "local"
    return Execution(workers, kind, scheduler, skip_bad_files, force)


def percent(value: float | None, error: float | None) -> str:
    """A cell with a fraction and its error in percent; empty if there is none."""
    return "" if value is None else f"{value:.3%} ± {error:.3%}"


def print_complete(*outputs: Path | None) -> None:
    """Say that the output was there already."""
    from hepad.cli.progress import is_quiet

    are = "are" if len(outputs) > 1 else "is"
    names = " and ".join(map(str, outputs))
    if not is_quiet():
        stderr().print(f"hepad: {names} {are} complete already, nothing was done; --force makes it again")


def print_made(report: Made, show: Callable[[], None], *, json: bool) -> None:
    """What a command that keeps what it finished has made: for people by `show`, or as JSON; then what was left out."""
    if json:
        print_json(report.to_json())
    else:
        show()
    if report.complete_before:
        print_complete(report.output)
    print_skipped(report.skipped)


def print_skipped(skipped: Sequence[Skipped]) -> None:
    """Say which files were left out, and end with the exit code that says so too; nothing if there are none."""
    if not skipped:
        return
    for file in skipped:
        stderr().print(f"hepad: left out: {file.reason}")
    count = "1 file was" if len(skipped) == 1 else f"{len(skipped)} files were"
    stderr().print(f"hepad: {count} left out; the result is of the others")
    raise typer.Exit(SKIPPED_EXIT_CODE)


@contextmanager
def toys_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Count pseudo-experiments, one stage after the other."""
    from hepad.cli.progress import counts

    with counts("toys") as (toys,):
        yield lambda what, done, of: toys.set(done, of, what=what)


@contextmanager
def event_progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Count events while they are worked on."""
    from hepad.cli.progress import counts

    with counts(what) as (events,):
        yield events.add
