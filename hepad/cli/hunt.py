"""`hepad hunt`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common
from hepad.cli.hunt_print import print_hunt
from hepad.cli.progress import counts
from hepad.errors import UsageError

if TYPE_CHECKING:
    from hepad.methods.base import Window
    from hepad.pipeline.hunt.options import HuntOptions
    from hepad.pipeline.hunt.plane_report import PlaneReport
    from hepad.pipeline.hunt.replicas import ReplicaReport
    from hepad.pipeline.hunt.report import HuntReport
    from hepad.pipeline.hunt.windows_report import AnalysisReport

_CARDS = "the method's card"


def hunt(
    files: common.Files,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The score file to write, .root or .parquet; of an analysis a folder.",
            show_default=False,
        ),
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            help="A bundled method ('hepad list methods') or a card. With --analysis it may be repeated.",
            show_default="with --analysis, the card's",
        ),
    ] = None,
    analysis: Annotated[
        str | None,
        typer.Option("--analysis", "-a", help="Windows, spectra, methods of a card ('hepad list hunts')."),
    ] = None,
    mass: Annotated[
        str | None,
        typer.Option(
            "--mass",
            help="Objects to sum, jet1+jet2, or a column of a table.",
            show_default="with --analysis, the card's",
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option("--window", help="Where to look for the resonance, LOW:HIGH in GeV.", show_default=False),
    ] = None,
    sidebands: Annotated[
        str | None,
        typer.Option("--sidebands", help="The window and what is around it, LOW:HIGH in GeV.", show_default=False),
    ] = None,
    toys: Annotated[
        int, typer.Option("--toys", min=0, help="Bootstraps of the events for the global p-values of an analysis.")
    ] = 400,
    range_: Annotated[
        str | None,
        typer.Option("--range", help="LOW:HIGH in GeV of the spectra of an analysis.", show_default="the card's bins"),
    ] = None,
    luminosity: Annotated[
        float | None,
        typer.Option("--luminosity", help="In fb-1: limits of an analysis are cross sections.", show_default=False),
    ] = None,
    replicas: Annotated[
        int | None,
        typer.Option("--replicas", min=2, help="Hunt in so many parts of background alone: are p-values uniform?"),
    ] = None,
    share: Annotated[float, typer.Option("--share", help="Of the events, in each replica.")] = 0.2,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="root, parquet, rntuple.", show_default="the output's ending, else root"),
    ] = None,
    selection: Annotated[
        str | None,
        typer.Option("--selection", "-s", help="A bundled selection or a card.", show_default=_CARDS),
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option("--feature", help="A quantity the networks see. May be repeated.", show_default=_CARDS),
    ] = None,
    table: Annotated[
        bool, typer.Option("--table", help="Files are tables of features; --feature and --mass are columns.")
    ] = False,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="NAME=EXPRESSION of columns, for a feature of a card. May be repeated."),
    ] = None,
    background: Annotated[
        list[str] | None,
        typer.Option("--background", help="A file of background, for methods that want some. May be repeated."),
    ] = None,
    signal: Annotated[
        list[str] | None,
        typer.Option(
            "--signal",
            help="NAME=FILE of a signal: for methods that want some, limits, its share in sidebands. Repeatable.",
        ),
    ] = None,
    allow_mass: Annotated[
        bool, typer.Option("--allow-mass", help="Features may hold the mass: they will sculpt its spectrum.")
    ] = False,
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region",
            help="NAME=efficiency:0.01, of the events in the sidebands, or NAME=threshold:X; SCORE@ before the kind "
            "picks another score. May be repeated.",
            show_default=_CARDS,
        ),
    ] = None,
    seed: common.Seed = 1,
    folds: Annotated[int | None, typer.Option(min=3, help="Parts of the data.", show_default=_CARDS)] = None,
    restarts: Annotated[
        int | None, typer.Option(min=1, help="Networks of which the best is kept.", show_default=_CARDS)
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of each network, at most.", show_default=_CARDS)] = None,
    device: common.Device = "cpu",
    step_size: common.StepSize = 100_000,
    max_events: common.MaxEvents = None,
    workers: common.Workers = 1,
    executor: common.Executor = "local",
    scheduler: common.Scheduler = None,
    skip_bad_files: common.SkipBadFiles = False,
    force: common.Force = False,
    resume: common.Resume = False,
    restart: common.Restart = False,
    json: common.Json = False,
) -> None:
    """Tell a window of a mass from its sidebands, on the data themselves, and score every event.

    Example: hepad hunt examples/data/w_lnu.root --method cwola --mass jet1+jet2 --window 150:220 --sidebands 60:400
    --epochs 2 --restarts 1 -o hunt.root
    """
    from hepad.io.tables.scores import check_format
    from hepad.methods.base import Window
    from hepad.pipeline.hunt.options import HuntOptions

    alone = {"--mass": mass, "--window": window, "--sidebands": sidebands}
    lacking = [name for name, value in alone.items() if value is None]
    if analysis is None and (lacking or len(method or ()) != 1 or replicas is not None):
        raise UsageError(
            f"give --analysis, or one --method with --mass, --window and --sidebands (missing: "
            f"{', '.join(lacking) or 'one --method'})"
        )
    with counts("events", "trainings", "fits") as (events, trainings, fits):
        options = HuntOptions(
            mass=mass or "",
            window=_window(window, sidebands) if window and sidebands else Window(1, 2, (0, 3)),
            output=output,
            format="root" if analysis else check_format(format_, output),
            selection=selection,
            features=tuple(feature or ()),
            table=table,
            columns=common.parse_columns(column),
            background=tuple(background or ()),
            signals=common.parse_signals(signal),
            allow_mass=allow_mass,
            regions=common.parse_regions(region),
            seed=seed,
            folds=folds,
            restarts=restarts,
            epochs=epochs,
            step_size=step_size,
            max_events=max_events,
            device=device,
            resume=resume,
            restart=restart,
            execution=common.execution(workers, executor, scheduler, skip_bad_files, force),
            on_events=events.add,
            on_training=trainings.set,
            on_fit=fits.set,
        )
        report: HuntReport | AnalysisReport | PlaneReport | ReplicaReport
        if replicas is None:
            report = _run(files, analysis, method or [], options, (toys, range_, luminosity))
        else:
            report = _replicas(files, analysis, method or [], options, (replicas, share, range_))
    common.print_made(report, lambda: print_hunt(report), json=json)


def _run(
    files: list[str],
    analysis: str | None,
    methods: list[str],
    options: HuntOptions,
    fit: tuple[int, str | None, float | None],
) -> HuntReport | AnalysisReport | PlaneReport:
    if analysis is None:
        from hepad.pipeline.hunt.run import hunt as run

        return run(files, methods[0], options=options)
    from hepad.cards.plane import PlaneCard, load_any_hunt

    toys, text, luminosity = fit
    card = load_any_hunt(analysis).within(None if text is None else common.parse_pair("--range", text))
    if isinstance(card, PlaneCard):
        from hepad.pipeline.hunt.plane import hunt_plane

        _check_plane(card.name, options)
        return hunt_plane(files, card, methods, options=options, toys=toys, luminosity=luminosity)
    from hepad.pipeline.hunt.windows import hunt_analysis

    return hunt_analysis(files, card, methods, options=options, toys=toys, luminosity=luminosity)


def _replicas(
    files: list[str],
    analysis: str | None,
    methods: list[str],
    options: HuntOptions,
    asked: tuple[int, float, str | None],
) -> ReplicaReport:
    from hepad.cards.hunt import load_hunt
    from hepad.pipeline.hunt.replicas import hunt_replicas

    replicas, share, text = asked
    card = load_hunt(analysis or "").within(None if text is None else common.parse_pair("--range", text))
    return hunt_replicas(files, card, methods, options=options, replicas=replicas, share=share)


def _check_plane(name: str, options: HuntOptions) -> None:
    """Refuse what has no effect in a plane, where nothing is trained."""
    given = {
        "--feature": options.features,
        "--background": options.background,
        "--folds": options.folds is not None,
        "--restarts": options.restarts is not None,
        "--epochs": options.epochs is not None,
        "--allow-mass": options.allow_mass,
    }
    if without := [option for option, value in given.items() if value]:
        raise UsageError(f"{without[0]} has no effect in {name}, where nothing is trained; --method picks regions")


def _window(window: str, sidebands: str) -> Window:
    from hepad.methods.base import Window

    low, high = common.parse_pair("--window", window)
    return Window(low, high, common.parse_pair("--sidebands", sidebands))
