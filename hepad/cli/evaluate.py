"""`hepad evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common

if TYPE_CHECKING:
    from hepad.pipeline.evaluate.run import EvaluateReport


_Models = Annotated[
    list[str],
    typer.Option(
        "--model",
        "-m",
        help="A bundled model or a bundle folder, may be repeated; NAME=BUNDLE with one NAME for trainings of one "
        "system, whose mean and spread are given.",
        show_default=False,
    ),
]
_RejectionAt = Annotated[
    list[float] | None,
    typer.Option(
        min=0,
        max=1,
        help="Signal efficiency at which 1/eps_b is quoted, may be repeated; models are compared at the first.",
        show_default="0.3",
    ),
]
_Fpr = Annotated[
    list[float] | None,
    typer.Option(
        min=0,
        max=1,
        help="Background efficiency at which the signal efficiency is quoted, may be repeated.",
        show_default="1e-05",
    ),
]
_MinBackground = Annotated[
    float,
    typer.Option(min=1, help="Least effective background events behind a TPR and a significance improvement."),
]


_Selections = Annotated[
    list[str] | None,
    typer.Option(
        "--selection",
        "-s",
        help="A bundled selection or a card; SAMPLE=CARD, may be repeated, says which events of its files a signal, or "
        "background, has.",
        show_default="the model's",
    ),
]


def evaluate(
    background: Annotated[
        list[str],
        typer.Option("--background", "-b", help="Background files the models have not seen.", show_default=False),
    ],
    signal: Annotated[list[str], typer.Option("--signal", help="NAME=FILE, may be repeated.", show_default=False)],
    model: _Models,
    output: common.ReportFolder,
    selection: _Selections = None,
    cross_section: common.CrossSection = None,
    rejection_at: _RejectionAt = None,
    fpr: _Fpr = None,
    min_background: _MinBackground = 10,
    bootstrap: Annotated[int, typer.Option(min=2, help="Bootstrap replicas.")] = 200,
    aso_subsets: Annotated[
        int, typer.Option(min=0, help="Subsets for the almost-stochastic-order test between models; 0: no test.")
    ] = 1000,
    aso_events: Annotated[int, typer.Option(min=2, help="Events of a subset, half of them signal.")] = 2000,
    seed: common.Seed = 1,
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
    """Measure how well models part signals from background, and compare them: AUC, 1/eps_b, differences, figures.

    Example: hepad evaluate --background examples/data/background.h5 --signal a4l=examples/data/a4l.h5
    --model snn_ae -o report
    """
    from hepad.pipeline.evaluate.run import EvaluateOptions
    from hepad.pipeline.evaluate.run import evaluate as run

    efficiencies = rejection_at or [0.3]
    whole, of_sample = common.parse_selections(selection)
    with common.event_progress("scoring") as on_events:
        options = EvaluateOptions(
            output=output,
            selection=whole,
            selections=of_sample,
            cross_sections=common.parse_cross_sections(cross_section),
            rejection_at=efficiencies[0],
            more_rejections_at=tuple(efficiencies[1:]),
            fpr=tuple(fpr or [1e-5]),
            min_background=min_background,
            aso_subsets=aso_subsets,
            aso_events=aso_events,
            replicas=bootstrap,
            seed=seed,
            simulation=simulated,
            step_size=step_size,
            max_events=max_events,
            execution=common.execution(workers, executor, scheduler, skip_bad_files, force),
            on_events=on_events,
        )
        report = run(background, common.parse_signals(signal), model, options=options)
    common.print_made(report, lambda: _print(report), json=json)


def _print(report: EvaluateReport) -> None:
    from hepad.pipeline.evaluate import report as tables

    if report.complete_before and report.output:
        common.print_lines((report.output / "report.md").read_text(encoding="utf-8"))
        return
    common.print_warnings(report.warnings)
    common.print_table("Models", *tables.formatted_metrics(report), numbers_from=3)
    common.print_table("Working points", *tables.formatted_points(report, brief=True), numbers_from=3)
    if report.systems:
        common.print_table(
            "Mean ± std over trainings (± over events)", *tables.formatted_systems(report), numbers_from=3
        )
    if report.comparisons:
        table = tables.formatted_comparisons(report, brief=True)
        common.print_table("Paired differences a - b; eps_min near 0: a is better", *table, numbers_from=3)
    common.print_table("Fraction of each sample in the regions", *tables.formatted_regions(report), numbers_from=2)
    common.say_wrote(report.output)
