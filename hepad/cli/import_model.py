"""`hepad import-model`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common

if TYPE_CHECKING:
    from hepad.pipeline.import_model.run import ImportReport


def import_model(
    file: Annotated[
        Path,
        typer.Argument(
            help="The network: a file of ONNX or Keras, a TensorFlow SavedModel, a .npz of weights, or C++ headers.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The bundle folder to write.", show_default=False)],
    card: Annotated[
        str | None,
        typer.Option(help="The card of a network, model: {name: onnx}, or of weights.", show_default=False),
    ] = None,
    analysis: Annotated[
        str | None,
        typer.Option("--analysis", "-a", help="The search whose authors' network it is.", show_default=False),
    ] = None,
    vectors: Annotated[
        Path | None,
        typer.Option(
            help="A .npz with x, inputs of the network, and y, its output, or score.", show_default="unchecked"
        ),
    ] = None,
    tolerance: Annotated[float, typer.Option(min=0, help="Largest relative difference from the vectors.")] = 1e-5,
    scale: Annotated[
        Path | None, typer.Option(help="A .npz with the card's input scale: gain, offset.", show_default=False)
    ] = None,
    background: Annotated[
        list[str] | None,
        typer.Option("--background", help="Events to set regions on. May be repeated.", show_default=False),
    ] = None,
    cross_section: common.CrossSection = None,
    selection: common.Selection = None,
    region: common.Regions = None,
    step_size: common.StepSize = 100_000,
    max_events: common.MaxEvents = None,
    json: common.Json = False,
) -> None:
    """Make a bundle of a network that was trained elsewhere.

    Example: hepad import-model model.onnx --card card.yaml --vectors vectors.npz -o my_bundle

    Of Keras or TensorFlow: hepad import-model autoencoder.keras --card card.yaml -o my_bundle

    A search with its authors' network: hepad import-model FOLDER --analysis atlas_2023_ad_two_body -o mine

    Of the weights of a model of hepad's: hepad import-model weights.npz --card double_ae --background sm.h5 -o ae

    Of a checkout of a trigger's library: hepad import-model AXOL1TL/AXOL1TL_v5 -o axol1tl_v5
    """
    from hepad.pipeline.import_model.run import ImportOptions
    from hepad.pipeline.import_model.run import import_model as run

    options = ImportOptions(
        output=output,
        analysis=analysis,
        vectors=vectors,
        tolerance=tolerance,
        scale=scale,
        background=tuple(background or ()),
        selection=selection,
        regions=common.parse_regions(region) if region else None,
        cross_sections=common.parse_cross_sections(cross_section),
        step_size=step_size,
        max_events=max_events,
    )
    report = run(file, card, options=options)
    if json:
        common.print_json(report.to_json())
    else:
        _print(report)


def _print(report: ImportReport) -> None:
    imported = report.imported
    out = common.stdout()
    if report.cutflow is not None:
        common.print_cutflow(report.cutflow, "of the background")
    if imported.opset is not None:
        what = f"opset {imported.opset}, operators {', '.join(imported.operators)}"
    else:
        what = f"layers {', '.join(imported.operators)}" if imported.operators else "weights"
    out.print(f"{report.model}: {imported.file}, {what}")
    rows = [[c.quantity, f"{c.compared}", f"{c.largest_difference:.3g}", f"{c.tolerance:g}"] for c in imported.parity]
    if rows:
        common.print_table("Against the author's numbers", ["", "compared", "largest difference", "tolerance"], rows)
    else:
        out.print("parity was NOT checked: no --vectors were given, so nobody knows that the scores are the author's")
    regions = [
        [name, r.score, f"{r.threshold:.5g}", "" if r.efficiency is None else f"{r.efficiency:.3%}"]
        for name, r in report.regions.items()
    ]
    if regions:
        common.print_table("Regions", ["region", "score", "threshold", "efficiency"], regions, numbers_from=2)
    if report.analysis is not None:
        out.print(
            f"{report.analysis} with this network, fidelity {report.fidelity}: "
            f"hepad reinterpret SIGNAL --analysis {report.output}"
        )
    common.say_wrote(report.output)
