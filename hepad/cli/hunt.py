"""`hepad hunt`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common
from hepad.cli.progress import counts
from hepad.errors import UsageError

if TYPE_CHECKING:
    from hepad.methods.base import Window
    from hepad.output.document import Table
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
    common.print_made(report, lambda: _print_any(report), json=json)


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


def _print_plane(report: PlaneReport) -> None:
    from hepad.pipeline.hunt.plane_output import plane_answers, plane_signals

    tables = {f"{report.analysis} in {report.mass}": plane_answers(report)}
    if report.signals:
        tables["Limits on the signals"] = plane_signals(report)
    for title, table in tables.items():
        common.print_table(title, table.header, table.rows)
    if report.trials.whole is not None:
        common.print_lines(f"global p of everything: {report.trials.whole.global_p:.3g}")
    _print_end(report)


def _print_end(report: AnalysisReport | PlaneReport | ReplicaReport) -> None:
    """What was left out, and where the rest is."""
    for what, why in report.left_out.items():
        common.print_lines(f"left out: {what}: {why}")
    if not report.complete_before:
        common.stdout().print(f"wrote {report.output}")


def _print_replicas(report: ReplicaReport) -> None:
    rows = [
        [
            row.method,
            f"{row.set} {row.low:g}:{row.high:g}",
            f"{len(row.z)}",
            f"{row.mean_z:.2f} ± {row.mean_z_error:.2f}",
            f"{row.rms_z:.2f}",
            f"{row.kolmogorov_p:.2g}",
            f"{row.selected_excess:.2f}",
            f"{row.sculpts}",
        ]
        for row in report.rows
    ]
    title = f"{report.replicas} replicas of {report.share:.0%} of {report.events} events: local Z in {report.mass}"
    header = ["method", "window", "fits", "mean", "rms", "Kolmogorov p", "selected over sidebands", "sculpts in"]
    common.print_table(title, header, rows)
    of_methods = [
        [name, *(f"{found[key]:.3g}" for key in ("p_values", "mean", "below_0.01", "below_0.05", "kolmogorov_p"))]
        for name, found in report.methods.items()
    ]
    header = ["method", "p-values", "mean", "below 0.01", "below 0.05", "Kolmogorov p"]
    common.print_table("Local p-values of all windows", header, of_methods)
    _print_end(report)


def _print_any(report: HuntReport | AnalysisReport | PlaneReport | ReplicaReport) -> None:
    from hepad.pipeline.hunt.plane_report import PlaneReport
    from hepad.pipeline.hunt.report import HuntReport
    from hepad.pipeline.hunt.windows_honesty import remarks
    from hepad.pipeline.hunt.windows_report import AnalysisReport

    if isinstance(report, HuntReport):
        _print(report)
        return
    if isinstance(report, PlaneReport):
        _print_plane(report)
        return
    if not isinstance(report, AnalysisReport):
        _print_replicas(report)
        return
    rows = [
        [
            result.method,
            f"{result.set} {result.low:g}:{result.high:g}",
            f"{result.selected}",
            f"{result.observed:g}",
            f"{result.expected_in_window:.4g} ± {result.error:.2g}",
            f"{result.z:.2f}",
            f"{result.local_p:.3g}",
            result.function,
        ]
        for result in report.results
    ]
    header = ["method", "window", "selected", "in it", "expected", "local Z", "local p", "function"]
    common.print_table(f"{report.analysis} in {report.mass}", header, rows)
    for title, table in _tables(report):
        common.print_table(title, table.header, table.rows)
    if report.overall is not None:
        common.print_lines(f"global p of everything: {report.overall.global_p:.3g}")
    for remark in remarks(report):
        common.print_lines(remark)
    _print_end(report)


def _tables(report: AnalysisReport) -> Iterator[tuple[str, Table]]:
    from hepad.pipeline.hunt.windows_honesty import dependence_table
    from hepad.pipeline.hunt.windows_page import answers, signal_table

    yield "The largest excess at a mass, and in a window", answers(report)
    yield "Scores and selections against the mass, in sidebands", dependence_table(report)
    if any(row.responsible for row in report.signals):
        yield "Limits on the signals", signal_table(report)


def _window(window: str, sidebands: str) -> Window:
    from hepad.methods.base import Window

    low, high = common.parse_pair("--window", window)
    return Window(low, high, common.parse_pair("--sidebands", sidebands))


def _print(report: HuntReport) -> None:
    common.print_cutflow(report.cutflow, report.selection)
    common.print_table(
        f"Events by {report.mass}", ["part", "events"], [[what, f"{n}"] for what, n in report.events.items()]
    )
    kept = [network for network in report.networks if network.kept]
    losses = [network.loss for network in kept]
    if losses:
        chance = f", {LOSS_OF_CHANCE:.4f} is chance" if "log_odds" in report.scores else ""  # of classifiers
        common.stdout().print(
            f"{len(report.networks)} networks in {report.folds} folds, {len(kept)} kept; validation loss "
            f"{min(losses):.4f} to {max(losses):.4f}{chance}"
        )
    rows = [
        [
            name,
            f"{r.threshold:.5g}",
            common.percent(r.efficiency, r.efficiency_error),
            *(f"{r.events[part]}" for part in r.events),
            f"{r.expected:.5g}",
        ]
        for name, r in report.regions.items()
    ]
    parts = list(next(iter(report.regions.values())).events) if rows else []
    header = ["region", "threshold", "of the sidebands", *parts, "window, by the sidebands"]
    if rows:
        common.print_table("Regions", header, rows)
    _print_honesty(report)
    if not report.complete_before:
        common.stdout().print(f"wrote {report.output}")


def _print_honesty(report: HuntReport) -> None:
    """How the score depends on the mass, and how much of a signal is in the sidebands."""
    own = report.dependence
    common.print_lines(
        f"score and mass of {own.events} events of the sidebands: distance correlation {own.distance_correlation:.3f}, "
        f"p = {own.p:.2g} by {own.permutations} permutations{': it follows the mass' if own.follows else ''}"
    )
    for name, region in report.regions.items():
        if region.dependence.sculpts:
            common.print_lines(f"warning: region {name}: {region.dependence.remark}")
    for name, spill in report.spills.items():
        common.print_lines(f"signal {name}: {spill.remark}")
    if not report.spills:
        common.print_lines(
            "how much of a signal is in the sidebands is not known: --signal NAME=FILE of a simulated one tells"
        )


LOSS_OF_CHANCE = 0.6931
"""ln 2: the cross entropy of a network that sees no difference."""
