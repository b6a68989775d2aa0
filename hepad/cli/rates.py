"""`hepad rates`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common
from hepad.errors import UsageError

if TYPE_CHECKING:
    from hepad.pipeline.rates.report import RatesReport

_Models = Annotated[
    list[str],
    typer.Option("--model", "-m", help="A bundled model or a bundle folder, may be repeated.", show_default=False),
]
_Rates = Annotated[
    list[float] | None,
    typer.Option("--rate", help="Working point in kHz, may be repeated.", show_default="1, 3, 5, 10"),
]
_Thresholds = Annotated[
    list[str] | None,
    typer.Option("--threshold", help="MODEL=X: a threshold given by hand, one more working point.", show_default=False),
]


def rates(
    files: common.Files,
    model: _Models,
    output: common.ReportFolder,
    test: Annotated[
        list[str] | None,
        typer.Option("--test", help="Other zero bias to measure the rates on, may be repeated.", show_default="FILES"),
    ] = None,
    signal: Annotated[
        list[str] | None, typer.Option("--signal", help="NAME=FILE, may be repeated.", show_default=False)
    ] = None,
    menu: Annotated[
        str | None, typer.Option("--menu", help="A bundled menu ('hepad list menus') or a card.", show_default=False)
    ] = None,
    rate: _Rates = None,
    threshold: _Thresholds = None,
    pure: Annotated[
        bool, typer.Option("--pure", help="Working points are rates of crossings that no unprescaled seed accepts.")
    ] = False,
    bunches: Annotated[
        int | None,
        typer.Option(min=1, max=3564, help="Colliding bunches, each 11.2456 kHz.", show_default="2544"),
    ] = None,
    input_rate: Annotated[
        float | None,
        typer.Option(
            "--input-rate",
            help="What the events are drawn from, in kHz: of the level-1 trigger, for a high-level one.",
            show_default="all crossings",
        ),
    ] = None,
    beside: Annotated[
        str | None,
        typer.Option(
            "--beside",
            help="A trigger, one of the models or one more, that the others are held beside at exactly equal rate: "
            "what each keeps of signals and adds to the other.",
            show_default=False,
        ),
    ] = None,
    selection: common.Selection = None,
    every_crossing: Annotated[
        bool, typer.Option("--every-crossing", help="Leave out what the models' selections require of events.")
    ] = False,
    simulated: common.Simulated = True,
    step_size: common.StepSize = 100_000,
    max_events: common.MaxEvents = None,
    workers: common.Workers = 1,
    executor: common.Executor = "local",
    scheduler: common.Scheduler = None,
    skip_bad_files: common.SkipBadFiles = False,
    force: common.Force = False,
    json: common.Json = False,
) -> None:
    """Set thresholds of anomaly triggers on zero bias: rates, overlaps, and what they add to a menu.

    Example: hepad rates examples/data/w_lnu.root --model gelato_l1 --rate 100 -o rates
    """
    from hepad.pipeline.rates.options import RATES_KHZ, RatesOptions
    from hepad.pipeline.rates.run import rates as run
    from hepad.trigger.rates import BUNCHES

    if bunches is not None and input_rate is not None:
        raise UsageError("--bunches has no effect with --input-rate, which says where events come from: leave one out")
    with common.event_progress("scoring") as on_events:
        options = RatesOptions(
            output=output,
            menu=menu,
            rates_khz=tuple(rate) if rate else () if threshold else RATES_KHZ,
            thresholds=_thresholds(threshold),
            pure=pure,
            bunches=BUNCHES if bunches is None else bunches,
            input_khz=input_rate,
            beside=beside,
            selection=selection,
            every_crossing=every_crossing,
            simulation=simulated,
            step_size=step_size,
            max_events=max_events,
            execution=common.execution(workers, executor, scheduler, skip_bad_files, force),
            on_events=on_events,
        )
        report = run(files, model, signals=common.parse_signals(signal), test=test or [], options=options)
    common.print_made(report, lambda: _print(report), json=json)


def _thresholds(texts: list[str] | None) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in texts or []:
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not name or value != value or name in found:  # noqa: PLR0124  NaN
            raise UsageError(f"--threshold {text!r}: write MODEL=X with a number X, once a model")
        found[name] = value
    return found


def _print(report: RatesReport) -> None:
    from hepad.pipeline.rates import output as tables

    if report.complete_before and report.output:
        common.print_lines((report.output / "report.md").read_text(encoding="utf-8"))
        return
    common.print_notes(report.remarks)
    common.show(f"Working points; {report.events_come}", tables.points_table(report))
    common.show(f"Rates in {', '.join(report.measured.files)} [kHz]", tables.triggers_table(report.measured))
    if report.measured.seeds:
        common.show(
            f"Menu {report.menu}: seeds that accept anything [kHz]", tables.seeds_table(report.measured, brief=True)
        )
    if report.signals:
        what = "Signals [% of all events]" + (", and what is added to the menu" if report.menu else "")
        common.show(what, tables.signals_table(report, brief=True))
    if report.beside_signals:
        title = f"Beside {report.beside[0].beside} at equal rate, and together at that rate [% of all events]"
        common.show(title, tables.beside_table(report, brief=True))
    common.stdout().print("* rests on fewer than 10 events; brackets are 68 % intervals")
    common.say_wrote(report.output)
