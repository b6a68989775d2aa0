"""`hepad jets`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hepad.cli import common
from hepad.errors import UsageError

if TYPE_CHECKING:
    from hepad.pipeline.jets.events import EventScoresReport
    from hepad.pipeline.jets.run import JetFormat, JetsReport
    from hepad.pipeline.jets.table import TableReport


def jets(
    files: common.Files,
    output: Annotated[Path, typer.Option("--output", "-o", help="The ROOT file to write.", show_default=False)],
    radius: Annotated[float, typer.Option("--radius", "-R", help="Of the jets.")] = 0.8,
    algorithm: Annotated[
        Literal["anti-kt", "cambridge-aachen", "kt"],
        typer.Option("--algorithm", help="anti-kt, cambridge-aachen or kt."),
    ] = "anti-kt",
    min_pt: Annotated[float, typer.Option("--min-pt", help="Least pT of a jet, GeV.")] = 200.0,
    max_eta: Annotated[float, typer.Option("--max-eta", help="Bound of |eta| of a jet.")] = 2.5,
    leading: Annotated[int, typer.Option("--leading", min=0, help="Jets an event at most, by pT; 0 takes all.")] = 2,
    soft_drop: Annotated[
        str, typer.Option("--soft-drop", metavar="ZCUT:BETA", help="ZCUT:BETA of the groomed mass; R0 is the radius.")
    ] = "0.1:0",
    scores: Annotated[
        Path | None,
        typer.Option(
            "--scores", help="Scores of the jets in FILES: write those of their events; with --table, columns."
        ),
    ] = None,
    event_score: Annotated[
        Literal["min", "max"],
        typer.Option("--event-score", help="With --scores: min or max of the jets of an event."),
    ] = "min",
    table: Annotated[
        bool,
        typer.Option("--table", help="Of FILES, a file of jets: write a table with --leading jets of an event a row."),
    ] = False,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="root or rntuple; parquet too with --scores.", show_default="root"),
    ] = None,
    step_size: common.StepSize = 100_000,
    max_events: common.MaxEvents = None,
    workers: common.Workers = 1,
    executor: common.Executor = "local",
    scheduler: common.Scheduler = None,
    skip_bad_files: common.SkipBadFiles = False,
    force: common.Force = False,
    json: common.Json = False,
) -> None:
    """Make jets of the particles of events, one entry a jet, as all other commands read them.

    With --scores, the scores of jets become those of their events: hepad jets jets.root --scores scores.root
    -o events.root

    With --table, their numbers stand side by side, to be hunted in, scores too if there are --scores:
    hepad jets jets.root --table -o dijets.parquet

    Example: hepad jets events_anomalydetection.h5 --radius 1.0 --min-pt 500 --leading 2 -o jets.root
    """
    if table:
        _tabulate(files, output, leading, scores, json)
        return
    if scores is not None:
        _combine(files, scores, output, event_score, format_, json)
        return
    from hepad.pipeline.jets.run import JetsOptions, make_jets

    with common.event_progress("clustering") as on_events:
        options = JetsOptions(
            radius=radius,
            algorithm=algorithm,
            min_pt=min_pt,
            max_eta=max_eta,
            leading=leading or None,
            soft_drop=_pair(soft_drop),
            format=_format(format_),
            step_size=step_size,
            max_events=max_events,
            execution=common.execution(workers, executor, scheduler, skip_bad_files, force),
            on_events=on_events,
        )
        report = make_jets(files, output, options=options)
    common.print_made(report, lambda: _print(report), json=json)


def _combine(
    files: list[str], scores: Path, output: Path, how: Literal["min", "max"], kind: str | None, json: bool
) -> None:
    from hepad.pipeline.jets.events import combine_scores

    if len(files) != 1:
        raise UsageError("--scores takes one file of jets, that was scored")
    report: EventScoresReport = combine_scores(Path(files[0]), scores, output, how=how, kind=kind)
    _print_events(report, f"{report.scored} with scored jets", json=json)


def _tabulate(files: list[str], output: Path, leading: int, scores: Path | None, json: bool) -> None:
    from hepad.pipeline.jets.table import tabulate_jets

    if len(files) != 1:
        raise UsageError("--table takes one file of jets, as 'hepad jets' writes it")
    report: TableReport = tabulate_jets(Path(files[0]), output, leading=leading, scores=scores)
    _print_events(report, f"{report.rows} with {leading} jets, {len(report.columns)} columns", json=json)


def _print_events(report: EventScoresReport | TableReport, found: str, *, json: bool) -> None:
    if json:
        common.print_json(report.to_json())
    else:
        common.stdout().print(f"{report.events} events, {found}")
        common.say_wrote(report.output)


def _format(text: str | None) -> JetFormat:
    if text not in (None, "root", "rntuple"):
        raise UsageError(f"--format {text!r}: jets are written as root or rntuple")
    return "rntuple" if text == "rntuple" else "root"


def _pair(text: str) -> tuple[float, float]:
    try:
        z_cut, beta = map(float, text.split(":"))
    except ValueError as error:
        raise UsageError(f"--soft-drop {text!r}: write ZCUT:BETA, for instance 0.1:0") from error
    return z_cut, beta


def _print(report: JetsReport) -> None:
    print_line = common.stdout().print
    print_line(f"{report.events} events, {report.with_jets} with jets, {report.jets} jets")
    if not report.complete_before:
        common.say_wrote(report.output)
