"""`hepad train`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hepad.cli import common
from hepad.cli.progress import counts

if TYPE_CHECKING:
    from hepad.cards.analysis import TrainCard
    from hepad.nn.scorer import EpochEnd
    from hepad.pipeline.train.run import TrainReport

_CARDS = "the model's card"


def train(
    background: common.Files,
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="A bundled analysis ('hepad list analyses') or a card.", show_default=False),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The bundle folder to write.", show_default=False)],
    selection: common.Selection = None,
    seed: common.Seed = 1,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs, at most.", show_default=_CARDS)] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            min=0, help="Stop after so many epochs without a better validation loss; 0: never.", show_default=_CARDS
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Events a step.", show_default=_CARDS)] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of Adam.", show_default=_CARDS)] = None,
    validation_fraction: Annotated[float | None, typer.Option(help="Of the background.", show_default=_CARDS)] = None,
    holdout_fraction: Annotated[
        float | None, typer.Option(help="Of the background, kept to set regions on.", show_default=_CARDS)
    ] = None,
    cross_section: common.CrossSection = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="Files of a signal that a supervised model learns to tell from background; may be repeated.",
            show_default=False,
        ),
    ] = None,
    region: common.Regions = None,
    step_size: common.StepSize = 100_000,
    max_events: common.MaxEvents = None,
    workers: common.Workers = 1,
    executor: common.Executor = "local",
    scheduler: common.Scheduler = None,
    skip_bad_files: common.SkipBadFiles = False,
    force: common.Force = False,
    device: common.Device = "cpu",
    resume: common.Resume = False,
    restart: common.Restart = False,
    json: common.Json = False,
) -> None:
    """Train a model on background and write a bundle.

    Example: hepad train examples/data/background.h5 --model snn_ae --epochs 5 --region loose=efficiency:0.01 -o my_snn
    """
    from hepad.pipeline.train.run import TrainOptions
    from hepad.pipeline.train.run import train as run

    changes = {
        "epochs": epochs,
        "patience": patience,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "validation_fraction": validation_fraction,
        "holdout_fraction": holdout_fraction,
    }
    with _progress() as on_epoch:
        options = TrainOptions(
            output=output,
            selection=selection,
            seed=seed,
            train=_train_card(model, changes),
            regions=common.parse_regions(region) if region else None,
            cross_sections=common.parse_cross_sections(cross_section),
            against=against or (),
            step_size=step_size,
            max_events=max_events,
            execution=common.execution(workers, executor, scheduler, skip_bad_files, force),
            resume=resume,
            restart=restart,
            device=device,
            on_epoch=on_epoch,
        )
        report = run(background, model, options=options)
    common.print_made(report, lambda: _print(report), json=json)


def _train_card(model: str, changes: dict[str, Any]) -> TrainCard:
    """The card's training options with those given on the command line."""
    from hepad.cards.analysis import TrainCard, load_analysis
    from hepad.cards.base import parse_card

    given = {key: value for key, value in changes.items() if value is not None}
    if given.get("patience") == 0:
        given["patience"] = None
    return parse_card(TrainCard, {**load_analysis(model).train.model_dump(), **given}, "training options")


@contextmanager
def _progress() -> Iterator[Callable[[EpochEnd], None]]:
    with counts("epochs") as (epochs,):

        def show(end: EpochEnd) -> None:
            losses = f"loss {end.train_loss:.4g}, validation {end.validation_loss:.4g}"
            epochs.set(end.epoch, end.epochs, note=losses)

        yield show


def _print(report: TrainReport) -> None:
    fit, split = report.fit, report.split
    common.print_cutflow(report.cutflow, "of the background")
    rows = [
        ["events to train, validate, hold out", f"{split['train']}, {split['validation']}, {split['holdout']}"],
        ["epochs (kept)", f"{fit.epochs} ({fit.best_epoch}){', stopped early' if fit.stopped_early else ''}"],
        ["loss, training", f"{fit.train_loss[-1]:.5g}"],
        ["loss, validation", f"{fit.validation_loss[-1]:.5g}"],
    ]
    common.print_table(f"Training of {report.model}", ["", ""], rows)
    regions = [
        [
            name,
            r.score,
            f"{r.threshold:.5g}",
            common.percent(r.efficiency, r.efficiency_error),
        ]
        for name, r in report.regions.items()
    ]
    common.print_table(
        "Regions, on held-out background", ["region", "score", "threshold", "efficiency"], regions, numbers_from=2
    )
    if not report.complete_before:
        common.say_wrote(report.output)
